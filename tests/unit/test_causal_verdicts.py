"""Verdicts from answers that are written down by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from liftos_pipeline.causal.trials import Trials
from liftos_pipeline.causal.verdicts import (
    BLOCKED,
    CLEARED,
    COLUMNS,
    MIN_ANSWERS,
    NOT_APPLICABLE,
    UNDETERMINED,
    WIDENED,
    judged,
    verdicts,
    widening_factor,
)

INF = math.inf


def trials(intervals: list[tuple[float, float, float]], truth: float = 0.0, reasons=None, method="did") -> Trials:
    estimate, low, high = np.array(intervals, dtype=float).T
    return Trials(method, truth, estimate, low, high, tuple(reasons or [None] * len(intervals)))


def symmetric(estimates: list[float], half: float = 1.0, truth: float = 0.0, method: str = "did") -> Trials:
    return trials([(one, one - half, one + half) for one in estimates], truth, method=method)


def table(null: Trials, lifted: Trials | None = None, level: float = 0.95):
    rng = np.random.default_rng(0)
    n = len(null.estimate)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=500).astype(float)
    moved = lifted or Trials(
        null.method, 3.0, null.estimate + 3.0, null.ci_low + 3.0, null.ci_high + 3.0, null.reasons
    )
    return verdicts([null], [moved], weights, level).iloc[0]


@pytest.mark.parametrize(
    ("size", "low", "status"),
    [
        (0.0, 0.0, CLEARED),
        (0.0599, 0.03, CLEARED),
        (0.06, 0.03, WIDENED),
        (0.2, 0.075, WIDENED),
        (0.2, 0.0751, BLOCKED),
        (1.0, 0.9, BLOCKED),
    ],
)
def test_blocked_above_seven_and_a_half_at_the_lower_bound_cleared_below_six(size, low, status) -> None:
    assert judged(size, low, 0.95) == status


def test_the_rule_moves_with_the_level() -> None:
    assert judged(0.105, 0.05, 0.9) == CLEARED
    assert judged(0.11, 0.05, 0.9) == WIDENED
    assert judged(0.3, 0.126, 0.9) == BLOCKED


def test_the_widening_is_the_order_statistic_of_what_each_interval_lacks() -> None:
    """99 estimates 0.01 .. 0.99 with half-width 0.5: needed factors are twice them, and the 95th of 99 is 1.9."""
    null = symmetric([k / 100 for k in range(1, 100)], half=0.5)
    assert widening_factor(null, 0.95) == pytest.approx(1.9)
    assert widening_factor(null, 0.8) == pytest.approx(1.6)


def test_signs_do_not_matter_and_each_side_counts_for_itself() -> None:
    up = trials([(1.0, 0.5, 9.0)] * 99)
    down = trials([(-1.0, -9.0, -0.5)] * 99)
    assert widening_factor(up, 0.95) == widening_factor(down, 0.95) == 2.0


def test_ties_take_the_tied_value() -> None:
    null = symmetric([0.1] * 90 + [3.0] * 10)
    assert widening_factor(null, 0.95) == 3.0
    assert widening_factor(symmetric([0.1] * 96 + [3.0] * 3), 0.95) == 1.0


def test_a_widening_never_narrows() -> None:
    assert widening_factor(symmetric([0.2] * 50), 0.95) == 1.0


def test_infinite_limits_need_nothing_and_empty_sets_cannot_be_mended() -> None:
    wide = [(5.0, -INF, INF)] * 60
    assert widening_factor(trials(wide), 0.95) == 1.0
    empty = [(5.0, INF, -INF)]
    assert widening_factor(trials(wide + empty * 2), 0.95) == 1.0
    assert widening_factor(trials(wide + empty * 10), 0.95) == INF


@pytest.mark.parametrize("point", [(2.0, 2.0, 3.0), (2.0, 2.5, 3.0), (-2.0, -3.0, -2.5), (-2.0, -3.0, -2.0)])
def test_a_limit_on_the_estimate_or_beyond_it_cannot_be_mended(point) -> None:
    assert widening_factor(trials([point] * 30), 0.95) == INF


def test_an_estimate_of_zero_within_its_interval_needs_nothing() -> None:
    assert widening_factor(trials([(0.0, 0.0, 0.0)] * 30), 0.95) == 1.0


def test_answers_without_an_interval_are_left_out_of_the_widening() -> None:
    nothing = (math.nan, math.nan, math.nan)
    answered = symmetric([k / 100 for k in range(1, 100)], half=0.5)
    intervals = [*zip(answered.estimate, answered.ci_low, answered.ci_high, strict=True), *[nothing] * 50]
    assert widening_factor(trials(intervals, reasons=[None] * 99 + ["too few"] * 50), 0.95) == pytest.approx(1.9)


def test_too_few_answers_for_the_order_statistic_widen_without_end() -> None:
    assert widening_factor(symmetric([0.1] * 18), 0.95) == INF
    assert widening_factor(symmetric([0.1] * 19), 0.95) == 1.0


def test_the_factor_holds_zero_in_the_share_asked_for_of_the_same_intervals() -> None:
    rng = np.random.default_rng(3)
    null = symmetric(list(rng.normal(size=500)))
    factor = widening_factor(null, 0.95)
    assert np.mean(np.abs(null.estimate) <= factor) >= 0.95
    assert np.mean(np.abs(null.estimate) < factor) < 0.952


def test_a_method_that_holds_its_size_is_cleared_and_told_with_its_figures() -> None:
    null = symmetric([0.0] * 97 + [2.0, -2.0, 2.0])
    row = table(null)
    assert (row.status, row.reason, row.answered, row.widening) == (CLEARED, None, 100, 1.0)
    assert row["size"] == 0.03 and row.coverage == 0.97
    assert row.size_low < 0.03 < row.size_high
    assert row.bias == pytest.approx(0.02) and row.bias_low < 0.02 < row.bias_high
    assert row.injected == 3.0


def test_a_method_in_between_is_widened_and_says_by_what() -> None:
    row = table(symmetric([0.0] * 93 + [2.0] * 7))
    assert (row.status, row.widening) == (WIDENED, 2.0)
    assert row.reason == (
        "leaves out a true zero in 7.0 % of 100 replays of this panel: each side of its interval is multiplied by 2"
    )


def test_a_method_that_is_often_wrong_is_blocked() -> None:
    row = table(symmetric([0.0] * 60 + [2.0] * 40))
    assert (row.status, row.widening) == (BLOCKED, 1.0)
    assert (
        row.reason
        == f"leaves out a true zero in 40.0 % of 100 replays of this panel, at least {100 * row.size_low:.1f} %"
    )


def test_empty_sets_are_misses_of_zero_and_of_the_effect() -> None:
    null = trials([(0.0, -1.0, 1.0)] * 92 + [(0.0, INF, -INF)] * 8)
    row = table(null, trials([(3.0, 2.0, 4.0)] * 92 + [(3.0, INF, -INF)] * 8, truth=3.0))
    assert row["size"] == 0.08 and row.coverage == 0.92
    assert (row.status, row.widening, row.detectable) == (WIDENED, INF, INF)
    assert row.reason.endswith("no factor on its intervals mends that")


def test_few_answers_are_no_verdict_however_good_they_look() -> None:
    few = [None] * (MIN_ANSWERS - 1) + ["no donors"] * 80
    row = table(trials([(0.0, -1.0, 1.0)] * (MIN_ANSWERS - 1) + [(math.nan,) * 3] * 80, reasons=few))
    assert (row.status, row.answered) == (UNDETERMINED, 19)
    assert row.reason == "it gave an interval in 19 of 99 replays, 20 are needed; in others: no donors"
    assert math.isnan(row["size"]) and math.isnan(row.widening)
    enough = [None] * MIN_ANSWERS + ["no donors"] * 80
    row = table(trials([(0.0, -1.0, 1.0)] * MIN_ANSWERS + [(math.nan,) * 3] * 80, reasons=enough))
    assert (row.status, row.answered, row["size"]) == (CLEARED, 20, 0.0)


def test_no_answer_at_all_is_not_applicable_for_the_commonest_reason() -> None:
    row = table(trials([(math.nan,) * 3] * 30, reasons=["a longer one"] * 10 + ["a"] * 12 + ["c"] * 8))
    assert (row.status, row.reason, row.answered) == (NOT_APPLICABLE, "a", 0)


def test_unanswered_replays_do_not_dilute_size_or_coverage() -> None:
    intervals = [(0.0, -1.0, 1.0)] * 45 + [(2.0, 1.0, 3.0)] * 5 + [(math.nan,) * 3] * 50
    row = table(trials(intervals, reasons=[None] * 50 + ["no"] * 50))
    assert row["size"] == 0.1 and row.coverage == 0.9


def test_detectable_is_what_the_limit_lacks_in_four_fifths_of_the_replays() -> None:
    null = symmetric([k / 100 for k in range(100)])  # lower limits -1 .. -0.01
    row = table(null)
    assert row.status == CLEARED
    assert row.detectable == pytest.approx(0.8)
    assert row.detectable_low <= 0.8 <= row.detectable_high
    assert row.detectable_high < 0.95


def test_detectable_belongs_to_the_interval_that_is_released() -> None:
    null = symmetric([0.0] * 93 + [2.0] * 7)
    assert table(null).detectable == 2.0  # half-width 1, widened twice


def test_detectable_has_the_sign_of_the_injected_effect() -> None:
    null = trials([(0.0, -1.0, 4.0)] * 100)
    lifted = trials([(-3.0, -4.0, 1.0)] * 100, truth=-3.0)
    assert table(null, lifted).detectable == -4.0
    assert table(null).detectable == 1.0


def test_replays_without_an_answer_see_nothing() -> None:
    answered = [(0.0, -1.0, 1.0)] * 75 + [(math.nan,) * 3] * 25
    assert table(trials(answered, reasons=[None] * 75 + ["no"] * 25)).detectable == INF


def test_methods_are_judged_side_by_side_in_their_order() -> None:
    nulls = [symmetric([0.0] * 50, method="did"), trials([(math.nan,) * 3] * 50, reasons=["no"] * 50, method="iv")]
    nulls.append(symmetric([0.0] * 20 + [2.0] * 30, method="ipw"))
    found = verdicts(nulls, nulls, np.ones((5, 50)), 0.95)
    assert list(found.columns) == list(COLUMNS)
    assert list(found["method"]) == ["did", "iv", "ipw"]
    assert list(found["status"]) == [CLEARED, NOT_APPLICABLE, BLOCKED]
    assert list(found["answered"]) == [50, 0, 50]


def test_nothing_to_judge_is_a_table_of_reasons() -> None:
    nulls = [trials([(math.nan,) * 3] * 30, reasons=["no"] * 30)]
    assert list(verdicts(nulls, nulls, np.ones((5, 30)), 0.95)["status"]) == [NOT_APPLICABLE]


def test_an_empty_set_sees_nothing_either() -> None:
    null = trials([(0.0, -1.0, 1.0)] * 75 + [(0.0, INF, -INF)] * 25)
    row = table(null, level=0.7)
    assert (row.status, row.detectable) == (CLEARED, INF)
