"""The budget-change detector on series small enough to know the answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import detect
from liftos_pipeline.causal.confounders.break_test import sup_lr
from liftos_pipeline.causal.confounders.calibration import simulate_null
from liftos_pipeline.causal.confounders.cleaning import (
    common_calendar,
    fill_gaps,
    median_of_known,
    remove_weekdays,
    replace_outliers,
)
from liftos_pipeline.causal.confounders.critical_values import (
    CRITICAL_VALUES,
    PERSISTENCE_NODES,
    PROBABILITIES,
    SERIES_LENGTHS,
    p_values,
)
from liftos_pipeline.causal.confounders.segmentation import segment
from liftos_pipeline.errors import LiftosError

N_DAYS = 120


def spend(levels: dict[str, list[tuple[int, float]]], noise: float = 0.05, seed: int = 0) -> pd.DataFrame:
    """Noisy spend with the given (day, log step) per unit."""
    rng = np.random.default_rng(seed)
    parts = []
    for unit, steps in levels.items():
        log_spend = 4.0 + noise * rng.standard_normal(N_DAYS)
        for day, size in steps:
            log_spend[day:] += size
        days = pd.date_range("2025-03-01", periods=N_DAYS)
        parts.append(pd.DataFrame({"unit": unit, "day": days, "spend": np.exp(log_spend)}))
    return pd.concat(parts, ignore_index=True)


def found(frame: pd.DataFrame, **options: float) -> object:
    return detect("budget_change", frame, unit="unit", period="day", value="spend", **options)


def test_a_planted_step_is_dated_and_sized():
    result = found(spend({"changed": [(70, 0.4)], "same": []}))
    table = result.table.set_index("unit")
    assert table["status"].to_dict() == {"changed": "detected", "same": "not_detected"}
    assert len(result.events) == 1
    event = result.events.iloc[0]
    assert event["unit"] == "changed"
    assert event["date"] == pd.Timestamp("2025-03-01") + pd.Timedelta(days=70)
    assert event["size"] == pytest.approx(0.4, abs=0.05)
    changed = table.loc["changed"]
    assert changed["estimate"] == event["size"]
    assert changed["confidence"] == 1.0 - changed["p_value"]
    assert changed["p_value"] <= 0.01 < table.loc["same", "p_value"]


def test_two_steps_are_both_found_in_order():
    result = found(spend({"u": [(45, 0.5), (85, -0.3)]}, noise=0.03))
    days = (result.events["date"] - pd.Timestamp("2025-03-01")).dt.days
    assert days.tolist() == [45, 85]
    assert np.sign(result.events["size"]).tolist() == [1.0, -1.0]
    assert result.table["n_events"].tolist() == [2]


def test_a_step_is_found_under_a_strong_week():
    week = np.tile([0.6, 0.2, 0.0, 0.0, -0.2, -0.4, -0.2], 18)[:N_DAYS]
    frame = spend({"u": [(60, 0.12)]})
    frame["spend"] *= np.exp(week)
    events = found(frame).events
    assert events["date"].tolist() == [pd.Timestamp("2025-03-01") + pd.Timedelta(days=60)]
    assert events.loc[0, "size"] == pytest.approx(0.12, abs=0.03)


def test_each_step_is_dated_again_between_its_neighbours():
    rng = np.random.default_rng(6)
    values = 0.1 * rng.standard_normal((40, 200))
    values[:, 70:] += 0.3
    values[:, 130:] -= 0.4
    first, last = np.zeros(40, dtype=np.int64), np.full(40, 200, dtype=np.int64)
    _, shifts = segment(values, first, last, 0.01, 0.0)
    both = np.bincount(shifts.series, minlength=40) == 2
    assert both.sum() > 30
    for series in np.flatnonzero(both):
        own = shifts.where(shifts.series == series)
        assert (own.start[0], own.stop[1]) == (0, 200)
        assert np.abs(own.stop[0] - 130) <= 5
        assert np.abs(own.start[1] - 70) <= 5
        alone = sup_lr(values[series : series + 1, : own.stop[0]], own.stop[:1])
        assert (own.position[0], own.size[0]) == (alone.position[0], pytest.approx(alone.size[0], rel=1e-9))


def test_steps_below_the_smallest_size_do_not_count():
    result = found(spend({"u": [(60, 0.2)]}, noise=0.02), min_size=0.3)
    assert len(result.events) == 0
    assert result.table.loc[0, "status"] == "not_detected"
    assert result.table.loc[0, "p_value"] <= 0.01
    assert result.table.loc[0, "reason"] == "no step of at least 0.3 log points"


def test_too_few_days_are_undetermined_with_the_number_needed():
    frame = spend({"long": [], "short": []})
    short = (frame["unit"] == "short") & (frame["day"] >= "2025-03-31")
    table = found(frame[~short]).table.set_index("unit")
    assert table.loc["short", "status"] == "undetermined"
    assert table.loc["short", "reason"] == "30 days with spend in a span of 30, at least 42 are needed"
    assert table.loc["short", "n_needed"] == 42
    assert np.isnan(table.loc["short", "statistic"])
    assert np.isnan(table.loc["long", "n_needed"])


def test_days_without_spend_are_not_observed():
    frame = spend({"paused": [], "never": []})
    frame.loc[(frame["unit"] == "paused") & (frame["day"].dt.day <= 10), "spend"] = 0.0
    frame.loc[frame["unit"] == "never", "spend"] = 0.0
    table = found(frame).table.set_index("unit")
    assert table["status"].tolist() == ["undetermined", "undetermined"]
    assert table.loc["never", "n_observed"] == 0
    few = frame["day"].dt.day <= 3
    frame.loc[frame["unit"] == "paused", "spend"] = np.where(few[frame["unit"] == "paused"], 0.0, 50.0)
    assert found(frame).table.set_index("unit").loc["paused", "status"] == "not_detected"


def test_constant_and_exactly_stepped_budgets():
    frame = spend({"flat": [], "step": [(50, 0.2)]}, noise=0.0)
    result = found(frame)
    assert result.table["status"].tolist() == ["not_detected", "detected"]
    assert result.table.loc[0, "p_value"] == 1.0
    assert result.events["date"].tolist() == [pd.Timestamp("2025-04-20")]
    assert result.events.loc[0, "size"] == pytest.approx(0.2, abs=1e-9)


def test_row_order_and_repetition_give_identical_bits():
    frame = spend({f"u{i}": [(60, 0.3)] * (i % 2) for i in range(12)}, noise=0.1)
    shuffled = frame.sample(frac=1.0, random_state=5)
    first, second, third = found(frame), found(frame), found(shuffled)
    for other in (second, third):
        pd.testing.assert_frame_equal(first.table, other.table, check_exact=True)
        pd.testing.assert_frame_equal(first.events, other.events, check_exact=True)


def test_whole_numbers_serve_as_periods():
    frame = spend({"u": [(60, 0.4)]}).assign(day=lambda f: (f["day"] - f["day"].min()).dt.days)
    assert found(frame).events["date"].tolist() == [60]


def test_a_shared_bump_is_nobodys_change():
    rng = np.random.default_rng(8)
    bump = 0.8 * (np.arange(N_DAYS) >= 60)
    frame = spend({f"u{i:02d}": [] for i in range(20)}, noise=0.05)
    frame["spend"] *= np.exp(np.tile(bump, 20)) * np.exp(0.01 * rng.standard_normal(len(frame)))
    assert len(found(frame).events) == 0


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"spend": -1.0}, {}, "240 negative rows"),
        ({"spend": np.inf}, {}, "0 missing and 240 infinite"),
        ({"day": pd.Timestamp("2025-03-01")}, {}, "2 repeated pairs, first changed"),
        ({"day": "monday"}, {}, "day holds text"),
        ({}, {"alpha": 0.0}, r"alpha in \(0, 0.5\]"),
        ({}, {"min_size": -0.1}, "min_size at zero or above"),
    ],
)
def test_wrong_calls_are_refused(change, options, message):
    frame = spend({"changed": [(70, 0.4)], "same": []}).assign(**change)
    with pytest.raises(LiftosError, match=message):
        found(frame, **options)


def test_irregular_periods_are_refused():
    frame = pd.DataFrame(
        {
            "unit": "u",
            "day": pd.to_datetime(["2025-01-01 00:00:07", "2025-01-02 00:00:00", "2025-03-01 00:00:00"]),
            "spend": 1.0,
        }
    )
    with pytest.raises(LiftosError, match="periods that are equally spaced"):
        found(frame)


def test_cleaning_by_hand():
    row = np.array([[np.nan, 1.0, np.nan, 3.0, 4.0, np.nan]])
    np.testing.assert_array_equal(fill_gaps(row), [[np.nan, 1.0, 2.0, 3.0, 4.0, np.nan]])
    np.testing.assert_array_equal(
        median_of_known(np.array([[3.0, np.nan, 1.0, 2.0], [np.nan] * 4])), [2.0, np.nan]
    )
    series = np.tile([1.0, 1.2, 0.9], 20)[None, :].copy()
    series[0, 30] = 9.0
    cleaned = replace_outliers(series)
    assert cleaned[0, 30] == 1.0
    np.testing.assert_array_equal(np.delete(cleaned, 30), np.delete(series, 30))


def test_weekdays_go_and_steps_stay():
    week = np.array([0.3, 0.1, 0.0, 0.0, -0.1, -0.2, -0.1])
    step = 0.5 * (np.arange(84) >= 40)
    cleaned = remove_weekdays((np.tile(week, 12) + step)[None, :])[0]
    np.testing.assert_allclose(cleaned, step, atol=1e-12)


def test_calendar_is_the_median_movement_and_needs_eight_units():
    calendar = np.sin(np.arange(50))
    values = calendar - np.median(calendar) + np.arange(9.0)[:, None]
    np.testing.assert_allclose(common_calendar(values), calendar - np.median(calendar), atol=1e-12)
    np.testing.assert_array_equal(common_calendar(values[:7]), np.zeros(50))


def test_p_values_meet_the_table_and_fall_with_the_statistic():
    row = SERIES_LENGTHS.index(180) * 6 + 2
    statistic = np.array(CRITICAL_VALUES[row])
    at = np.full(len(statistic), PERSISTENCE_NODES[SERIES_LENGTHS.index(180)][2])
    np.testing.assert_allclose(p_values(statistic, np.full(len(statistic), 180), at), PROBABILITIES, rtol=1e-12)
    grid = np.linspace(0.0, 300.0, 400)
    falling = p_values(grid, np.full(400, 100), np.full(400, 0.33))
    assert np.all(np.diff(falling) <= 0)
    assert (falling[0], falling[-1]) == (
        1.0,
        pytest.approx(p_values(grid[-1:], np.array([100]), at[:1] * 0 + 0.33)[0]),
    )


def test_the_table_is_what_its_script_makes():
    """Plain quantiles times one factor per length and level, here from 5,000 draws instead of 50,000."""
    first = SERIES_LENGTHS.index(180) * 6
    factors = []
    for column, rho in ((2, 0.5), (3, 0.7)):
        statistic, persistence = simulate_null(rho, 180, 5_000, np.random.default_rng([77, column]))
        assert np.median(persistence) == pytest.approx(PERSISTENCE_NODES[first // 6][column], abs=0.01)
        tabulated = CRITICAL_VALUES[first + column][PROBABILITIES.index(0.05)]
        factors.append(tabulated / np.quantile(statistic, 0.95))
    # The 5 % quantile of 5,000 draws has a relative standard error of about 2 %.
    assert factors[0] == pytest.approx(factors[1], rel=0.1)
    assert 1.0 < min(factors) < max(factors) < 1.4


def test_segments_do_not_see_what_lies_beyond_them():
    rng = np.random.default_rng(2)
    series = rng.standard_normal((1, 90))
    padded = np.concatenate([series, np.full((1, 40), 1e6)], axis=1)
    alone, beside = sup_lr(series, np.array([90])), sup_lr(padded, np.array([90]))
    assert alone.position[0] == beside.position[0]
    assert alone.statistic[0] == pytest.approx(beside.statistic[0], rel=1e-9)
