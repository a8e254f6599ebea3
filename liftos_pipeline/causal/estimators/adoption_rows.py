"""Reads adoption from a panel: what is refused, dropped or warned about before anything is estimated."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.columns import shown
from liftos_pipeline.causal.estimators.adoption import NEVER, Adoption
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.errors import LiftosError

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


def adoption_of(panel: Panel, method: str) -> Adoption:
    """Find the adoption period of each unit and the rows that can be used.

    Raises
    ------
    LiftosError
        No period, or text periods whose sorted order is not their order in time; a treatment that switches off; a
        unit in two clusters; no unit seen before and after adoption.
    """
    period, labels = _periods(panel, method)
    cluster = _unit_clusters(panel)
    start = _starts(panel, period)
    _refuse_switching_off(panel, period, labels, start)
    usable, notes = _usable_units(panel)
    if not usable.all():
        rows = usable[panel.unit]
        if not panel.d[rows].any():
            raise LiftosError(
                f"units seen before and after adoption for {method}",
                "none: every treated unit is treated in all its rows or seen once",
                "Add periods before the treatment.",
            )
        panel = rows_of(panel, rows)
        period, labels = _periods(panel, method)
        cluster, start = _unit_clusters(panel), _starts(panel, period)
    warnings = (*notes, *_uncertain_starts(panel, period, start), *_uneven_periods(labels))
    return Adoption(panel, period, labels, start, cluster, warnings)


def rows_of(panel: Panel, rows: Booleans) -> Panel:
    """The panel of some rows: units, periods and clusters without rows are gone."""
    unit, unit_labels = _compact(panel.unit[rows], panel.unit_labels)
    cluster, cluster_labels = _compact(panel.cluster[rows], panel.cluster_labels)
    period, period_labels = panel.period, panel.period_labels
    if period is not None and period_labels is not None:
        period, period_labels = _compact(period[rows], period_labels)
    return dataclasses.replace(
        panel,
        y=panel.y[rows],
        d=panel.d[rows],
        X=panel.X[rows],
        Z=panel.Z[rows],
        unit=unit,
        unit_labels=unit_labels,
        period=period,
        period_labels=period_labels,
        cluster=cluster,
        cluster_labels=cluster_labels,
        weights=None if panel.weights is None else panel.weights[rows],
        propensity=None if panel.propensity is None else panel.propensity[rows],
        row_order=panel.row_order[rows],
    )


def _compact(codes: Integers, labels: NDArray[Any]) -> tuple[Integers, NDArray[Any]]:
    used = np.bincount(codes, minlength=len(labels)) > 0
    return (np.cumsum(used) - 1)[codes], labels[used]


def _periods(panel: Panel, method: str) -> tuple[Integers, NDArray[Any]]:
    if panel.period is None or panel.period_labels is None:
        raise LiftosError(f"a period for {method}", "a cross-section", "Name the period column.")
    labels = panel.period_labels
    if labels.dtype.kind == "O":
        by_number = sorted(labels, key=_numbers_as_numbers)
        moved = [text for text, other in zip(labels, by_number, strict=True) if text != other]
        if moved:
            raise LiftosError(
                f"periods in {panel.roles.period} whose sorted order is their order in time",
                f"text, sorted {shown(labels)}",
                "Convert them to numbers or dates, or pad the numbers with zeros.",
            )
    return panel.period, labels


def _numbers_as_numbers(text: str) -> list[tuple[int, str]]:
    """Sort key that reads digits as numbers: week9 before week10."""
    parts = re.split(r"(\d+)", text)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts if part]


def _unit_clusters(panel: Panel) -> Integers:
    by_unit = np.empty(panel.n_units, dtype=np.int64)
    by_unit[panel.unit] = panel.cluster
    moved = by_unit[panel.unit] != panel.cluster
    if moved.any():
        raise LiftosError(
            "each unit in one cluster",
            f"unit {panel.unit_labels[panel.unit[moved][0]]} in several",
            "Cluster by something that does not change within units.",
        )
    return by_unit


def _starts(panel: Panel, period: Integers) -> Integers:
    start = np.full(panel.n_units, NEVER)
    treated = np.flatnonzero(panel.d)[::-1]  # the last write stays: the first treated row of each unit
    start[panel.unit[treated]] = period[treated]
    return start


def _refuse_switching_off(panel: Panel, period: Integers, labels: NDArray[Any], start: Integers) -> None:
    off = np.flatnonzero((panel.d == 0) & (period > start[panel.unit]))
    if len(off):
        raise LiftosError(
            "a treatment that stays on once it has begun",
            f"{len(np.unique(panel.unit[off]))} units whose treatment switches off, first "
            f"{panel.unit_labels[panel.unit[off[0]]]} at {labels[period[off[0]]]}",
            "Drop the rows after a treatment ends, or use did.",
        )


def _usable_units(panel: Panel) -> tuple[Booleans, list[str]]:
    n_rows = np.bincount(panel.unit, minlength=panel.n_units)
    n_treated = np.bincount(panel.unit, weights=panel.d, minlength=panel.n_units)
    once = n_rows == 1
    always = (n_treated == n_rows) & ~once
    notes = []
    if always.any():
        notes.append(f"{int(always.sum())} units treated in all their rows were dropped: they have no time before")
    if once.any():
        notes.append(f"{int(once.sum())} units seen in one period were dropped: they show no change")
    return ~(once | always), notes


def _uncertain_starts(panel: Panel, period: Integers, start: Integers) -> tuple[str, ...]:
    """Treated units without a row in the period before their first treated one."""
    first = np.flatnonzero(period == start[panel.unit])
    n = int((period[first - 1] != period[first] - 1).sum())  # every unit has an untreated row first
    return (f"{n} units have no row just before their first treated one, which is taken as adoption",) if n else ()


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
