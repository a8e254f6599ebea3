"""Options of the doubly robust estimator: paths by period, redrawn clusters, effects of units, boosted scores."""

from __future__ import annotations

import math
import sys

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from liftos_pipeline.causal import Panel, estimate
from liftos_pipeline.causal.estimators import unit_effects
from liftos_pipeline.causal.inference.bootstrap import cluster_bootstrap
from liftos_pipeline.causal.inference.calibration import calibration
from liftos_pipeline.causal.inference.covariance import limits
from liftos_pipeline.causal.propensity.boosting import boosted_scores
from liftos_pipeline.causal.propensity.model import fit_propensity, unit_folds
from liftos_pipeline.errors import LiftosError

EXACT = 1e-9
NAMES = ["x0", "x1", "x2"]
ROLES = {"outcome": "y", "treatment": "d", "unit": "shop", "period": "day", "covariates": NAMES}


def world(seed: int = 5, n_units: int = 200, n_days: int = 4, slope: float = 0.8) -> pd.DataFrame:
    """Effect 1 + slope * x0, shared noise within shops."""
    rng = np.random.default_rng(seed)
    n = n_units * n_days
    X = rng.standard_normal((n, 3))
    d = (rng.random(n) < 1 / (1 + np.exp(-0.7 * X[:, 0]))).astype(int)
    shop = np.repeat(np.arange(n_units), n_days)
    noise = 0.5 * rng.standard_normal(n_units)[shop] + rng.standard_normal(n)
    frame = pd.DataFrame(X, columns=NAMES)
    return frame.assign(
        d=d,
        y=X @ [1.0, -0.5, 0.2] + d * (1.0 + slope * X[:, 0]) + noise,
        shop=shop,
        day=np.tile(np.arange(n_days), n_units) * 7,
        region=shop // 10,
    )


def test_a_path_by_period_adds_up_to_the_estimate():
    frame = world()
    found = estimate("doubly_robust", Panel.from_frame(frame, **ROLES), by_period=True, seed=2)
    plain = estimate("doubly_robust", Panel.from_frame(frame, **ROLES), seed=2)
    assert (found.estimate, found.std_error) == pytest.approx((plain.estimate, plain.std_error), rel=EXACT)
    assert list(found.path["period"]) == [0, 7, 14, 21]
    assert found.path["estimate"].mean() == pytest.approx(found.estimate, rel=EXACT)
    assert (found.path["band_low"] < found.path["ci_low"]).all()
    assert (found.path["band_high"] > found.path["ci_high"]).all()
    assert plain.path is None


def test_a_period_of_the_path_is_the_formula_written_out():
    panel = Panel.from_frame(world(), **ROLES)
    fit = fit_propensity(panel, 5, seed=2)
    known = Panel.from_frame(world().assign(e=panel.to_input_order(fit.scores)), **ROLES, propensity="e")
    whole = estimate("doubly_robust", known, by_period=True, seed=2, estimand="att", clip=0.0)
    X = (panel.X - panel.X.mean(axis=0)) / panel.X.std(axis=0)
    design = np.column_stack([np.ones(panel.n_rows), X])
    m0 = np.empty(panel.n_rows)
    for fold in range(5):
        train = (panel.d == 0) & (fit.folds != fold)
        penalty = np.diag([0.0, 1.0, 1.0, 1.0])
        beta = np.linalg.solve(design[train].T @ design[train] + penalty, design[train].T @ panel.y[train])
        m0[fit.folds == fold] = design[fit.folds == fold] @ beta
    day = panel.period == 2
    d, e, left = panel.d[day], fit.scores[day], (panel.y - m0)[day]
    psi = d * left - (1 - d) * e / (1 - e) * left
    theta = psi.sum() / d.sum()
    influence = (psi - theta * d) / d.sum()
    assert whole.path["estimate"][2] == pytest.approx(theta, rel=1e-8)
    std_error = np.sqrt(200 / 199 * np.sum(influence**2))
    assert whole.path["std_error"][2] == pytest.approx(std_error, rel=1e-8)


def test_a_period_without_both_arms_is_not_known():
    frame = world()
    frame.loc[frame["day"] == 7, "d"] = 0
    path = estimate("doubly_robust", Panel.from_frame(frame, **ROLES), by_period=True).path
    assert path.loc[1, ["estimate", "std_error", "ci_low", "band_high"]].isna().all()
    assert path.drop(index=1).notna().all(axis=None)


