"""Kernels of adoption studies against the same algebra written out with dense dummies."""

from __future__ import annotations

import numpy as np
import pytest

from liftos_pipeline.causal.kernels.cells import CohortPanel, cell_sums, unit_sums
from liftos_pipeline.causal.kernels.demean import TwoWay
from liftos_pipeline.causal.kernels.difference import COLLINEAR, NO_OVERLAP, comparison
from liftos_pipeline.causal.kernels.imputation import centred_effects, fit_untreated
from liftos_pipeline.causal.kernels.within import independent, within_regression

EXACT = 1e-10


def rows(seed: int, n_units: int = 12, n_periods: int = 7, missing: float = 0.3) -> TwoWay:
    rng = np.random.default_rng(seed)
    seen = rng.random((n_units, n_periods)) >= missing
    unit, period = np.nonzero(seen)
    return TwoWay(unit, period, rng.uniform(0.5, 2.0, len(unit)), n_units, n_periods)


def dummies(panel: TwoWay) -> np.ndarray:
    return np.hstack([np.eye(panel.n_units)[panel.unit], np.eye(panel.n_periods)[panel.period]])


def least_squares(D: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    root = np.sqrt(weights)
    beta = np.linalg.lstsq(D * root[:, None], (y.T * root).T, rcond=None)[0]
    return y - D @ beta


@pytest.mark.parametrize("seed", range(4))
def test_demeaning_is_least_squares_on_dummies(seed):
    panel = rows(seed)
    columns = np.random.default_rng(seed).standard_normal((len(panel.unit), 3))
    np.testing.assert_allclose(
        panel.demeaned(columns), least_squares(dummies(panel), columns, panel.weights), atol=EXACT
    )


def test_disconnected_panels_are_demeaned_group_by_group():
    """Units 0 and 1 are seen in periods 0 and 1, units 2 and 3 in periods 2 to 4; unit 4 and period 5 never."""
    unit = np.array([0, 0, 1, 1, 2, 2, 3, 3, 3])
    period = np.array([0, 1, 0, 1, 2, 3, 2, 3, 4])
    panel = TwoWay(unit, period, np.ones(9), 5, 6)
    assert panel.unit_group[0] == panel.unit_group[1] == panel.period_group[0] == panel.period_group[1]
    assert panel.unit_group[2] == panel.unit_group[3] == panel.period_group[4]
    assert panel.unit_group[0] != panel.unit_group[2]
    assert panel.unit_group[4] == -1
    assert panel.period_group[5] not in panel.unit_group
    y = np.random.default_rng(0).standard_normal((9, 1))
    np.testing.assert_allclose(panel.demeaned(y), least_squares(dummies(panel), y, panel.weights), atol=EXACT)


def test_blocks_of_units_do_not_matter(monkeypatch):
    panel = rows(5)
    columns = np.random.default_rng(5).standard_normal((len(panel.unit), 2))
    whole = panel.demeaned(columns)
    monkeypatch.setattr("liftos_pipeline.causal.kernels.demean._BLOCK_ENTRIES", 20)
    parts = TwoWay(panel.unit, panel.period, panel.weights, panel.n_units, panel.n_periods)
    np.testing.assert_allclose(parts.demeaned(columns), whole, atol=EXACT)


def test_within_regression_is_weighted_least_squares():
    panel = rows(1, n_units=30)
    rng = np.random.default_rng(1)
    n = len(panel.unit)
    code = rng.integers(-1, 3, n)
    X = rng.standard_normal((n, 2))
    X = np.column_stack([X, X @ [1.0, -2.0], panel.unit - panel.unit.mean()])
    y = rng.standard_normal(n)
    fit = within_regression(y, code, 3, X - X.mean(axis=0), panel)
    assert fit.kept.tolist() == [True, True, True, True, True, False, False]
    D = np.hstack([(code[:, None] == np.arange(3)).astype(float), X[:, :2]])
    within = least_squares(dummies(panel), D, panel.weights)
    weighted = within * panel.weights[:, None]
    beta = np.linalg.solve(weighted.T @ within, weighted.T @ y)
    np.testing.assert_allclose(fit.coefficients[:5], beta, atol=EXACT)
    assert (fit.coefficients[5:] == 0).all()
    residuals = least_squares(np.hstack([dummies(panel), D]), y[:, None], panel.weights)[:, 0]
    scores = np.zeros((30, 5))
    np.add.at(scores, panel.unit, weighted * residuals[:, None])
    np.testing.assert_allclose(fit.influence[:, :5], scores @ np.linalg.inv(weighted.T @ within), atol=EXACT)


def test_independence_is_judged_in_order():
    columns = np.random.default_rng(0).standard_normal((50, 3))
    columns = np.column_stack([columns[:, 0], 2 * columns[:, 0], columns[:, 1], columns[:, :2].sum(axis=1)])
    gram = columns.T @ columns
    assert independent(gram, np.diag(gram)).tolist() == [True, False, True, False]


def test_cells_and_the_way_back():
    rng = np.random.default_rng(3)
    y, cohort, weights = rng.standard_normal((9, 4)), np.array([0, 2, 1, 0, 2, 2, 1, 0, 0]), rng.uniform(1, 2, 9)
    panel = CohortPanel(y, cohort, weights, 3)
    cells = cell_sums(panel)
    members = cohort == 2
    np.testing.assert_allclose(cells.sizes[2], weights[members].sum())
    np.testing.assert_allclose(cells.means[2], np.average(y[members], axis=0, weights=weights[members]))
    table, fitted = rng.standard_normal((3, 4, 2)), rng.standard_normal((3, 4))
    expected = np.einsum("it,itk->ik", y - fitted[cohort], table[cohort])
    np.testing.assert_allclose(unit_sums(panel, table, fitted), expected, atol=EXACT)


def test_units_that_are_left_out_of_the_cells_count_for_nothing():
    rng = np.random.default_rng(4)
    y, cohort, weights = rng.standard_normal((6, 4)), np.array([0, -1, 1, 0, 1, -1]), rng.uniform(1, 2, 6)
    y[cohort < 0] = 1e6
    kept = cohort >= 0
    cells = cell_sums(CohortPanel(y, cohort, weights, 2, origin=0.25))
    expected = cell_sums(CohortPanel(y[kept], cohort[kept], weights[kept], 2, origin=0.25))
    np.testing.assert_allclose(cells.means, expected.means, atol=EXACT)
    np.testing.assert_allclose(cells.sizes, expected.sizes)
    assert cells.scale == expected.scale == np.abs(y[kept] - 0.25).max()


def staircase(seed: int) -> tuple[TwoWay, np.ndarray, np.ndarray, np.ndarray]:
    """Untreated rows, treated units and periods, and the treated rows' weights."""
    rng = np.random.default_rng(seed)
    start = np.array([3, 3, 3, 4, 4, 4, 5, 5, 9, 9, 9, 9])
    seen = rng.random((12, 6)) >= 0.1
    treated = (np.arange(6) >= start[:, None]) & seen
    unit, period = np.nonzero(seen & ~treated)
    fitted = TwoWay(unit, period, rng.uniform(0.5, 2.0, len(unit)), 12, 6)
    u1, t1 = np.nonzero(treated)
    return fitted, u1, t1, rng.uniform(0.5, 2.0, len(u1))


def test_imputation_is_the_dense_projection():
    """Residuals on treated rows, and the untreated rows' weights -W0 D0 (D0'W0 D0)^-1 D1'w1."""
    panel, u1, t1, w1 = staircase(2)
    rng = np.random.default_rng(2)
    X0, X1 = rng.standard_normal((len(panel.unit), 2)), rng.standard_normal((len(u1), 2))
    y0, y1 = rng.standard_normal(len(panel.unit)), rng.standard_normal(len(u1))
    fit = fit_untreated(y0, X0, panel)
    assert fit.imputable(u1, t1).all()
    D0 = np.hstack([dummies(panel), X0])
    D1 = np.hstack([np.eye(12)[u1], np.eye(6)[t1], X1])
    gram = np.linalg.pinv((D0 * panel.weights[:, None]).T @ D0)
    beta = gram @ (D0.T @ (panel.weights * y0))
    np.testing.assert_allclose(fit.left_over(y1, X1, u1, t1), y1 - D1 @ beta, atol=EXACT)
    code = t1 % 2
    found = fit.influence(X1, u1, t1, w1, code, 2)
    for k in range(2):
        v0 = -panel.weights * (D0 @ (gram @ (D1[code == k].T @ w1[code == k])))
        expected = np.bincount(panel.unit, weights=v0 * (y0 - D0 @ beta), minlength=12)
        np.testing.assert_allclose(found[:, k], expected, atol=EXACT)


def test_periods_without_untreated_units_are_not_imputable():
    panel = TwoWay(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.ones(4), 2, 3)
    fit = fit_untreated(np.arange(4.0), np.empty((4, 0)), panel)
    assert fit.imputable(np.array([0, 0]), np.array([1, 2])).tolist() == [True, False]


def test_units_and_periods_of_different_groups_are_not_imputable():
    """Unit 0 is seen untreated in period 0 only, unit 1 in 1 and 2: nothing compares period 1 with period 0."""
    panel = TwoWay(np.array([0, 1, 1]), np.array([0, 1, 2]), np.ones(3), 2, 3)
    fit = fit_untreated(np.arange(3.0), np.empty((3, 0)), panel)
    assert fit.imputable(np.array([0, 0, 1]), np.array([0, 1, 1])).tolist() == [True, False, True]


def test_covariates_that_are_constant_before_treatment_have_no_coefficient():
    panel = rows(8)
    fit = fit_untreated(
        np.random.default_rng(8).standard_normal(len(panel.unit)), np.full((len(panel.unit), 1), 1 / 3), panel
    )
    assert fit.kept.tolist() == [False]
    assert fit.beta.tolist() == [0.0]


def test_effects_are_held_against_their_group():
    """Equation 8 by hand: cluster 0 weighs 3 in group 0, cluster 1 weighs 1."""
    effects = np.array([1.0, 2.0, 5.0, 4.0, 7.0])
    weights = np.array([1.0, 2.0, 1.0, 1.0, 1.0])
    group, cluster = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 2, 2])
    centred, n_single = centred_effects(effects, weights, group, cluster, leave_one_out=False)
    mean = (3 * (1 * 1 + 2 * 2) + 1 * 5) / (3**2 + 1**2)
    overall = (1 + 4 + 5 + 4 + 7) / 6
    np.testing.assert_allclose(centred, [1 - mean, 2 - mean, 5 - mean, 4 - overall, 7 - overall])
    assert n_single == 1
    left_out, _ = centred_effects(effects, weights, group, cluster, leave_one_out=True)
    # Cluster 0 as a whole is held against cluster 1's effect 5, and the other way round.
    assert weights[:2] @ left_out[:2] == pytest.approx(1 * (1 - 5) + 2 * (2 - 5))
    assert left_out[2] == pytest.approx(5 - 5 / 3)
    np.testing.assert_allclose(left_out[3:], centred[3:])


