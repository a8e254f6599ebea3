"""Published data sets: our numbers, those of another library (make_shipped_witnesses.py) and those in print."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from liftos_pipeline.causal import EffectEstimate, Panel, estimate
from liftos_pipeline.causal.inference.covariance import clustered_covariance
from liftos_pipeline.causal.inference.few_clusters import ONE_CLUSTER_DECIDES, cr3_inference, cross_products
from liftos_pipeline.causal.kernels.twoway import fit_two_way
from tests.reference import shipped

WITNESS = json.loads(Path(__file__).with_name("shipped_witnesses.json").read_text())
EXACT = 1e-9
"""Same formula in another order of operations."""
CASTLE = {"outcome": "l_homicide", "treatment": "post", "unit": "sid", "period": "year"}
COUNTIES = {"outcome": "lemp", "treatment": "d", "unit": "countyreal", "period": "year"}
ORGANS = {"outcome": "Rate", "treatment": "d", "unit": "State", "period": "Quarter_Num"}


def numbers(found: EffectEstimate) -> list[float]:
    return [found.estimate, found.std_error]


def without_g(found: EffectEstimate) -> float:
    """csdid and differences have no factor G / (G - 1) in their variances."""
    return math.sqrt((found.n_clusters - 1) / found.n_clusters)


def scored(low: float = 0.0, high: float = 1.0) -> Panel:
    return shipped.workers_panel(shipped.comparison(WITNESS["training"]["logit"], low, high))


def test_the_training_experiment():
    """1,794 dollars: Dehejia and Wahba (1999), table 3. Standard error: statsmodels' HC2."""
    found = estimate("difference_in_means", shipped.workers_panel(shipped.workers("nsw")))
    assert numbers(found) == pytest.approx(WITNESS["training"]["difference"], rel=EXACT)
    assert round(found.estimate) == 1_794
    assert (found.n_rows, found.n_treated) == (445, 185)


def test_weighting_the_survey_is_refused_until_it_is_trimmed():
    """-7,238 dollars untrimmed and 1,806 on scores from 0.1 to 0.9 are printed in Cunningham (2021), section 5.3."""
    everyone = estimate("ipw", scored(), clip=0.0)
    assert numbers(everyone) == pytest.approx(WITNESS["training"]["ipw"]["ate"], rel=1e-8)
    assert math.trunc(everyone.estimate) == -7_238
    assert "the ATE needs 80 %" in everyone.refused
    trimmed = estimate("ipw", scored(), clip=0.0, trim=0.1)
    assert numbers(trimmed) == pytest.approx(WITNESS["training"]["ipw"]["trimmed"], rel=1e-8)
    assert math.trunc(trimmed.estimate) == 1_806
    assert trimmed.refused is None
    assert trimmed.estimand == "ate on scores from 0.1 to 0.9"


@pytest.mark.parametrize("estimand", ["att", "overlap"])
def test_other_populations_of_the_survey_are_weighted_means(estimand):
    found = estimate("ipw", scored(), clip=0.0, estimand=estimand)
    assert numbers(found) == pytest.approx(WITNESS["training"]["ipw"][estimand], rel=1e-8)
    assert found.refused is None


@pytest.mark.parametrize(("estimand", "limits"), [("ate", (0.1, 0.9)), ("att", (0.0, 1.0))])
def test_doubly_robust_on_the_survey_is_doublemls(estimand, limits):
    """The interactive model with the same folds, scores and ridge; the experiment's 1,794 lies inside."""
    found = estimate("doubly_robust", scored(*limits), estimand=estimand, seed=0)
    assert numbers(found) == pytest.approx(WITNESS["training"]["doubly_robust"][estimand], rel=1e-8)
    assert found.ci_low < 1_794 < found.ci_high


@pytest.mark.parametrize("case", shipped.PROXIMITY)
def test_schooling_by_proximity_of_a_college(case):
    expected = WITNESS[case]
    panel = Panel.from_frame(
        shipped.card(),
        outcome="lwage",
        treatment="educ",
        unit="unit",
        covariates=shipped.CONTROLS,
        instruments=shipped.PROXIMITY[case],
    )
    two_stage, liml = estimate("iv", panel), estimate("iv", panel, estimator="liml")
    assert numbers(two_stage) == pytest.approx(expected["2sls"], rel=EXACT)
    assert numbers(liml) == pytest.approx(expected["liml"], rel=EXACT)
    assert liml.diagnostics["kappa"] == pytest.approx(expected["kappa"], rel=EXACT)
    for name in ("first_stage_f", "effective_f", "partial_r2"):
        assert two_stage.diagnostics[name] == pytest.approx(expected[name], rel=EXACT), name
    p_value = 2 * stats.t.sf(math.sqrt(expected["wooldridge_regression"]), 3_009)
    assert two_stage.diagnostics["wu_hausman_p"] == pytest.approx(p_value, rel=EXACT)
    assert any("weak" in warning for warning in two_stage.warnings)


