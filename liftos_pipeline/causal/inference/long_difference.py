"""Noise of a unit's mean after a date minus its mean before: how it varies between units and clusters, how it changes
with the two durations, and what effect it leaves visible.

Unit effects cancel in the difference and period effects are common to the units of a window, so that its variance
between units is free of the bias that taking out estimated effects leaves in autocovariances.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

CORRELATIONS = np.concatenate([np.linspace(-0.5, 0.9, 57), [0.92, 0.94, 0.96, 0.97, 0.98, 0.99, 0.995]])
"""Among which the fitted autocorrelation is chosen."""
MAX_LAGS = 60


@dataclass(frozen=True)
class Components:
    """Variances of a difference: between the clusters' means, and between the units of a cluster.

    ``cluster_size`` is the mean size of a unit's cluster, its own size counted: sum of squares over sum.
    """

    between: float
    within: float
    cluster_size: float

    @property
    def total(self) -> float:
        return self.between + self.within

    @property
    def intraclass(self) -> float:
        """Intraclass correlation; 0 without any noise."""
        return self.between / self.total if self.total > 0 else 0.0

    @property
    def design_effect(self) -> float:
        """Factor on the variance where whole clusters are assigned."""
        return 1.0 + (self.cluster_size - 1.0) * self.intraclass


def usable_windows(Y: Floats, length: int) -> Bools:
    """Units known in ``length`` successive periods, shape (N, T - length + 1).

    Parameters
    ----------
    Y : ndarray, shape (N, T)
        NaN where unknown.
    """
    seen = np.zeros((Y.shape[0], Y.shape[1] + 1), dtype=np.int64)
    np.cumsum(~np.isnan(Y), axis=1, out=seen[:, 1:])
    usable: Bools = seen[:, length:] - seen[:, :-length] == length
    return usable


def long_differences(Y: Floats, n_pre: int, n_post: int) -> Floats:
    """Mean of ``n_post`` periods minus mean of the ``n_pre`` before, in each window, shape (N, T - n_pre - n_post + 1);
    of use only in windows without NaN."""
    sums = np.zeros((Y.shape[0], Y.shape[1] + 1))
    np.cumsum(np.nan_to_num(Y - np.nanmean(Y)), axis=1, out=sums[:, 1:])
    last = Y.shape[1] - n_pre - n_post + 1
    start, end = sums[:, n_pre : n_pre + last], sums[:, n_pre + n_post :]
    difference: Floats = (end - start) / n_post - (start - sums[:, :last]) / n_pre
    return difference


def variance_components(D: Floats, usable: Bools, cluster: Integers) -> Components:
    """Analysis of variance of differences by cluster, over all windows together.

    Parameters
    ----------
    D : ndarray, shape (N, W)
    usable : ndarray, shape (N, W)
    cluster : ndarray, shape (N,)
        Codes from 0.

    References
    ----------
    Searle, Casella and McCulloch (1992), Variance Components, section 3.6: unbalanced one-way classification.
    """
    values = np.where(usable, D, 0.0)
    sums, counts = np.zeros((2, int(cluster.max()) + 1, D.shape[1]))
    np.add.at(sums, cluster, values)
    np.add.at(counts, cluster, usable.astype(np.float64))
    n = counts.sum(axis=0)
    per_window = values.sum(axis=0) / np.maximum(n, 1)
    centred = np.where(usable, D - per_window, 0.0)
    means = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0) - per_window
    between_squares = float((counts * means**2).sum())
    within_squares = float((centred**2).sum()) - between_squares
    n_between, n_within = float(((counts > 0).sum(axis=0) - 1).sum()), float((n - (counts > 0).sum(axis=0)).sum())
    sizes = float((counts**2).sum() / n.sum())
    if n_within == 0:
        return Components(between_squares / n_between, 0.0, 1.0)
    within = max(within_squares, 0.0) / n_within
    spread = float((n - (counts**2).sum(axis=0) / np.maximum(n, 1)).sum())
    between = max((between_squares - n_between * within) / spread, 0.0) if spread > 0 else 0.0
    return Components(between, within, sizes)


def semivariogram(Y: Floats) -> tuple[Floats, Floats]:
    """Half the mean squared change of a unit over h periods, period effects taken out, for h = 1 ... ``MAX_LAGS``.

    Returns
    -------
    values, counts : ndarray, shape (n_lags,)
        Degrees of freedom behind each value; NaN and 0 where there are none.
    """
    n_lags = min(Y.shape[1] - 1, MAX_LAGS)
    values, counts = np.full(n_lags, np.nan), np.zeros(n_lags)
    for lag in range(1, n_lags + 1):
        change = Y[:, lag:] - Y[:, :-lag]
        known = ~np.isnan(change)
        n = known.sum(axis=0)
        filled = np.where(known, change, 0.0)
        squares = (filled**2).sum(axis=0) - filled.sum(axis=0) ** 2 / np.maximum(n, 1)
        counts[lag - 1] = np.maximum(n - 1, 0).sum()
        if counts[lag - 1] > 0:
            values[lag - 1] = 0.5 * squares[n > 1].sum() / counts[lag - 1]
    return values, counts


@dataclass(frozen=True)
class Noise:
    """Stationary noise: white with variance ``white``, and autoregressive with variance ``persistent``."""

    white: float
    persistent: float
    correlation: float

    @property
    def variance(self) -> float:
        return self.white + self.persistent

    @property
    def lag_one(self) -> float:
        """Autocorrelation of successive periods; 0 without any noise."""
        return self.persistent * self.correlation / self.variance if self.variance > 0 else 0.0

    def long_difference_variance(self, n_pre: int, n_post: int) -> float:
        """Variance of the mean of ``n_post`` periods minus that of the ``n_pre`` before them."""
        autocovariances: Floats = self.persistent * np.power(
            self.correlation, np.arange(n_pre + n_post, dtype=np.float64)
        )
        autocovariances[0] += self.white
        return contrast_variance(autocovariances, n_pre, n_post)


def fit_noise(values: Floats, counts: Floats) -> Noise:
    """Least squares of a semivariogram on that of white plus autoregressive noise, both variances at least 0."""
    from scipy.optimize import nnls

    known = counts > 0
    lags, root = np.arange(1, len(values) + 1)[known], np.sqrt(counts[known])
    best, left = Noise(0.0, 0.0, 0.0), math.inf
    for correlation in CORRELATIONS:
        shape = np.column_stack([np.ones(len(lags)), 1.0 - float(correlation) ** lags])
        (white, persistent), residual = nnls(shape * root[:, None], values[known] * root)
        if residual < left - 1e-12:
            best, left = Noise(float(white), float(persistent), float(correlation)), residual
    return best


def contrast_variance(autocovariances: Floats, n_pre: int, n_post: int) -> float:
    """v(m) + v(r) - 2 c: variances of the two means, and their covariance.

    Parameters
    ----------
    autocovariances : ndarray, shape (L,)
        At lags 0 ... L - 1, L at least ``n_pre`` + ``n_post``.

    References
    ----------
    Burlig, Preonas and Woerman (2020), JDE 144, equation 2.
    """
    lags = np.arange(n_pre + n_post)
    gamma = autocovariances[: len(lags)]
    before, after = (
        float((np.where(lags == 0, 1, 2) * np.maximum(n - lags, 0)) @ gamma) / n**2 for n in (n_pre, n_post)
    )
    pairs = np.minimum.reduce([lags, np.full_like(lags, n_pre), np.full_like(lags, n_post), n_pre + n_post - lags])
    return before + after - 2.0 * float(pairs @ gamma) / (n_pre * n_post)


def standard_error(variance: float, n_treated: float, n_controls: float) -> float:
    """Of the difference of two groups' mean differences; each unit's has this variance."""
    return math.sqrt(variance * (1.0 / n_treated + 1.0 / n_controls))


def detectable_multiple(freedom: float, level: float, power: float, noise_freedom: float = math.inf) -> float:
    """Standard errors that an effect must measure to be told from zero with this power; infinite where none suffices.

    Solves ``c (1 - 1/4v) - t (1 - 1/4f) = z sqrt(1 + t^2 / 2f + c^2 / 2v)``, from the first two moments of standard
    errors: the test's has f degrees of freedom, and the planned one, in whose multiples the effect is told, has v.

    Parameters
    ----------
    freedom : float
        Behind the limits, which are t(``freedom``).
    noise_freedom : float
        Behind the standard error that is planned with. A noise that is known from few stretches of time may be larger, and
        power falls faster with it than it rises: the average over what it may be is held.

    References
    ----------
    Bloom (1995), Evaluation Review 19(5). Johnson and Welch (1940), Biometrika 31: the noncentral t.
    """
    from scipy.special import ndtri
    from scipy.stats import t

    limit, z = float(t.ppf(0.5 * (1.0 + level), freedom)), float(ndtri(power))
    mean, limit_mean = 1.0 - 0.25 / noise_freedom, limit * (1.0 - 0.25 / freedom)
    left = mean**2 - 0.5 * z**2 / noise_freedom
    if left <= 0.0:
        return math.inf
    rest = (mean * limit_mean) ** 2 - left * (limit_mean**2 - z**2 * (1.0 + 0.5 * limit**2 / freedom))
    return (mean * limit_mean + math.copysign(math.sqrt(rest), z)) / left


def power_of(effects: Floats, std_error: float, freedom: float, level: float) -> Floats:
    """Probability that the interval leaves out zero on the effect's side, shape as ``effects``; limits t(``freedom``)."""
    from scipy.special import ndtr
    from scipy.stats import t

    limit = float(t.ppf(0.5 * (1.0 + level), freedom))
    distance = np.abs(effects) / std_error - limit * (1.0 - 0.25 / freedom)
    found: Floats = ndtr(distance / math.sqrt(1.0 + 0.5 * limit**2 / freedom))
    return found
