"""Regression on one time series with first-order autoregressive errors, with tests that hold their level when it is short.

The t statistic of estimated generalised least squares is referred to its own simulated distribution, at an
autocorrelation that is corrected for the bias of its estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.inference.covariance import ROUNDING
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]

N_DRAWS = 4_000
CORRELATIONS = np.concatenate([np.linspace(-0.4, 0.8, 13), [0.85, 0.9, 0.95, 0.98]])
"""Autocorrelations at which statistics are simulated."""
GRID = np.linspace(-0.6, 0.99, 81)
"""Those among which the likelihood is compared."""
SHARE_BELOW = 0.4
"""The autocorrelation used is the one whose estimate lies below the one found with this probability: a little above the
median-unbiased one, since tests err more where it is taken too small."""


@dataclass(frozen=True)
class StepFit:
    """One coefficient of the regression.

    Attributes
    ----------
    estimate, std_error : float
        By generalised least squares at the autocorrelation of largest restricted likelihood.
    correlation, corrected_correlation : float
        That autocorrelation, and the one at which the distribution of the statistic is taken.
    critical_value : float
        In standard errors; the interval is ``estimate`` plus and minus this many.
    p_value : float
    """

    estimate: float
    std_error: float
    correlation: float
    corrected_correlation: float
    critical_value: float
    p_value: float


@dataclass(frozen=True, eq=False)
class Fits:
    """The coefficient in each of n series: estimate, standard error, autocorrelation, shape (n,)."""

    estimate: Floats
    std_error: Floats
    correlation: Floats


def fit_series(Y: Floats, X: Floats, column: int) -> Fits:
    """Fit series side by side by restricted maximum likelihood.

    Parameters
    ----------
    Y : ndarray, shape (T, n)
    X : ndarray, shape (T, k)
    column : int
        Coefficient that is asked for.

    References
    ----------
    Cheang and Reinsel (2000), JASA 95(452): restricted likelihood of a regression with autoregressive errors.
    """
    n_periods, k = X.shape
    powers = np.stack([np.ones_like(GRID), -GRID, GRID**2], axis=1)
    gram = np.tensordot(powers, _forms(X, X), axes=1)
    inverse, log_det = np.linalg.inv(gram), np.linalg.slogdet(gram)[1]
    moment = np.tensordot(powers, _forms(X, Y), axes=1)
    squares = np.stack([np.sum(Y**2, axis=0), 2 * np.sum(Y[1:] * Y[:-1], axis=0), np.sum(Y[1:-1] ** 2, axis=0)])
    beta = inverse @ moment
    left = np.maximum(powers @ squares - np.einsum("gkn,gkn->gn", moment, beta), np.finfo(np.float64).tiny)
    likelihood = 0.5 * (np.log(1 - GRID**2) - log_det)[:, None] - 0.5 * (n_periods - k) * np.log(left)
    best, series = likelihood.argmax(axis=0), np.arange(Y.shape[1])
    std_error = np.sqrt(left[best, series] / (n_periods - k) * inverse[best, column, column])
    return Fits(beta[best, column, series], std_error, _refined(likelihood, best))


def _forms(A: Floats, B: Floats) -> Floats:
    """Products with the inverse covariance as a polynomial in the autocorrelation, shape (3, a, b)."""
    return np.stack([A.T @ B, A[1:].T @ B[:-1] + A[:-1].T @ B[1:], A[1:-1].T @ B[1:-1]])


def _refined(likelihood: Floats, best: NDArray[np.intp]) -> Floats:
    """Top of the parabola through the best point of the grid and its neighbours."""
    inner, series = np.clip(best, 1, len(GRID) - 2), np.arange(len(best))
    low, middle, high = (likelihood[inner + step, series] for step in (-1, 0, 1))
    bend = low - 2 * middle + high
    shift = np.divide(0.5 * (low - high), bend, out=np.zeros_like(bend), where=bend < 0)
    moved = GRID[inner] + np.clip(shift, -0.5, 0.5) * (GRID[1] - GRID[0])
    return np.where(best == inner, moved, GRID[best])


def autoregressive_step(y: Floats, X: Floats, column: int, level: float, seed: int) -> StepFit:
    """Test one coefficient.

    Parameters
    ----------
    y : ndarray, shape (T,)
    X : ndarray, shape (T, k)
        Full column rank.

    Raises
    ------
    LiftosError
        Fewer than four more periods than coefficients, or a series that the regression fits exactly.

    References
    ----------
    Andrews (1993), Econometrica 61(1): median-unbiased autocorrelation. Andrews and Chen (1994), JBES 12(2).
    """
    if len(y) < X.shape[1] + 4:
        raise LiftosError(f"at least {X.shape[1] + 4} periods", str(len(y)), "Add periods, or use a finer period.")
    moved = y - y[0]
    found = fit_series(moved[:, None], X, column)
    estimate, std_error, correlation = (float(part[0]) for part in vars(found).values())
    if not (moved.any() and std_error > ROUNDING * max(abs(estimate), float(np.max(np.abs(y))))):
        raise LiftosError(
            "a series with noise", "one that the regression fits exactly", "Use more donors or periods."
        )
    statistics, estimates = _simulated(X.tobytes(), X.shape, column, seed)
    typical = np.maximum.accumulate(np.quantile(estimates, SHARE_BELOW, axis=1))
    corrected = float(np.interp(correlation, typical + 1e-9 * np.arange(len(typical)), CORRELATIONS))
    critical = float(np.interp(corrected, CORRELATIONS, np.quantile(statistics, level, axis=1)))
    above = np.mean(statistics >= abs(estimate) / std_error, axis=1)
    p_value = float(np.interp(corrected, CORRELATIONS, (above * N_DRAWS + 1) / (N_DRAWS + 1)))
    return StepFit(estimate, std_error, correlation, corrected, critical, p_value)


@lru_cache(maxsize=64)
def _simulated(design: bytes, shape: tuple[int, ...], column: int, seed: int) -> tuple[Floats, Floats]:
    """Absolute t statistics without an effect, and estimated autocorrelations, both (n_correlations, N_DRAWS)."""
    from scipy.signal import lfilter

    X = np.frombuffer(design).reshape(shape)
    shocks = np.random.default_rng(seed).standard_normal((shape[0], N_DRAWS))
    statistics, estimates = np.empty((2, len(CORRELATIONS), N_DRAWS))
    for place, correlation in enumerate(CORRELATIONS):
        started = np.vstack([shocks[:1] / np.sqrt(1 - correlation**2), shocks[1:]])
        found = fit_series(lfilter([1.0], [1.0, -correlation], started, axis=0), X, column)
        statistics[place], estimates[place] = np.abs(found.estimate / found.std_error), found.correlation
    return statistics, estimates