def test_the_return_to_schooling_in_print():
    """0.132 (0.055) beside 0.075 by least squares: Card (1995), table 3; Wooldridge (2019), example 15.4."""
    panel = Panel.from_frame(
        shipped.card(),
        outcome="lwage",
        treatment="educ",
        unit="unit",
        covariates=shipped.CONTROLS,
        instruments=["nearc4"],
    )
    found = estimate("iv", panel)
    assert round(found.estimate, 3) == 0.132
    assert round(found.diagnostics["ols_estimate"], 3) == 0.075
    assert round(WITNESS["card, one instrument"]["classical_error"], 3) == 0.055
    ((low, high),) = found.diagnostics["anderson_rubin_set"]
    excess = anderson_rubin(["nearc4"])
    assert low == pytest.approx(optimize.brentq(excess, 0.0, found.estimate), rel=EXACT)
    assert high == pytest.approx(optimize.brentq(excess, found.estimate, 1.0), rel=EXACT)


def test_the_anderson_rubin_set_of_two_instruments():
    excess = anderson_rubin(["nearc2", "nearc4"])
    panel = Panel.from_frame(
        shipped.card(),
        outcome="lwage",
        treatment="educ",
        unit="unit",
        covariates=shipped.CONTROLS,
        instruments=["nearc2", "nearc4"],
    )
    ((low, high),) = estimate("iv", panel).diagnostics["anderson_rubin_set"]
    for effect in np.linspace(-1.0, 1.0, 401):
        assert (low <= effect <= high) == (excess(effect) <= 0), effect
    assert excess(low) == pytest.approx(0.0, abs=1e-7)
    assert excess(high) == pytest.approx(0.0, abs=1e-7)


def anderson_rubin(instruments: list[str]):
    """Hotelling's statistic of one effect, from the rows, less its critical value."""
    frame = shipped.card()
    design = np.column_stack([np.ones(len(frame)), frame[shipped.CONTROLS]])
    columns = frame[["lwage", "educ", *instruments]].to_numpy(float)
    left = columns - design @ np.linalg.lstsq(design, columns, rcond=None)[0]
    y, d, Z = left[:, 0], left[:, 1], left[:, 2:]
    n, q, k = len(frame), len(instruments), design.shape[1]
    factor = (n - k) / (n - 1) * (n - q) / ((n - 1) * q)
    critical_value = stats.f.ppf(0.95, q, n - q)

    def excess(effect: float) -> float:
        sums = Z * (y - effect * d)[:, None]
        mean, covariance = sums.mean(axis=0), np.atleast_2d(np.cov(sums.T))
        return float(factor * n * mean @ np.linalg.solve(covariance, mean) - critical_value)

    return excess


def test_organ_donations_have_an_effect_and_one_treated_state():
    """-0.022: Huntington-Klein (2022), chapter 18. The standard error printed there, 0.006, is pyfixest's CR1: it rests
    on one treated cluster, and ours is undefined with that reason."""
    expected = WITNESS["organ donations"]
    panel = Panel.from_frame(shipped.organ_donations(), **ORGANS)
    found = estimate("did", panel)
    assert found.estimate == pytest.approx(expected["estimate"], rel=EXACT)
    assert (round(found.estimate, 3), round(expected["cr1"], 3)) == (-0.022, 0.006)
    assert math.isnan(found.std_error)
    assert found.undefined["std_error"].startswith("1 cluster with treated rows")
    fit = fit_two_way(panel.rows, ("d",), panel.index, False)
    variance = clustered_covariance(fit.scores, fit.bread, (162 - 1) / (162 - 1 - 6))[0, 0]
    assert math.sqrt(variance) == pytest.approx(expected["cr1"], rel=EXACT)
    jackknife = cr3_inference(sums_of(shipped.organ_donations(), ORGANS), 0, 0.95)
    assert math.isnan(jackknife.std_error)
    assert jackknife.undefined["std_error"] == ONE_CLUSTER_DECIDES


