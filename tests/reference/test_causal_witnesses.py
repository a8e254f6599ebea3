"""Outside witnesses: every estimator against another library, or against the formula written out step by step."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.linear_model import LogisticRegression
from statsmodels.regression.linear_model import yule_walker

from liftos_pipeline.causal import Panel, estimate
from liftos_pipeline.causal.confounders.break_test import AR_ORDER, sup_lr
from liftos_pipeline.causal.confounders.calibration import autoregressive_series
from liftos_pipeline.causal.kernels.folded import moments_of
from liftos_pipeline.causal.kernels.logit import FoldLogit, fit_each
from liftos_pipeline.causal.kernels.ridge import delete_fold_ridge
from liftos_pipeline.causal.propensity.model import fit_propensity, folded_rows, unit_folds
from liftos_pipeline.causal.propensity.weights import balancing_weights

EXACT = 1e-9
"""Same formula in another order of operations."""
SOLVER = 2e-4
"""Two iterative solvers of the same penalised likelihood, ours with a ridge of 1e-5 beside the L1 penalty."""

NAMES = ["x0", "x1", "x2", "x3"]


def frame_of(seed: int, n_units: int = 120, n_periods: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = n_units * n_periods
    X = rng.standard_normal((n, 4))
    d = (rng.random(n) < 1 / (1 + np.exp(-X[:, 0] + 0.5 * X[:, 1]))).astype(int)
    noise = np.repeat(rng.standard_normal(n_units), n_periods) + rng.standard_normal(n)
    frame = pd.DataFrame(X, columns=NAMES)
    return frame.assign(
        unit=np.repeat(np.arange(n_units), n_periods),
        t=np.tile(np.arange(n_periods), n_units),
        d=d,
        y=X @ [1.0, -0.5, 0.3, 0.0] + 0.7 * d + noise,
        w=rng.uniform(0.5, 2.0, n),
    )


def panel_of(frame: pd.DataFrame, **roles: str) -> Panel:
    return Panel.from_frame(frame, outcome="y", treatment="d", unit="unit", period="t", covariates=NAMES, **roles)


@pytest.mark.parametrize("weights", [None, "w"])
def test_difference_in_means_is_statsmodels_hc2(weights):
    frame = frame_of(1)
    ours = estimate("difference_in_means", panel_of(frame, weights=weights))
    share = np.ones(len(frame)) if weights is None else frame["w"]
    theirs = sm.WLS(frame["y"], sm.add_constant(frame["d"]), weights=share).fit(cov_type="HC2")
    assert ours.estimate == pytest.approx(theirs.params["d"], rel=EXACT)
    assert ours.std_error == pytest.approx(theirs.bse["d"], rel=EXACT)


def test_unweighted_interval_is_welchs():
    from scipy.stats import ttest_ind

    frame = frame_of(2)
    ours = estimate("difference_in_means", panel_of(frame), level=0.9)
    theirs = ttest_ind(frame.loc[frame.d == 1, "y"], frame.loc[frame.d == 0, "y"], equal_var=False)
    interval = theirs.confidence_interval(0.9)
    assert (ours.ci_low, ours.ci_high) == pytest.approx((interval.low, interval.high), rel=EXACT)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-6)


@pytest.mark.parametrize("weights", [None, "w"])
def test_clustered_difference_in_means_is_statsmodels_cr1(weights):
    frame = frame_of(3, n_units=30, n_periods=6)
    ours = estimate("difference_in_means", panel_of(frame, weights=weights))
    share = np.ones(len(frame)) if weights is None else frame["w"]
    theirs = sm.WLS(frame["y"], sm.add_constant(frame["d"]), weights=share).fit(
        cov_type="cluster", cov_kwds={"groups": frame["unit"]}, use_t=True
    )
    assert ours.std_error == pytest.approx(theirs.bse["d"], rel=EXACT)
    assert ours.p_value == pytest.approx(theirs.pvalues["d"], rel=1e-6)
    assert (ours.ci_low, ours.ci_high) == pytest.approx(tuple(theirs.conf_int().loc["d"]), rel=1e-7)


@pytest.mark.parametrize("estimand", ["ate", "att", "overlap"])
def test_ipw_is_weighted_least_squares(estimand):
    """The Hajek contrast is the slope of a weighted regression; its clustered variance has no (n - 1)/(n - k)."""
    frame = frame_of(4, n_units=60, n_periods=3)
    e = 1 / (1 + np.exp(-0.8 * frame["x0"] + 0.4 * frame["x1"]))
    ours = estimate("ipw", panel_of(frame.assign(e=e), propensity="e"), estimand=estimand, clip=0.0)
    share = balancing_weights(e.to_numpy(), frame["d"].to_numpy(float), estimand)
    theirs = sm.WLS(frame["y"], sm.add_constant(frame["d"]), weights=share).fit(
        cov_type="cluster", cov_kwds={"groups": frame["unit"], "use_correction": False}
    )
    assert ours.estimate == pytest.approx(theirs.params["d"], rel=EXACT)
    assert ours.std_error == pytest.approx(theirs.bse["d"] * np.sqrt(60 / 59), rel=EXACT)


@pytest.mark.parametrize("penalty", [0.2, 0.05, 0.01, 0.001])
def test_l1_logit_is_scikit_learns(penalty):
    rng = np.random.default_rng(5)
    X = rng.standard_normal((800, 8))
    X[:, 1] += 0.8 * X[:, 0]
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    d = (rng.random(800) < 1 / (1 + np.exp(-X[:, 0] + 0.5 * X[:, 2] + 0.7))).astype(int)
    names = [f"x{j}" for j in range(8)]
    frame = pd.DataFrame(X, columns=names).assign(d=d, y=0.0, unit=np.arange(800))
    panel = Panel.from_frame(frame, outcome="y", treatment="d", unit="unit", covariates=names)
    fold_of_unit = np.arange(800) % 2
    folded = folded_rows(panel, fold_of_unit, 2)
    model = FoldLogit(folded, moments_of(folded))
    both, _ = fit_each(model, penalty, model.null(), 1e-8)
    for fold in (0, 1):
        train = fold_of_unit != fold
        theirs = LogisticRegression(
            l1_ratio=1.0,
            C=1 / (400 * penalty),
            solver="liblinear",
            intercept_scaling=1e4,
            tol=1e-12,
            max_iter=10_000,
        ).fit(X[train], d[train])
        np.testing.assert_allclose(both[fold, 0], theirs.intercept_[0], atol=SOLVER)
        np.testing.assert_allclose(both[fold, 1:], theirs.coef_[0], atol=SOLVER)
        np.testing.assert_array_equal(both[fold, 1:] == 0, theirs.coef_[0] == 0)


def test_penalty_is_the_cross_validated_one_of_the_path():
    """Refit every fold by another solver: smallest held-out loss at the chosen penalty, scores out of fold."""
    panel = panel_of(frame_of(6, n_units=150))
    fit = fit_propensity(panel, 5, seed=1)
    X = (panel.X - panel.X.mean(axis=0)) / panel.X.std(axis=0)

    def held_out(penalty: float) -> tuple[float, np.ndarray]:
        total, scores = 0.0, np.empty(panel.n_rows)
        for fold in range(5):
            train = fit.folds != fold
            model = LogisticRegression(
                l1_ratio=1.0,
                C=1 / (train.sum() * penalty),
                solver="saga",
                tol=1e-8,
                max_iter=5_000,
                random_state=0,
            ).fit(X[train], panel.d[train])
            e = model.predict_proba(X[~train])[:, 1]
            scores[~train] = e
            total -= np.sum(np.log(np.where(panel.d[~train] == 1, e, 1 - e)))
        return total / panel.n_rows, scores

    loss, scores = held_out(fit.penalty)
    assert fit.held_out_loss == pytest.approx(loss, abs=1e-5)
    np.testing.assert_allclose(fit.scores, scores, atol=SOLVER)
    step = 10 ** (3 / 15)
    for other in (fit.penalty / step, fit.penalty * step):
        assert held_out(other)[0] >= fit.held_out_loss - 1e-6


def test_delete_fold_regression_is_least_squares_per_fold():
    panel = panel_of(frame_of(7))
    fold_of_unit = unit_folds(panel.index, 4, seed=0)
    folded = folded_rows(panel, fold_of_unit, 4)
    ours = delete_fold_ridge(moments_of(folded), 1, ridge=0.0)
    design = sm.add_constant(panel.X)
    values = design - np.concatenate([[0.0], folded.origin])
    for fold in range(4):
        left_out = fold_of_unit[panel.unit] == fold
        train = (panel.d == 1) & ~left_out
        theirs = sm.OLS(panel.y[train], design[train]).fit().predict(design[left_out])
        np.testing.assert_allclose(folded.y_origin + values[left_out] @ ours[fold], theirs, rtol=1e-8)


@pytest.mark.parametrize("estimand", ["ate", "att"])
def test_doubly_robust_is_the_formula_written_out(estimand):
    """Folds by unit, ridge of one row per arm and fold solved as augmented least squares, clusters by unit."""
    panel = panel_of(frame_of(8, n_units=60, n_periods=3))
    fit = fit_propensity(panel, 5, seed=3)
    ours = estimate("doubly_robust", panel, seed=3, estimand=estimand, clip=0.0)
    X = (panel.X - panel.X.mean(axis=0)) / panel.X.std(axis=0)
    design = sm.add_constant(X)
    origin = {arm: panel.y[panel.d == arm][0] for arm in (0, 1)}
    m = np.empty((2, panel.n_rows))
    for arm in (0, 1):
        for fold in range(5):
            train = (panel.d == arm) & (fit.folds != fold)
            extra = np.column_stack([np.zeros(4), np.eye(4)])
            left = np.vstack([design[train], extra])
            right = np.concatenate([panel.y[train] - origin[arm], np.zeros(4)])
            beta = np.linalg.lstsq(left, right, rcond=None)[0]
            m[arm, fit.folds == fold] = origin[arm] + design[fit.folds == fold] @ beta
    d, e, y = panel.d, fit.scores, panel.y
    if estimand == "ate":
        psi = m[1] - m[0] + d * (y - m[1]) / e - (1 - d) * (y - m[0]) / (1 - e)
        theta = psi.mean()
        influence = psi - theta
    else:
        psi = d * (y - m[0]) - (1 - d) * e / (1 - e) * (y - m[0])
        theta = psi.mean() / d.mean()
        influence = (psi - d * theta) / d.mean()
    sums = pd.Series(influence).groupby(panel.unit).sum() / panel.n_rows
    assert ours.estimate == pytest.approx(theta, rel=EXACT)
    assert ours.std_error == pytest.approx(np.sqrt(60 / 59 * (sums**2).sum()), rel=EXACT)
    assert ours.n_clusters == 60


@pytest.mark.parametrize("learner", ["lasso", "forest", "boosting"])
def test_learners_agree_with_the_linear_one_where_the_world_is_linear(learner):
    panel = panel_of(frame_of(9, n_units=400))
    scored = panel_of(
        frame_of(9, n_units=400).assign(e=panel.to_input_order(fit_propensity(panel).scores)), propensity="e"
    )
    linear = estimate("doubly_robust", scored, folds=3)
    other = estimate("doubly_robust", scored, folds=3, learner=learner)
    assert abs(other.estimate - linear.estimate) < linear.std_error
    assert other.std_error == pytest.approx(linear.std_error, rel=0.35)
    assert other.estimate != linear.estimate


def slow_sup_lr(series: np.ndarray) -> tuple[float, int, float]:
    """The same test, one regression per date."""
    n = len(series)
    margin = max(int(np.ceil(0.05 * n)), AR_ORDER + 1)
    dates = range(margin, n - margin + 1)

    def around(values: np.ndarray, *splits: int) -> np.ndarray:
        return np.concatenate([part - part.mean() for part in np.split(values, sorted(set(splits)))])

    def best_split(values: np.ndarray) -> int:
        return min(dates, key=lambda k: np.sum(around(values, k) ** 2))

    split = best_split(series)
    for _ in range(2):
        phi = yule_walker(
            around(series, split, best_split(around(series, split))),
            AR_ORDER,
            method="mle",
            demean=False,
            result_object=False,
        )[0]

        def whitened(values: np.ndarray, phi: np.ndarray = phi) -> np.ndarray:
            lags = sum(phi[j] * values[AR_ORDER - 1 - j : n - 1 - j] for j in range(AR_ORDER))
            return values[AR_ORDER:] - lags

        target, constant = whitened(series), whitened(np.ones(n))
        fits = {
            k: sm.OLS(target, np.column_stack([constant, whitened((np.arange(n) >= k) * 1.0)])).fit()
            for k in dates
        }
        split = min(dates, key=lambda k: fits[k].ssr)
    best = fits[split]
    variance = best.ssr / (n - AR_ORDER - 2 - AR_ORDER)
    return float((target - target.mean()) @ (target - target.mean()) - best.ssr) / variance, split, best.params[1]


def test_break_test_is_one_regression_per_date():
    rng = np.random.default_rng(10)
    series = autoregressive_series(0.7, 12, 80, rng)
    series[6:, 50:] += 2.0
    result = sup_lr(series, np.full(12, 80))
    for row in range(12):
        statistic, split, size = slow_sup_lr(series[row])
        assert result.position[row] == split
        assert result.statistic[row] == pytest.approx(statistic, rel=1e-6)
        assert result.size[row] == pytest.approx(size, rel=1e-6)