def test_doubly_robust_difference_of_a_binary_covariate_is_stratified():
    rng = np.random.default_rng(4)
    x, treated = rng.integers(0, 2, 200).astype(float), rng.random(200) < 0.4
    delta = rng.standard_normal(200) + x + treated
    found = comparison(x[:, None], treated, np.ones(200))
    gaps = [delta[treated & (x == v)].mean() - delta[~treated & (x == v)].mean() for v in (0, 1)]
    share = x[treated].mean()
    assert found.difference(delta)[0] == pytest.approx((1 - share) * gaps[0] + share * gaps[1], abs=1e-10)


def test_influence_of_the_doubly_robust_difference_is_its_derivative():
    """Influence is weight times the derivative with respect to it."""
    rng = np.random.default_rng(5)
    X, weights = rng.standard_normal((80, 2)), rng.uniform(0.5, 2.0, 80)
    treated = rng.random(80) < 1 / (1 + np.exp(-X[:, 0]))
    delta = X @ [1.0, -1.0] + rng.standard_normal(80)
    influence = comparison(X, treated, weights).difference(delta)[1]
    step = 1e-5
    for unit in (np.flatnonzero(treated)[0], np.flatnonzero(~treated)[0], 7, 40):
        ends = []
        for sign in (1, -1):
            moved = weights.copy()
            moved[unit] += sign * step
            ends.append(comparison(X, treated, moved).difference(delta)[0])
        assert influence[unit] == pytest.approx(weights[unit] * (ends[0] - ends[1]) / (2 * step), rel=1e-5)
    assert influence.sum() == pytest.approx(0.0, abs=1e-12)


def test_comparisons_that_cannot_be_made_say_why():
    rng = np.random.default_rng(6)
    x, treated = rng.standard_normal(60), np.arange(60) < 20
    assert comparison(np.column_stack([x, 2 * x]), treated, np.ones(60)) == COLLINEAR
    assert comparison((x * treated)[:, None], treated, np.ones(60)) == COLLINEAR
    assert comparison((x + 100 * treated)[:, None], treated, np.ones(60)) == NO_OVERLAP
    assert comparison((x + 3 * treated + 0.1)[:, None], treated, np.ones(60)) != COLLINEAR


def test_controls_that_are_all_but_treated_are_left_out():
    """Controls above a probability of 0.995 have no weight in the control mean, treated units stay."""
    rng = np.random.default_rng(7)
    x = np.concatenate([np.linspace(-3, 3, 400), [6.5]])
    treated = rng.random(401) < 1 / (1 + np.exp(-x))
    treated[-1] = False
    found = comparison(x[:, None], treated, np.ones(401))
    assert not isinstance(found, str)
    assert found.control_share[-1] == 0.0
    assert (found.control_share[:-1][~treated[:-1]] > 0).all()
