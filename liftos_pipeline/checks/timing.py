"""Temporal consistency: does every figure of the causal-ready rows lie where its name says, before the start or after it?

Recomputed here from the panel, with code of its own: day by day sums, no grid shared with the stage that made the rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.checks.outcome import CheckOutcome

Floats = NDArray[np.float64]
_WORST = 5
_TOLERANCE = 1e-6
_BEFORE, _AFTER, _WINDOW, _WEEK = 28, 28, 7, 7
_HORIZON = 56


@dataclass(frozen=True)
class Sources:
    """Columns of the panel behind the rows of one platform, and the days after which a day has matured."""

    unit_type: str
    count: str
    value: str
    volume: str
    clicks: str
    exposure: str
    quality: str | None
    frequency: str | None
    maturity_days: int

    @property
    def columns(self) -> tuple[str, ...]:
        wanted = (self.count, self.value, self.volume, self.clicks, self.exposure, self.quality, self.frequency)
        return tuple(dict.fromkeys(name for name in wanted if name is not None))


def figures_precede_the_start(
    rows: pd.DataFrame,
    panel: pd.DataFrame,
    treatments: pd.DataFrame,
    sources: Mapping[str, Sources],
    as_of: date,
) -> list[CheckOutcome]:
    """One outcome per platform: covariates that are not what the panel said strictly before the start, starts outside
    their window, and outcome days that had not come or not matured.

    Parameters
    ----------
    rows : DataFrame
        ``causal.causal_marketing_data`` as of one day.
    panel : DataFrame
        The columns of ``sources`` of ``marketing_panel`` as of the same day, with platform, unit_type, unit_id, date_day.
    treatments : DataFrame
        ``causal.treatments`` as of the same day.
    sources : mapping
        By platform.
    as_of : date
    """
    outcomes = []
    for platform, own in rows.groupby("platform", sort=True):
        source = sources[str(platform)]
        days = panel[(panel["platform"] == platform) & (panel["unit_type"] == source.unit_type)]
        wrong = _misdated(own, source, as_of)
        checked = 0
        history = _history(own, treatments[treatments["platform"] == platform])
        for name, expected in itertools.chain(_recomputed(own, days, source), history):
            known = own[name].to_numpy(dtype=float, na_value=np.nan)
            checked += len(own)
            apart = np.abs(known - expected) > _TOLERANCE * np.maximum(1.0, np.abs(expected))
            one_unknown = np.isfinite(known) != np.isfinite(expected)
            wrong += _named(own, name, apart | one_unknown, known, expected)
        n_wrong = sum(int(str(entry["n_rows"])) for entry in wrong)
        wrong.sort(key=lambda entry: -int(str(entry["n_rows"])))
        outcomes.append(
            CheckOutcome(
                gate="temporal_consistency",
                subject=str(platform),
                passed=not wrong,
                severity="error",
                seen=f"{n_wrong} of {checked} figures are not those of the days before the start"
                + (f": {', '.join(sorted({str(entry['figure']) for entry in wrong}))}" if wrong else ""),
                expected=f"covariates of days -{_BEFORE} to -1, starts within their window, outcomes that have matured",
                way_out=""
                if not wrong
                else "Do not use these effects: something after the start is adjusted for. Materialise "
                "causal_marketing_data again from this panel; if it stays, it is a fault of the stage.",
                offenders=tuple(wrong[:_WORST]),
            )
        )
    return outcomes


def consistent_share(outcome: CheckOutcome) -> float:
    """Share of the figures that stood, from what the rule saw."""
    bad, _, total = outcome.seen.partition(" of ")
    return 1.0 - int(bad) / max(int(total.split()[0]), 1)


def _misdated(rows: pd.DataFrame, source: Sources, as_of: date) -> list[dict[str, object]]:
    window = pd.to_datetime(rows["window_start"])
    started = pd.to_datetime(rows["started_on"])
    treated = rows["is_treated"].to_numpy() == 1
    start = started.where(treated, window)
    since = (start - window).dt.days.to_numpy()
    last_day = start + pd.Timedelta(days=_AFTER - 1)
    mature = pd.Timestamp(as_of) - pd.Timedelta(days=source.maturity_days)
    conditions = {
        "started_on": treated & ~((since >= 0) & (since < _WINDOW)),
        "control with a start": ~treated & started.notna().to_numpy(),
        "outcome days": (last_day > mature).to_numpy(),
    }
    dates = start.to_numpy()
    return [
        entry for name, bad in conditions.items() for entry in _named(rows, name, bad, dates, window.to_numpy())
    ]


def _named(
    rows: pd.DataFrame, figure: str, bad: NDArray[np.bool_], seen: NDArray[Any], expected: NDArray[Any]
) -> list[dict[str, object]]:
    """The first offending row of a figure, with how many there are."""
    where = np.flatnonzero(bad)
    if len(where) == 0:
        return []
    row = rows.iloc[where[0]]
    return [
        {
            "figure": figure,
            "treatment_type": row["treatment_type"],
            "unit_id": row["unit_id"],
            "window_start": f"{pd.Timestamp(row['window_start']):%Y-%m-%d}",
            "seen": str(seen[where[0]]),
            "expected": str(expected[where[0]]),
            "n_rows": len(where),
        }
    ]


def _recomputed(rows: pd.DataFrame, days: pd.DataFrame, source: Sources) -> Iterator[tuple[str, Floats]]:
    """What the panel says of each row, figure by figure."""
    tables = _Tables(days, source.columns)
    window = pd.to_datetime(rows["window_start"])
    is_treated = rows["is_treated"].to_numpy() == 1
    start = pd.to_datetime(rows["started_on"]).where(is_treated, window)
    at_window = tables.places(rows["unit_id"], window)
    at_start = tables.places(rows["unit_id"], start)
    for name, column in (("count", source.count), ("value", source.value)):
        yield f"{name}_before", tables.mean(column, at_start, -_BEFORE, 0)
        yield f"{name}_after", tables.mean(column, at_start, 0, _AFTER)
    yield "log_spend_before", _log(tables.mean(source.volume, at_window, -_BEFORE, 0))
    for name, column in (("spend_momentum", source.volume), ("count_momentum", source.count)):
        late = tables.mean(column, at_window, -_WEEK, 0)
        yield name, _log(late) - _log(tables.mean(column, at_window, -_BEFORE, -_WEEK))
    shown = tables.mean(source.exposure, at_window, -_BEFORE, 0)
    clicks = tables.mean(source.clicks, at_window, -_BEFORE, 0)
    yield "click_rate_before", np.where(shown > 0, clicks / np.where(shown > 0, shown, 1.0), 0.0 * shown)
    for name, known in (("quality_before", source.quality), ("frequency_before", source.frequency)):
        if known is not None:
            yield name, tables.mean(known, at_window, -_BEFORE, 0, of_known=True)


def _history(rows: pd.DataFrame, treatments: pd.DataFrame) -> Iterator[tuple[str, Floats]]:
    """Other treatments of each row's unit before its window, and the days since the last one, at most 56.

    Of a type that the platform logs only what is logged counts; what was withdrawn or is unexplained does not.
    """
    standing = treatments[treatments["standing"].isin(["current", "lapsed"])]
    logged = standing["evidence"] != "detected"
    has_log = logged.groupby(standing["treatment_type"]).transform("any")
    known = standing.loc[logged | ~has_log, ["unit_id", "treatment_type", "started_on"]]
    window = pd.to_datetime(rows["window_start"]).to_numpy()
    pairs = (
        pd.DataFrame({"place": np.arange(len(rows)), "unit_id": rows["unit_id"].to_numpy()})
        .assign(own=rows["treatment_type"].to_numpy(), window=window)
        .merge(known, on="unit_id")
    )
    pairs = pairs[
        (pairs["treatment_type"] != pairs["own"]) & (pd.to_datetime(pairs["started_on"]) < pairs["window"])
    ]
    since = (pairs["window"] - pd.to_datetime(pairs["started_on"])).dt.days
    count, last = np.zeros(len(rows)), np.full(len(rows), float(_HORIZON))
    np.add.at(count, pairs["place"], 1.0)
    np.minimum.at(last, pairs["place"], since.to_numpy(dtype=float))
    yield "other_active", count
    yield "days_since_other", last


class _Tables:
    """Unit x day tables of the panel's columns; a day beyond them is unknown."""

    def __init__(self, days: pd.DataFrame, columns: tuple[str, ...]) -> None:
        self._first = pd.to_datetime(days["date_day"]).min()
        code, units = pd.factorize(days["unit_id"], sort=True)
        self._units = pd.Index(units)
        day = (pd.to_datetime(days["date_day"]) - self._first).dt.days.to_numpy()
        self._shape = (len(units), int(day.max()) + 1)
        self._values = {}
        for name in columns:
            table = np.full(self._shape, np.nan)
            table[code, day] = days[name].to_numpy(dtype=float, na_value=np.nan)
            self._values[name] = table

    def places(self, units: pd.Series, day: pd.Series) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row and column of each unit and day."""
        found = np.asarray(self._units.get_indexer(units), dtype=np.int64)
        return found, (day - self._first).dt.days.to_numpy().astype(np.int64)

    def mean(
        self,
        name: str,
        at: tuple[NDArray[np.int64], NDArray[np.int64]],
        first: int,
        beyond: int,
        of_known: bool = False,
    ) -> Floats:
        """Mean over days ``first`` up to ``beyond`` from each place; NaN if one, or with ``of_known`` each, is unknown."""
        unit, day = at
        total, n_known = np.zeros(len(unit)), np.zeros(len(unit))
        table = self._values[name]
        for offset in range(first, beyond):
            column = day + offset
            inside = (unit >= 0) & (column >= 0) & (column < self._shape[1])
            value = np.where(inside, table[unit, np.clip(column, 0, self._shape[1] - 1)], np.nan)
            known = np.isfinite(value)
            total += np.where(known, value, 0.0)
            n_known += known
        enough = n_known > 0 if of_known else n_known == beyond - first
        return np.where(enough, total / np.maximum(n_known, 1.0), np.nan)


def _log(mean: Floats) -> Floats:
    return np.log1p(np.maximum(mean, 0.0))
