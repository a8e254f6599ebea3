"""Columns of a regression that stand for the calendar. No data are read here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.confounders.cleaning import WEEK

Floats = NDArray[np.float64]


def calendar_columns(shape: tuple[int, ...], is_daily: bool) -> list[Floats]:
    """Constant, linear trend and, for daily series, six weekdays; each of shape (n_units, n_periods), the same for all."""
    n_periods = shape[1]
    time = np.arange(n_periods)
    columns = [np.ones(n_periods), time / n_periods - 0.5]
    if is_daily:
        columns += [(time % WEEK == day).astype(np.float64) for day in range(1, WEEK)]
    return [np.broadcast_to(column, shape) for column in columns]
