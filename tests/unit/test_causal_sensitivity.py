"""E-values, robustness values and benchmark bounds: by hand, against the definition, and at their edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm

from liftos_pipeline.causal.diagnostics.benchmarks import linear_sensitivity
from liftos_pipeline.causal.diagnostics.sensitivity import e_value, robustness
from liftos_pipeline.errors import LiftosError


def test_e_values_by_hand():
    found = e_value(0.5, 0.1, 0.9, 1.0)
    risk = math.exp(0.91 * 0.5)
    assert found.estimate == pytest.approx(risk + math.sqrt(risk * (risk - 1)))
    nearer = math.exp(0.091)
    assert found.limit == pytest.approx(nearer + math.sqrt(nearer * (nearer - 1)))
    assert e_value(-0.5, -0.9, -0.1, 1.0) == found
    assert e_value(50.0, 10.0, 90.0, 100.0) == found


def test_e_values_at_their_edges():
    assert e_value(0.5, -0.1, 1.1, 1.0).limit == 1.0
    assert e_value(0.0, -1.0, 1.0, 1.0).estimate == 1.0
    assert e_value(-0.5, -1.0, 0.0, 1.0).limit == 1.0
    assert e_value(1e4, 9e3, 2e4, 1.0).estimate == math.inf
    unknown = e_value(0.5, math.nan, math.nan, 1.0)
    assert math.isfinite(unknown.estimate) and math.isnan(unknown.limit)
    for sd in (0.0, -1.0, math.nan):
        with pytest.raises(LiftosError, match="a positive standard deviation"):
            e_value(0.5, 0.1, 0.9, sd)


def world(seed: int = 0, n: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3)) + np.array([0.0, 100.0, -5.0])
    d = (0.5 * X[:, 0] + rng.standard_normal(n) > 0).astype(float)
    return X @ [0.4, 0.3, 0.0] + 0.8 * d + rng.standard_normal(n), d, X


def with_confounder(y, d, X, r2_d, r2_y, sign):
    """A confounder with exactly these partial R2, and the regression that holds it."""
    base = sm.add_constant(X)
    rng = np.random.default_rng(9)

    def unit(values, columns):
        rest = values - columns @ np.linalg.lstsq(columns, values, rcond=None)[0]
        return rest / np.linalg.norm(rest)

    d_given = unit(d, base)
    y_given = unit(y, np.column_stack([base, d]))
    other = unit(rng.standard_normal(len(y)), np.column_stack([base, d, y]))
    part = math.sqrt(1 - r2_d)
    z = math.sqrt(r2_d) * d_given + part * (sign * math.sqrt(r2_y) * y_given + math.sqrt(1 - r2_y) * other)
    return sm.OLS(y, np.column_stack([d, base, z])).fit()


def test_the_robustness_value_is_what_it_says():
    """A confounder of strength RV on both sides, built and put into the regression, leaves nothing of the effect."""
    y, d, X = world()
    plain = linear_sensitivity(y, d, X, ["a", "b", "c"], q=1.0)
    rv = plain.robustness.rv_q
    gone = with_confounder(y, d, X, rv, rv, sign=1.0)
    assert gone.params[0] == pytest.approx(0.0, abs=1e-9)
    half = linear_sensitivity(y, d, X, ["a", "b", "c"], q=0.5).robustness.rv_q
    left = with_confounder(y, d, X, half, half, sign=1.0)
    assert left.params[0] == pytest.approx(plain.estimate / 2, rel=1e-9)
    edge = plain.robustness.rv_q_alpha
    assert 0 < edge < rv
    assert with_confounder(y, d, X, edge, edge, sign=1.0).pvalues[0] == pytest.approx(0.05, abs=1e-9)


def test_the_regression_is_ordinary_least_squares():
    y, d, X = world()
    found = linear_sensitivity(y, d, X, ["a", "b", "c"])
    theirs = sm.OLS(y, np.column_stack([d, sm.add_constant(X)])).fit()
    assert found.estimate == pytest.approx(theirs.params[0], rel=1e-9)
    assert found.std_error == pytest.approx(theirs.bse[0], rel=1e-9)
    assert found.degrees_of_freedom == theirs.df_resid
    t2 = theirs.tvalues[0] ** 2
    assert found.robustness.partial_r2 == pytest.approx(t2 / (t2 + theirs.df_resid), rel=1e-9)


def test_a_benchmark_is_the_regression_with_such_a_confounder():
    y, d, X = world()
    rows = linear_sensitivity(y, d, X, ["a", "b", "c"], times=(1.0,)).benchmarks
    for row in rows.itertuples():
        theirs = with_confounder(y, d, X, row.r2_treatment, row.r2_outcome, sign=1.0)
        assert row.estimate == pytest.approx(theirs.params[0], rel=1e-7)
        assert row.std_error == pytest.approx(theirs.bse[0], rel=1e-7)
        assert (row.ci_low, row.ci_high) == pytest.approx(tuple(theirs.conf_int()[0]), rel=1e-6)


def test_negative_effects_move_towards_zero_too():
    y, d, X = world()
    up = linear_sensitivity(y, d, X, ["a", "b", "c"]).benchmarks
    down = linear_sensitivity(-y, d, X, ["a", "b", "c"]).benchmarks
    np.testing.assert_allclose(down["estimate"], -up["estimate"], rtol=1e-9)
    np.testing.assert_allclose(down["ci_low"], -up["ci_high"], rtol=1e-9)


def test_robustness_at_its_edges():
    assert robustness(0.0, 50).rv_q == 0.0
    assert robustness(1.0, 50).rv_q_alpha == 0.0
    assert robustness(-4.0, 50) == robustness(4.0, 50)
    # f above 1 / f*: the confounder takes all of the outcome's error; (f^2 - f*^2) / (1 + f^2).
    f2, critical = 60.0**2 / 20, (2.093024 / math.sqrt(19)) ** 2
    assert robustness(60.0, 20).rv_q_alpha == pytest.approx((f2 - critical) / (1 + f2), rel=1e-6)
    for call in ((1.0, 1.0, 1.0, 0.05), (1.0, 5.0, 0.0, 0.05), (1.0, 5.0, 1.0, 0.0)):
        with pytest.raises(LiftosError, match="more than 1 degree of freedom"):
            robustness(*call)


def test_traps():
    y, d, X = world()
    names = ["a", "b", "c", "again"]
    wide = linear_sensitivity(y, d, np.column_stack([X, 3 - X[:, 1]]), names)
    plain = linear_sensitivity(y, d, X, names[:3])
    assert wide.std_error == pytest.approx(plain.std_error, rel=1e-9)
    again = wide.benchmarks[wide.benchmarks["covariate"] == "again"]
    assert set(again["undefined"]) == {"collinear with the covariates before it"}
    assert again["estimate"].isna().all()
    small = linear_sensitivity(y, d.astype(np.int8), np.round(X).astype(np.int8), names[:3])
    wider = linear_sensitivity(y, d, np.round(X), names[:3])
    assert small.estimate == pytest.approx(wider.estimate, rel=1e-12)
    strong = linear_sensitivity(y, d, X, names[:3], times=(1.0, 500.0)).benchmarks
    assert strong["undefined"].iloc[0] is None
    assert strong["undefined"].iloc[1] == "no confounder can be this many times as strong with the treatment"
    for outcome in (np.full(len(y), 3.3), 2 * d + X[:, 0]):
        with pytest.raises(LiftosError, match="an outcome with an error"):
            linear_sensitivity(outcome, d, X, names[:3])
    with pytest.raises(LiftosError, match="a treatment that varies given them"):
        linear_sensitivity(y, X[:, 0] - X[:, 2], X, names[:3])
    with pytest.raises(LiftosError, match="more rows than covariates"):
        linear_sensitivity(y[:6], np.arange(6.0) % 2, X[:6], names[:3])
    with pytest.raises(LiftosError, match="k names"):
        linear_sensitivity(y, d, X, names)


def test_a_confounder_that_takes_all_error_has_a_reason():
    rng = np.random.default_rng(3)
    x = rng.standard_normal(60)
    d = 0.9 * x + rng.standard_normal(60)
    rows = linear_sensitivity(3 * x + 0.1 * d + rng.standard_normal(60), d, x[:, None], ["x"]).benchmarks
    full = rows[rows["r2_outcome"] == 1.0].iloc[0]
    assert full["undefined"] == "it would explain all of the outcome's error"
    assert math.isnan(full["ci_low"]) and math.isfinite(full["estimate"])


def test_no_covariates():
    y, d, X = world()
    found = linear_sensitivity(y, d, X[:, :0], [])
    assert found.estimate == pytest.approx(y[d == 1].mean() - y[d == 0].mean(), rel=1e-9)
    assert len(found.benchmarks) == 0