def test_trimmed_rows_might_as_well_not_be_there():
    frame = world().assign(e=0.5)
    frame.loc[frame["shop"] < 40, "e"] = 0.97
    roles = {**ROLES, "propensity": "e"}
    trimmed = estimate("doubly_robust", Panel.from_frame(frame, **roles), trim=0.1, by_period=True, seed=3)
    without = frame[frame["shop"] >= 40]
    plain = estimate("doubly_robust", Panel.from_frame(without, **roles), by_period=True, seed=3)
    assert trimmed.n_clusters == plain.n_clusters == 160
    assert (trimmed.estimate, trimmed.std_error) == pytest.approx((plain.estimate, plain.std_error), rel=EXACT)
    pd.testing.assert_frame_equal(trimmed.path.iloc[:, :5], plain.path.iloc[:, :5], rtol=1e-8)


def test_trimming_a_whole_arm_is_refused():
    frame = world()
    frame["e"] = np.where(frame["d"] == 1, 0.97, 0.5)
    panel = Panel.from_frame(frame, **ROLES, propensity="e")
    with pytest.raises(LiftosError, match="rows of each arm outside every fold; found none outside fold 0"):
        estimate("doubly_robust", panel, trim=0.1)


def test_redrawn_clusters_agree_with_the_influence_function():
    panel = Panel.from_frame(world(), **ROLES)
    plain = estimate("doubly_robust", panel, seed=1)
    found = estimate("doubly_robust", panel, seed=1, inference="bootstrap", draws=100)
    # The standard error of a standard deviation from 100 draws is 7 %; three of them.
    assert found.std_error == pytest.approx(plain.std_error, rel=0.21)
    assert found.estimate == plain.estimate
    assert (found.diagnostics["draws"], found.diagnostics["failed_draws"]) == (100, 0)
    assert found.std_error == estimate("doubly_robust", panel, seed=1, inference="bootstrap", draws=100).std_error
    regions = Panel.from_frame(world(), **ROLES, cluster="region")
    coarse = estimate("doubly_robust", regions, seed=1, inference="bootstrap", draws=60)
    assert coarse.n_clusters == 20
    assert coarse.ci_high - coarse.estimate == pytest.approx(2.0930240544 * coarse.std_error)


def test_the_bootstrap_redraws_the_panels_clusters(monkeypatch):
    seen = []
    module = sys.modules["liftos_pipeline.causal.estimators.doubly_robust"]
    plain = module._one_split

    def recorded(panel, *rest):
        if panel.weights is not None:
            seen.append(panel.weights.copy())
        return plain(panel, *rest)

    monkeypatch.setattr(module, "_one_split", recorded)
    panel = Panel.from_frame(world(), **ROLES, cluster="region")
    estimate("doubly_robust", panel, inference="bootstrap", draws=5)
    assert len(seen) == 5
    for weights in seen:
        of_region = pd.Series(weights).groupby(panel.cluster)
        assert (of_region.nunique() == 1).all()
        assert of_region.first().sum() == panel.n_clusters == 20


def test_whole_clusters_are_redrawn():
    sizes = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    seen = []

    def refit(counts: np.ndarray) -> float:
        seen.append(counts)
        return float(counts @ sizes)

    known = limits(31.0, 1.0, 0.95, 5, 4.0)
    found, n_failed = cluster_bootstrap(refit, 31.0, 5, 4_000, 3, 0.95, known)
    counts = np.array(seen)
    assert (counts.sum(axis=1) == 5).all()
    # Variance of a multinomial's weighted sum: n times the variance of the sizes; its root has error 1 / root(2 B).
    assert found.std_error == pytest.approx(math.sqrt(5 * sizes.var()), rel=4 / math.sqrt(8_000))
    assert n_failed == 0


def test_draws_that_cannot_be_estimated_leave_no_interval():
    known = limits(1.0, 1.0, 0.95, 4, 3.0)

    def refit(counts: np.ndarray) -> float:
        if counts[0] == 0:
            raise LiftosError("treated clusters", "none", "Add some.")
        return 1.0

    found, n_failed = cluster_bootstrap(refit, 1.0, 4, 100, 0, 0.95, known)
    assert math.isnan(found.std_error)
    assert found.undefined["ci_low"] == f"{n_failed} of 100 bootstrap draws could not be estimated"


def test_unit_effects_follow_the_units():
    frame = world(n_units=400)
    panel = Panel.from_frame(frame.sample(frac=1.0, random_state=1), **ROLES)
    found = estimate("doubly_robust", panel, effects="unit")
    truth = 1.0 + 0.8 * frame.groupby("shop")["x0"].mean()
    table = found.unit_effects.set_index("unit")["estimate"]
    assert list(table.index) == list(truth.index)
    assert np.corrcoef(table, truth)[0, 1] > 0.95
    assert table.mean() == pytest.approx(found.estimate, abs=found.std_error)
    assert found.diagnostics["calibration_slope"] == pytest.approx(
        1.0, abs=3 * found.diagnostics["calibration_std_error"]
    )
    assert estimate("doubly_robust", panel).unit_effects is None


