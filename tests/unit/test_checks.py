"""Each rule on a table that keeps it and on one that breaks it: verdict, severity, offenders and the way out."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from liftos_pipeline.checks.overlap import overlap_for_the_treated
from liftos_pipeline.checks.results import every_row_has_an_interval_or_a_reason

ANALYSIS = {"platform": "meta", "treatment_type": "budget_change", "design": "landmarked"}


def scores(treated: list[float], controls: list[float], **columns: object) -> pd.DataFrame:
    """One row per unit, named after its arm and number."""
    names = [f"{arm}{n}" for arm, part in (("t", treated), ("c", controls)) for n in range(len(part))]
    frame = pd.DataFrame({**ANALYSIS, "unit_id": names, "propensity": [*treated, *controls]})
    frame["is_treated"] = [1] * len(treated) + [0] * len(controls)
    return frame.assign(**{"window_start": pd.Timestamp(2026, 2, 1), **columns})


@pytest.mark.parametrize(("high", "passed"), [(0, True), (2, True), (3, False)])
def test_four_fifths_of_the_treated_must_be_comparable(high: int, passed: bool) -> None:
    table = scores([0.95] * high + [0.5] * (10 - high), [0.5] * 30)
    outcome, size = overlap_for_the_treated(table, 20.0)
    assert (outcome.passed, outcome.severity) == (passed, "error")
    assert size.passed
    assert (outcome.gate, outcome.subject) == ("overlap", "meta.budget_change.landmarked")
    assert f"{10 - high}0" in outcome.seen
    assert "80%" in outcome.expected
    assert "Widen the control pool" in outcome.way_out


def test_a_score_of_nine_tenths_is_too_high() -> None:
    outcome, _ = overlap_for_the_treated(scores([0.9] * 5, [0.5] * 30), 20.0)
    assert not outcome.passed


@pytest.mark.parametrize(("least", "passed"), [(13.5, True), (14.0, False)])
def test_control_units_count_by_the_odds_of_their_scores(least: float, passed: bool) -> None:
    """Ten units with two rows of odds 1/2 and ten with one row of odds 1/5: 12 squared over 10.4 is 13.8."""
    near = scores([0.4] * 10, [1 / 3] * 10)
    again = near[near["is_treated"] == 0].assign(window_start=pd.Timestamp(2026, 2, 8))
    far = scores([], [1 / 6] * 10)
    far["unit_id"] = "far_" + far["unit_id"]
    shares, outcome = overlap_for_the_treated(pd.concat([near, again, far]), least)
    assert shares.passed
    assert (outcome.gate, outcome.subject) == ("effective_sample_size", "meta.budget_change.landmarked")
    assert (outcome.passed, outcome.severity) == (passed, "error")
    assert outcome.seen == "13.8 effective controls of 20 units"
    assert outcome.expected == f"at least {least:g} effective controls"
    near_units = {f"c{number}" for number in range(10)}
    assert {entry["unit_id"] for entry in outcome.offenders} <= near_units
    assert len(outcome.offenders) == (0 if passed else 5)
    assert all(entry["share_of_weight"] == 0.083 for entry in outcome.offenders)


def test_each_analysis_is_judged_by_its_own_scores() -> None:
    good = scores([0.5] * 10, [0.5] * 30)
    bad = scores([0.95] * 10, [0.5] * 30, treatment_type="creative_change")
    other = scores([0.5] * 10, [0.5] * 30, platform="google_ads")
    outcomes = overlap_for_the_treated(pd.concat([bad, other, good]), 20.0)
    assert [(outcome.subject, outcome.passed) for outcome in outcomes if outcome.gate == "overlap"] == [
        ("google_ads.budget_change.landmarked", True),
        ("meta.budget_change.landmarked", True),
        ("meta.creative_change.landmarked", False),
    ]


def test_the_five_highest_scores_are_named_worst_first() -> None:
    outcome, _ = overlap_for_the_treated(scores([0.5, 0.93, 0.92, 0.4], [0.6, 0.91, 0.97, 0.1, 0.3]), 20.0)
    assert [entry["unit_id"] for entry in outcome.offenders] == ["c2", "t1", "t2", "c1", "c0"]
    assert outcome.offenders[0] == {"unit_id": "c2", "window_start": "2026-02-01 00:00:00", "propensity": 0.97}


def effects(*rows: dict[str, object]) -> pd.DataFrame:
    """A whole effect per row, changed as given; rows are told apart by their method."""
    whole = {**ANALYSIS, "outcome": "conversions_reported", "estimate": 1.0, "ci_low": 0.0, "ci_high": 2.0}
    said = {"refused": None, "undefined": None}
    return pd.DataFrame([{**whole, **said, "method": f"m{number}", **row} for number, row in enumerate(rows)])


@pytest.mark.parametrize("gone", ["estimate", "ci_low", "ci_high"])
def test_a_number_without_limits_needs_a_reason(gone: str) -> None:
    silent = {gone: math.nan}
    (outcome,) = every_row_has_an_interval_or_a_reason(effects({}, silent, {}))
    assert (outcome.passed, outcome.severity) == (False, "error")
    assert (outcome.gate, outcome.subject) == ("interval_or_reason", "effect_estimates")
    assert "1 of 3 effects" in outcome.seen
    named = {**ANALYSIS, "outcome": "conversions_reported", "method": "m1"}
    assert outcome.offenders == (named,)
    assert "report it" in outcome.way_out
    for reason in ("refused", "undefined"):
        (excused,) = every_row_has_an_interval_or_a_reason(effects({}, {**silent, reason: "why"}))
        assert excused.passed
        assert excused.offenders == ()


def test_whole_rows_pass_and_no_rows_are_no_verdict() -> None:
    (outcome,) = every_row_has_an_interval_or_a_reason(effects({}, {"refused": "yet with a number"}))
    assert outcome.passed
    assert "0 of 2 effects" in outcome.seen
    assert every_row_has_an_interval_or_a_reason(effects({}).iloc[:0]) == []


def test_at_most_five_silent_rows_are_named() -> None:
    (outcome,) = every_row_has_an_interval_or_a_reason(effects(*[{"ci_low": math.nan}] * 7))
    assert "7 of 7 effects" in outcome.seen
    assert [entry["method"] for entry in outcome.offenders] == ["m0", "m1", "m2", "m3", "m4"]
