"""Compiled loops behind ``markov_switching`` and ``regime_bootstrap``: one series at a time, no interpreter.

Imported inside functions only: numba takes a second to load. ``tests`` compare them with statsmodels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STAY_LOW, STAY_HIGH = 0.85, 0.998
"""Bounds of the daily probability to stay in a state: a regime lasts about a week or longer."""
FIRST_STEPS = 8
MOST_STEPS = 150
TOLERANCE = 3e-4
"""Rise of the log-likelihood in one step, below which the search ends."""
SMALLEST_VARIANCE = 1e-6
"""Of the errors, where the variance of the series is one."""
LARGEST_CORRELATION = 0.99
LARGEST_EXPONENT = 60.0
"""Of relative densities: beyond it they are taken relative to the largest, so that no product leaves the numbers."""
MOST_LAGS = 7
BURN_IN = 60
HOPELESS = 3
"""Exceedances among the fewest draws that can reject: more than twice what the level allows."""
FAR = 6.0
LONG_ENOUGH = 59

FIRST, DIFFERENCE, RHO, VARIANCE, STAY_0, STAY_1 = range(6)
"""Places in the parameters of the switching model: mean of state 0, mean of state 1 less it, and so on."""


def _one_mean(y: Floats) -> tuple[float, float]:
    """Autocorrelation and log-likelihood (without constants) of an AR(1) with one mean, given the first value."""
    n = len(y) - 1
    before, after, product, square, total = 0.0, 0.0, 0.0, 0.0, 0.0
    for t in range(n):
        before += y[t]
        after += y[t + 1]
        product += y[t] * y[t + 1]
        square += y[t] * y[t]
        total += y[t + 1] * y[t + 1]
    spread = square - before * before / n
    joint = product - before * after / n
    rho = joint / spread
    variance = max((total - after * after / n - rho * joint) / n, SMALLEST_VARIANCE)
    return rho, -0.5 * n * (np.log(variance) + 1.0)


def _begin(y: Floats, half: int, share: float, parameters: Floats) -> None:
    """Starting values: state 1 is where the moving mean is above its quantile ``share``."""
    n = len(y)
    smooth = np.empty(n)
    for t in range(n):
        low, high = max(0, t - half), min(n, t + half + 1)
        smooth[t] = y[low:high].mean()
    cut = np.sort(smooth)[int(share * (n - 1))]
    count, above, below = 0, 0.0, 0.0
    for t in range(n):
        if smooth[t] > cut:
            count += 1
            above += y[t]
        else:
            below += y[t]
    first = below / max(n - count, 1)
    second = above / max(count, 1)
    square, product = 0.0, 0.0
    last = 0.0
    for t in range(n):
        left = y[t] - (second if smooth[t] > cut else first)
        square += left * left
        if t > 0:
            product += left * last
        last = left
    rho = product / square if square > 0.0 else 0.0
    parameters[FIRST], parameters[DIFFERENCE], parameters[RHO] = first, second - first, rho
    parameters[VARIANCE] = max(square / n * (1.0 - rho * rho), SMALLEST_VARIANCE)
    parameters[STAY_0], parameters[STAY_1] = 0.96, 0.96


def _step(y: Floats, parameters: Floats, density: Floats, ahead: Floats, chance: Floats) -> float:
    """One ECM step in place; the log-likelihood before it, given the first value, without constants.

    ``density`` (n, 4) and ``ahead`` (n, 3) are work space. ``chance`` (n,) becomes the smoothed probability of state 1.
    Pairs (yesterday, today) are numbered 00, 01, 10, 11; densities are relative to pair 00, or to the largest of the
    four on days when they are far apart.
    """
    n = len(y)
    first, gap, rho = parameters[FIRST], parameters[DIFFERENCE], parameters[RHO]
    variance, stay_0, stay_1 = parameters[VARIANCE], parameters[STAY_0], parameters[STAY_1]
    slope = gap / variance
    half = 0.5 * gap * slope
    together = np.exp(min(2.0 * half * rho, LARGEST_EXPONENT))
    squares, moved = 0.0, 0.0
    for t in range(1, n):
        left = (y[t] - first) - rho * (y[t - 1] - first)
        squares += left * left
        lift = slope * left
        to_1, to_0 = lift - half, -rho * lift - half * rho * rho
        stays = to_1 + to_0 + 2.0 * half * rho
        if max(abs(to_1), abs(to_0), abs(stays), 2.0 * half) < LARGEST_EXPONENT:
            density[t, 0] = 1.0
            density[t, 1] = np.exp(to_1)
            density[t, 2] = np.exp(to_0)
            density[t, 3] = density[t, 1] * density[t, 2] * together
        else:
            top = max(0.0, to_1, to_0, stays)
            moved += top
            density[t, 0], density[t, 1] = np.exp(-top), np.exp(to_1 - top)
            density[t, 2], density[t, 3] = np.exp(to_0 - top), np.exp(stays - top)
    start_1 = (1.0 - stay_0) / (2.0 - stay_0 - stay_1)
    zero, one = 1.0 - start_1, start_1
    ahead[0, 0], ahead[0, 1] = zero, one
    likelihood, product = moved - 0.5 * ((n - 1) * np.log(variance) + squares / variance), 1.0
    for t in range(1, n):
        next_0 = zero * stay_0 * density[t, 0] + one * (1.0 - stay_1) * density[t, 2]
        next_1 = zero * (1.0 - stay_0) * density[t, 1] + one * stay_1 * density[t, 3]
        total = next_0 + next_1
        scale = 1.0 / total
        zero, one = next_0 * scale, next_1 * scale
        ahead[t, 0], ahead[t, 1], ahead[t, 2] = zero, one, scale
        product *= total
        if product < 1e-150 or product > 1e150:
            likelihood += np.log(product)
            product = 1.0
    likelihood += np.log(product)
    back_0, back_1 = 1.0, 1.0
    w1, w2, w3, y1, y2, y3, l1, l2, l3 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    chance[n - 1] = one
    for t in range(n - 1, 0, -1):
        back_0 *= ahead[t, 2]
        back_1 *= ahead[t, 2]
        p00 = stay_0 * density[t, 0] * back_0
        p01 = (1.0 - stay_0) * density[t, 1] * back_1
        p10 = (1.0 - stay_1) * density[t, 2] * back_0
        p11 = stay_1 * density[t, 3] * back_1
        back_0, back_1 = p00 + p01, p10 + p11
        p01 *= ahead[t - 1, 0]
        p10 *= ahead[t - 1, 1]
        p11 *= ahead[t - 1, 1]
        chance[t - 1] = p10 + p11
        w1 += p01
        w2 += p10
        w3 += p11
        y1 += p01 * y[t]
        y2 += p10 * y[t]
        y3 += p11 * y[t]
        l1 += p01 * y[t - 1]
        l2 += p10 * y[t - 1]
        l3 += p11 * y[t - 1]
    improve(y, parameters, np.array([w1, w2, w3]), np.array([y1, y2, y3]), np.array([l1, l2, l3]))
    return float(likelihood)


def _improve(y: Floats, parameters: Floats, weight: Floats, now: Floats, before: Floats) -> None:
    """Means given the autocorrelation, the autocorrelation given the means, then variance and transitions.

    ``weight``, ``now``, ``before``: sums over days of the chance of pairs 01, 10, 11, alone and times today's and
    yesterday's value.
    """
    n = len(y) - 1
    rho = parameters[RHO]
    x1, x2, x3 = 1.0, -rho, 1.0 - rho
    s_x = weight[0] * x1 + weight[1] * x2 + weight[2] * x3
    s_xx = weight[0] * x1 * x1 + weight[1] * x2 * x2 + weight[2] * x3 * x3
    s_xr = x1 * (now[0] - rho * before[0]) + x2 * (now[1] - rho * before[1]) + x3 * (now[2] - rho * before[2])
    s_y, s_l, s_yy, s_yl, s_ll = 0.0, 0.0, 0.0, 0.0, 0.0
    for t in range(1, n + 1):
        s_y += y[t]
        s_l += y[t - 1]
        s_yy += y[t] * y[t]
        s_yl += y[t] * y[t - 1]
        s_ll += y[t - 1] * y[t - 1]
    s_r = s_y - rho * s_l
    spread = s_xx - s_x * s_x / n
    gap = (s_xr - s_x * s_r / n) / spread if spread > 1e-9 * n else 0.0
    first = (s_r - gap * s_x) / (n * (1.0 - rho))
    in_now, in_before = weight[0] + weight[2], weight[1] + weight[2]
    # sums of products of today's and yesterday's value about the mean of the state of their day
    u_v = s_yl - first * (s_y + s_l) + n * first * first
    u_v += -gap * (before[0] + before[2] - first * in_now) - gap * (now[1] + now[2] - first * in_before)
    u_v += gap * gap * weight[2]
    v_v = s_ll - 2.0 * first * s_l + n * first * first
    v_v += -2.0 * gap * (before[1] + before[2] - first * in_before) + gap * gap * in_before
    u_u = s_yy - 2.0 * first * s_y + n * first * first
    u_u += -2.0 * gap * (now[0] + now[2] - first * in_now) + gap * gap * in_now
    rho = min(max(u_v / v_v, -LARGEST_CORRELATION), LARGEST_CORRELATION) if v_v > 0.0 else 0.0
    parameters[FIRST], parameters[DIFFERENCE], parameters[RHO] = first, gap, rho
    parameters[VARIANCE] = max((u_u - 2.0 * rho * u_v + rho * rho * v_v) / n, SMALLEST_VARIANCE)
    in_1 = weight[1] + weight[2]
    leave_0 = weight[0] / max(n - in_1, 1e-12)
    leave_1 = weight[1] / max(in_1, 1e-12)
    parameters[STAY_0] = min(max(1.0 - leave_0, STAY_LOW), STAY_HIGH)
    parameters[STAY_1] = min(max(1.0 - leave_1, STAY_LOW), STAY_HIGH)


_Compiled = Callable[..., Any]
one_mean: _Compiled = njit(cache=True, nogil=True)(_one_mean)
begin: _Compiled = njit(cache=True, nogil=True)(_begin)
improve: _Compiled = njit(cache=True, nogil=True)(_improve)
step: _Compiled = njit(cache=True, nogil=True)(_step)


def _fit(series: Floats, chance: Floats, parameters: Floats) -> tuple[float, float]:
    """Likelihood ratio and autocorrelation under one mean; fills ``chance`` of state 1 and ``parameters``.

    The series has mean zero and variance one.
    """
    n = len(series)
    rho, one = one_mean(series)
    density, ahead, trial = np.empty((n, 4)), np.empty((n, 3)), np.empty(6)
    best = -np.inf
    for start in range(3):
        begin(series, 3 if start == 0 else 7, 0.25 * (2 - start) if start < 2 else 0.75, trial)
        likelihood = -np.inf
        for _ in range(FIRST_STEPS):
            likelihood = step(series, trial, density, ahead, chance)
        if likelihood > best:
            best = likelihood
            parameters[:] = trial
    for _ in range(MOST_STEPS):
        likelihood = step(series, parameters, density, ahead, chance)
        rise = likelihood - best
        best = likelihood
        if rise < TOLERANCE:
            break
    return max(0.0, 2.0 * (best - one)), rho


fit: _Compiled = njit(cache=True, nogil=True)(_fit)


def _sieve(y: Floats, coefficients: Floats) -> int:
    """Order up to ``MOST_LAGS`` of least AIC by Yule-Walker (Levinson's recursion); fills the coefficients."""
    n = len(y)
    centre = y.mean()
    covariance = np.zeros(MOST_LAGS + 1)
    for lag in range(MOST_LAGS + 1):
        for t in range(lag, n):
            covariance[lag] += (y[t] - centre) * (y[t - lag] - centre) / n
    phi, previous = np.zeros(MOST_LAGS), np.zeros(MOST_LAGS)
    variance, order = covariance[0], 0
    least = n * np.log(variance)
    coefficients[:] = 0.0
    for lag in range(1, MOST_LAGS + 1):
        left = covariance[lag]
        for k in range(lag - 1):
            left -= previous[k] * covariance[lag - 1 - k]
        phi[lag - 1] = left / variance
        for k in range(lag - 1):
            phi[k] = previous[k] - phi[lag - 1] * previous[lag - 2 - k]
        variance *= 1.0 - phi[lag - 1] * phi[lag - 1]
        previous[:] = phi
        criterion = n * np.log(variance) + 2.0 * lag
        if criterion < least:
            least, order = criterion, lag
            coefficients[:] = phi
    return order


sieve: _Compiled = njit(cache=True, nogil=True)(_sieve)


def _residuals(series: Floats, phi: Floats, order: int) -> Floats:
    """What the autoregression leaves of a series of mean zero, centred; shape (n - order,)."""
    left = series[order:].copy()
    for t in range(len(left)):
        for k in range(order):
            left[t] -= phi[k] * series[order + t - 1 - k]
    centred: Floats = left - left.mean()
    return centred


residuals: _Compiled = njit(cache=True, nogil=True)(_residuals)


def _exceedances(
    series: Floats, statistic: float, most_draws: int, enough: int, fewest: int, state: int
) -> tuple[int, int]:
    """How many of how many draws without regimes have a likelihood ratio at least as large.

    Draws are autoregressions of the order that AIC chooses, with residuals drawn again. They stop at ``enough``
    exceedances, or ``HOPELESS`` of them within the first ``fewest`` draws; and after ``fewest`` draws without one where
    the statistic stands ``FAR`` standard deviations above them, after ``LONG_ENOUGH`` in any case.
    """
    n = len(series)
    phi = np.empty(MOST_LAGS)
    order = sieve(series, phi)
    left = residuals(series, phi, order)
    drawn, chance, parameters = np.zeros(n + BURN_IN), np.empty(n), np.empty(6)
    count, total, squares = 0, 0.0, 0.0
    word = np.uint64(state)
    for draw in range(1, most_draws + 1):
        for t in range(n + BURN_IN):
            # splitmix64 (Steele, Lea and Flood 2014): the stream hangs on the series' own seed only
            word += np.uint64(0x9E3779B97F4A7C15)
            z = word
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z = z ^ (z >> np.uint64(31))
            drawn[t] = left[int((z >> np.uint64(32)) * np.uint64(n - order) >> np.uint64(32))]
            for k in range(min(order, t)):
                drawn[t] += phi[k] * drawn[t - 1 - k]
        fresh = drawn[BURN_IN:] - drawn[BURN_IN:].mean()
        fresh /= fresh.std()
        found, _ = fit(fresh, chance, parameters)
        total += found
        squares += found * found
        if found >= statistic:
            count += 1
            if count >= enough or (count >= HOPELESS and draw <= fewest):
                return count, draw
        if count == 0 and draw >= fewest:
            mean = total / draw
            if draw >= LONG_ENOUGH or statistic > mean + FAR * np.sqrt(squares / draw - mean * mean):
                return count, draw
    return count, most_draws


exceedances: _Compiled = njit(cache=True, nogil=True)(_exceedances)
