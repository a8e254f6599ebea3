"""Seasonal-trend decomposition by LOESS, compiled, one series at a time. Imports the compiler: import it where it is called.

Cleveland, Cleveland, McRae and Terpenning (1990), Journal of Official Statistics 6(1): local lines throughout.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NEAR, FAR = 0.001, 0.999
"""Shares of a window's half width, and of six median absolute remainders, below and above which a weight is 1 or 0."""


@njit(cache=True, nogil=True)
def decompose(
    series: Floats, period: int, seasonal_length: int, trend_length: int, inner: int, outer: int, tolerance: float
) -> tuple[Floats, Floats, Floats]:
    """Seasonal component, trend and robustness weights of one series without gaps, each shape (n,).

    Parameters
    ----------
    series : ndarray, shape (n,)
        At least two periods.
    seasonal_length, trend_length : int
        Odd lengths of the LOESS windows: in cycles, and in observations.
    inner : int
        Passes with one set of robustness weights.
    outer : int
        Times that the robustness weights are set anew; 0 for none.
    tolerance : float
        Stops once no robustness weight moves by more.
    """
    n = len(series)
    trend, season = np.zeros(n), np.zeros(n)
    robustness = np.ones(n)
    low_length = period + 1 + period % 2
    for turn in range(outer + 1):
        for _ in range(inner):
            cycles = _smoothed_cycles(series - trend, robustness, period, seasonal_length)
            low = _loess(_three_means(cycles, period), np.ones(n), low_length)
            season = cycles[period : period + n] - low
            trend = _loess(series - season, robustness, trend_length)
        if turn == outer:
            break
        fresh = _robustness(series - season - trend)
        moved = np.max(np.abs(fresh - robustness))
        robustness = fresh
        if moved <= tolerance:
            break
    return season, trend, robustness


@njit(cache=True, nogil=True)
def _smoothed_cycles(values: Floats, weights: Floats, period: int, length: int) -> Floats:
    """Each phase of the period smoothed over its cycles, with one more cycle at either end, shape (n + 2 * period,)."""
    n = len(values)
    found = np.empty(n + 2 * period)
    for phase in range(period):
        part, own = values[phase::period].copy(), weights[phase::period].copy()
        k = len(part)
        for at in range(-1, k + 1):
            found[phase + (at + 1) * period] = _local_line(part, own, at, length)
    return found


@njit(cache=True, nogil=True)
def _three_means(values: Floats, period: int) -> Floats:
    """Moving means over a period, a period and three observations: ``2 * period`` fewer observations than before."""
    return _moving_mean(_moving_mean(_moving_mean(values, period), period), 3)


@njit(cache=True, nogil=True)
def _moving_mean(values: Floats, length: int) -> Floats:
    n = len(values) - length + 1
    found = np.empty(n)
    total = np.sum(values[:length])
    found[0] = total / length
    for i in range(1, n):
        total += values[i + length - 1] - values[i - 1]
        found[i] = total / length
    return found


@njit(cache=True, nogil=True)
def _loess(values: Floats, weights: Floats, length: int) -> Floats:
    found = np.empty(len(values))
    for at in range(len(values)):
        found[at] = _local_line(values, weights, at, length)
    return found


@njit(cache=True, nogil=True)
def _local_line(values: Floats, weights: Floats, at: int, length: int) -> float:
    """Local line at one place, which may lie one step outside, by tricube weights times ``weights``."""
    n = len(values)
    first = min(max(at - length // 2, 0), max(n - length, 0))
    last = min(first + length, n) - 1
    reach = float(max(at - first, last - at))
    if length > n:
        reach += (length - n) // 2
    total, moment, square, sum_y, sum_ty = 0.0, 0.0, 0.0, 0.0, 0.0
    for j in range(first, last + 1):
        step = float(j - at)
        distance = abs(step)
        if distance > FAR * reach:
            continue
        weight = weights[j]
        if distance > NEAR * reach:
            ratio = distance / reach
            bell = 1.0 - ratio * ratio * ratio
            weight *= bell * bell * bell
        total += weight
        moment += weight * step
        square += weight * step * step
        sum_y += weight * values[j]
        sum_ty += weight * step * values[j]
    if total <= 0.0:
        return float(values[min(max(at, 0), n - 1)])
    centre = moment / total
    spread = square / total - centre * centre
    level = sum_y / total
    if np.sqrt(max(spread, 0.0)) <= NEAR * (n - 1):
        return level
    return level - centre * (sum_ty / total - centre * level) / spread


@njit(cache=True, nogil=True)
def _robustness(remainder: Floats) -> Floats:
    """Bisquare weights at six median absolute remainders."""
    size = np.abs(remainder)
    width = 6.0 * np.median(size)
    found = np.empty(len(size))
    for i in range(len(size)):
        if size[i] <= NEAR * width:
            found[i] = 1.0
        elif size[i] <= FAR * width:
            found[i] = (1.0 - (size[i] / width) ** 2) ** 2
        else:
            found[i] = 0.0
    return found
