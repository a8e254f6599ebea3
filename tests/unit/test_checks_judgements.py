"""Balance, interference, precedence, claims, levels, instruments and pre-fit: what passes, and what is named."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from liftos_pipeline.checks.balance import weighted_arms_are_alike
from liftos_pipeline.checks.estimates import instruments_are_strong, synthetic_controls_fit
from liftos_pipeline.checks.interference import siblings_do_not_move
from liftos_pipeline.checks.precedence import spend_comes_first
from liftos_pipeline.checks.reconciliation import claims_are_within_orders, levels_add_up

DAY = pd.Timestamp(2026, 5, 1)
ANALYSIS = {"platform": "meta", "treatment_type": "budget_change", "design": "landmarked"}


def levels(ad_spend: float, ad_conversions: float = 20.0) -> pd.DataFrame:
    """Two days of an account at two levels; the second day's ads sum to what is given."""
    table = pd.DataFrame(
        [
            (DAY, "campaign", 100.0, 20.0),
            (DAY, "ad", 100.0, 20.0),
            (DAY + pd.Timedelta(days=1), "campaign", 100.0, 20.0),
            (DAY + pd.Timedelta(days=1), "ad", ad_spend, ad_conversions),
        ],
        columns=["date_day", "level", "spend", "conversions"],
    )
    return table.assign(platform="meta", account_id="1", impressions=5000.0, clicks=80.0)


def test_levels_that_add_up_pass_and_rounding_is_borne() -> None:
    for spend, conversions in ((100.0, 20.0), (99.1, 20.0), (100.0, 19.0)):
        (outcome,) = levels_add_up(levels(spend, conversions), 0.0)
        assert (outcome.gate, outcome.subject, outcome.passed) == ("reconciliation", "meta", True)
    assert levels_add_up(levels(100.0).query("level == 'campaign'"), 0.01) == []


def test_an_account_day_that_does_not_add_up_is_named() -> None:
    (outcome,) = levels_add_up(levels(90.0, 15.0), 0.01)
    assert (outcome.passed, outcome.severity) == (False, "error")
    assert outcome.seen == "1 of 2 account-days on which the levels ad, campaign differ"
    worst = outcome.offenders[0]
    assert (worst["account_id"], worst["date_day"], worst["metric"]) == ("1", "2026-05-02", "conversions")
    assert (worst["levels"], worst["low"], worst["high"]) == ("ad < campaign", 15.0, 20.0)
    assert levels_add_up(levels(90.0, 15.0), 0.25)[0].passed


def test_a_level_without_rows_on_a_day_says_zero() -> None:
    (outcome,) = levels_add_up(levels(100.0).iloc[:3], 0.01)
    assert outcome.offenders[0]["low"] == 0.0
    assert not outcome.passed


@pytest.mark.parametrize(("claimed", "passed"), [(40.0, True), (60.0, False)])
def test_more_claims_than_orders_warn(claimed: float, passed: bool) -> None:
    table = pd.DataFrame(
        [
            ("meta", "campaign", claimed, np.nan),
            ("google_ads", "campaign", 50.0, np.nan),
            ("klaviyo", "account", np.nan, 100.0),
        ],
        columns=["platform", "unit_type", "conversions_reported", "orders"],
    ).assign(date_day=DAY)
    claims = dict.fromkeys(("meta", "google_ads"), "conversions_reported")
    (outcome,) = claims_are_within_orders(table, claims, ("account", "orders"), 1.0)
    assert (outcome.gate, outcome.passed, outcome.severity) == ("claims", passed, "warn")
    assert f"claim {(claimed + 50) / 100:.2f} times the 100 orders" in outcome.seen
    assert [entry["platform"] for entry in outcome.offenders] == ([] if passed else ["meta", "google_ads"])
    (alone,) = claims_are_within_orders(
        table[table["platform"] != "google_ads"], claims, ("account", "orders"), 1.0
    )
    assert f"claim {claimed / 100:.2f} times" in alone.seen
    assert claims_are_within_orders(table.iloc[:2], claims, ("account", "orders"), 1.0) == []


