"""Candidates, treatment and outcome on one grid of units and periods: which rows and which candidates can be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.columns import Tabular, keys, shown, to_pandas
from liftos_pipeline.causal.confounders.series import UnitSeries, read_series
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

MIN_KNOWN_SHARE = 0.8
ROUNDING = 1e-9
"""Share of a candidate's variance below which it is rounding."""

CONSTANT = "constant in the rows before treatment"
ABSORBED = "the same for all units in each period: the calendar effect holds it"


@dataclass(frozen=True, eq=False)
class Candidates:
    """What can be tested, in the rows of units not yet treated.

    Attributes
    ----------
    names : tuple of str
        Candidates that are tested, in the caller's order.
    X : ndarray, shape (k, n_units, n_periods)
        Centred by period, with unit variance, over ``rows``; zero elsewhere.
    y : ndarray, shape (n_units, n_periods)
        The outcome, likewise.
    rows : ndarray of bool, shape (n_units, n_periods)
        Not yet treated, and complete.
    at_risk, adopts : ndarray of bool, shape (n_units, n_periods - 1)
        Whether a unit may adopt in the periods from the second on, and whether it does; the candidates of the period
        before are known.
    cluster : ndarray, shape (n_units,)
        Codes from 0.
    excluded : dict
        Candidate to the reason why it is not tested.
    counts : dict
        Rows and units by what became of them.
    """

    names: tuple[str, ...]
    X: Floats
    y: Floats
    rows: Booleans
    at_risk: Booleans
    adopts: Booleans
    cluster: Integers
    excluded: dict[str, str]
    counts: dict[str, int]

    @property
    def n_adopters(self) -> int:
        return int(self.adopts.sum())

    @property
    def n_clusters(self) -> int:
        """Clusters with rows."""
        return len(np.unique(self.cluster[self.rows.any(axis=1)]))


def read_candidates(
    df: Tabular,
    unit: str,
    period: str,
    treatment: str,
    outcome: str,
    candidates: Sequence[str],
    cluster: str | None,
) -> Candidates:
    """Read the table and decide which candidates can be tested.

    Raises
    ------
    LiftosError
        Names that are missing or repeated, a treatment other than 0 and 1, a unit in several clusters, and what
        ``read_series`` refuses.
    """
    names = _checked_names(candidates, (unit, period, treatment, outcome))
    series = read_series(df, unit, period, treatment, outcome, *names, allow_infinite=True)
    d, y, *columns = series.values
    infinite = {
        name: int(np.isinf(column).sum()) for name, column in zip((outcome, *names), (y, *columns), strict=True)
    }
    first = _adoption(d, treatment)
    before = np.arange(d.shape[1]) < first[:, None]
    usable = before & ~np.isnan(d) & np.isfinite(y)
    excluded = _too_often_unknown(names, columns, usable)
    rows = usable.copy()
    for name, column in zip(names, columns, strict=True):
        if name not in excluded:
            rows &= np.isfinite(column)
    kept, X = [], []
    for name, column in zip(names, columns, strict=True):
        if name not in excluded:
            scaled, reason = _scaled(column, rows)
            if reason is None:
                kept.append(name)
                X.append(scaled)
            else:
                excluded[name] = reason
    independent = _independent(X, kept, excluded)
    at_risk = rows[:, :-1] & ~np.isnan(d[:, 1:])
    n_treated = int((~before & ~np.isnan(d)).sum())
    return Candidates(
        names=tuple(kept[place] for place in independent),
        X=np.stack([X[place] for place in independent]) if independent else np.empty((0, *d.shape)),
        y=_scaled(y, rows)[0],
        rows=rows,
        at_risk=at_risk,
        adopts=at_risk & (np.arange(1, d.shape[1]) == first[:, None]),
        cluster=_clusters(df, unit, cluster, series),
        excluded=excluded,
        counts={
            "n_rows": len(df),
            "n_rows_used": int(rows.sum()),
            "n_rows_treated": n_treated,
            "n_rows_incomplete": len(df) - int(rows.sum()) - n_treated,
            "n_infinite": sum(infinite.values()),
            "n_units": len(d),
            "n_units_never_untreated": int((~usable.any(axis=1)).sum()),
            "n_units_switched_off": int((~before & (d == 0)).any(axis=1).sum()),
        },
    )


