"""Series of units on one regular calendar, read from a long table. No statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.columns import Tabular, keys, numeric, shown, to_pandas
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]

DAY_US = 86_400_000_000
MAX_EMPTY_SHARE = 0.95


@dataclass(frozen=True)
class UnitSeries:
    """Values of units over a regular calendar.

    Attributes
    ----------
    units : ndarray, shape (n_units,)
        Labels.
    periods : ndarray, shape (n_periods,)
        Labels: instants or whole numbers, equally spaced.
    values : ndarray, shape (n_values, n_units, n_periods)
        One grid per column that was read, in the order asked for. NaN where there is no row or no value.
    is_daily : bool
        Whether neighbours are one day (or one whole number) apart, so that weeks have seven of them.
    """

    units: NDArray[Any]
    periods: NDArray[Any]
    values: Floats
    is_daily: bool


def read_series(df: Tabular, unit: str, period: str, *values: str, allow_infinite: bool = False) -> UnitSeries:
    """Read columns on the grid of units and periods.

    Parameters
    ----------
    values : str
        Columns of numbers; what they may hold is for the detector to say.
    allow_infinite : bool
        Hand infinite values on, for a detector that answers unit by unit, instead of refusing the table.

    Raises
    ------
    LiftosError
        Missing or non-numeric columns, periods that are text, repeated (unit, period), or a calendar so irregular
        that it would be nearly empty.
    """
    frame = to_pandas(df, (unit, period, *values))
    units = keys(frame, unit, "unit")
    times = keys(frame, period, "period")
    columns = [numeric(frame, name, name, allow_missing=True, allow_infinite=allow_infinite) for name in values]
    is_dated = times.labels.dtype.kind == "M"
    if not is_dated and times.labels.dtype.kind != "i":
        raise LiftosError("dates or whole numbers as period", f"{period} holds text", "Convert it to dates.")
    ticks = times.labels.astype(np.int64)
    step = int(np.gcd.reduce(np.diff(ticks))) if len(ticks) > 1 else 1
    n_periods = int((ticks[-1] - ticks[0]) // step) + 1
    if len(ticks) < (1.0 - MAX_EMPTY_SHARE) * n_periods:
        raise LiftosError(
            "periods that are equally spaced",
            f"{len(ticks)} of {n_periods} steps in use, e.g. {shown(times.labels)}",
            f"Round {period} to days or weeks.",
        )
    place = ((ticks - ticks[0]) // step)[times.codes]
    cell = units.codes * n_periods + place
    distinct, first, counts = np.unique(cell, return_index=True, return_counts=True)
    if len(distinct) < len(cell):
        row = first[np.argmax(counts)]
        raise LiftosError(
            f"one row per {unit} and {period}",
            f"{int((counts > 1).sum())} repeated pairs, first {units.labels[units.codes[row]]}",
            "Aggregate or drop the repeated rows.",
        )
    grid = np.full((len(values), len(units.labels) * n_periods), np.nan)
    for place, column in enumerate(columns):
        grid[place, cell] = column
    periods = (ticks[0] + step * np.arange(n_periods)).astype(times.labels.dtype)
    is_daily = step == (DAY_US if is_dated else 1)
    return UnitSeries(units.labels, periods, grid.reshape(len(values), len(units.labels), n_periods), is_daily)
