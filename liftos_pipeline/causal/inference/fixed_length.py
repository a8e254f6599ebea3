"""Fixed-length confidence intervals of linear estimators whose bias is bounded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

N_BETWEEN = 64
"""Estimators tried between two corners of the frontier."""
_FAR = 10.0


@dataclass(frozen=True, eq=False)
class Frontier:
    """Estimators of least variance for each worst bias.

    Attributes
    ----------
    loadings : ndarray, shape (n, m)
        One estimator per row, from least bias to least variance.
    std_errors : ndarray, shape (n,)
        In outcome units.
    bias_factors : ndarray, shape (n,)
        Worst bias per unit of the bound, ``sum |loadings|``.
    """

    loadings: Floats
    std_errors: Floats
    bias_factors: Floats


def bias_variance_frontier(fixed: Floats, free: NDArray[np.bool_], covariance: Floats) -> Frontier:
    """Trade bias for variance by the free loadings of an estimator.

    With loadings c the variance is ``c' covariance c`` and the bias at most a bound times ``sum |c|``. Least variance
    for each bias is a lasso path: linear between its corners, which are exact.

    Parameters
    ----------
    fixed : ndarray, shape (m,)
        Loadings that the estimand prescribes, zero where free.
    free : ndarray of bool, shape (m,)
    covariance : ndarray, shape (m, m)

    References
    ----------
    Efron, Hastie, Johnstone and Tibshirani (2004), Annals of Statistics 32(2), section 3.1.
    """
    corners = _corners(fixed, free, covariance)
    share = np.linspace(0.0, 1.0, N_BETWEEN, endpoint=False)[None, :, None]
    between = corners[:-1, None] + share * np.diff(corners, axis=0)[:, None]
    loadings = np.concatenate([between.reshape(-1, len(fixed)), corners[-1:]])
    variances = np.sum(loadings @ covariance * loadings, axis=1)
    return Frontier(loadings, np.sqrt(variances), np.abs(loadings).sum(axis=1))


def shortest_interval(frontier: Frontier, values: Floats, bias_bound: float, level: float) -> tuple[float, float]:
    """Shortest fixed-length interval over the frontier's estimators.

    Half its length is the quantile of the absolute error of a normal estimator with the worst bias.

    Parameters
    ----------
    values : ndarray, shape (m,)
        What the loadings are applied to.
    bias_bound : float
        Worst bias per unit of absolute loading, in outcome units.

    References
    ----------
    Armstrong and Kolesar (2018), Econometrica 86(2). Rambachan and Roth (2023), Review of Economic Studies 90(5),
    section 4.1.
    """
    biases = bias_bound * frontier.bias_factors
    half_lengths = frontier.std_errors * folded_quantile(level, biases / frontier.std_errors)
    best = int(np.argmin(half_lengths))
    centre = float(frontier.loadings[best] @ values)
    return centre - float(half_lengths[best]), centre + float(half_lengths[best])


def folded_quantile(level: float, bias: Floats) -> Floats:
    """Quantile of the absolute value of normal variables with means ``bias`` and variance one."""
    from scipy import special

    far = bias > _FAR
    near = np.sqrt(special.chndtrix(level, 1.0, np.where(far, 0.0, bias) ** 2))
    quantile: Floats = np.where(far, bias + special.ndtri(level), near)
    return quantile


def _corners(fixed: Floats, free: NDArray[np.bool_], covariance: Floats) -> Floats:
    from sklearn.linear_model import lars_path_gram

    if not free.any():
        return fixed[None]
    gram = covariance[np.ix_(free, free)]
    pull = -covariance[free] @ fixed
    unit = float(np.max(np.abs(pull))) or 1.0
    _, _, path = lars_path_gram(Xy=pull / unit, Gram=gram / unit, n_samples=1, method="lasso", alpha_min=0.0)
    corners = np.repeat(fixed[None], path.shape[1], axis=0)
    corners[:, free] = path.T
    return corners