def scored(shift: float) -> pd.DataFrame:
    """100 treated and 300 controls with normal quantiles; a covariate of the treated is shifted."""
    quantiles = [norm.ppf((np.arange(n) + 0.5) / n) for n in (100, 300)]
    values, d = np.concatenate(quantiles), np.repeat([1, 0], [100, 300])
    table = pd.DataFrame({"is_treated": d, "alike": values, "apart": values + shift * d})
    return table.assign(propensity=0.25, **ANALYSIS)


def test_arms_that_differ_after_weighting_warn_with_the_covariate() -> None:
    (good,) = weighted_arms_are_alike(scored(0.0), ["alike", "apart"], 0.5, 3.0, 0.35)
    assert (good.gate, good.subject, good.passed) == ("balance", "meta.budget_change.landmarked", True)
    (bad,) = weighted_arms_are_alike(scored(1.0), ["alike", "apart"], 0.5, 3.0, 0.35)
    assert (bad.passed, bad.severity) == (False, "warn")
    (named,) = bad.offenders
    assert named["covariate"] == "apart"
    assert named["smd"] == pytest.approx(1.0, abs=0.01)
    spread = scored(0.0)
    spread.loc[spread["is_treated"] == 1, "apart"] *= 2.5
    assert weighted_arms_are_alike(spread, ["apart"], 0.5, 3.0, 1.0)[0].offenders[0]["variance_ratio"] > 3.0


