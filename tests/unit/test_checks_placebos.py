"""Placebos in time fail where they reject and are not small, warn where they could not have seen enough."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from liftos_pipeline.checks.maturity import outcomes_have_matured
from liftos_pipeline.checks.placebos import no_effect_before_the_start, paths_were_parallel

KINDS = ("budget_change", "creative_change", "targeting_change")


def placebos(*z: float, error: float = 0.03, platform: str = "meta") -> pd.DataFrame:
    """One analysis per z: an estimate of so many standard errors, in log points."""
    estimate = np.array(z) * error
    return pd.DataFrame(
        {
            "platform": platform,
            "treatment_type": KINDS[: len(z)],
            "design": "landmarked",
            "outcome": "conversions_reported",
            "shift_days": 42,
            "estimate": estimate,
            "std_error": error,
            "p_value": 2 * stats.t.sf(np.abs(z), 99),
            "n_clusters": 100,
            "reason": None,
        }
    )


def effects(*lift: float) -> pd.DataFrame:
    """Effects of so many shares of a usual outcome of two."""
    table = pd.DataFrame(
        {"platform": "meta", "treatment_type": KINDS[: len(lift)], "estimate": 2.0 * np.array(lift)}
    )
    return table.assign(role="primary", outcome="conversions_reported", design="landmarked")


ROWS = pd.DataFrame(
    {"platform": "meta", "treatment_type": KINDS, "design": "landmarked", "is_treated": 1, "count_before": 2.0}
)


def judged(table: pd.DataFrame, *lift: float, small: float = 0.1) -> list[tuple[bool, str]]:
    found = no_effect_before_the_start(table, effects(*lift), ROWS, 0.02, small)
    return [(outcome.passed, outcome.severity) for outcome in found]


def test_paths_that_were_parallel_pass() -> None:
    (outcome,) = no_effect_before_the_start(placebos(0.5), effects(0.25), ROWS, 0.02, 0.1)
    assert (outcome.gate, outcome.subject, outcome.passed) == (
        "placebo_in_time",
        "meta.budget_change.landmarked",
        True,
    )
    assert "+1.5% (p 0.6182) before anybody was treated, the effect is +25.0%" in outcome.seen
    assert "a violation of 10.1% would have been seen in 80% of cases" in outcome.seen
    assert (outcome.offenders, outcome.way_out) == ((), "")


def test_a_trend_before_the_start_is_an_error_and_named() -> None:
    (outcome,) = no_effect_before_the_start(placebos(4.0), effects(0.25), ROWS, 0.02, 0.1)
    assert (outcome.passed, outcome.severity) == (False, "error")
    (named,) = outcome.offenders
    assert (named["platform"], named["treatment_type"], named["placebo_log_points"]) == (
        "meta",
        "budget_change",
        0.12,
    )
    assert "different paths before the start" in outcome.way_out


def test_a_violation_that_is_small_beside_the_effect_is_borne() -> None:
    precise = placebos(4.0, error=0.005)
    assert judged(precise, 0.25) == [(True, "error")]
    assert judged(precise, 0.15) == [(False, "error")]
    assert judged(precise, 0.25, small=0.05) == [(False, "error")]


def test_what_could_not_have_been_seen_is_undetermined() -> None:
    wide = no_effect_before_the_start(placebos(1.0, error=0.1), effects(0.25), ROWS, 0.02, 0.1)[0]
    assert (wide.passed, wide.severity) == (False, "warn")
    assert wide.seen.startswith("undetermined: +10.5%")
    assert judged(placebos(1.0).assign(treatment_type="other"), 0.25) == [(False, "warn")]
    unknown = placebos(1.0).assign(p_value=np.nan, reason="too few units")
    (outcome,) = no_effect_before_the_start(unknown, effects(0.25), ROWS, 0.02, 0.1)
    assert (outcome.passed, outcome.severity, outcome.seen) == (False, "warn", "undetermined: too few units")


def test_the_level_holds_for_all_analyses_together() -> None:
    alone, among = placebos(2.5), placebos(2.5, 0.1, 0.1)
    assert judged(alone, 0.25) == [(False, "error")]
    assert judged(among, 0.25, 0.25, 0.25) == [(True, "error")] * 3
    assert judged(placebos(2.5, 2.6, 2.7), 0.25, 0.25, 0.25) == [(False, "error")] * 3


@pytest.mark.parametrize(("z", "passed"), [((1.0, -0.5, 0.2), True), ((3.2, 2.9, 0.5), False)])
def test_a_platforms_placebos_are_judged_together(z: tuple[float, ...], passed: bool) -> None:
    (outcome,) = paths_were_parallel(placebos(*z), 0.01)
    assert (outcome.gate, outcome.subject, outcome.passed, outcome.severity) == (
        "pre_trends",
        "meta",
        passed,
        "error",
    )
    assert [entry["treatment_type"] for entry in outcome.offenders] == ([] if passed else list(KINDS))
    assert paths_were_parallel(placebos(5.0), 0.01) == []


def curve(completeness: float, reason: str | None = None, platform: str = "meta") -> pd.DataFrame:
    ages = np.arange(28)
    table = pd.DataFrame({"platform": platform, "metric": "conversions_reported", "age_days": ages})
    table["completeness"] = np.where(ages >= 14, completeness, 0.5)
    return table.assign(completeness_low=table["completeness"] - 0.01, reason=reason)


USED = {"meta": (("conversions_reported", "revenue_reported"), 14), "klaviyo": (("orders",), 3)}


def test_immature_outcomes_are_an_error_with_the_age() -> None:
    (good,) = outcomes_have_matured(curve(0.985), USED, 0.97)
    assert (good.gate, good.subject, good.passed) == ("maturity", "meta", True)
    assert good.seen == "at 14 days: conversions_reported 98.5%"
    late = pd.concat([curve(0.985), curve(0.87).assign(metric="revenue_reported")])
    (bad,) = outcomes_have_matured(late, USED, 0.97)
    assert (bad.passed, bad.severity) == (False, "error")
    named = {"metric": "revenue_reported", "age_days": 14, "completeness": 0.87, "completeness_low": 0.86}
    assert bad.offenders == (named,)
    assert outcomes_have_matured(late, USED, 0.85)[0].passed


def test_a_young_home_is_warned() -> None:
    (outcome,) = outcomes_have_matured(curve(np.nan, "1 days were seen at ages 26 and 27"), USED, 0.97)
    assert (outcome.passed, outcome.severity) == (False, "warn")
    assert outcome.seen == "not known: 1 days were seen at ages 26 and 27"
    assert "Run daily" in outcome.way_out
    assert outcomes_have_matured(curve(0.9).assign(metric="conversions_7d_click"), USED, 0.97) == []
