"""What serial correlation of weekly residuals does to the variance of a trend, in short series. Arrays in and out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

UPPER_THIRD = 0.385
LARGEST_CORRELATION = 0.9


def trend_inflation(
    left: Floats, spread: Floats, influence: Floats, present: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Autocorrelation of the residuals of a trend, and the factor that it puts on the trend's variance.

    The autocorrelation of residuals of a fitted trend is too small by (2 + 4 rho) / G. It is corrected for that, and
    the value that it exceeds with a chance of .35 is used: with the middle one, tests reject
    too often in a year of weeks.

    Parameters
    ----------
    left : ndarray, shape (n, G)
        Residuals.
    spread : ndarray, shape (n, G)
        Their standard deviations, positive where present.
    influence : ndarray, shape (n, G)
        Of each week's error on the trend.
    present : ndarray of bool, shape (n, G)

    Returns
    -------
    correlation, factor : ndarray, shape (n,)
        Corrected, at least zero; at least one.

    References
    ----------
    Marriott and Pope (1954), Biometrika 41(3/4): bias of the autocorrelation. Kendall (1954), same issue.
    """
    n_weeks = np.maximum(present.sum(axis=1), 5).astype(np.float64)
    scaled = np.divide(left, spread, out=np.zeros_like(left), where=present & (spread > 0))
    square = np.sum(scaled**2, axis=1)
    product = np.sum(scaled[:, 1:] * scaled[:, :-1], axis=1)
    found = np.divide(product, square, out=np.zeros_like(square), where=square > 0)
    error = np.sqrt(np.maximum(1.0 - found**2, 0.0) / n_weeks)
    middle = (found + 2.0 / n_weeks) / (1.0 - 4.0 / n_weeks)
    correlation = np.clip(middle + UPPER_THIRD * error, 0.0, LARGEST_CORRELATION)
    apart = np.abs(np.subtract.outer(np.arange(left.shape[1]), np.arange(left.shape[1])))
    R = correlation[:, None, None] ** apart
    loading = np.where(present, influence * spread, 0.0)
    of_trend = _form(loading, R) / np.where(np.any(loading, axis=1), np.sum(loading**2, axis=1), 1.0)
    level = present / np.sqrt(n_weeks)[:, None]
    slope = loading - np.sum(loading * level, axis=1)[:, None] * level
    length = np.sqrt(np.sum(slope**2, axis=1))
    slope = slope / np.where(length > 0, length, 1.0)[:, None]
    of_residuals = (n_weeks - _form(level, R) - _form(slope, R)) / (n_weeks - 2.0)
    return correlation, np.maximum(of_trend / np.maximum(of_residuals, 0.1), 1.0)


def _form(vectors: Floats, matrices: Floats) -> Floats:
    """Quadratic forms, shape (n,)."""
    value: Floats = np.einsum("li,lij,lj->l", vectors, matrices, vectors)
    return value
