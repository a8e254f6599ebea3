"""Reads adoption from a panel: what is refused, dropped or warned about before anything is estimated."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.columns import shown
from liftos_pipeline.causal.estimators.adoption import Adoption
from liftos_pipeline.causal.estimators.panel_rows import rows_of
from liftos_pipeline.causal.index import NEVER, Index, adoption_dates
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.errors import LiftosError

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


def adoption_of(panel: Panel, method: str) -> Adoption:
    """Find the adoption period of each unit and the rows that can be used.

    A unit adopts between its last untreated and its first treated row. Where missing rows leave several periods
    open, it is put down to the last of the ``adoption_dates`` of all units that is among them: the fewest dates
    that agree with the rows.

    Raises
    ------
    LiftosError
        No period, or text periods whose sorted order is not their order in time; a treatment that switches off; a
        unit in two clusters; no unit seen before and after adoption.
    """
    _refuse_unordered_periods(panel, method)
    compresses = panel.index.is_balanced and not panel.covariate_names and not panel.has_weights
    source = panel if compresses else panel.held()
    cluster = _unit_clusters(source)
    _refuse_switching_off(source.index)
    used, notes = _usable_units(source.index, method)
    if not used.all() and not source.index.is_balanced:
        source = rows_of(source, used[source.unit])
        cluster, used = _unit_clusters(source), np.ones(source.n_units, dtype=np.bool_)
    index = source.index
    first, last = index.first_treated[used], index.last_untreated[used]
    start, n_open = _starts(first, last)
    cluster = np.unique(cluster[used], return_inverse=True)[1]
    warnings = (*notes, *_open_starts(n_open), *_uneven_periods(index.period_labels))
    n_rows = int(index.unit_rows[used].sum())
    return Adoption(source, used, index.period_labels, start, cluster, n_rows, n_open, warnings)


def _refuse_unordered_periods(panel: Panel, method: str) -> None:
    if panel.roles.period is None:
        raise LiftosError(f"a period for {method}", "a cross-section", "Name the period column.")
    labels = panel.index.period_labels
    if labels.dtype.kind == "O":
        by_number = sorted(labels, key=_numbers_as_numbers)
        moved = [text for text, other in zip(labels, by_number, strict=True) if text != other]
        if moved:
            raise LiftosError(
                f"periods in {panel.roles.period} whose sorted order is their order in time",
                f"text, sorted {shown(labels)}",
                "Convert them to numbers or dates, or pad the numbers with zeros.",
            )


def _numbers_as_numbers(text: str) -> list[tuple[int, str]]:
    """Sort key that reads digits as numbers: week9 before week10."""
    parts = re.split(r"(\d+)", text)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts if part]


def _unit_clusters(panel: Panel) -> Integers:
    if panel.index.unit_cluster is not None:
        return panel.index.unit_cluster
    ends = panel.rows.aggregate(["unit"], {"low": "min(cluster)", "high": "max(cluster)"})
    moved = ends.column("low").to_numpy() != ends.column("high").to_numpy()
    raise LiftosError(
        "each unit in one cluster",
        f"unit {panel.index.unit_labels[np.argmax(moved)]} in several",
        "Cluster by something that does not change within units.",
    )


def _refuse_switching_off(index: Index) -> None:
    off = np.flatnonzero(index.last_untreated > index.first_treated)
    if len(off):
        raise LiftosError(
            "a treatment that stays on once it has begun",
            f"{len(off)} units whose treatment switches off, first {index.unit_labels[off[0]]} at "
            f"{index.period_labels[index.last_untreated[off[0]]]}",
            "Drop the rows after a treatment ends, or use did.",
        )


def _usable_units(index: Index, method: str) -> tuple[Booleans, list[str]]:
    once = index.unit_rows == 1
    always = (index.treated_rows == index.unit_rows) & ~once
    used = ~(once | always)
    if not (index.treated_rows[used] > 0).any():
        raise LiftosError(
            f"units seen before and after adoption for {method}",
            "none: every treated unit is treated in all its rows or seen once",
            "Add periods before the treatment.",
        )
    notes = []
    if always.any():
        notes.append(f"{int(always.sum())} units treated in all their rows were dropped: they have no time before")
    if once.any():
        notes.append(f"{int(once.sum())} units seen in one period were dropped: they show no change")
    return used, notes


def _starts(first: Integers, last: Integers) -> tuple[Integers, int]:
    """Adoption period of each unit, and of how many units it is open, from the first treated and last untreated row."""
    treated = first != NEVER
    dates = adoption_dates(first[treated], last[treated])
    start = first.copy()
    start[treated] = dates[np.searchsorted(dates, first[treated], side="right") - 1]
    return start, int(np.count_nonzero(last[treated] + 1 < first[treated]))


def _open_starts(n_open: int) -> tuple[str, ...]:
    if n_open == 0:
        return ()
    return (
        f"{n_open} units have no row just before their first treated one: of the periods that this leaves open they "
        "are taken to adopt in the last one in which others must have",
    )


def _uneven_periods(labels: NDArray[Any]) -> tuple[str, ...]:
    """Say so where period labels leave gaps: event time counts periods."""
    if labels.dtype.kind == "M":
        steps = _calendar_steps(labels.astype("datetime64[us]"))
    elif labels.dtype.kind in "iu":
        steps = np.diff(labels)
    else:
        return ()
    uneven = np.flatnonzero(steps > steps.min()) if len(steps) else steps
    if len(uneven) == 0:
        return ()
    after = shown(np.array([str(labels[place]).removesuffix("T00:00:00.000000") for place in uneven]))
    return (f"periods are missing after {after}: event time counts periods, not calendar distance",)


def _calendar_steps(labels: NDArray[Any]) -> Integers:
    """Distances between instants; in months where all fall on one day of the month, or all on its last."""
    days, months = labels.astype("datetime64[D]"), labels.astype("datetime64[M]")
    day_of_month = (days - months.astype("datetime64[D]")).astype(np.int64)
    is_last_day = (days + np.timedelta64(1, "D")).astype("datetime64[M]") != months
    by_month = np.diff(months.astype(np.int64))
    if (by_month > 0).all() and (is_last_day.all() or (day_of_month == day_of_month[0]).all()):
        return np.asarray(by_month, dtype=np.int64)
    return np.asarray(np.diff(labels), dtype=np.int64)