def sums_of(frame: pd.DataFrame, roles: dict[str, str], weights: str | None = None):
    """Cross-products by unit with unit effects swept out and period dummies among the columns."""
    w = np.ones(len(frame)) if weights is None else frame[weights].to_numpy()
    periods = pd.get_dummies(frame[roles["period"]], drop_first=True, dtype=float)
    columns = np.column_stack([frame[roles["treatment"]], periods, frame[roles["outcome"]]]).astype(float)
    units = pd.factorize(frame[roles["unit"]])[0]
    totals = np.bincount(units, weights=w)
    for j in range(columns.shape[1]):
        columns[:, j] -= (np.bincount(units, weights=w * columns[:, j]) / totals)[units]
    return cross_products(columns[:, :-1], columns[:, -1], units, w)


@pytest.mark.parametrize(("case", "weights"), [("castle", None), ("castle, population", "popwt")])
def test_castle_laws_by_two_way_effects(case, weights):
    """pyfixest's coefficient, CR1 and CRV3; staggered adoption is warned about."""
    expected, frame = WITNESS[case], shipped.castle()
    found = estimate("did", Panel.from_frame(frame, weights=weights, **CASTLE))
    assert numbers(found) == pytest.approx([expected["estimate"], expected["cr1"]], rel=EXACT)
    jackknife = cr3_inference(sums_of(frame, CASTLE, weights), 0, 0.95).std_error
    assert jackknife == pytest.approx(math.sqrt(49 / 50) * expected["crv3"], rel=1e-8)
    assert any("use staggered_did" in warning for warning in found.warnings)


def test_castle_laws_before_and_after():
    expected = WITNESS["castle, leads and lags"]
    panel = Panel.from_frame(shipped.castle(), weights="popwt", **CASTLE)
    path = estimate("event_study", panel, leads=4, lags=3).path
    path = path[path["event_time"] != -1]
    np.testing.assert_allclose(path["estimate"], expected["coefficients"], rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(path["std_error"], expected["std_errors"], rtol=1e-8)


@pytest.mark.parametrize(
    ("case", "weights"), [("castle, group-times", None), ("castle, group-times, population", "popwt")]
)
def test_castle_laws_by_group_and_time(case, weights):
    """csdid's; where a group is one state its standard errors are only the controls', and ours are undefined."""
    panel = Panel.from_frame(shipped.castle(), weights=weights, **CASTLE)
    found = check_group_times(panel, WITNESS[case])
    single = {row["group"] for row in found.diagnostics["group_times"] if math.isnan(row["std_error"])}
    assert single == {2006, 2010}


@pytest.mark.parametrize(("case", "covariates"), [("mpdta", []), ("mpdta, lpop", ["lpop"])])
def test_minimum_wages_by_group_and_time(case, covariates):
    found = check_group_times(Panel.from_frame(shipped.mpdta(), covariates=covariates, **COUNTIES), WITNESS[case])
    assert all(math.isfinite(row["std_error"]) for row in found.diagnostics["group_times"])


def check_group_times(panel: Panel, expected: dict) -> EffectEstimate:
    for kind in ("simple", "group", "calendar", "dynamic"):
        found = estimate("staggered_did", panel, aggregation=kind)
        value, error = expected[kind]
        assert found.estimate == pytest.approx(value, rel=EXACT)
        assert found.std_error * without_g(found) == pytest.approx(error, rel=EXACT)
    cells = {(row["group"], row["period"]): row for row in found.diagnostics["group_times"]}
    assert len(cells) == len(expected["cells"])
    for group, period, value, error in expected["cells"]:
        row = cells[group, period]
        assert row["estimate"] == pytest.approx(value, rel=EXACT, abs=1e-12)
        if math.isfinite(row["std_error"]):
            assert row["std_error"] * without_g(found) == pytest.approx(error, rel=EXACT)
    return found


def test_minimum_wages_in_print():
    """-0.0417518 (0.0115028): the help of Stata's csdid, Rios-Avila, Sant'Anna and Callaway (2021)."""
    panel = Panel.from_frame(shipped.mpdta(), covariates=["lpop"], **COUNTIES)
    found = estimate("staggered_did", panel)
    assert round(found.estimate, 7) == -0.0417518
    assert round(found.std_error * without_g(found), 7) == 0.0115028


@pytest.mark.parametrize("aggregation", ["simple", "group", "calendar", "dynamic"])
def test_minimum_wages_by_another_library(aggregation):
    """differences'."""
    found = estimate("staggered_did", Panel.from_frame(shipped.mpdta(), **COUNTIES), aggregation=aggregation)
    expected = WITNESS["mpdta, differences"][aggregation]
    assert [found.estimate, found.std_error * without_g(found)] == pytest.approx(expected, rel=EXACT)
