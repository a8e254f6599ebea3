"""Normal equations that may be singular: generalised inverses, and which coefficients they identify."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

RANK_TOLERANCE = 1e-10
"""Eigenvalue of a cross-product matrix whose whole has a unit diagonal below which a direction is missing."""


@dataclass(frozen=True, eq=False)
class ClusterFit:
    """What inference with few clusters needs of one coefficient of a regression, whatever computed it.

    ``h`` is the part of the coefficient's column that no other column explains, over its sum of squares, so that
    ``h'y`` is the estimate; ``u`` are the residuals; ``X_g``, ``h_g``, ``u_g`` the rows of cluster g.

    Attributes
    ----------
    estimate : float
    without : ndarray, shape (G,)
        The estimate with each cluster left out.
    identified : ndarray of bool, shape (G,)
        Whether the other clusters identify it.
    is_exact : bool
        Whether residuals are rounding.
    own : ndarray, shape (G,)
        ``h_g'u_g``: influence of each cluster, in outcome units.
    share : ndarray, shape (G,)
        ``h_g'h_g / h'h``.
    own_explained, share_explained : ndarray, shape (G, G)
        ``u_g'X_g (X'X)^+ X_l'h_l`` and ``h_g'X_g (X'X)^+ X_l'h_l / h'h``.
    """

    estimate: float
    without: Floats
    identified: Booleans
    is_exact: bool
    own: Floats
    share: Floats
    own_explained: Floats
    share_explained: Floats

    @property
    def n_clusters(self) -> int:
        return len(self.own)


def unit_diagonal(total: Floats) -> Floats:
    """Factors, shape (k,), that give cross-products (k, k) a unit diagonal."""
    diagonal = np.diagonal(total)
    return np.where(diagonal > 0, 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0)), 1.0)


def generalised_inverses(matrices: Floats, scale: Floats) -> tuple[Floats, Booleans]:
    """Generalised inverses (m, k, k) of cross-products in common units, and which coefficients (m, k) they identify.

    A coefficient is identified where its unit vector lies in the space that the columns span.

    Parameters
    ----------
    matrices : ndarray, shape (m, k, k)
    scale : ndarray, shape (k,)
        :func:`unit_diagonal` of the whole that the matrices are parts of.
    """
    values, vectors = np.linalg.eigh(matrices * scale * scale[:, None])
    present = values > RANK_TOLERANCE * np.maximum(values[:, -1:], 1.0)
    inverse_values = np.where(present, 1.0 / np.where(present, values, 1.0), 0.0)
    inverses = (vectors * inverse_values[:, None, :]) @ np.swapaxes(vectors, 1, 2)
    share = np.sum(np.where(present[:, None, :], vectors**2, 0.0), axis=2)
    return inverses * scale * scale[:, None], share > 1.0 - math.sqrt(RANK_TOLERANCE)
