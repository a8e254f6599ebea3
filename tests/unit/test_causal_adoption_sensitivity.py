"""Pre-trend power and HonestDiD breakdown of event studies and dynamic group-time effects."""

from __future__ import annotations

import math

import numpy as np
import pytest

from liftos_pipeline.causal import estimate
from liftos_pipeline.causal.diagnostics.event_path import event_path
from liftos_pipeline.causal.diagnostics.honest_did import relative_magnitudes
from liftos_pipeline.causal.diagnostics.pretrends import detectable_slopes, pretrends
from liftos_pipeline.causal.estimators.path_sensitivity import near_adoption, path_sensitivity
from tests.adoption_worlds import panel_of, run, world

DYNAMIC = {"aggregation": "dynamic"}


def by_unit(table) -> np.ndarray:
    return table.pivot_table(index=["g", "unit"], columns="t", values="y")


def test_group_times_are_judged_by_their_joint_covariance():
    """One cohort: event-time averages are differences of mean changes, and so are their influences."""
    table = world(starts=(0, 6))
    found = run("staggered_did", table, DYNAMIC).diagnostics
    wide = by_unit(table)
    change = wide.sub(wide[5], axis=0).drop(columns=5)
    mean = change.groupby("g").transform("mean")
    sign = np.where(change.index.get_level_values("g") == 6, 1.0, -1.0)
    scores = (change - mean).to_numpy() * sign[:, None] / 12
    estimates = (change.groupby("g").mean().loc[6] - change.groupby("g").mean().loc[0]).to_numpy()
    covariance = 24 / 23 * scores.T @ scores
    times = np.array([-5, -4, -3, -2, 0, 1, 2, 3])
    honest = relative_magnitudes(estimates, covariance, times)
    assert found["honest_did_breakdown"] == pytest.approx(honest.breakdown, rel=1e-3)
    assert found["honest_did_estimate"] == pytest.approx(honest.estimate, abs=1e-12)
    assert found["honest_did_event_times"] == [-5, 3]
    slopes = pretrends(estimates, covariance, times).violations["slope_joint"]
    assert list(found["pretrend_detectable_slope"].values()) == pytest.approx(slopes, rel=1e-8)


def test_the_event_study_of_one_cohort_says_the_same():
    table = world(starts=(0, 6))
    study = run("event_study", table, {"leads": 5, "lags": 3}).diagnostics
    group_times = run("staggered_did", table, DYNAMIC).diagnostics
    # (n - 1) / (n - p) of the regression, and its first lead is no bin.
    factor = math.sqrt((216 - 1) / (216 - 8 - 9))
    for power in ("0.5", "0.8"):
        slopes = [found["pretrend_detectable_slope"][power] for found in (study, group_times)]
        assert slopes[0] == pytest.approx(factor * slopes[1], rel=1e-8)
    assert study["honest_did_estimate"] == pytest.approx(group_times["honest_did_estimate"], abs=1e-12)


@pytest.mark.parametrize("control_group", ["never_treated", "not_yet_treated"])
@pytest.mark.parametrize("covariates", [(), ("x",)])
def test_the_base_of_the_path_does_not_matter(control_group, covariates):
    """A varying base shows other leads, but sensitivity is told from one base either way."""
    options = {"control_group": control_group, "anticipation": 1, **DYNAMIC}
    varying, universal = (
        run("staggered_did", world(), {**options, "base_period": base}, covariates=covariates).diagnostics
        for base in ("varying", "universal")
    )
    assert varying["honest_did_event_times"] == universal["honest_did_event_times"] == [-6, 5]
    assert varying["honest_did_breakdown"] == pytest.approx(universal["honest_did_breakdown"], rel=1e-6)
    assert varying["pretrend_detectable_slope"] == pytest.approx(universal["pretrend_detectable_slope"], rel=1e-9)


def test_leads_for_the_sensitivity_leave_everything_else_alone():
    simple, dynamic = run("staggered_did", world()), run("staggered_did", world(), DYNAMIC)
    assert "honest_did_breakdown" not in simple.diagnostics
    assert simple.diagnostics["group_times"] == dynamic.diagnostics["group_times"]
    assert simple.diagnostics["pretrend_p"] == dynamic.diagnostics["pretrend_p"]
    assert simple.estimand == dynamic.estimand == "att"
    assert simple.warnings == dynamic.warnings


