"""What stands between raw spend and a break test: gaps, outliers, weekdays and the common calendar."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.kernels.medians import HALF_WINDOW, median_of_known

Floats = NDArray[np.float64]

WEEK = 7
MIN_WEEKS = 4
MIN_UNITS_FOR_CALENDAR = 8
"""With fewer units their median is mostly the noise of single units."""


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


def common_calendar(values: Floats) -> Floats:
    """Movement that the units share: the median over units of their deviations from their own levels.

    Every unit is taken to follow it one for one. A loading of its own would be fitted to the same drift that a
    step of the unit makes, and either hides the step or creates one.

    Parameters
    ----------
    values : ndarray, shape (n_units, n_periods)
        Series without the steps found so far: a median that contains steps carries them into untouched units.

    Returns
    -------
    ndarray, shape (n_periods,)
        Zero where fewer than ``MIN_UNITS_FOR_CALENDAR`` units are observed.
    """
    centred = values - median_of_known(values)[:, None]
    enough = np.sum(~np.isnan(values), axis=0) >= MIN_UNITS_FOR_CALENDAR
    return np.where(enough, median_of_known(centred.T), 0.0)
