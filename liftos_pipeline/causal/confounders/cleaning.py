"""What stands between raw spend and a break test: gaps, outliers, weekdays and the common calendar."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HALF_WINDOW = 3
OUTLIER_MADS = 4.0
MAD_TO_SD = 1.4826
WEEK = 7
MIN_WEEKS = 4
MIN_UNITS_FOR_CALENDAR = 8
"""With fewer units their median is mostly the noise of single units."""
SMALLEST_VARIATION = 1e-9


def fill_gaps(values: Floats) -> Floats:
    """Linear interpolation between observed neighbours; NaN stays before the first and after the last."""
    filled = values.copy()
    time = np.arange(values.shape[1])
    for row in np.flatnonzero(np.isnan(values).any(axis=1)):
        known = np.flatnonzero(~np.isnan(values[row]))
        if len(known):
            inner = (time >= known[0]) & (time <= known[-1])
            filled[row, inner] = np.interp(time[inner], known, values[row, known])
    return filled


def median_of_known(values: Floats) -> Floats:
    """Median over the last axis, NaN ignored; NaN where nothing is known."""
    ordered = np.sort(values, axis=-1)
    n_known = np.sum(~np.isnan(ordered), axis=-1)
    low = np.maximum((n_known - 1) // 2, 0)[..., None]
    high = np.minimum(n_known // 2, np.maximum(n_known - 1, 0))[..., None]
    middle = 0.5 * (np.take_along_axis(ordered, low, -1) + np.take_along_axis(ordered, high, -1))
    return np.where(n_known > 0, middle[..., 0], np.nan)


def replace_outliers(values: Floats) -> Floats:
    """Hampel filter: a value far from the median of its neighbours becomes that median.

    Far is four times the series' own scale of such deviations (median absolute, as a standard deviation).

    References
    ----------
    Hampel (1974), Journal of the American Statistical Association 69(346).
    """
    padded = np.pad(values, ((0, 0), (HALF_WINDOW, HALF_WINDOW)), constant_values=np.nan)
    neighbours = np.lib.stride_tricks.sliding_window_view(padded, 2 * HALF_WINDOW + 1, axis=1)
    local = median_of_known(neighbours)
    deviation = np.abs(values - local)
    scale = MAD_TO_SD * median_of_known(deviation)
    is_outlier = deviation > OUTLIER_MADS * scale[:, None]
    return np.where(is_outlier, local, values)


def remove_weekdays(values: Floats) -> Floats:
    """Subtract each unit's weekday pattern: medians of the deviations from a centred seven-day mean."""
    n_units, n_periods = values.shape
    if n_periods < MIN_WEEKS * WEEK:
        return values
    mean = np.full_like(values, np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(values, WEEK, axis=1)
    mean[:, HALF_WINDOW : n_periods - HALF_WINDOW] = windows.mean(axis=-1)
    n_weeks = -(-n_periods // WEEK)
    padded = np.full((n_units, n_weeks * WEEK), np.nan)
    padded[:, :n_periods] = values - mean
    pattern = median_of_known(padded.reshape(n_units, n_weeks, WEEK).transpose(0, 2, 1))
    pattern = np.where(np.isnan(pattern), 0.0, pattern)
    pattern -= pattern.mean(axis=1, keepdims=True)
    return values - np.tile(pattern, n_weeks)[:, :n_periods]


def common_calendar(values: Floats) -> tuple[Floats, Floats]:
    """Common movement of the units and each unit's loading on it.

    Parameters
    ----------
    values : ndarray, shape (n_units, n_periods)
        Series without the steps found so far: a median that contains steps carries them into untouched units.

    Returns
    -------
    factor : ndarray, shape (n_periods,)
        Median over units, zero where fewer than ``MIN_UNITS_FOR_CALENDAR`` are observed.
    loading : ndarray, shape (n_units,)
        Least-squares slope of each unit on the factor, beside one level shift of the unit's own: without it the
        slope would absorb a step that resembles the drift of the median.
    """
    centred = values - median_of_known(values)[:, None]
    enough = np.sum(~np.isnan(values), axis=0) >= MIN_UNITS_FOR_CALENDAR
    factor = np.where(enough, median_of_known(centred.T), 0.0)
    known = ~np.isnan(centred) & enough
    return factor, _loadings(np.where(known, centred, 0.0), np.where(known, factor, 0.0), known)


def _loadings(values: Floats, factor: Floats, known: NDArray[np.bool_]) -> Floats:
    """Slope on the factor at the split of each unit that leaves the smallest residual sum of squares."""
    count = np.cumsum(known, axis=1, dtype=np.float64)
    admissible = (count >= WEEK) & (count[:, -1:] - count >= WEEK)
    count_before = np.where(admissible, count, 1.0)
    count_after = np.where(admissible, count[:, -1:] - count, 1.0)

    def within(left: Floats, right: Floats) -> Floats:
        """Cross-product around the two levels, for every split."""
        left_sum, right_sum = np.cumsum(left, axis=1), np.cumsum(right, axis=1)
        before = left_sum * right_sum / count_before
        after = (left_sum[:, -1:] - left_sum) * (right_sum[:, -1:] - right_sum) / count_after
        both: Floats = np.einsum("ij,ij->i", left, right)[:, None] - before - after
        return both

    variation = within(factor, factor)
    covariation = within(factor, values)
    usable = admissible & (variation > SMALLEST_VARIATION)
    slope = np.divide(covariation, variation, out=np.zeros_like(variation), where=usable)
    remaining = np.where(usable, within(values, values) - slope * covariation, np.inf)
    chosen: Floats = np.take_along_axis(slope, np.argmin(remaining, axis=1)[:, None], axis=1)[:, 0]
    return chosen
