"""Assembles ``CausalMarketingData`` from the tables of one as-of day: one record per unit and day, or rolled up to weeks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from itertools import groupby
from typing import Literal

import pandas as pd

from liftos_pipeline.domain import (
    CausalDataQuality,
    CausalGraph,
    CausalMarketingData,
    ConfounderVariable,
    ExternalFactor,
    TemporalGranularity,
    TreatmentAssignment,
)
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.schema import PLATFORMS, TREATMENT_TYPES
from liftos_pipeline.stages.factors import FACTORS
from liftos_pipeline.stages.graph import graphs
from liftos_pipeline.stages.roles import MACRO, ROLES

SUMMED = (
    *("spend", "impressions", "clicks", "conversions_reported", "revenue_reported"),
    *("orders", "order_revenue", "email_sends", "email_opens", "email_clicks", "unsubscribes"),
)
"""Metrics that add up over days."""
AVERAGED = ("budget_in_force", "quality_score", "quality_ranking_level", "frequency")
"""Metrics whose weekly figure is the mean of the days."""
PANEL_COLUMNS = ("platform", "unit_type", "unit_id", "date_day", *MACRO.values(), *SUMMED, *AVERAGED)
"""What the records are made of."""

_WEEK = 7
_PATTERNS: Mapping[str, Literal["trend", "seasonal", "shock"]] = {
    "budget_change": "shock",
    "audience_fatigue": "trend",
    "quality_score_regime": "shock",
    "list_health": "trend",
    "seasonality": "seasonal",
    "market_shock": "shock",
    "confounder_score": "trend",
}


@dataclass(frozen=True)
class Tables:
    """Rows as of one day: ``marketing_panel`` and the result tables, ``graph`` of ``causal.causal_graph``."""

    as_of: date
    panel: pd.DataFrame
    confounders: pd.DataFrame
    factors: pd.DataFrame
    treatments: pd.DataFrame
    graph: pd.DataFrame


def marketing_data(
    tables: Tables,
    platform: str,
    treatment_type: str,
    granularity: TemporalGranularity = "daily",
    data_quality: CausalDataQuality | None = None,
) -> Iterator[CausalMarketingData]:
    """Records of one analysis, by unit and time. A metric that is not known is left out.

    ``treatment_assignment`` is the newest treatment of the type that stands and is not taken back on that day, None before
    the first. Confounders are what the detectors date up to that day, and their undated findings. Macro factors are those
    known on the day; only those of the as-of day carry their release dates.

    Parameters
    ----------
    granularity : {"daily", "weekly"}
        A week starts on Monday and is left out unless all its days are there.

    Raises
    ------
    LiftosError
        An unknown platform, treatment type or granularity; ``hourly``, which no source supplies.
    """
    _refuse(platform, treatment_type, granularity)
    graph = next((found for *key, found in graphs(tables.graph) if key == [platform, treatment_type]), None)
    days = _daily(tables, platform, treatment_type, graph, data_quality)
    return days if granularity == "daily" else weekly(days)


def weekly(days: Iterable[CausalMarketingData]) -> Iterator[CausalMarketingData]:
    """Roll daily records, ordered by experiment and time, up to whole weeks from Monday.

    Counts and money are added, levels averaged; a metric that one day lacks is left out. All else is as on Sunday.
    """
    for _, found in groupby(days, key=lambda record: (record.experiment_id, _monday(record.timestamp))):
        week = list(found)
        if len(week) < _WEEK:
            continue
        shared = set.intersection(*(set(record.metrics) for record in week))
        totals = {name: sum(record.metrics[name] for record in week) for name in week[0].metrics if name in shared}
        metrics = {name: total / _WEEK if name in AVERAGED else total for name, total in totals.items()}
        monday = datetime.combine(_monday(week[0].timestamp), time())
        yield replace(week[-1], timestamp=monday, metrics=metrics, temporal_granularity="weekly")


def to_json(record: CausalMarketingData) -> str:
    """One record as JSON."""
    from pydantic import TypeAdapter

    return TypeAdapter(CausalMarketingData).dump_json(record).decode()


def from_json(text: str | bytes) -> CausalMarketingData:
    """The record that ``to_json`` wrote.

    Raises
    ------
    LiftosError
        The text is no such record.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(CausalMarketingData).validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the text"
        raise LiftosError(
            "a CausalMarketingData as JSON", f"{where}: {first['msg']}", "Send all its fields."
        ) from error


def _refuse(platform: str, treatment_type: str, granularity: str) -> None:
    for what, value, known in (
        ("a platform", platform, tuple(name for name in PLATFORMS if name in ROLES)),
        ("a treatment type", treatment_type, TREATMENT_TYPES),
    ):
        if value not in known:
            raise LiftosError(f"{what} of {', '.join(known)}", repr(value), "Choose one of them.")
    if granularity not in ("daily", "weekly"):
        raise LiftosError(
            "granularity daily (native) or weekly (a roll-up)",
            repr(granularity),
            "No source supplies figures by the hour; ask for days.",
        )


