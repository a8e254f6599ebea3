"""Subscribers as a caller's table has them, one row each, as days from the first one. No statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.columns import Keys, Tabular, keys, numeric, to_pandas
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

MISSING = np.iinfo(np.int64).min


@dataclass(frozen=True, eq=False)
class Subscriptions:
    """Rows that can be used, and what was left out.

    Attributes
    ----------
    units : ndarray, shape (n_lists,)
        Labels.
    unit, start, end : ndarray, shape (n,)
        List, first and last day at risk; ``end`` is the last day known where a subscription goes on.
    event : ndarray of bool, shape (n,)
        Whether the subscriber left on the end day.
    last_day : int
        Last day known. Days count from 1970-01-01 where ``is_dated``, else as the caller does.
    left_out : list of dict
        By list: fault to number of rows, faults that occur only.
    """

    units: NDArray[Any]
    unit: Integers
    start: Integers
    end: Integers
    event: Booleans
    last_day: int
    is_dated: bool
    left_out: list[dict[str, int]]


def read_subscriptions(
    df: Tabular, unit: str, start: str, end: str, event: str, as_of: object = None
) -> Subscriptions:
    """Read one row per subscriber.

    Rows with a fault are left out and counted by list. An end after ``as_of`` is not known yet.

    Raises
    ------
    LiftosError
        Missing columns or lists; days that are text, or dates in one column and numbers in the other; an ``as_of``
        of another kind, or before every start.
    """
    frame = to_pandas(df, (unit, start, end, event))
    lists = keys(frame, unit, "list")
    (begin, is_dated), (stop, stop_is_dated) = (_days(frame, name) for name in (start, end))
    if None not in (is_dated, stop_is_dated) and is_dated != stop_is_dated:
        raise LiftosError(
            f"dates, or day numbers, in both {start} and {end}", "one of each", "Convert one of them."
        )
    left = numeric(frame, event, event, allow_missing=True, allow_infinite=True)
    last_day = _last_day(as_of, bool(is_dated), max(int(begin.max()), int(stop.max())))
    faults = {
        f"without {start}": begin == MISSING,
        f"with {event} neither 0 nor 1": ~((left == 0) | (left == 1)),
        f"with {event} but without {end}": (left == 1) & (stop == MISSING),
        f"with {end} before {start}": (stop != MISSING) & (begin != MISSING) & (stop < begin),
        "that start after the last day": begin > last_day,
    }
    usable = ~np.logical_or.reduce(list(faults.values()))
    known = usable & (stop != MISSING) & (stop <= last_day)
    return Subscriptions(
        units=lists.labels,
        unit=lists.codes[usable],
        start=begin[usable],
        end=np.where(known, stop, last_day)[usable],
        event=(known & (left == 1))[usable],
        last_day=last_day,
        is_dated=bool(is_dated),
        left_out=_counts(lists, faults),
    )


def _days(frame: pd.DataFrame, name: str) -> tuple[Integers, bool | None]:
    """Day numbers with MISSING, and whether they are dates; None where nothing is known."""
    known = frame[name].notna().to_numpy()
    days = np.full(len(frame), MISSING)
    if not known.any():
        return days, None
    found = keys(frame if known.all() else frame[known], name, "day")
    if found.labels.dtype.kind not in "Mi":
        raise LiftosError(f"dates or day numbers in {name}", "text", "Convert it to dates.")
    is_dated = found.labels.dtype.kind == "M"
    labels = found.labels.astype("datetime64[D]") if is_dated else found.labels
    days[known] = labels.astype(np.int64)[found.codes]
    return days, is_dated


def _last_day(as_of: object, is_dated: bool, latest: int) -> int:
    if as_of is None:
        return latest
    given = pd.to_datetime(as_of, errors="coerce") if isinstance(as_of, str) else as_of
    days, as_of_is_dated = _days(pd.DataFrame({"as_of": [given]}), "as_of")
    if as_of_is_dated != is_dated:
        raise LiftosError("as_of of the same kind as the days", repr(as_of), "Give a date, or a day number.")
    return int(days[0])


def _counts(lists: Keys, faults: dict[str, Booleans]) -> list[dict[str, int]]:
    """Rows by list and fault; a row with several faults counts under each."""
    by_fault = {
        fault: np.bincount(lists.codes[rows], minlength=len(lists.labels))
        for fault, rows in faults.items()
        if rows.any()
    }
    return [
        {fault: int(counts[place]) for fault, counts in by_fault.items() if counts[place]}
        for place in range(len(lists.labels))
    ]
