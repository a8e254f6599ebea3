"""Regression with errors that are an AR(1) plus white noise, for many series with designs of their own.

The test of one coefficient averages over what the data leave open about the errors, instead of taking their estimated
autocorrelation for the true one. Arrays in, arrays out; which columns a design has belongs to the callers.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

CORRELATIONS = (0.0, 0.15, 0.3, 0.45, 0.6, 0.7, 0.8, 0.88, 0.94, 0.98)
"""Autocorrelations of the AR(1) part."""
NOISE_SHARES = (0.0, 0.3, 0.6, 0.85)
"""Shares of white noise in the variance of an error."""
GRID = np.array([(rho, share) for rho in CORRELATIONS for share in NOISE_SHARES] + [(0.0, 1.0)])
"""Points over which is averaged; at the first the errors are white."""
PERSISTENCE_FAVOURED = 2.0
"""Prior log-odds per unit of autocorrelation: short series look less persistent than they are, and tests err there."""
DEPENDENT = 1e-9
"""Share of a column's square that the columns before it leave: below it the column adds nothing."""
_CHUNK = 64
_WORKERS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True, eq=False)
class Coefficients:
    """The last coefficient of each of m regressions; all arrays have shape (m,).

    Attributes
    ----------
    estimate, std_error : ndarray
        Mean and standard deviation of the coefficient given the data. NaN where the column depends on the others.
    below_zero : ndarray
        Probability, given the data, that the coefficient is below zero: a one-sided p-value against "above zero".
    explained : ndarray
        R-squared of the last column on the others.
    correlation, noise_share : ndarray
        Of the errors, averaged likewise.
    degrees_of_freedom : ndarray
        Observations less columns.
    """

    estimate: Floats
    std_error: Floats
    below_zero: Floats
    explained: Floats
    correlation: Floats
    noise_share: Floats
    degrees_of_freedom: Floats


def last_coefficients(Y: Floats, X: Floats, noise: Floats) -> Coefficients:
    """Fit each series and average over the grid of error processes by restricted likelihood.

    Parameters
    ----------
    Y : ndarray, shape (m, n)
        NaN where nothing was observed; the gap is kept as one.
    X : ndarray, shape (m, n, k)
        The first column is constant, the last one is asked for. Finite where ``Y`` is.
    noise : ndarray, shape (m, n)
        Relative variance of the white noise, mean near one. Finite and positive where ``Y`` is finite.

    References
    ----------
    Harville (1974), Biometrika 61(2): restricted likelihood as a marginal posterior. Durbin and Koopman (2012),
    Time Series Analysis by State Space Methods, section 4.3: the filter.
    """
    from threadpoolctl import threadpool_limits

    n_series = len(Y)
    log_weight, beta, scale = np.empty((3, n_series, len(GRID)))
    explained, degrees = np.empty((2, n_series))
    fit = _fitter()

    def work(start: int) -> None:
        part = slice(start, start + _CHUNK)
        stacked = np.concatenate([X[part], Y[part, :, None]], axis=2)
        fit(stacked, noise[part], GRID, log_weight[part], beta[part], scale[part], explained[part], degrees[part])

    starts = range(0, n_series, _CHUNK)
    if len(starts) > 1:
        with threadpool_limits(1), ThreadPoolExecutor(_WORKERS) as workers:
            list(workers.map(work, starts))
    else:
        for start in starts:
            work(start)
    return _averaged(log_weight, beta, scale, explained, degrees)