def _checked_names(candidates: Sequence[str], roles: tuple[str, ...]) -> tuple[str, ...]:
    names = (candidates,) if isinstance(candidates, str) else tuple(candidates)
    if not names:
        raise LiftosError("at least one candidate", "none", "Name the columns that may confound.")
    repeated = sorted({name for name in names if names.count(name) > 1} | (set(names) & set(roles)))
    if repeated:
        raise LiftosError("candidates named once, beside the other roles", ", ".join(repeated), "Drop them.")
    return names


def _adoption(d: Floats, treatment: str) -> Integers:
    """Place of the first treated period of each unit; the number of periods where there is none."""
    other = np.unique(d[~np.isnan(d) & (d != 0) & (d != 1)])
    if len(other):
        raise LiftosError(
            f"0 or 1 in treatment {treatment}",
            f"also {shown(other)}",
            "Code rows from the start on as 1, others as 0.",
        )
    treated = d == 1
    first: Integers = np.where(treated.any(axis=1), np.argmax(treated, axis=1), d.shape[1]).astype(np.int64)
    return first


def _too_often_unknown(names: Sequence[str], columns: Sequence[Floats], usable: Booleans) -> dict[str, str]:
    n_usable = max(int(usable.sum()), 1)
    reasons = {}
    for name, column in zip(names, columns, strict=True):
        share = float(np.sum(np.isfinite(column) & usable)) / n_usable
        if share < MIN_KNOWN_SHARE:
            reasons[name] = f"known in {share:.1%} of the rows before treatment, {MIN_KNOWN_SHARE:.0%} are needed"
    return reasons


def _scaled(column: Floats, rows: Booleans) -> tuple[Floats, str | None]:
    """Centred by period and scaled over ``rows``, or why it cannot be."""
    known = np.where(rows, column, 0.0)
    n_rows = max(int(rows.sum()), 1)
    moved = np.where(rows, known - known.sum() / n_rows, 0.0)
    total = float(np.sum(moved**2)) / n_rows
    if total <= (ROUNDING * float(np.max(np.abs(known), initial=0.0))) ** 2:
        return moved, CONSTANT
    centred = np.where(rows, moved - moved.sum(axis=0) / np.maximum(rows.sum(axis=0), 1), 0.0)
    own = float(np.sum(centred**2)) / n_rows
    if own <= ROUNDING * total:
        return centred, ABSORBED
    return centred / np.sqrt(own), None


def _independent(X: Sequence[Floats], names: Sequence[str], excluded: dict[str, str]) -> list[int]:
    """Places of columns of which none is a combination of those before it; the others are excluded."""
    products = np.array([[np.vdot(one, other) for other in X] for one in X]).reshape(len(X), len(X))
    chosen: list[int] = []
    for place in range(len(X)):
        before = products[np.ix_(chosen, chosen)]
        toward = products[chosen, place]
        left = products[place, place] - toward @ np.linalg.solve(before, toward)
        if left > ROUNDING * products[place, place]:
            chosen.append(place)
            continue
        weights = np.linalg.solve(before, toward)
        part = [names[other] for other, weight in zip(chosen, weights, strict=True) if abs(weight) > 1e-6]
        excluded[names[place]] = f"a linear combination of {', '.join(part)}"
    return chosen


def _clusters(df: Tabular, unit: str, cluster: str | None, series: UnitSeries) -> Integers:
    n_units = len(series.units)
    if cluster is None:
        return np.arange(n_units, dtype=np.int64)
    frame = to_pandas(df, (unit, cluster))
    units, clusters = keys(frame, unit, "unit"), keys(frame, cluster, "cluster")
    of_unit = np.zeros(n_units, dtype=np.int64)
    of_unit[units.codes] = clusters.codes
    moving = units.codes[of_unit[units.codes] != clusters.codes]
    if len(moving):
        raise LiftosError(
            f"each {unit} in one {cluster}",
            f"{units.labels[moving[0]]} in several",
            "Give units one cluster each.",
        )
    return of_unit
