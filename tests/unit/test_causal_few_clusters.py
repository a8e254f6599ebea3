"""Cluster jackknife and wild cluster bootstrap: against refits, hand-made cases, and what must be refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from liftos_pipeline.causal.inference.few_clusters import (
    ClusterSums,
    cr3_covariance,
    cr3_inference,
    cross_products,
    jackknife,
    least_squares,
)
from liftos_pipeline.causal.inference.wild_bootstrap import POINTS, wild_cluster_bootstrap
from liftos_pipeline.causal.kernels.normal_equations import generalised_inverses, unit_diagonal
from liftos_pipeline.errors import LiftosError

D = 1
"""Column of the treatment."""


def world(n_clusters: int, seed: int, treated: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Constant, treatment and covariate; treatment by cluster, or by row where ``treated`` is None."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(n_clusters), 6 + 3 * np.arange(n_clusters))
    x = rng.standard_normal(len(g)) + rng.standard_normal(n_clusters)[g]
    d = (rng.random(len(g)) < 0.5) if treated is None else g < treated
    y = 0.5 * x + 0.7 * d + rng.standard_normal(n_clusters)[g] + rng.standard_normal(len(g))
    return np.column_stack([np.ones(len(g)), d, x]), y, g


def refit(X: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    root = np.ones(len(y)) if weights is None else np.sqrt(weights)
    return np.linalg.lstsq(X * root[:, None], y * root, rcond=None)[0]


@pytest.mark.parametrize("weighted", [False, True])
def test_jackknife_is_one_refit_per_cluster(weighted):
    X, y, g = world(5, 0, treated=2)
    weights = np.random.default_rng(1).uniform(0.5, 2.0, len(y)) if weighted else None
    order = np.random.default_rng(2).permutation(len(y))
    X, y, g = X[order], y[order], g[order]
    sums = cross_products(X, y, g, weights)
    slow = np.array([refit(X[g != i], y[g != i], None if weights is None else weights[g != i]) for i in range(5)])
    betas, identified = jackknife(sums)
    np.testing.assert_allclose(betas, slow, rtol=1e-9, atol=1e-12)
    assert identified.all()
    moved = slow - refit(X, y, weights)
    np.testing.assert_allclose(cr3_covariance(sums), 4 / 5 * moved.T @ moved, rtol=1e-9)
    found = cr3_inference(sums, D, 0.95)
    assert found.std_error == pytest.approx(math.sqrt(4 / 5 * np.sum(moved[:, D] ** 2)), rel=1e-9)
    assert (found.degrees_of_freedom, found.n_clusters) == (4.0, 5)
    # t(4) quantile at .975: 2.7764451.
    assert found.ci_high - found.ci_low == pytest.approx(2 * 2.776445105 * found.std_error, rel=1e-9)


def test_sums_are_those_of_the_rows_in_any_order():
    X, y, g = world(4, 2)
    sums = cross_products(X, y, g)
    rows = g == 2
    np.testing.assert_allclose(sums.xx[2], X[rows].T @ X[rows])
    np.testing.assert_allclose(sums.xy[2], X[rows].T @ y[rows])
    order = np.random.default_rng(0).permutation(len(y))
    shuffled = cross_products(X[order], y[order], g[order] + 10)
    np.testing.assert_allclose(shuffled.xx, sums.xx, rtol=1e-12)
    np.testing.assert_allclose(shuffled.xy, sums.xy, rtol=1e-12)


def test_small_integers_do_not_overflow():
    g = np.repeat(np.arange(4, dtype=np.int8), 100)
    X = np.column_stack([np.ones(400), np.arange(400) % 2, np.arange(400) % 100]).astype(np.int8)
    sums = cross_products(X, (np.arange(400) % 7 * 18).astype(np.int8), g)
    np.testing.assert_allclose(sums.xx.sum(axis=0)[2, 2], 4 * sum(i**2 for i in range(100)))
    assert sums.xy.sum(axis=0)[0] == pytest.approx(sum(i % 7 * 18 for i in range(400)))


def test_effects_nested_in_clusters_may_be_swept_out():
    X, y, g = world(6, 3)
    effects = np.eye(6)[g]
    full = cr3_inference(cross_products(np.column_stack([X[:, 1:], effects]), y, g), 0, 0.95)
    means = np.array([np.column_stack([X, y])[g == i].mean(axis=0) for i in range(6)])[g]
    swept = np.column_stack([X, y]) - means
    within = cr3_inference(cross_products(swept[:, 1:3], swept[:, 3], g), 0, 0.95)
    assert within.std_error == pytest.approx(full.std_error, rel=1e-9)


def slow_bootstrap(X, y, g, patterns, null: float = 0.0) -> float:
    """One regression per draw on rows, as in Cameron, Gelbach and Miller (2008); ties count."""
    n_clusters = g.max() + 1

    def statistic(outcome: np.ndarray) -> float:
        beta = refit(X, outcome)
        bread = np.linalg.inv(X.T @ X)
        scores = np.array([X[g == i].T @ (outcome - X @ beta)[g == i] for i in range(n_clusters)])
        return (beta[D] - null) / math.sqrt((bread @ scores.T @ scores @ bread)[D, D])

    others = np.delete(X, D, axis=1)
    restricted = others @ refit(others, y - null * X[:, D]) + null * X[:, D]
    sample = statistic(y)
    draws = np.array([statistic(restricted + v[g] * (y - restricted)) for v in patterns])
    return float(np.mean(np.abs(draws) >= abs(sample) * (1 - 1e-9)))


@pytest.mark.parametrize(("multiplier", "n_clusters"), [("rademacher", 6), ("webb", 3)])
@pytest.mark.parametrize("null", [0.0, 0.6])
def test_bootstrap_is_one_regression_per_draw(multiplier, n_clusters, null):
    X, y, g = world(n_clusters, 4)
    grids = np.meshgrid(*[POINTS[multiplier]] * n_clusters, indexing="ij")
    patterns = np.stack([axis.ravel() for axis in grids], axis=1)
    found = wild_cluster_bootstrap(cross_products(X, y, g), D, 0.95, seed=0, multiplier=multiplier, null=null)
    assert found.enumerated
    assert found.n_draws == len(patterns)
    assert found.inference.p_value == pytest.approx(slow_bootstrap(X, y, g, patterns, null), abs=1e-12)


def test_random_draws_count_the_sample_and_come_near_the_enumeration():
    sums = cross_products(*world(12, 5, treated=6))
    exact = wild_cluster_bootstrap(sums, D, 0.95, seed=0)
    assert (exact.enumerated, exact.multiplier, exact.n_draws) == (True, "rademacher", 4096)
    drawn = wild_cluster_bootstrap(sums, D, 0.95, seed=0, n_draws=3_999)
    assert (drawn.enumerated, drawn.n_draws, drawn.smallest_p_value) == (False, 3_999, 1 / 4_000)
    assert drawn.inference.p_value == pytest.approx(round(4_000 * drawn.inference.p_value) / 4_000, abs=1e-12)
    error = math.sqrt(exact.inference.p_value * (1 - exact.inference.p_value) / 3_999)
    assert abs(drawn.inference.p_value - exact.inference.p_value) < 4 * error
    again = wild_cluster_bootstrap(sums, D, 0.95, seed=0, n_draws=3_999)
    assert again == drawn
    assert wild_cluster_bootstrap(sums, D, 0.95, seed=1, n_draws=3_999).inference != drawn.inference


@pytest.mark.parametrize("n_clusters", [5, 7, 12])
def test_interval_is_the_set_of_nulls_that_are_not_rejected(n_clusters):
    sums = cross_products(*world(n_clusters, 6, treated=n_clusters // 2))
    whole = wild_cluster_bootstrap(sums, D, 0.9, seed=3, n_draws=999)
    low, high = whole.inference.ci_low, whole.inference.ci_high
    width = high - low

    def p_value(null: float) -> float:
        return wild_cluster_bootstrap(sums, D, 0.9, seed=3, n_draws=999, null=null).inference.p_value

    assert p_value(float(least_squares(sums, D).beta[D])) == pytest.approx(1.0)
    for inside, outside in ((low + 1e-9 * width, low - 1e-6 * width), (high - 1e-9 * width, high + 1e-6 * width)):
        assert p_value(inside) > 0.1 + 1e-12
        assert p_value(outside) <= 0.1 + 1e-12
    for far in (1.0, 10.0, 1e3):
        assert max(p_value(low - far * width), p_value(high + far * width)) <= 0.1 + 1e-12


def test_three_clusters_are_told_honestly():
    sums = cross_products(*world(3, 7))
    signs = wild_cluster_bootstrap(sums, D, 0.95, seed=0, multiplier="rademacher")
    assert (signs.n_draws, signs.smallest_p_value) == (8, 0.25)
    assert signs.inference.p_value >= 0.25
    assert (signs.inference.ci_low, signs.inference.ci_high) == (-math.inf, math.inf)
    assert signs.unbounded.startswith("with 3 clusters no value, however far, has a p-value below 0.25")
    webb = wild_cluster_bootstrap(sums, D, 0.95, seed=0)
    assert (webb.multiplier, webb.n_draws, webb.smallest_p_value) == ("webb", 216, pytest.approx(6 / 216))
    assert cr3_inference(sums, D, 0.95).degrees_of_freedom == 2.0


@pytest.mark.parametrize("treated", [1, 5])
def test_one_treated_or_one_untreated_cluster_has_no_number(treated):
    sums = cross_products(*world(6, 8, treated=treated))
    jack = cr3_inference(sums, D, 0.95)
    wild = wild_cluster_bootstrap(sums, D, 0.95, seed=0)
    for found in (jack, wild.inference):
        assert math.isnan(found.std_error) and math.isnan(found.p_value) and math.isnan(found.ci_low)
        assert found.undefined["p_value"].startswith("one cluster alone identifies the coefficient")
    assert math.isnan(cr3_covariance(sums)[D, D])
    assert math.isfinite(cr3_covariance(sums)[2, 2])


def test_one_cluster_and_exact_fits_have_reasons():
    X, y, g = world(4, 9)
    alone = cr3_inference(cross_products(X, y, np.zeros(len(y), dtype=int)), D, 0.95)
    assert alone.undefined["std_error"].startswith("1 cluster;")
    for outcome in (np.full(len(y), 3.3), X @ np.array([2.0, 1.0, -1.0])):
        sums = cross_products(X, outcome, g)
        for found in (cr3_inference(sums, D, 0.95), wild_cluster_bootstrap(sums, D, 0.95, seed=0).inference):
            assert math.isnan(found.std_error)
            assert found.undefined["ci_low"].startswith("the regression fits every cluster exactly")


def test_collinear_columns():
    X, y, g = world(5, 10, treated=2)
    doubled = np.column_stack([X, 2 * X[:, 2] - 1])
    plain, wide = (cross_products(columns, y, g) for columns in (X, doubled))
    assert cr3_inference(wide, D, 0.95).std_error == pytest.approx(
        cr3_inference(plain, D, 0.95).std_error, rel=1e-9
    )
    assert wild_cluster_bootstrap(wide, D, 0.95, seed=0).inference.ci_low == pytest.approx(
        wild_cluster_bootstrap(plain, D, 0.95, seed=0).inference.ci_low, rel=1e-7
    )
    with pytest.raises(LiftosError, match="column 1 to vary given the other columns"):
        cr3_inference(cross_products(np.column_stack([X, X[:, D]]), y, g), D, 0.95)


def test_units_of_measurement_do_not_matter():
    X, y, g = world(6, 11, treated=3)
    plain = wild_cluster_bootstrap(cross_products(X, y, g), D, 0.95, seed=0)
    scaled = wild_cluster_bootstrap(cross_products(X * [1, 1e-4, 1e5], 1e6 * y, g), D, 0.95, seed=0)
    assert scaled.inference.p_value == plain.inference.p_value
    assert scaled.inference.ci_low == pytest.approx(1e10 * plain.inference.ci_low, rel=1e-7)
    jack = cr3_inference(cross_products(X * [1, 1e-4, 1e5], 1e6 * y, g), D, 0.95)
    assert jack.std_error == pytest.approx(
        1e10 * cr3_inference(cross_products(X, y, g), D, 0.95).std_error, rel=1e-8
    )


def test_wrong_calls_are_refused():
    with pytest.raises(LiftosError, match=r"shapes \(G, k, k\) and \(G, k\)"):
        ClusterSums(np.ones((3, 2, 2)), np.ones((3, 3)))
    with pytest.raises(LiftosError, match="finite cross-products"):
        ClusterSums(np.ones((3, 1, 1)), np.full((3, 1), np.nan))
    sums = cross_products(*world(4, 0))
    with pytest.raises(LiftosError, match="multiplier rademacher or webb; found 'mammen'"):
        wild_cluster_bootstrap(sums, D, 0.95, seed=0, multiplier="mammen")
    with pytest.raises(LiftosError, match="at least 1 draw"):
        wild_cluster_bootstrap(sums, D, 0.95, seed=0, n_draws=0)


def test_standard_error_beside_the_bootstrap_is_cr1():
    X, y, g = world(8, 12)
    beta, bread = refit(X, y), np.linalg.inv(X.T @ X)
    scores = np.array([X[g == i].T @ (y - X @ beta)[g == i] for i in range(8)])
    correction = (len(y) - 1) / (len(y) - 3)
    found = wild_cluster_bootstrap(cross_products(X, y, g), D, 0.95, seed=0, correction=correction)
    cr1 = math.sqrt(8 / 7 * correction * (bread @ scores.T @ scores @ bread)[D, D])
    assert found.inference.std_error == pytest.approx(cr1, rel=1e-10)


def test_what_is_left_of_a_column_is_measured_by_the_whole():
    """Rounding that is all there is beside no other column does not identify a coefficient."""
    total = np.array([[4.0]])
    inverses, identified = generalised_inverses(np.array([[[4e-14]], [[1.0]]]), unit_diagonal(total))
    assert identified[:, 0].tolist() == [False, True]
    assert inverses[:, 0, 0].tolist() == [0.0, 1.0]
