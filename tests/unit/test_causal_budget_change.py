"""The budget-change detector on series small enough to know the answer."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import detect
from liftos_pipeline.causal.confounders.break_test import AR_ORDER, sup_lr
from liftos_pipeline.causal.confounders.calibration import autoregressive_series, simulate_null
from liftos_pipeline.causal.confounders.cleaning import common_calendar, fill_gaps, remove_weekdays
from liftos_pipeline.causal.confounders.critical_values import (
    CRITICAL_VALUES,
    PERSISTENCE_NODES,
    PROBABILITIES,
    SERIES_LENGTHS,
    critical_at,
    p_values,
)
from liftos_pipeline.causal.confounders.joint_dating import dated_together
from liftos_pipeline.causal.confounders.joint_dating_kernel import _autoregression
from liftos_pipeline.causal.confounders.segmentation import Stretches, segment
from liftos_pipeline.causal.kernels.medians import median_of_known, replace_outliers
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


def joint_shifts(values: np.ndarray, alpha: float = 0.01, min_size: float = 0.0) -> Stretches:
    n, length = values.shape
    first, last = np.zeros(n, dtype=np.int64), np.full(n, length, dtype=np.int64)
    _, candidates = segment(values, first, last, alpha, min_size)
    return dated_together(values, candidates, first, last, alpha, min_size)


def test_each_step_is_the_best_date_beside_the_others():
    """By dense generalised least squares with the same autoregression, at every date."""
    rng = np.random.default_rng(6)
    values = 0.1 * autoregressive_series(0.4, 12, 200, rng)
    values[:, 70:] += 0.5
    values[:, 92:] -= 0.6
    shifts = joint_shifts(values)
    counts = np.bincount(shifts.series, minlength=12)
    assert np.sum(counts == 2) >= 10
    for series in np.flatnonzero(counts == 2):
        own = shifts.where(shifts.series == series)
        centred = values[series] - values[series].mean()
        phi = _autoregression(centred, own.position)
        white = np.convolve(centred, [1.0, *-phi])[AR_ORDER:200]
        steps = np.array([np.convolve(np.arange(200) >= k, [1.0, *-phi])[AR_ORDER:200] for k in range(200)])
        for mine in (0, 1):
            other = steps[own.position[1 - mine]]
            left = []
            for k in range(5, 196):
                design = np.column_stack([np.ones(len(white)), other, steps[k]])
                left.append(
                    np.linalg.lstsq(design, white, rcond=None)[1].sum()
                    if abs(k - own.position[1 - mine]) > 3
                    else np.inf
                )
            best = 5 + int(np.argmin(left))
            design = np.column_stack([np.ones(len(white)), other, steps[best]])
            without = np.linalg.lstsq(design[:, :2], white, rcond=None)[1].sum()
            slope = np.linalg.lstsq(design, white, rcond=None)[0][2]
            ratio = (without - min(left)) / (min(left) / (200 - 2 * AR_ORDER - 3))
            assert own.position[mine] == best
            assert own.size[mine] == pytest.approx(slope, rel=1e-8)
            assert own.statistic[mine] == pytest.approx(ratio, rel=1e-8)


def test_steps_too_close_for_a_test_between_them_are_found():
    rng = np.random.default_rng(7)
    values = 0.05 * rng.standard_normal((20, 150))
    values[:, 60:] += 0.5
    values[:, 75:] += 0.5
    shifts = joint_shifts(values)
    assert np.bincount(shifts.series, minlength=20).tolist() == [2] * 20
    assert np.abs(shifts.position.reshape(20, 2) - [60, 75]).max() <= 1


def test_a_mistaken_candidate_is_dropped_and_one_near_the_end_is_added():
    rng = np.random.default_rng(8)
    values = 0.05 * rng.standard_normal((1, 150))
    values[:, 140:] += 0.6
    first, last = np.zeros(1, dtype=np.int64), np.full(1, 150, dtype=np.int64)
    nothing = np.zeros(1)
    wrong = Stretches(first, first, last, first + 50, nothing, nothing, nothing)
    shifts = dated_together(values, wrong, first, last, 0.01, 0.1)
    assert shifts.position.tolist() == [140]
    assert (shifts.start.tolist(), shifts.stop.tolist()) == ([0], [150])
    assert shifts.size[0] == pytest.approx(0.6, abs=0.06)


def test_candidates_of_other_spans_keep_their_dates():
    """The span of each series begins and ends where it is observed."""
    rng = np.random.default_rng(9)
    values = 0.05 * rng.standard_normal((2, 150))
    values[0, 90:] += 0.5
    values[1, 60:] += 0.5
    values[1, :20], values[0, 130:] = np.nan, np.nan
    start, stop = np.array([0, 20]), np.array([130, 150])
    _, candidates = segment(values, start, stop, 0.01, 0.1)
    shifts = dated_together(values, candidates, start, stop, 0.01, 0.1)
    assert shifts.position.tolist() == [90, 60]


def test_a_unit_that_cannot_be_read_stops_no_other():
    frame = spend({"changed": [(70, 0.4)], "negative": [], "endless": []})
    frame.loc[frame["unit"] == "negative", "spend"] *= np.where(np.arange(N_DAYS) < 3, -1.0, 1.0)
    frame.loc[frame.index[frame["unit"] == "endless"][5], "spend"] = np.inf
    table = found(frame).table.set_index("unit")
    assert table["status"].to_dict() == {
        "changed": "detected",
        "negative": "undetermined",
        "endless": "undetermined",
    }
    assert table.loc["negative", "reason"] == "3 days with negative or infinite spend"
    assert table.loc["endless", "reason"] == "1 day with negative or infinite spend"
    assert table.loc[["negative", "endless"], ["statistic", "p_value", "estimate"]].isna().all(axis=None)


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


@pytest.mark.parametrize("alpha", [0.3, 0.05, 0.02, 0.013, 0.0004])
def test_critical_values_are_where_the_p_value_is_the_level(alpha):
    lengths, persistence = np.array([50, 180, 365]), np.array([-0.2, 0.33, 0.7])
    critical = critical_at(alpha, lengths, persistence)
    for row, length in enumerate(lengths):
        chance = p_values(critical[row], np.full(3, length), persistence)
        np.testing.assert_allclose(chance, alpha, rtol=1e-9)


def test_the_table_is_what_its_script_makes():
    """Plain quantiles times one factor per length and level, here from 5,000 draws instead of 50,000."""
    first = SERIES_LENGTHS.index(180) * 6
    factors = []
    for column, rho in ((2, 0.5), (3, 0.7)):
        statistic, persistence = simulate_null(
            partial(autoregressive_series, rho), 180, 5_000, np.random.default_rng([77, column])
        )
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
