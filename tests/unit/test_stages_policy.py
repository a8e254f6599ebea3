"""One policy: what each rule asks for, which one wins, and that gates reach the analyses they are about."""

from __future__ import annotations

from dataclasses import replace

import pytest

from liftos_pipeline.stages.policy import LEAST_E_VALUE, Facts, FailedGate, applies, judge

CLEAN = Facts("T3", None, None, (), "cleared", None, 2.0, True)
ERROR = FailedGate("density", "error", "3 empty days")
WARNING = FailedGate("interference", "warn", "controls move with their siblings")


def test_a_certified_effect_whose_gates_pass_is_reported() -> None:
    assert judge(CLEAN).verdict == "report" and judge(CLEAN).reasons == ()


@pytest.mark.parametrize(
    ("change", "verdict", "reason"),
    [
        ({"refused": "too little overlap"}, "refuse", "too little overlap"),
        ({"undefined": "1 treated unit"}, "refuse", "no interval: 1 treated unit"),
        ({"failed": (ERROR,)}, "refuse", "density: 3 empty days"),
        ({"failed": (WARNING,)}, "direction_only", "interference: controls move with their siblings"),
        ({"certificate": "widened", "certificate_reason": "too often"}, "widen", "too often"),
        ({"certificate": None}, "direction_only", "its method is not certified: no certificate"),
        ({"certificate": "undetermined", "certificate_reason": "12 answers"}, "direction_only", "12 answers"),
        ({"e_value": LEAST_E_VALUE - 0.01}, "direction_only", "hidden confounding"),
    ],
)
def test_each_rule_asks_for_its_verdict(change: dict[str, object], verdict: str, reason: str) -> None:
    found = judge(replace(CLEAN, **change))
    assert found.verdict == verdict
    assert reason in found.reasons[0]


def test_the_strictest_rule_wins_and_all_reasons_stay_strictest_first() -> None:
    found = judge(replace(CLEAN, failed=(WARNING, ERROR), certificate="widened", certificate_reason="too often"))
    assert found.verdict == "refuse"
    assert [reason.split(":")[0] for reason in found.reasons] == ["density", "interference", "too often"]


def test_an_experiment_needs_no_certificate_and_fears_no_hidden_confounder() -> None:
    assert judge(replace(CLEAN, tier="T1", certificate=None, e_value=1.0)).verdict == "report"


def test_a_quasi_experiment_with_a_failed_gate_counts_as_observational() -> None:
    assert judge(replace(CLEAN, tier="T2")).tier == "T2"
    found = judge(replace(CLEAN, tier="T2", failed=(WARNING,), certificate=None))
    assert found.tier == "T3" and any("not certified" in reason for reason in found.reasons)
    assert judge(replace(CLEAN, tier="T1", failed=(WARNING,))).tier == "T1"


def test_an_interval_that_holds_zero_is_reported_whatever_its_e_value() -> None:
    assert judge(replace(CLEAN, e_value=1.0, is_told_from_zero=False)).verdict == "report"


def test_a_placebo_that_could_see_nothing_is_noted_and_costs_a_quasi_experiment_its_tier() -> None:
    blind = FailedGate("placebo_in_time", "warn", "undetermined")
    assert judge(replace(CLEAN, failed=(blind,))).verdict == "report"
    assert judge(replace(CLEAN, failed=(blind,))).reasons == ("placebo_in_time: undetermined",)
    assert judge(replace(CLEAN, tier="T2", failed=(blind,))).tier == "T3"
    assert judge(replace(CLEAN, failed=(replace(blind, severity="error"),))).verdict == "refuse"


def test_gates_without_consequence_change_nothing() -> None:
    late = FailedGate("fresh", "error", "1 account-day missing")
    assert judge(replace(CLEAN, failed=(late,))).verdict == "report"


def test_a_gate_is_about_the_analyses_that_its_subject_begins() -> None:
    analysis = "meta.budget_change.landmarked"
    for subject in ("meta", "meta.budget_change", analysis):
        assert applies(subject, analysis)
    for subject in ("met", "meta.budget", "google_ads", "meta.creative_change", f"{analysis}.more", "meta.orders"):
        assert not applies(subject, analysis)