def _daily(
    tables: Tables,
    platform: str,
    treatment_type: str,
    graph: CausalGraph | None,
    data_quality: CausalDataQuality | None,
) -> Iterator[CausalMarketingData]:
    roles = ROLES[platform]
    panel = tables.panel[(tables.panel["platform"] == platform) & (tables.panel["unit_type"] == roles.unit_type)]
    panel = panel.sort_values(["unit_id", "date_day"])
    assigned = _assignments(tables.treatments, platform, treatment_type)
    confounders = _confounders(tables.confounders, platform)
    newest = {factor.name: factor for factor in _factors(tables.factors)}
    for row in panel.to_dict("records"):
        day, unit = pd.Timestamp(row["date_day"]).date(), str(row["unit_id"])
        yield CausalMarketingData(
            experiment_id=f"{treatment_type}:{unit}",
            platform=platform,
            timestamp=datetime.combine(day, time()),
            metrics={name: float(row[name]) for name in (*SUMMED, *AVERAGED) if _is_known(row[name])},
            confounders=tuple(
                found for since, found in confounders.get(unit, ()) if since is None or since <= day
            ),
            external_factors=tuple(newest.values()) if day == tables.as_of and newest else _factors_of_day(row),
            treatment_assignment=_in_force(assigned.get(unit, ()), day),
            causal_graph=graph,
            data_quality=data_quality,
            randomization_unit=roles.assigned_by,
            temporal_granularity="daily",
        )


_Assigned = tuple[date, date | None, TreatmentAssignment]
"""Start, day from which it is taken back, and the treatment."""


def _assignments(treatments: pd.DataFrame, platform: str, treatment_type: str) -> Mapping[str, list[_Assigned]]:
    rows = treatments[(treatments["platform"] == platform) & (treatments["treatment_type"] == treatment_type)]
    rows = rows[rows["standing"].isin(["current", "lapsed"])].sort_values(["unit_id", "started_on"])
    found: dict[str, list[_Assigned]] = {}
    for row in rows.to_dict("records"):
        start = pd.Timestamp(row["started_on"])
        probability, group = row["assignment_probability"], row["control_group_id"]
        treatment = TreatmentAssignment(
            treatment_id=row["treatment_id"],
            treatment_type=row["treatment_type"],
            assignment_method=row["assignment_method"],
            assignment_probability=float(probability) if _is_known(probability) else None,
            control_group_id=group if _is_known(group) else None,
            randomization_unit=row["randomization_unit"],
            assignment_timestamp=start.to_pydatetime(),
        )
        undone = pd.Timestamp(row["undone_on"]).date() if _is_known(row["undone_on"]) else None
        found.setdefault(row["unit_id"], []).append((start.date(), undone, treatment))
    return found


def _in_force(assigned: Iterable[_Assigned], day: date) -> TreatmentAssignment | None:
    standing = [entry for start, undone, entry in assigned if start <= day and (undone is None or day < undone)]
    return standing[-1] if standing else None


def _confounders(rows: pd.DataFrame, platform: str) -> Mapping[str, list[tuple[date | None, ConfounderVariable]]]:
    """Per unit what was found, with its day: a detector's dated events, or its verdict where it dates nothing."""
    detected = rows[(rows["platform"] == platform) & (rows["status"] == "detected")]
    detected = detected[detected[["estimate", "confidence"]].notna().all(axis=1)]
    dated = set(detected.loc[detected["event_no"] > 0, ["unit_id", "detector"]].itertuples(index=False, name=None))
    found: dict[str, list[tuple[date | None, ConfounderVariable]]] = {}
    for row in detected.to_dict("records"):
        if row["event_no"] == 0 and (row["unit_id"], row["detector"]) in dated:
            continue
        day = pd.Timestamp(row["event_on"]).date() if _is_known(row["event_on"]) else None
        context = {"platform": platform, "unit_id": row["unit_id"]} | (
            {} if day is None else {"event_on": str(day)}
        )
        variable = ConfounderVariable(
            name=row["detector"],
            value=float(row["estimate"]),
            confidence=float(row["confidence"]),
            detection_method=row["detector"],
            platform_specific_context=context,
            temporal_pattern=_PATTERNS.get(row["detector"], "trend"),
        )
        found.setdefault(row["unit_id"], []).append((day, variable))
    return found


def _factors(rows: pd.DataFrame) -> list[ExternalFactor]:
    def day(value: object) -> date | None:
        return pd.Timestamp(str(value)).date() if _is_known(value) else None

    return [
        ExternalFactor(
            row["factor"],
            row["series_id"],
            float(row["value"]) if _is_known(row["value"]) else None,
            row["unit"],
            day(row["observation_date"]),
            day(row["realtime_start"]),
            bool(row["is_stale"]),
        )
        for row in rows.to_dict("records")
    ]


def _factors_of_day(row: Mapping[str, object]) -> tuple[ExternalFactor, ...]:
    """Values as known on an earlier day; the panel does not keep when they were released."""
    found = []
    for name, column in MACRO.items():
        series, unit = FACTORS[name]
        value = float(str(row[column])) if _is_known(row[column]) else None
        found.append(ExternalFactor(name, series, value, unit, None, None, value is None))
    return tuple(found)


def _is_known(value: object) -> bool:
    return value is not None and not pd.isna(value)


def _monday(timestamp: datetime) -> date:
    return (timestamp - timedelta(days=timestamp.weekday())).date()