def test_leads_that_cannot_be_compared_are_no_missing_effects():
    table = world(starts=(0, 0, 6))
    gone = (table.g == 0) & (table.t == 1)
    found = run("staggered_did", table[~gone], DYNAMIC)
    assert found.estimand == "att"
    # The path against the period before loses event times -4 only; nothing is compared with period 1.
    assert "2 times" not in found.warnings[0]
    assert found.diagnostics["honest_did_event_times"][0] == -4


def test_bins_and_points_beyond_ten_are_left_out():
    table = world(starts=(0, 20), n_periods=40)
    assert run("event_study", table).diagnostics["honest_did_event_times"] == [-9, 9]
    assert run("event_study", table, {"leads": 15, "lags": 15}).diagnostics["honest_did_event_times"] == [-11, 9]
    assert run("staggered_did", table, DYNAMIC).diagnostics["honest_did_event_times"] == [-11, 9]


def test_a_gap_ends_the_window():
    times = np.array([-6, -5, -3, -2, 0, 1, 2, 3])
    told = np.array([True] * 6 + [False, True])
    assert times[near_adoption(times, told, -1)].tolist() == [-3, -2, 0, 1]
    assert times[near_adoption(times, told, -4)].tolist() == [-6, -5, -3, -2]


@pytest.mark.parametrize("method", ["event_study", "staggered_did"])
def test_reasons_where_sensitivity_is_undefined(method):
    options = DYNAMIC if method == "staggered_did" else {}
    few = run(method, world().assign(market=lambda f: f["unit"] % 7), options, cluster="market")
    assert few.undefined["honest_did_breakdown"] == "11 coefficients need more than 7 clusters"
    assert math.isnan(few.diagnostics["honest_did_breakdown"])
    assert math.isnan(few.diagnostics["pretrend_detectable_slope"])
    lone = run(method, world(starts=(0, 4)).query("g == 0 or unit == 12"), options)
    assert lone.undefined["honest_did_breakdown"].startswith("1 cluster")
    no_leads = run(method, world(starts=(0, 2)), options)
    assert no_leads.undefined["pretrend_detectable_slope"] == "no event time -2 with a standard error"
    flat = run(method, world().assign(y=3.0), options)
    assert "pretrend_detectable_slope" in flat.undefined


@pytest.mark.parametrize("method", ["event_study", "staggered_did"])
def test_an_effect_that_is_not_there_has_no_breakdown(method):
    rng = np.random.default_rng(3)
    table = world(starts=(0, 5)).assign(y=lambda f: rng.standard_normal(len(f)))
    found = estimate(method, panel_of(table), **(DYNAMIC if method == "staggered_did" else {}))
    assert math.isnan(found.diagnostics["honest_did_breakdown"])
    assert found.undefined["honest_did_breakdown"] == "zero is not rejected even at a bound of 0"
    assert found.diagnostics["pretrend_detectable_slope"]["0.5"] > 0
    assert "pretrend_detectable_slope" not in found.undefined


def test_slopes_are_those_of_the_pretrend_analysis():
    rng = np.random.default_rng(0)
    root = rng.standard_normal((9, 9))
    covariance, times = root @ root.T, np.arange(-5, 5)[np.arange(10) != 4]
    path = event_path(rng.standard_normal(9), covariance, times)
    found = detectable_slopes(path, 0.9, (0.5, 0.8), 12.0)
    expected = pretrends(rng.standard_normal(9), covariance, times, level=0.9, degrees_of_freedom=12.0).violations[
        "slope_joint"
    ]
    np.testing.assert_allclose(found, expected)


def test_no_point_after_adoption_is_a_reason():
    scores = np.random.default_rng(0).standard_normal((30, 2))
    found = path_sensitivity(np.array([-3, -2]), np.ones(2), scores, np.ones(2, dtype=bool), -1, 0.95)
    assert found.undefined["honest_did_breakdown"] == "no event time 0 with a standard error"
