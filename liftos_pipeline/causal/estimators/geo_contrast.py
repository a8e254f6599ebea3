"""Series that geo tests compare: each region's logarithm less a weighted mean of the other donors'. Fits no effect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.inference.covariance import ROUNDING

Floats = NDArray[np.float64]

MAX_PASSES = 20
SMALLEST_VARIANCE = 1e-6
"""Of a donor's noise beside the mean of all: keeps copies of the mean from taking all the weight."""
SHRINKAGE_PERIODS = 10.0
"""Periods that the mean noise of all donors counts in the noise of each."""
MOST_FACTORS = 2
TRACY_WIDOM = 0.98
"""Its 95 % quantile."""


@dataclass(frozen=True, eq=False)
class Contrasts:
    """What donors do not share.

    Attributes
    ----------
    series : ndarray, shape (T, 1 + n)
        The treated total's logarithm less the weighted donors'; then each donor's less the other donors'. Donors that
        are the mean of the others, without noise, are left out.
    mean : ndarray, shape (T,)
        Weighted donors.
    weights : ndarray, shape (J,)
    """

    series: Floats
    mean: Floats
    weights: Floats

    @property
    def n_independent(self) -> float:
        """Series that the donors' are worth: their weighted mean is in all."""
        return float(max(self.series.shape[1] - 2, 0))


def contrasts(treated: Floats, donors: Floats) -> Contrasts:
    """Contrasts of logarithms.

    Parameters
    ----------
    treated : ndarray, shape (T,)
    donors : ndarray, shape (T, J)
    """
    weights = precision_weights(donors)
    mean = donors @ weights
    left = (donors - mean[:, None]) / (1.0 - weights)
    is_noisy = np.ptp(left, axis=0) > ROUNDING * np.abs(donors).max()
    return Contrasts(np.column_stack([treated - mean, left[:, is_noisy]]), mean, weights)


def precision_weights(logs: Floats) -> Floats:
    """Weights of donors by the inverse variance of what they do beside the weighted mean, adding to one.

    Parameters
    ----------
    logs : ndarray, shape (T, J)
    """
    n_periods, n_donors = logs.shape
    apart = logs - logs.mean(axis=1, keepdims=True)
    apart -= apart.mean(axis=0)
    products = apart.T @ apart / n_periods
    weights = np.full(n_donors, 1.0 / n_donors)
    for _ in range(MAX_PASSES):
        shared = products @ weights
        # A donor's own weight in the mean makes its distance from it too small: by (1 - w) if noises are independent.
        own = (np.diag(products) - 2.0 * shared + weights @ shared) / np.maximum(1.0 - weights, 0.5)
        if not own.max() > (ROUNDING * np.max(np.abs(logs))) ** 2:
            return np.full(n_donors, 1.0 / n_donors)
        own = (n_periods * own + SHRINKAGE_PERIODS * own.mean()) / (n_periods + SHRINKAGE_PERIODS)
        found = 1.0 / np.maximum(own, SMALLEST_VARIANCE * own.mean())
        found /= found.sum()
        if np.max(np.abs(found - weights)) < 1e-10:
            break
        weights = found
    return weights


def count_factors(donors: Floats) -> int:
    """Number of factors that donors share beyond their weighted mean, at most ``MOST_FACTORS``.

    First-order innovations about a line in time are scaled to the same variance; a factor is an eigenvalue of their
    products above the 95 % quantile of the largest one of independent series.

    Parameters
    ----------
    donors : ndarray, shape (T, n)

    References
    ----------
    Johnstone (2001), Annals of Statistics 29(2), theorem 1.1.
    """
    centred = _about_lines(donors)
    n_periods, n_series = len(donors) - 1, donors.shape[1]
    if n_series <= MOST_FACTORS + 1 or n_periods <= n_series:
        return 0
    lagged, own = np.sum(centred[1:] * centred[:-1], axis=0), np.sum(centred**2, axis=0)
    innovations = centred[1:] - (lagged / own) * centred[:-1]
    values = np.linalg.svd(innovations / innovations.std(axis=0), compute_uv=False) ** 2
    for found in range(MOST_FACTORS):
        root_n, root_p = np.sqrt(n_periods - 1 - found), np.sqrt(n_series - found)
        centre = (root_n + root_p) ** 2
        width = (root_n + root_p) * (1 / root_n + 1 / root_p) ** (1 / 3)
        noise = values[found:].sum() / ((n_periods - found) * (n_series - found))
        if values[found] < noise * (centre + TRACY_WIDOM * width):
            return found
    return MOST_FACTORS


def leading_factors(donors: Floats, n_factors: int) -> Floats:
    """Leading principal components in time of donors about lines in time, scaled to the same variance.

    Returns
    -------
    ndarray, shape (T, n_factors)
        Of unit variance.
    """
    centred = _about_lines(donors)
    left = np.linalg.svd(centred / centred.std(axis=0), full_matrices=False)[0]
    factors: Floats = left[:, :n_factors] * np.sqrt(len(donors))
    return factors


def _about_lines(series: Floats) -> Floats:
    time = np.arange(len(series)) - 0.5 * (len(series) - 1)
    centred = series - series.mean(axis=0)
    left: Floats = centred - np.outer(time, time @ centred / (time @ time))
    return left