def siblings(slope: float, n_accounts: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
    """Controls of accounts with ten units each, of which a growing number is treated over ten weeks."""
    rng = np.random.default_rng(2)
    rows, starts = [], []
    for account in range(n_accounts):
        for unit, week in enumerate(np.sort(rng.integers(0, 10, 1 + account % 8))):
            starts.append((f"meta:{account}:t{unit}", DAY + pd.Timedelta(weeks=int(week))))
        own = np.array([(day - DAY).days for unit, day in starts if unit.startswith(f"meta:{account}:")])
        for week in range(10):
            day = 7 * week
            exposure = (np.clip(day - own + 28, 0, 28) - np.clip(day - own, 0, 28)).sum() / 28 / 9
            after = 100.0 * np.exp(slope * exposure + 0.01 * rng.normal())
            rows.append((f"meta:{account}:c", DAY + pd.Timedelta(days=day), 100.0, after))
    table = pd.DataFrame(rows, columns=["unit_id", "window_start", "count_before", "count_after"])
    treated = pd.DataFrame(starts, columns=["unit_id", "started_on"])
    units = pd.Series(10, pd.MultiIndex.from_product([["meta"], [str(a) for a in range(n_accounts)]]))
    return table.assign(is_treated=0, **ANALYSIS), treated.assign(**ANALYSIS), units


def test_controls_that_follow_their_siblings_warn() -> None:
    (good,) = siblings_do_not_move(*siblings(0.0, 12), 0.05, 0)
    assert (good.gate, good.subject, good.passed, good.severity) == (
        "interference",
        "meta.budget_change.landmarked",
        True,
        "warn",
    )
    (bad,) = siblings_do_not_move(*siblings(-0.5, 12), 0.05, 0)
    assert not bad.passed
    assert "log outcome of controls -0.49 per share of their siblings treated, p 0.001, 12 accounts" in bad.seen
    assert {"account_id", "treated_share_grew_by"} <= set(bad.offenders[0])
    assert "Take the sign" in bad.way_out


def test_few_accounts_tell_nothing_of_interference() -> None:
    (outcome,) = siblings_do_not_move(*siblings(-0.5, 4), 0.05, 0)
    assert (outcome.passed, outcome.seen) == (True, "4 accounts, 5 are needed to tell")


def chasing(strength: float) -> pd.DataFrame:
    """Twelve campaigns whose spend follows the outcome of the day before."""
    rng = np.random.default_rng(0)
    days, parts = 150, []
    for unit in range(12):
        sold = np.exp(rng.normal(3.0, 0.3, days))
        spent = np.exp(3.0 + 0.2 * rng.normal(size=days) + strength * np.log(np.roll(sold, 1)))
        frame = pd.DataFrame(
            {"date_day": pd.date_range(date(2026, 1, 1), periods=days), "spend": spent, "sold": sold}
        )
        parts.append(frame.assign(unit_id=f"u{unit}", platform="meta", unit_type="campaign"))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(("strength", "passed"), [(0.0, True), (0.8, False)])
def test_budgets_that_follow_results_raise_an_alarm(strength: float, passed: bool) -> None:
    roles = {"meta": ("campaign", "spend", "sold", 0), "klaviyo": ("list", "email_sends", "orders", 0)}
    (outcome,) = spend_comes_first(chasing(strength), roles, date(2026, 5, 30), 0.01)
    assert (outcome.gate, outcome.subject, outcome.passed, outcome.severity) == (
        "precedence",
        "meta",
        passed,
        "warn",
    )
    assert len(outcome.offenders) == (0 if passed else 5)
    assert "spend before sold: p" in outcome.seen


def test_few_days_are_not_tested_for_precedence() -> None:
    young = chasing(0.8).query("date_day < '2026-01-04'")
    (outcome,) = spend_comes_first(young, {"meta": ("campaign", "spend", "sold", 0)}, date(2026, 1, 3), 0.01)
    assert outcome.passed
    assert outcome.seen.startswith("spend before sold: not tested: ")


def estimates(method: str, design: str, **diagnostics: object) -> pd.DataFrame:
    row = {**ANALYSIS, "design": design, "outcome": "orders", "method": method, "estimate": 2.0}
    return pd.DataFrame([{**row, "diagnostics": json.dumps(diagnostics)}])


@pytest.mark.parametrize(("strength", "passed"), [(30.0, True), (12.0, False), ("Infinity", True)])
def test_an_instrument_is_held_to_its_critical_value(strength: float | str, passed: bool) -> None:
    table = estimates("iv", "cutoff", effective_f=strength, effective_f_critical_value=23.1, first_stage_f=99.0)
    (outcome,) = instruments_are_strong(table)
    assert (outcome.gate, outcome.subject) == ("weak_instrument", "meta.budget_change.cutoff")
    assert (outcome.passed, outcome.severity) == (passed, "error")
    weak = {"outcome": "orders", "effective_f": 12.0, "needed": 23.1}
    assert outcome.offenders == (() if passed else (weak,))


def test_without_an_effective_f_the_first_stage_counts_and_without_rows_nothing_is_said() -> None:
    assert instruments_are_strong(estimates("iv", "cutoff", first_stage_f=11.0))[0].passed
    assert not instruments_are_strong(estimates("iv", "cutoff", first_stage_f=9.0))[0].passed
    assert instruments_are_strong(estimates("doubly_robust", "landmarked", effective_f=1.0)) == []
    assert instruments_are_strong(pd.DataFrame()) == []


@pytest.mark.parametrize(
    ("method", "told", "passed", "severity"),
    [
        ("synthetic_control", {"pre_rmspe": 1.9, "placebo_pre_rmspe": 1.0}, True, "warn"),
        ("synthetic_control", {"pre_rmspe": 2.1, "placebo_pre_rmspe": 1.0}, False, "error"),
        ("synthetic_did", {"pre_rmspe": 3.9}, True, "warn"),
        ("synthetic_did", {"pre_rmspe": 4.1}, False, "warn"),
    ],
)
def test_a_synthetic_control_must_follow_its_unit(method: str, told: dict, passed: bool, severity: str) -> None:
    (outcome,) = synthetic_controls_fit(estimates(method, "single_unit", **told), 2.0)
    assert (outcome.gate, outcome.subject) == ("pre_fit", "meta.budget_change.single_unit")
    assert (outcome.passed, outcome.severity) == (passed, severity)
    assert [entry["method"] for entry in outcome.offenders] == ([] if passed else [method])
    assert synthetic_controls_fit(estimates(method, "single_unit"), 2.0) == []