def _averaged(log_weight: Floats, beta: Floats, scale: Floats, explained: Floats, degrees: Floats) -> Coefficients:
    from scipy.special import stdtr

    log_weight = log_weight + PERSISTENCE_FAVOURED * GRID[:, 0]
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True, initial=-np.inf))
    weight /= weight.sum(axis=1, keepdims=True)
    freedom = degrees[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        below_zero = np.sum(weight * stdtr(freedom, -beta / scale), axis=1)
        estimate = np.sum(weight * beta, axis=1)
        spread = scale**2 * freedom / (freedom - 2.0) + (beta - estimate[:, None]) ** 2
        std_error = np.sqrt(np.sum(weight * spread, axis=1))
    correlation, noise_share = weight @ GRID[:, 0], weight @ GRID[:, 1]
    return Coefficients(estimate, std_error, below_zero, explained, correlation, noise_share, degrees)


@cache
def _fitter() -> Callable[..., None]:
    from numba import njit

    compiled: Callable[..., None] = njit(cache=True, nogil=True)(_fit_each)
    return compiled


def _fit_each(  # noqa: C901
    stacked: Floats,
    noise: Floats,
    grid: Floats,
    log_weight: Floats,
    beta: Floats,
    scale: Floats,
    explained: Floats,
    degrees: Floats,
) -> None:
    """Restricted likelihood, coefficient and its standard error of every series at every point. Compiled: plain loops.

    The Kalman filter of the errors whitens all columns at once; the Cholesky factor of their products, with the
    column asked for and the series last, holds all that is needed.
    """
    n_series, n_periods, width = stacked.shape
    last, target = width - 1, width - 2
    state, white = np.empty(width), np.empty(width)
    gram = np.empty((width, width))
    for i in range(n_series):
        n_observed = 0
        for t in range(n_periods):
            if not np.isnan(stacked[i, t, last]):
                n_observed += 1
        for g in range(len(grid)):
            rho, share = grid[g, 0], grid[g, 1]
            state[:] = 0.0
            gram[:] = 0.0
            variance, log_det, product = 1.0 - share, 0.0, 1.0
            fresh = (1.0 - share) * (1.0 - rho * rho)
            for t in range(n_periods):
                if np.isnan(stacked[i, t, last]):
                    for a in range(width):
                        state[a] *= rho
                    variance = rho * rho * variance + fresh
                    continue
                total = variance + share * noise[i, t]
                gain = variance / total
                root = 1.0 / np.sqrt(total)
                for a in range(width):
                    surprise = stacked[i, t, a] - state[a]
                    white[a] = surprise * root
                    state[a] = rho * (state[a] + gain * surprise)
                variance = rho * rho * variance * (1.0 - gain) + fresh
                product *= total
                if product < 1e-200 or product > 1e200:
                    log_det += np.log(product)
                    product = 1.0
                for a in range(width):
                    for c in range(a + 1):
                        gram[a, c] += white[a] * white[c]
            log_det += np.log(product)
            used = 0
            square = gram[target, target]
            centred = 0.0
            for a in range(width):
                own = gram[a, a]
                for c in range(a):
                    value = gram[a, c]
                    for d in range(c):
                        value -= gram[a, d] * gram[c, d]
                    gram[a, c] = value / gram[c, c] if gram[c, c] > 0.0 else 0.0
                left = own
                for c in range(a):
                    left -= gram[a, c] * gram[a, c]
                    if a == target and c == 0:
                        centred = left
                if a == last:
                    gram[a, a] = max(left, 1e-300)
                elif left > DEPENDENT * own:
                    gram[a, a] = np.sqrt(left)
                    log_det += np.log(left)
                    used += 1
                else:
                    gram[a, a] = 0.0
            freedom = n_observed - used
            pivot = gram[target, target]
            if g == 0:
                degrees[i] = freedom
                is_flat = centred <= DEPENDENT * square
                explained[i] = 1.0 if is_flat else 1.0 - pivot * pivot / centred
            log_weight[i, g] = -0.5 * (log_det + freedom * np.log(gram[last, last]))
            beta[i, g] = gram[last, target] / pivot if pivot > 0.0 else np.nan
            scale[i, g] = np.sqrt(gram[last, last] / max(freedom, 1)) / pivot if pivot > 0.0 else np.nan
