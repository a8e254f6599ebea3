"""The grid and the causal-ready rows, on panels small enough to work out by hand."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.stages.grid import to_grid
from liftos_pipeline.stages.landmarks import causal_rows
from liftos_pipeline.stages.roles import MACRO

FIRST_DAY = date(2026, 1, 1)
ONE_WINDOW = 28 + 6 + 28 + 14
"""Days of a Meta panel with one window: before it, starts within it, after the last start, until those are mature."""
HUGE = 1e6
"""Stands on every day that must not be read."""
LEVELS = {"spend": 10.0, "clicks": 3.0, "impressions": 60.0, "quality_ranking_level": 2.0, "frequency": 1.5}


def day(number: int) -> date:
    return FIRST_DAY + timedelta(days=number)


def meta(unit: str, n_days: int = ONE_WINDOW, **daily: object) -> pd.DataFrame:
    """Days of one campaign; ``daily`` has a number or a list of numbers per column, revenue is ten times the count."""
    columns = {**LEVELS, "conversions_reported": 1.0, "vintage": "captured", **daily}
    frame = pd.DataFrame(
        {
            "platform": "meta",
            "unit_type": "campaign",
            "unit_id": unit,
            "date_day": map(day, range(n_days)),
            **columns,
        }
    )
    frame["revenue_reported"] = 10 * frame["conversions_reported"]
    return frame.assign(**{name: 1.0 for name in MACRO.values() if name not in daily})


def steps(*parts: tuple[int, float]) -> list[float]:
    """(days, level) after one another."""
    return [level for days, level in parts for _ in range(days)]


def started(*treatments: tuple[str, int], kind: str = "creative_change", evidence: str = "logged") -> pd.DataFrame:
    frame = pd.DataFrame(treatments, columns=["unit_id", "started_on"])
    return frame.assign(
        started_on=[day(number) for number in frame["started_on"]],
        platform="meta",
        treatment_type=kind,
        evidence=evidence,
        standing="current",
    )


def rows_of(panel: list[pd.DataFrame], *treatments: pd.DataFrame) -> pd.DataFrame:
    return causal_rows(pd.concat(panel), pd.concat(treatments))


def by_unit(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.set_index("unit_id").sort_index()


def windows(rows: pd.DataFrame) -> list[int]:
    return [] if rows.empty else sorted({(start.date() - FIRST_DAY).days for start in rows["window_start"]})


def test_a_grid_has_every_day_and_only_the_units_of_the_analysis() -> None:
    b = meta("b", 3, spend=[1.0, 2.0, 3.0])
    others = [meta("c", 3).assign(unit_type="account"), meta("d", 3).assign(platform="google_ads")]
    a = meta("a", 5, spend=[5.0, 6.0, 7.0, 8.0, 9.0]).iloc[[0, 4]]
    grid = to_grid(pd.concat([b[::-1], a, *others]), "meta", ("spend",))
    assert grid.units.tolist() == ["a", "b"]
    assert grid.days.tolist() == [day(n) for n in range(5)]
    unseen = math.nan
    expected = [[5, unseen, unseen, unseen, 9], [1, 2, 3, unseen, unseen]]
    np.testing.assert_array_equal(grid.values["spend"], expected)
    assert to_grid(a, "klaviyo", ("email_sends",)).units.tolist() == []


def test_a_mean_needs_each_of_its_days_and_no_other() -> None:
    grid = to_grid(pd.concat([meta("a", 6, spend=[1.0, 2.0, 4.0, math.nan, 6.0, 8.0])]), "meta", ("spend",))
    first = np.arange(5)
    means = grid.mean("spend", np.zeros(5, dtype=int), first, 2)
    np.testing.assert_array_equal(means, [1.5, 3.0, math.nan, math.nan, 7.0])


def test_before_and_after_are_the_28_days_on_either_side_of_the_own_start() -> None:
    treated = meta(
        "treated", conversions_reported=steps((2, HUGE), (27, 2), (1, 30), (1, 61), (27, 5), (18, HUGE))
    )
    control = meta("control", conversions_reported=steps((27, 4), (1, 32), (1, 62), (27, 6), (20, HUGE)))
    rows = by_unit(rows_of([treated, control], started(("treated", 30))))
    assert rows["is_treated"].to_dict() == {"control": 0, "treated": 1}
    assert rows["count_before"].to_dict() == {"control": 5.0, "treated": 3.0}
    assert rows["count_after"].to_dict() == {"control": 8.0, "treated": 7.0}
    assert rows["value_before"].to_dict() == {"control": 50.0, "treated": 30.0}
    assert rows["value_after"].to_dict() == {"control": 80.0, "treated": 70.0}
    assert rows.loc["treated", "started_on"] == pd.Timestamp(day(30))
    assert pd.isna(rows.loc["control", "started_on"])


def test_covariates_lie_before_the_window_even_where_the_start_is_later() -> None:
    later = (ONE_WINDOW - 28, HUGE)
    daily = {
        "spend": steps((21, 1), (7, 3), later),
        "conversions_reported": steps((20, 0), (1, 21), (7, 7), later),
        "clicks": steps((27, 2), (1, 30), later),
        "impressions": steps((27, 40), (1, 600), later),
        "quality_ranking_level": steps((1, 1), (26, math.nan), (1, 3), later),
        "frequency": steps((14, 1), (14, 4), later),
    }
    rows = by_unit(rows_of([meta("a", **daily), meta("b", quality_ranking_level=math.nan)], started(("a", 33))))
    a, b = rows.loc["a"], rows.loc["b"]
    assert a["log_spend_before"] == pytest.approx(math.log(1 + 42 / 28))
    assert a["spend_momentum"] == pytest.approx(math.log(1 + 3) - math.log(1 + 1))
    assert a["count_momentum"] == pytest.approx(math.log(1 + 7) - math.log(1 + 1))
    assert a["click_rate_before"] == pytest.approx(3 / 60)
    assert (a["quality_before"], a["frequency_before"]) == (2.0, 2.5)
    assert (b["spend_momentum"], b["click_rate_before"]) == (0.0, 0.05)
    assert math.isnan(b["quality_before"])


@pytest.mark.parametrize(
    ("n_days", "expected"), [(ONE_WINDOW - 1, []), (ONE_WINDOW, [28]), (82, [28]), (83, [28, 35])]
)
def test_a_window_opens_when_its_last_start_can_be_mature(n_days: int, expected: list[int]) -> None:
    panel = [meta(unit, n_days) for unit in ("first", "second", "never")]
    rows = rows_of(panel, started(("first", 28), ("second", 41)))
    assert windows(rows) == expected


def test_who_is_treated_who_is_a_control_and_who_is_neither() -> None:
    starts = {"before": 27, "first": 28, "last": 34, "next": 35, "day_27": 55, "day_28": 56, "long_ago": -40}
    panel = [meta(unit) for unit in (*starts, "never")]
    rows = by_unit(rows_of(panel, started(*starts.items())))
    assert rows["is_treated"].to_dict() == {"day_28": 0, "first": 1, "last": 1, "never": 0}


def test_a_unit_starts_once_and_a_window_needs_both_arms() -> None:
    twice = started(("a", 43), ("a", 29), ("a", 36))
    assert windows(rows_of([meta(unit, 120) for unit in ("a", "b")], twice)) == [28]
    assert rows_of([meta("a", 120)], twice).empty
    assert rows_of([meta("a", 120), meta("c", 120)], started(("b", 29))).empty
    assert causal_rows(meta("a", 120).iloc[:0], twice).empty


@pytest.mark.parametrize(
    ("column", "number", "is_kept"),
    [
        ("revenue_reported", 1, True),
        ("revenue_reported", 2, False),
        ("revenue_reported", 57, False),
        ("revenue_reported", 58, True),
        ("spend", 0, False),
        ("clicks", 27, False),
        ("spend", 28, True),
        ("quality_ranking_level", 10, True),
    ],
)
def test_a_unit_with_an_unobserved_day_among_its_own_has_no_row(column: str, number: int, is_kept: bool) -> None:
    """Start on day 30, window from day 28: outcomes are days 2 to 57, covariates days 0 to 27."""
    a = meta("a")
    a.loc[number, column] = math.nan
    rows = rows_of([a, meta("b"), meta("c")], started(("a", 30), ("b", 30)))
    assert ("a" in set(rows["unit_id"])) == is_kept
    assert {"b", "c"} <= set(rows["unit_id"])


def test_detected_breaks_count_only_where_the_log_knows_no_change_of_the_type() -> None:
    panel = [meta(unit) for unit in ("a", "b", "c")]
    broken = started(("a", 28), kind="budget_change", evidence="detected")
    assert by_unit(rows_of(panel, broken))["is_treated"].to_dict() == {"a": 1, "b": 0, "c": 0}
    other_type = started(("b", 28), kind="creative_change")
    elsewhere = started(("x", 28), kind="budget_change").assign(platform="google_ads")
    both = rows_of(panel, broken, other_type, elsewhere)
    assert set(both.loc[both["is_treated"] == 1, "treatment_type"]) == {"budget_change", "creative_change"}
    for evidence in ("logged", "both"):
        logged = started(("b", 29), kind="budget_change", evidence=evidence)
        assert by_unit(rows_of(panel, broken, logged))["is_treated"].to_dict() == {"a": 0, "b": 1, "c": 0}


def test_macro_and_the_weakest_vintage_are_those_of_the_windows_first_day() -> None:
    vintages = {
        "a": ["captured"] * ONE_WINDOW,
        "b": ["reconstructed"] * 28 + ["as_restated"] + ["reconstructed"] * (ONE_WINDOW - 29),
        "c": [None] * ONE_WINDOW,
    }
    numbers = dict(zip(MACRO.values(), (100, 200, 300, 400, 500), strict=True))
    macro = {name: [start + number for number in range(ONE_WINDOW)] for name, start in numbers.items()}
    rows = rows_of([meta(unit, vintage=v, **macro) for unit, v in vintages.items()], started(("a", 31)))
    assert len(rows) == 3
    assert set(rows["vintage"]) == {"as_restated"}
    assert rows[[*MACRO]].drop_duplicates().to_numpy().tolist() == [[128, 228, 328, 428, 528]]


def test_reconstructed_is_weaker_than_restated_and_unknown_macro_is_no_reason_to_drop_a_row() -> None:
    unknown = dict.fromkeys(MACRO.values(), math.nan)
    vintages = {"a": "as_restated", "b": "reconstructed", "c": "captured"}
    panel = [meta(unit, vintage=vintage, **unknown) for unit, vintage in vintages.items()]
    rows = rows_of(panel, started(("a", 28)))
    assert rows["vintage"].tolist() == ["reconstructed"] * 3
    assert rows[[*MACRO]].isna().all(axis=None)


def test_the_trend_is_the_growth_of_the_other_controls() -> None:
    counts = {"t": (8, 99), "u": (4, 0), "c": (10, 12), "d": (20, 30), "e": (30, 33)}
    panel = [
        meta(unit, conversions_reported=steps((28, before), (ONE_WINDOW - 28, after)))
        for unit, (before, after) in counts.items()
    ]
    unobserved = meta("f", conversions_reported=steps((28, 50), (12, 500), (1, math.nan), (35, 500)))
    rows = by_unit(rows_of([*panel, unobserved], started(("t", 28), ("u", 28))))
    assert set(rows.index) == set(counts)
    grown = {"t": 75 / 60, "u": 75 / 60, "c": 63 / 50, "d": 45 / 40, "e": 42 / 30}
    for unit, growth in grown.items():
        assert rows.loc[unit, "count_trend"] == pytest.approx(counts[unit][0] * (growth - 1))
        assert rows.loc[unit, "value_trend"] == pytest.approx(10 * rows.loc[unit, "count_trend"])


def test_other_treatments_count_from_the_day_before_the_window() -> None:
    units = ("none", "same_day", "day_before", "both", "long_ago", "own")
    starts = [
        started(("own", 28)),
        started(("same_day", 28), ("day_before", 27), ("both", 20), ("long_ago", -300), kind="targeting_change"),
        started(("both", 10), ("long_ago", -300), kind="budget_change"),
    ]
    rows = rows_of([meta(unit) for unit in units], *starts)
    rows = by_unit(rows[rows["treatment_type"] == "creative_change"])
    since = {"none": 56, "same_day": 56, "day_before": 1, "both": 8, "long_ago": 56, "own": 56}
    assert rows["days_since_other"].to_dict() == since
    active = {"none": 0, "same_day": 0, "day_before": 1, "both": 2, "long_ago": 2, "own": 0}
    assert rows["other_active"].to_dict() == active


def test_lists_are_measured_in_orders_and_sends_and_mature_in_three_days() -> None:
    renamed = {
        "conversions_reported": "orders",
        "revenue_reported": "order_revenue",
        "spend": "email_sends",
        "clicks": "email_clicks",
    }
    lists = pd.concat([meta(unit, 28 + 6 + 28 + 3, spend=60.0) for unit in ("a", "b")])
    lists = lists.rename(columns=renamed).assign(platform="klaviyo", unit_type="list")
    lists = lists.assign(email_opens=6.0, unsubscribes=0.0)
    treatments = started(("a", 34)).assign(platform="klaviyo")
    rows = causal_rows(lists.drop(columns=["impressions", "quality_ranking_level", "frequency"]), treatments)
    assert rows["unit_id"].tolist() == ["a", "b"]
    assert rows["count_before"].tolist() == [1.0, 1.0]
    assert (
        rows[["volume_after", "clicks_after", "opens_after", "leaves_after"]].to_numpy().tolist()
        == [[60, 3, 6, 0]] * 2
    )
    assert rows["click_rate_before"].tolist() == [3 / 60, 3 / 60]
    assert rows[["quality_before", "frequency_before"]].isna().all(axis=None)
    short = lists[lists["date_day"] < day(28 + 6 + 28 + 2)]
    assert causal_rows(short, treatments).empty


def test_the_last_other_treatment_counts_and_not_the_first() -> None:
    others = started(("b", 5), ("b", 40), ("c", -200), kind="targeting_change")
    rows = rows_of([meta("a", 120), meta("b", 120), meta("c", 120)], started(("a", 42)), others)
    found = by_unit(rows)
    assert found["days_since_other"].to_dict() == {"a": 56.0, "b": 2.0, "c": 56.0}
    assert found["other_active"].to_dict() == {"a": 0, "b": 2, "c": 1}


def test_unknown_exposure_is_no_click_rate_of_zero() -> None:
    a = meta("a", 120)
    a.loc[20, "impressions"] = np.nan
    rows = rows_of([a, meta("b", 120), meta("c", 120)], started(("a", 42), ("b", 43)))
    assert "a" not in set(rows["unit_id"])


def test_refunds_beyond_orders_do_not_drop_a_list() -> None:
    a = meta("a", 120)
    a.loc[14:20, "conversions_reported"] = -5.0
    rows = rows_of([a, meta("b", 120)], started(("a", 42)))
    assert {"a", "b"} <= set(rows["unit_id"])


def test_what_an_experiment_covers_is_compared_with_its_own_units_and_apart_from_the_rest() -> None:
    drawn = started(("drawn", 28)).assign(assignment_method="randomized")
    chosen = started(("chosen", 29), ("later", 60)).assign(assignment_method="observational")
    experiments = pd.DataFrame([{"platform": "meta", "unit": "campaign", "unit_ids": ["drawn", "waits"]}])
    panel = pd.concat([meta(unit) for unit in ("drawn", "waits", "chosen", "later", "never")])
    rows = causal_rows(panel, pd.concat([drawn, chosen]), experiments)
    members = rows.groupby(["design", "is_treated"])["unit_id"].agg(sorted).to_dict()
    assert members == {
        ("experiment", 0): ["waits"],
        ("experiment", 1): ["drawn"],
        ("landmarked", 0): ["later", "never", "waits"],
        ("landmarked", 1): ["chosen"],
    }
