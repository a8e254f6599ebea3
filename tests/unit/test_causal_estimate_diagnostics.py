"""Balance and sensitivity as estimates carry them: against the functions behind, statsmodels, and by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from liftos_pipeline.causal import Panel, estimate
from liftos_pipeline.causal.diagnostics import carried
from liftos_pipeline.causal.diagnostics.balance import balance
from liftos_pipeline.causal.diagnostics.carried import balance_diagnostics, within_arms_sd
from liftos_pipeline.causal.diagnostics.placebo import placebo_in_time
from liftos_pipeline.causal.diagnostics.sensitivity import e_value
from tests.panels import NEVER, adoption_panel

COVARIATES = ["x0", "x1"]


def confounded(seed: int, n: int = 300, slope: float = 0.8) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 2))
    e = 1 / (1 + np.exp(-slope * X[:, 0]))
    d = (rng.random(n) < e).astype(int)
    frame = pd.DataFrame(X, columns=COVARIATES)
    y = X @ [1.0, 0.5] + d + rng.standard_normal(n)
    return frame.assign(d=d, y=y, e=e, w=rng.uniform(0.5, 2.0, n), unit=np.arange(n))


def run(method: str, frame: pd.DataFrame, covariates=COVARIATES, weights=None, propensity=None, **options):
    roles = {"outcome": "y", "treatment": "d", "unit": "unit", "covariates": covariates}
    return estimate(method, Panel.from_frame(frame, **roles, weights=weights, propensity=propensity), **options)


def test_ipw_carries_the_balance_of_its_weights():
    frame = confounded(1)
    found = run("ipw", frame, weights="w", propensity="e").diagnostics
    sampling = (frame["w"] / frame["w"].mean()).to_numpy()
    d, e = frame["d"].to_numpy(float), frame["e"].to_numpy()
    weights = sampling * np.where(d == 1, 1 / e, 1 / (1 - e))
    expected = balance(frame[COVARIATES].to_numpy(), d, COVARIATES, weights, sampling)
    table = pd.DataFrame(found["balance"])
    pd.testing.assert_frame_equal(table, expected.table.drop(columns=["ks_before", "ks_after"]), rtol=1e-9)
    assert found["largest_smd"] == pytest.approx(expected.largest_smd_after)
    assert found["largest_smd_before"] == pytest.approx(expected.largest_smd_before)
    assert found["largest_smd"] < found["largest_smd_before"] / 3


def test_a_difference_in_means_compares_and_does_not_weight():
    frame = confounded(2)
    found = run("difference_in_means", frame)
    table = pd.DataFrame(found.diagnostics["balance"])
    for name in ("smd", "variance_ratio", "ks"):
        np.testing.assert_array_equal(table[f"{name}_before"], table[f"{name}_after"])
    assert table.loc[0, "smd_before"] == pytest.approx(
        (frame.groupby("d")["x0"].mean().diff().iloc[1]) / np.sqrt(frame.groupby("d")["x0"].var().mean()),
    )
    (warning,) = [text for text in found.warnings if "standard deviations" in text]
    assert "after weighting" not in warning
    assert warning.endswith(f"1 of 2, most x0 by {table.loc[0, 'smd_before']:.2g}")


def test_differences_up_to_a_tenth_bring_no_warning():
    d = np.repeat([1.0, 0.0], 50)
    x = np.tile(np.linspace(-1, 1, 50), 2)
    spread = np.std(x[:50], ddof=1)
    ones = np.ones(100)
    for shift, n_warnings in ((0.0999, 0), (0.1001, 1), (-0.1001, 1)):
        facts, warnings = balance_diagnostics((x + shift * spread * d)[:, None], ["x"], d, ones, ones)
        assert facts["largest_smd"] == pytest.approx(abs(shift), rel=1e-9)
        assert len(warnings) == n_warnings


def test_the_warning_is_about_the_weighted_difference():
    frame = confounded(3, n=2_000)
    good = run("ipw", frame, propensity="e")
    assert good.diagnostics["largest_smd_before"] > 0.5
    assert not any("differ between the arms" in text for text in good.warnings)
    worse = run("ipw", frame.assign(e=lambda f: 1 - f["e"]), propensity="e")
    assert any(
        "by more than 0.1 standard deviations after weighting: 1 of 2, most x0" in t for t in worse.warnings
    )


def test_trimmed_rows_count_before_and_not_after():
    frame = confounded(4, slope=2.0)
    found = run("ipw", frame, propensity="e", trim=0.1)
    kept = frame[frame["e"].between(0.1, 0.9)]
    alone = run("ipw", kept, propensity="e")
    after, before = (pd.DataFrame(r.diagnostics["balance"]) for r in (found, run("difference_in_means", frame)))
    np.testing.assert_allclose(pd.DataFrame(alone.diagnostics["balance"])["mean_treated"], after["mean_treated"])
    np.testing.assert_allclose(after["smd_before"], before["smd_before"])


def test_without_covariates_there_is_no_balance():
    found = run("difference_in_means", confounded(5), covariates=())
    assert (found.diagnostics["balance"], found.diagnostics["largest_smd"]) == ([], None)
    assert found.warnings == ()
    assert found.undefined == {}


def test_distances_of_large_tables_are_left_out_with_a_reason(monkeypatch):
    frame = confounded(6)
    monkeypatch.setattr(carried, "MOST_SORTED", 599)
    left_out = run("difference_in_means", frame).diagnostics
    monkeypatch.setattr(carried, "MOST_SORTED", 600)
    whole = run("difference_in_means", frame).diagnostics
    for without, entry in zip(left_out["balance"], whole["balance"], strict=True):
        assert math.isnan(without["ks_before"]) and math.isnan(without["ks_after"])
        assert "ks is not computed for more than 599 values" in without["undefined"]
        assert entry["undefined"] is None and entry["ks_after"] > 0
        assert without["smd_after"] == entry["smd_after"]
    row = json.loads(run("difference_in_means", frame).to_row()["diagnostics"])
    assert row["balance"][0]["covariate"] == "x0"


def test_many_covariates_are_compared_in_blocks():
    rng = np.random.default_rng(7)
    X, d, w = rng.standard_normal((200, 19)), np.arange(200) % 2.0, rng.uniform(0.5, 2, 200)
    names = [f"x{j}" for j in range(19)]
    whole = balance(X, d, names, w).table
    for j in (0, 7, 8, 18):
        pd.testing.assert_series_equal(
            balance(X[:, [j]], d, [names[j]], w).table.iloc[0], whole.iloc[j], check_names=False
        )


@pytest.mark.parametrize("method", ["difference_in_means", "ipw"])
def test_e_values_standardise_by_the_spread_within_the_arms(method):
    frame = confounded(8)
    found = run(method, frame)
    by_arm = frame.groupby("d")["y"]
    sd = math.sqrt(((by_arm.count() - 1) * by_arm.var()).sum() / (len(frame) - 2))
    expected = e_value(found.estimate, found.ci_low, found.ci_high, sd)
    assert found.diagnostics["e_value_outcome_sd"] == pytest.approx(sd)
    assert found.diagnostics["e_value"] == pytest.approx(expected.estimate)
    assert found.diagnostics["e_value_limit"] == pytest.approx(expected.limit)
    assert found.diagnostics["e_value_scale"] == (
        "risk ratio exp(0.91 * effect / sd), sd of the outcome within the arms"
    )


def test_within_arms_sd_by_hand():
    y, d = np.array([1.0, 3.0, 5.0, 5.0, 8.0]), np.array([1.0, 1.0, 0.0, 0.0, 0.0])
    assert within_arms_sd(y, d, np.ones(5)) == pytest.approx(math.sqrt((2 + 6) / 3))
    # Weights 2 on the first row: treated mean 5/3, squares 2 (2/3)^2 + (4/3)^2; of 6 weights, 5 rows less 2.
    weights = np.array([2.0, 1, 1, 1, 1])
    assert within_arms_sd(y, d, weights) == pytest.approx(math.sqrt((8 / 9 + 16 / 9 + 6) / 6 * 5 / 3))
    assert within_arms_sd(np.array([1e9, 1e9 + 1, 1e9]), np.array([1.0, 0, 0]), np.ones(3)) == pytest.approx(
        math.sqrt(0.5)
    )
    assert within_arms_sd(np.full(4, 0.1), np.array([1.0, 1, 0, 0]), np.ones(4)) == 0.0
    assert within_arms_sd(np.array([1.0, 2.0]), np.array([1.0, 0.0]), np.ones(2)) == 0.0


def test_undefined_e_values_have_their_reason():
    frame = confounded(9)
    flat = run("ipw", frame.assign(y=2.1))
    for name in ("e_value", "e_value_limit"):
        assert math.isnan(flat.diagnostics[name])
        assert flat.undefined[name] == "the outcome does not vary within the arms"
    one = frame.assign(d=0)
    one.loc[0, "d"] = 1
    lone = run("difference_in_means", one)
    assert math.isfinite(lone.diagnostics["e_value"])
    assert lone.undefined["e_value_limit"] == "1 treated unit; at least 2 are needed"
    assert "e_value" not in lone.undefined


def least_squares(frame: pd.DataFrame, weights: str | None, covariates: list[str]):
    dummies = pd.get_dummies(frame[["unit", "t"]].astype(str), drop_first=True, dtype=float)
    design = sm.add_constant(pd.concat([frame[["d", *covariates]], dummies], axis=1))
    return sm.WLS(frame["y"], design, weights=1.0 if weights is None else frame[weights]).fit()


def did(frame: pd.DataFrame, covariates=(), **more):
    roles = {"outcome": "y", "treatment": "d", "unit": "unit", "period": "t", "covariates": covariates}
    return estimate("did", Panel.from_frame(frame, **roles, **more), level=0.9)


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("covariates", [[], COVARIATES], ids=["plain", "covariates"])
def test_robustness_values_of_did_are_those_of_least_squares(missing, weights, covariates):
    """The definition (Cinelli and Hazlett 2020, section 4.3) from the t statistic of statsmodels."""
    frame = adoption_panel(10, missing=missing, effect=2.0)
    found = did(frame, covariates, weights=weights).diagnostics
    theirs = least_squares(frame, weights, covariates)
    f2 = theirs.tvalues["d"] ** 2 / theirs.df_resid
    assert found["treatment_partial_r2"] == pytest.approx(f2 / (1 + f2), rel=1e-9)
    assert found["robustness_value"] == pytest.approx((math.sqrt(f2**2 + 4 * f2) - f2) / 2, rel=1e-9)
    assert 0 < found["robustness_value_alpha"] < found["robustness_value"]
    quantile = -sm.stats.stattools.stats.t.ppf(0.05, theirs.df_resid - 1) / math.sqrt(theirs.df_resid - 1)
    f_alpha = math.sqrt(f2) - quantile
    assert found["robustness_value_alpha"] == pytest.approx(
        (math.sqrt(f_alpha**4 + 4 * f_alpha**2) - f_alpha**2) / 2
    )
    mean = np.average(frame["y"], weights=None if weights is None else frame[weights])
    sd = math.sqrt(np.average((frame["y"] - mean) ** 2, weights=None if weights is None else frame[weights]))
    assert found["e_value_outcome_sd"] == pytest.approx(sd, rel=1e-9)


def test_robustness_of_did_does_not_count_lone_rows():
    frame = adoption_panel(11, effect=1.0, missing=0.1)
    alone = pd.concat([frame, frame.iloc[[0]].assign(unit=999, y=3.0)])
    for name in ("treatment_partial_r2", "robustness_value"):
        assert did(alone).diagnostics[name] == pytest.approx(did(frame).diagnostics[name], rel=1e-9)


@pytest.mark.filterwarnings("ignore:The design matrix is rank-deficient")
def test_robustness_of_a_panel_in_two_parts():
    first, second = adoption_panel(12), adoption_panel(13)
    both = pd.concat([first, second.assign(unit=second["unit"] + 100, t=second["t"] + 100)])
    theirs = least_squares(both, None, [])
    freedom = len(both) - np.linalg.matrix_rank(theirs.model.exog)
    f2 = theirs.params["d"] ** 2 / (theirs.ssr * theirs.normalized_cov_params.loc["d", "d"])
    assert did(both).diagnostics["treatment_partial_r2"] == pytest.approx(f2 / (1 + f2), rel=1e-9)
    quantile = -sm.stats.stattools.stats.t.ppf(0.05, freedom - 1) / math.sqrt(freedom - 1)
    f_alpha = math.sqrt(f2) - quantile
    expected = (math.sqrt(f_alpha**4 + 4 * f_alpha**2) - f_alpha**2) / 2 if f_alpha > 0 else 0.0
    assert did(both).diagnostics["robustness_value_alpha"] == pytest.approx(expected)


@pytest.mark.parametrize("value", [0.1, 4.2, 1e6 / 3, -7.7e9 / 3])
@pytest.mark.parametrize("weights", [None, "w"])
def test_sensitivity_of_a_constant_outcome_is_not_defined(value, weights):
    flat = did(adoption_panel(14, missing=0.1).assign(y=value), weights=weights)
    for name in ("e_value", "robustness_value", "treatment_partial_r2", "robustness_value_alpha"):
        assert math.isnan(flat.diagnostics[name])
    assert flat.undefined["e_value"] == "the outcome does not vary within the arms"
    assert "fits the outcome exactly" in flat.undefined["robustness_value"]
    assert flat.undefined["p_value"] == "the outcome does not vary within the arms"


def test_robustness_needs_degrees_of_freedom():
    tiny = adoption_panel(15, n_units=3, n_periods=2, starts=(1, NEVER, NEVER))
    assert did(tiny).undefined["robustness_value"].startswith("1 degrees of freedom are left")


def test_a_placebo_tells_only_what_its_own_fields_lack():
    frame = adoption_panel(16, n_units=12, n_periods=6, starts=(3, NEVER)).assign(y=lambda f: f["unit"] + f["t"])
    panel = Panel.from_frame(frame, outcome="y", treatment="d", unit="unit", period="t")
    (reason,) = placebo_in_time(panel, lambda p: estimate("did", p), (1,)).table["undefined"]
    assert "std_error: the regression fits the outcome exactly" in reason
    assert "robustness_value" not in reason and "e_value" not in reason


def test_an_outcome_that_the_effects_explain_has_no_interval():
    """Rounding over rounding would be a number."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        level, season = rng.normal(size=30), rng.normal(size=12)
        frame = adoption_panel(17).assign(y=lambda f: level[f["unit"]] + season[f["t"]])  # noqa: B023
        found = did(frame)
        assert abs(found.estimate) < 1e-12
        assert math.isnan(found.p_value)
        assert "fits the outcome exactly" in found.undefined["p_value"]
        assert "fits the outcome exactly" in found.undefined["robustness_value"]
