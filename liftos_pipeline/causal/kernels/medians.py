"""Medians of many series with missing values, and the filter of outliers that they make."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HALF_WINDOW = 3
OUTLIER_MADS = 4.0
MAD_TO_SD = 1.4826


def median_of_known(values: Floats) -> Floats:
    """Median over the last axis, NaN ignored; NaN where nothing is known."""
    if values.shape[-1] == 0:
        return np.full(values.shape[:-1], np.nan)
    ordered = np.sort(values, axis=-1)
    n_known = np.sum(~np.isnan(ordered), axis=-1)
    low = np.maximum((n_known - 1) // 2, 0)[..., None]
    high = np.minimum(n_known // 2, np.maximum(n_known - 1, 0))[..., None]
    middle = 0.5 * (np.take_along_axis(ordered, low, -1) + np.take_along_axis(ordered, high, -1))
    return np.where(n_known > 0, middle[..., 0], np.nan)


def replace_outliers(values: Floats, far: float = OUTLIER_MADS) -> Floats:
    """Hampel filter: a value far from the median of its neighbours becomes that median.

    Far is ``far`` times the series' own scale of such deviations (median absolute, as a standard deviation).

    References
    ----------
    Hampel (1974), Journal of the American Statistical Association 69(346).
    """
    padded = np.pad(values, ((0, 0), (HALF_WINDOW, HALF_WINDOW)), constant_values=np.nan)
    neighbours = np.lib.stride_tricks.sliding_window_view(padded, 2 * HALF_WINDOW + 1, axis=1)
    local = median_of_known(neighbours)
    deviation = np.abs(values - local)
    scale = MAD_TO_SD * median_of_known(deviation)
    is_outlier = deviation > far * scale[:, None]
    return np.where(is_outlier, local, values)


def range_of_known(values: Floats) -> Floats:
    """Largest less smallest known value over the last axis; minus infinity where nothing is known."""
    known = ~np.isnan(values)
    highest = np.max(np.where(known, values, -np.inf), axis=-1)
    spread: Floats = highest - np.min(np.where(known, values, np.inf), axis=-1)
    return spread