def test_unit_effects_are_weighted_means_over_rows_that_stay(monkeypatch):
    frame = world().assign(w=np.tile([1.0, 2.0, 3.0, 4.0], 200), e=0.5)
    frame.loc[frame["shop"] == 7, "e"] = 0.97
    frame.loc[(frame["shop"] == 8) & (frame["day"] == 0), "e"] = 0.97
    monkeypatch.setattr(unit_effects, "cross_fitted_regression", lambda panel, *_: 1.0 + 0.8 * panel.X[:, 0])
    panel = Panel.from_frame(frame, **ROLES, weights="w", propensity="e")
    found = estimate("doubly_robust", panel, effects="unit", trim=0.1).unit_effects.set_index("unit")["estimate"]
    stays = frame[frame["e"] == 0.5]
    predicted = (1.0 + 0.8 * stays["x0"]) * stays["w"]
    expected = predicted.groupby(stays["shop"]).sum() / stays.groupby("shop")["w"].sum()
    assert 7 not in found.index
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_unit_effects_that_tell_nothing_are_not_released():
    found = estimate("doubly_robust", Panel.from_frame(world(slope=0.0, seed=6), **ROLES), effects="unit")
    assert found.unit_effects is None
    assert "do not tell units apart" in found.undefined["unit_effects"]
    assert math.isfinite(found.std_error)


def test_calibration_is_a_clustered_regression():
    rng = np.random.default_rng(2)
    cluster = np.repeat(np.arange(30), 5)
    predicted = rng.standard_normal(150)
    score = 0.4 + predicted + rng.standard_normal(30)[cluster] + rng.standard_normal(150)
    weights = rng.uniform(0.5, 2.0, 150)
    ours = calibration(score, predicted, weights, cluster, 0.95)
    theirs = sm.WLS(score, sm.add_constant(predicted), weights=weights).fit(
        cov_type="cluster", cov_kwds={"groups": cluster, "use_correction": False}, use_t=True
    )
    assert ours.slope == pytest.approx(theirs.params[1], rel=EXACT)
    assert ours.std_error == pytest.approx(theirs.bse[1] * math.sqrt(30 / 29), rel=EXACT)
    assert ours.reason is None
    tripled = calibration(3 * score, predicted, weights, cluster, 0.95)
    assert "off by a factor" in tripled.reason
    reversed_ = calibration(-score, predicted, weights, cluster, 0.95)
    assert reversed_.p_value > 0.99
    assert "do not tell units apart" in reversed_.reason
    equal = calibration(score, np.full(150, 0.3), weights, cluster, 0.95)
    assert equal.reason == "the predicted effects do not differ between units"


def test_boosted_scores_find_what_a_linear_score_cannot():
    rng = np.random.default_rng(4)
    frame = world(n_units=600)
    truth = np.where(np.abs(frame["x1"]) > 0.7, 0.8, 0.2)
    frame = frame.assign(d=(rng.random(len(frame)) < truth).astype(int))
    panel = Panel.from_frame(frame, **ROLES)
    folds = unit_folds(panel.index, 5, 0)
    boosted = boosted_scores(panel, folds, 0)
    truth = truth[panel.row_order]
    error = np.sqrt(np.mean((boosted - truth) ** 2))
    linear = np.sqrt(np.mean((fit_propensity(panel).scores - truth) ** 2))
    assert error < linear / 3
    np.testing.assert_array_equal(boosted, boosted_scores(panel, folds, 0))
    found = estimate("doubly_robust", panel, propensity_learner="boosting")
    assert found.diagnostics["propensity"] == "gradient boosting cross-fitted over 5 folds"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learner": "net"}, "learner one of linear, lasso, forest, boosting; found 'net'"),
        ({"inference": "wild"}, "inference one of influence, multiplier, bootstrap; found 'wild'"),
        ({"effects": "row"}, "effects one of average, unit; found 'row'"),
        ({"propensity_learner": "tree"}, "propensity_learner one of l1_logit, boosting; found 'tree'"),
        ({"draws": 50}, "found draws=50 with inference='influence'"),
        ({"draws": 1, "inference": "bootstrap"}, "found draws=1 with inference='bootstrap'"),
        ({"repeats": 0}, "at least 1 repeat; found 0"),
        ({"propensity_learner": "boosting", "folds": 2}, "at least 3 folds for boosting; found 2"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(LiftosError, match=message.replace("(", r"\(")):
        estimate("doubly_robust", Panel.from_frame(world(n_units=30), **ROLES), **options)


def test_what_a_panel_lacks_is_said():
    frame = world(n_days=1)
    roles = {**ROLES, "period": None}
    with pytest.raises(LiftosError, match="a panel with periods for a path by period; found none"):
        estimate("doubly_robust", Panel.from_frame(frame, **roles), by_period=True)
    bare = Panel.from_frame(frame, **{**roles, "covariates": []})
    with pytest.raises(LiftosError, match="covariates to boost on; found none"):
        estimate("ipw", bare, propensity_learner="boosting")
