"""Domain records from the tables: what each day knows, weeks, JSON and back."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta

import pandas as pd
import pytest

from liftos_pipeline.domain import CausalMarketingData
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.stages.records import AVERAGED, SUMMED, Tables, from_json, marketing_data, to_json, weekly
from liftos_pipeline.stages.roles import MACRO

MONDAY = date(2026, 5, 4)
AS_OF = MONDAY + timedelta(days=15)
KIND = "budget_change"


def panel(
    units: tuple[str, ...] = ("meta:1:a", "meta:1:b"), platform: str = "meta", kind: str = "campaign"
) -> pd.DataFrame:
    days = [MONDAY + timedelta(days=number) for number in range(-1, 16)]
    rows = [
        {
            "platform": platform,
            "unit_type": kind,
            "unit_id": unit,
            "date_day": day,
            **dict.fromkeys((*SUMMED, *AVERAGED), math.nan),
            "spend": 10.0,
            "clicks": float(number),
            "frequency": 1.0 + number,
            **{column: 100.0 * place + number for place, column in enumerate(MACRO.values())},
        }
        for unit in units
        for number, day in enumerate(days)
    ]
    return pd.DataFrame(rows)


def treatment(unit: str, day: date, **more: object) -> dict[str, object]:
    row = {
        "treatment_id": f"{unit}@{day}",
        "platform": "meta",
        "unit_id": unit,
        "treatment_type": KIND,
        "started_on": day,
        "undone_on": None,
        "assignment_method": "observational",
        "assignment_probability": None,
        "control_group_id": None,
        "randomization_unit": "campaign",
        "standing": "current",
    }
    return row | more


def event(
    unit: str, detector: str, number: int, day: date | None, estimate: float = 0.4, status: str = "detected"
) -> dict:
    names = ("platform", "unit_id", "detector", "event_no", "event_on", "estimate", "confidence", "status")
    return dict(zip(names, ("meta", unit, detector, number, day, estimate, 0.99, status), strict=True))


FACTORS = pd.DataFrame(
    [{"factor": "unrate", "series_id": "UNRATE", "value": 4.0, "unit": "percent", "observation_date": date(2026, 4, 1),
      "realtime_start": date(2026, 5, 1), "is_stale": False}]
)  # fmt: skip
GRAPH = pd.DataFrame(
    [("meta", KIND, "c", KIND, "confounder", "treatment"), ("meta", KIND, "c", "outcome", "confounder", "outcome"),
     ("meta", KIND, KIND, "outcome", "treatment", "outcome")],
    columns=["platform", "treatment_type", "cause", "effect", "cause_role", "effect_role"],
)  # fmt: skip


def tables(*treatments: dict, confounders: tuple[dict, ...] = (), rows: pd.DataFrame | None = None) -> Tables:
    columns = list(treatment("x", MONDAY))
    events = pd.DataFrame(confounders, columns=list(event("x", "d", 0, None)))
    days = panel() if rows is None else rows
    return Tables(AS_OF, days, events, FACTORS, pd.DataFrame(treatments, columns=columns), GRAPH)


def by_day(held: Tables, unit: str = "meta:1:a") -> dict[date, CausalMarketingData]:
    return {
        record.timestamp.date(): record
        for record in marketing_data(held, "meta", KIND)
        if record.experiment_id == f"{KIND}:{unit}"
    }


def test_one_record_per_unit_and_day_with_what_is_known_and_nothing_else() -> None:
    records = list(marketing_data(tables(), "meta", KIND))
    assert len(records) == 34
    first = records[0]
    assert (first.experiment_id, first.platform, first.timestamp) == (
        f"{KIND}:meta:1:a",
        "meta",
        datetime(2026, 5, 3),
    )
    assert dict(first.metrics) == {"spend": 10.0, "clicks": 0.0, "frequency": 1.0}
    assert (first.confounders, first.treatment_assignment, first.data_quality) == ((), None, None)
    assert (first.randomization_unit, first.temporal_granularity) == ("campaign", "daily")
    assert first.causal_graph is not None and first.causal_graph.adjustment_set == ("c",)
    assert list(marketing_data(tables(), "google_ads", KIND)) == []
    assert next(marketing_data(tables(), "meta", "creative_change")).causal_graph is None


def test_a_treatment_counts_from_its_first_day_until_it_is_taken_back() -> None:
    starts = [MONDAY, MONDAY + timedelta(days=4), MONDAY + timedelta(days=6)]
    held = tables(
        treatment("meta:1:a", starts[0]),
        treatment("meta:1:a", starts[1], undone_on=starts[2], assignment_probability=0.5, control_group_id="g"),
        treatment("meta:1:a", starts[1], treatment_id="no", standing="withdrawn"),
        treatment("meta:1:a", starts[1], treatment_id="no", standing="unexplained"),
        treatment("meta:1:a", starts[1], treatment_id="no", treatment_type="creative_change"),
        treatment("meta:1:a", starts[1], treatment_id="no", platform="google_ads"),
    )
    records = by_day(held)
    ids = {day: r.treatment_assignment and r.treatment_assignment.treatment_id for day, r in records.items()}
    assert ids[MONDAY - timedelta(days=1)] is None
    assert ids[starts[0]] == ids[starts[1] - timedelta(days=1)] == f"meta:1:a@{starts[0]}"
    assert ids[starts[1]] == ids[starts[2] - timedelta(days=1)] == f"meta:1:a@{starts[1]}"
    assert ids[starts[2]] == f"meta:1:a@{starts[0]}"
    assigned = records[starts[1]].treatment_assignment
    assert (assigned.assignment_probability, assigned.control_group_id) == (0.5, "g")
    assert assigned.assignment_timestamp == datetime(2026, 5, 8)
    first = records[starts[0]].treatment_assignment
    assert first is not None and first.assignment_probability is None and first.control_group_id is None
    assert all(record.treatment_assignment is None for record in by_day(held, "meta:1:b").values())


def test_confounders_are_what_is_dated_so_far_and_what_has_no_date() -> None:
    later = MONDAY + timedelta(days=3)
    held = tables(
        confounders=(
            event("meta:1:a", "budget_change", 0, None, 9.0),
            event("meta:1:a", "budget_change", 1, MONDAY),
            event("meta:1:a", "budget_change", 2, later, -0.3),
            event("meta:1:a", "audience_fatigue", 0, None, -0.1),
            event("meta:1:a", "seasonality", 0, None, 0.2, "not_detected"),
            event("meta:1:b", "seasonality", 0, None, 0.6),
        )
    )
    records = by_day(held)
    assert [c.value for c in records[MONDAY - timedelta(days=1)].confounders] == [-0.1]
    assert [c.value for c in records[MONDAY].confounders] == [0.4, -0.1]
    assert [c.value for c in records[later].confounders] == [0.4, -0.3, -0.1]
    breaks, _, fatigue = records[later].confounders
    assert (breaks.name, breaks.temporal_pattern, fatigue.temporal_pattern) == ("budget_change", "shock", "trend")
    assert dict(breaks.platform_specific_context)["event_on"] == "2026-05-04" and breaks.confidence == 0.99
    (season,) = by_day(held, "meta:1:b")[MONDAY].confounders
    assert season.temporal_pattern == "seasonal"


def test_macro_is_what_the_day_knew_and_only_the_newest_day_knows_releases() -> None:
    rows = panel()
    rows.loc[rows["date_day"] == MONDAY, "unrate_asof"] = math.nan
    records = by_day(tables(rows=rows))
    known = {factor.name: factor for factor in records[MONDAY + timedelta(days=1)].external_factors}
    assert list(known) == list(MACRO) and [f.value for f in known.values()] == [2.0, 102.0, 202.0, 302.0, 402.0]
    assert known["unrate"].series_id == "UNRATE" and known["unrate"].realtime_start is None
    unknown = {factor.name: factor for factor in records[MONDAY].external_factors}["unrate"]
    assert (unknown.value, unknown.is_stale) == (None, True)
    (newest,) = records[AS_OF].external_factors
    assert (newest.value, newest.realtime_start, newest.is_stale) == (4.0, date(2026, 5, 1), False)


def test_weeks_are_whole_and_add_what_adds_up() -> None:
    held = tables(treatment("meta:1:a", MONDAY + timedelta(days=6)))
    weeks = list(marketing_data(held, "meta", KIND, granularity="weekly"))
    assert [(w.experiment_id[-1], w.timestamp.day) for w in weeks] == [("a", 4), ("a", 11), ("b", 4), ("b", 11)]
    assert dict(weeks[0].metrics) == {"spend": 70.0, "clicks": 28.0, "frequency": 5.0}
    assert weeks[0].treatment_assignment is not None and weeks[2].treatment_assignment is None
    assert {w.temporal_granularity for w in weeks} == {"weekly"}
    gap = panel()
    gap.loc[(gap["date_day"] == MONDAY) & (gap["unit_id"] == "meta:1:a"), "clicks"] = math.nan
    assert "clicks" not in next(weekly(marketing_data(tables(rows=gap), "meta", KIND))).metrics
    short = panel()
    short = short[short["date_day"] != MONDAY]
    assert [w.timestamp.day for w in weekly(marketing_data(tables(rows=short), "meta", KIND))] == [11, 11]


def test_json_and_back() -> None:
    held = tables(
        treatment("meta:1:a", MONDAY),
        confounders=(event("meta:1:a", "budget_change", 1, MONDAY),),
    )
    for record in (*marketing_data(held, "meta", KIND), *marketing_data(held, "meta", KIND, "weekly")):
        assert from_json(to_json(record)) == record
    with pytest.raises(LiftosError, match="randomization_unit: Input should be"):
        from_json(
            to_json(record).replace(
                '"randomization_unit":"campaign","temporal', '"randomization_unit":"cat","temporal'
            )
        )
    with pytest.raises(LiftosError, match="a CausalMarketingData as JSON"):
        from_json("no json")


def test_lists_are_audiences() -> None:
    rows = panel(("klaviyo:k:l",), "klaviyo", "list")
    (first, *_) = marketing_data(tables(rows=rows), "klaviyo", KIND)
    assert (first.randomization_unit, first.platform) == ("adset", "klaviyo")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("meta", KIND, "hourly"), "No source supplies figures by the hour"),
        (("fred", KIND), "a platform of meta, google_ads, klaviyo; found 'fred'"),
        (("meta", "price_change"), "a treatment type of budget_change"),
    ],
)
def test_what_no_source_supplies_is_refused(arguments: tuple[str, ...], told: str) -> None:
    with pytest.raises(LiftosError, match=told):
        marketing_data(tables(), *arguments)  # type: ignore[arg-type]
