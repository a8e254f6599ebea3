"""Robust sets: against the linear programmes they stand for, and at their edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from liftos_pipeline.causal.diagnostics.event_path import event_path
from liftos_pipeline.causal.diagnostics.honest_did import relative_magnitudes, smoothness
from liftos_pipeline.causal.diagnostics.trend_violations import largest_violations, with_reference
from liftos_pipeline.causal.inference.fixed_length import (
    bias_variance_frontier,
    folded_quantile,
    shortest_interval,
)
from liftos_pipeline.causal.inference.moment_inequalities import largest_normal_quantile, rejects
from liftos_pipeline.errors import LiftosError

TIME = [-4, -3, -2, 0, 1, 2]
BETA = np.array([0.05, -0.1, 0.04, 0.6, 0.9, 0.7])
WEIGHTS = ([1.0, 0.0, 0.0], [1 / 3] * 3, [0.5, 0.0, -1.0])


def covariance(seed: int = 0, k: int = 6) -> np.ndarray:
    A = np.random.default_rng(seed).standard_normal((k, k))
    return 0.002 * (A @ A.T + 2 * np.eye(k))


def slack_by_programme(path, period: int, sign: float, mbar: float, effect: float) -> float:
    """Least eta with |x_t - change_t| <= mbar V + eta sd_t for changes x that make the effect, as in the paper."""
    first = np.diff(with_reference(path), axis=0)
    violation = sign * first[period]
    rows = np.concatenate([s * first[path.n_pre :] - mbar * violation for s in (1.0, -1.0)])
    sd = np.sqrt(np.diag(rows @ path.covariance @ rows.T))
    y = rows @ np.concatenate([path.pre, path.post])
    n = len(path.post)
    X = np.concatenate([np.eye(n), -np.eye(n)])
    total = np.array([[0.0, *np.cumsum(path.weights[::-1])[::-1]]])
    found = optimize.linprog(
        [1.0, *np.zeros(n)],
        A_ub=-np.column_stack([sd, X]),
        b_ub=-y,
        A_eq=total,
        b_eq=[effect],
        bounds=[(None, None)] * (n + 1),
    )
    return found.fun


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("mbar", [0.0, 0.7, 3.0])
def test_eliminated_moments_are_the_linear_programme(weights, mbar):
    path = event_path(BETA, covariance(), TIME, weights=weights)
    cases = largest_violations(path)
    assert len(cases) == 6
    for place, case in enumerate(cases):
        period, sign = place // 2, (1.0, -1.0)[place % 2]
        moments, slopes, _ = case.moments(mbar)
        for effect in (-1.0, 0.0, 0.4, path.estimate, 2.0):
            slow = slack_by_programme(path, period, sign, mbar, effect)
            assert np.max(moments + effect * slopes) == pytest.approx(slow, abs=1e-8)


def test_moments_carry_their_covariance():
    path = event_path(BETA, covariance(), TIME, weights=WEIGHTS[2])
    draws = np.random.default_rng(0).multivariate_normal(BETA, covariance(), size=100_000)
    case = largest_violations(path)[3]
    _, _, loadings = case.moments(1.3)
    values = np.array(
        [
            largest_violations(event_path(b, covariance(), TIME, weights=WEIGHTS[2]))[3].moments(1.3)[0]
            for b in draws[:3000]
        ]
    )
    target = loadings @ loadings.T
    scale = np.sqrt(np.outer(np.diag(target), np.diag(target)))
    np.testing.assert_allclose(np.cov(values.T) / scale, target / scale, atol=0.08)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_identified_set_is_that_of_the_linear_programme(weights):
    """At the estimated coefficients the bias is anything that the restriction allows given the pre-trend."""
    path = event_path(BETA, covariance(), TIME, weights=weights)
    found = relative_magnitudes(BETA, covariance(), TIME, mbars=(0.5, 2.0), weights=weights).sets
    first = np.diff(with_reference(path), axis=0)
    largest = np.abs(first[:3] @ BETA).max()
    for row in found.itertuples():
        ends = []
        for direction in (1.0, -1.0):
            best = optimize.linprog(
                direction * np.array([*np.zeros(3), *path.weights]),
                A_ub=np.concatenate([first[3:], -first[3:]]),
                b_ub=np.full(6, row.bound * largest),
                A_eq=np.eye(6)[:3],
                b_eq=BETA[:3],
                bounds=[(None, None)] * 6,
            )
            ends.append(path.estimate - direction * best.fun)
        assert (row.set_low, row.set_high) == pytest.approx((min(ends), max(ends)), abs=1e-9)
        assert row.ci_low < row.set_low < row.set_high < row.ci_high


def test_without_violations_the_set_is_the_usual_interval():
    """At Mbar 0 both ends are conditional on a sign only: the t interval up to the first stage's share."""
    V = covariance()
    found = relative_magnitudes(BETA, V, TIME, mbars=(0.0,), weights=WEIGHTS[1]).sets.iloc[0]
    w = np.array([0, 0, 0, *WEIGHTS[1]])
    margin = 1.959964 * math.sqrt(w @ V @ w)
    assert found["ci_high"] == pytest.approx(w @ BETA + margin, abs=0.02 * margin)
    assert found["ci_low"] == pytest.approx(w @ BETA - margin, abs=0.02 * margin)
    assert found["set_low"] == found["set_high"] == pytest.approx(w @ BETA)


def test_breakdown_is_where_the_set_reaches_zero():
    V = covariance()
    found = relative_magnitudes(BETA, V, TIME, weights=WEIGHTS[0])
    b = found.breakdown
    around = relative_magnitudes(BETA, V, TIME, mbars=(0.99 * b, 1.01 * b), weights=WEIGHTS[0]).sets
    assert around["ci_low"].iloc[0] > 0 > around["ci_low"].iloc[1]
    smooth = smoothness(BETA, V, TIME, bounds=(0.0,), weights=WEIGHTS[0])
    b = smooth.breakdown
    around = smoothness(BETA, V, TIME, bounds=(0.99 * b, 1.01 * b), weights=WEIGHTS[0]).sets
    assert around["ci_low"].iloc[0] > 0 > around["ci_low"].iloc[1]


def test_no_breakdown_has_a_reason():
    null = relative_magnitudes(np.array([0.05, -0.1, 0.04, 0.0, 0.01, 0.0]), covariance(), TIME)
    assert math.isnan(null.breakdown)
    assert null.undefined == "zero is not rejected even at a bound of 0"
    quiet = 1e-12 * np.eye(3)
    quiet[2, 2] = 0.01
    sure = relative_magnitudes(np.array([0.0, 0.0, 5.0]), quiet, [-3, -2, 0])
    assert sure.breakdown == math.inf
    assert sure.undefined.startswith("zero is rejected at every bound tried")


def test_signs_mirror():
    V = covariance()
    for method, bounds in ((relative_magnitudes, (0.5, 2.0)), (smoothness, (0.0, 0.1))):
        up, down = (method(s * BETA, V, TIME, bounds, weights=WEIGHTS[2]) for s in (1.0, -1.0))
        np.testing.assert_allclose(down.sets["ci_low"], -up.sets["ci_high"], rtol=1e-6)
        assert down.breakdown == pytest.approx(up.breakdown, rel=1e-6, nan_ok=True)


def test_worst_bias_is_that_of_the_linear_programme():
    """Half lengths at a tiny variance are the worst bias over all paths with bounded second differences."""
    for weights in (*WEIGHTS, [0.5, 0.0, 0.3]):
        path = event_path(BETA, covariance(), TIME, weights=weights)
        second = np.diff(with_reference(path), n=2, axis=0)
        found = smoothness(BETA, 1e-14 * np.eye(6), TIME, bounds=(0.2,), weights=weights).sets.iloc[0]
        free = np.arange(5) < 2
        fixed = np.zeros(5)
        fixed[~free] = np.linalg.solve(second[~free, 3:].T, path.weights)
        estimator = fixed @ second
        np.testing.assert_allclose(estimator[3:], path.weights, atol=1e-12)
        worst = optimize.linprog(
            -estimator, A_ub=np.concatenate([second, -second]), b_ub=np.full(10, 0.2), bounds=[(None, None)] * 6
        )
        assert (found["ci_high"] - found["ci_low"]) / 2 == pytest.approx(-worst.fun, rel=1e-4)


def test_frontier_is_not_beaten_by_any_estimator():
    rng = np.random.default_rng(4)
    A = rng.standard_normal((6, 6))
    V = A @ A.T + 0.1 * np.eye(6)
    free = np.array([True, True, True, False, False, False])
    fixed = np.array([0.0, 0.0, 0.0, 1.0, -0.5, 2.0])
    frontier = bias_variance_frontier(fixed, free, V)
    np.testing.assert_allclose(
        frontier.loadings[:, ~free], np.broadcast_to(fixed[~free], (len(frontier.loadings), 3))
    )
    least = np.linalg.solve(V[:3, :3], -V[:3, 3:] @ fixed[3:])
    np.testing.assert_allclose(frontier.loadings[-1][:3], least, rtol=1e-8)
    np.testing.assert_allclose(frontier.loadings[0], fixed)
    for bound in (0.0, 0.3, 1.0):

        def half_length(c: np.ndarray, bound: float = bound) -> float:
            loadings = np.concatenate([c, fixed[3:]])
            sd = math.sqrt(loadings @ V @ loadings)
            return sd * float(folded_quantile(0.95, np.array([bound * np.abs(loadings).sum() / sd]))[0])

        low, high = shortest_interval(frontier, np.zeros(6), bound, 0.95)
        slow = min(
            optimize.minimize(
                half_length, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}
            ).fun
            for start in (least, np.zeros(3), least / 2)
        )
        assert (high - low) / 2 == pytest.approx(slow, rel=1e-5)


def test_folded_quantiles():
    biases = np.array([0.0, 0.5, 3.0, 9.99, 10.01, 500.0])
    found = folded_quantile(0.95, biases)
    reached = stats.norm.cdf(found - biases) - stats.norm.cdf(-found - biases)
    np.testing.assert_allclose(reached, 0.95, atol=1e-9)


def test_largest_normal_is_exact():
    loadings = np.array([[1.0, 0.0], [-0.6, 0.8], [-0.5, -2.0], [0.1, -0.3]])
    c = largest_normal_quantile(loadings, 0.995)
    draws = np.random.default_rng(0).standard_normal((2_000_000, 2)) @ loadings.T
    # Standard error of a share of .995 over two million draws: 5e-5.
    assert np.mean(draws.max(axis=1) <= c) == pytest.approx(0.995, abs=2e-4)
    single = largest_normal_quantile(np.array([[0.0, 2.0]]), 0.9)
    assert single == pytest.approx(2.0 * 1.2815516, rel=1e-5)
    both = largest_normal_quantile(np.array([[1.0, 1.0], [-1.0, -1.0]]), 0.95)
    assert both == pytest.approx(math.sqrt(2) * 1.959964, rel=1e-5)


def test_conditional_test_by_hand():
    """One moment beside a far one: a one-sided test at the second stage's size, cut at the first stage's value."""
    V = np.eye(2)
    cut = 2.5
    size = (0.05 - 0.005) / (1 - 0.005)
    edge = stats.norm.ppf((1 - size) * stats.norm.cdf(cut))
    moments = np.array([[edge - 1e-6, -50.0], [edge + 1e-6, -50.0], [cut + 0.1, -50.0], [-0.1, -0.2]])
    np.testing.assert_array_equal(rejects(moments, V, 0.05, cut), [False, True, True, False])
    # The other moment close behind: the largest is known to lie above it, and is no longer surprising.
    close = np.array([[edge + 1e-6, edge - 0.1]])
    assert not rejects(close, V, 0.05, cut)[0]
    low, high = edge - 0.1, cut
    inside = stats.norm.cdf(low) + (1 - size) * (stats.norm.cdf(high) - stats.norm.cdf(low))
    critical = stats.norm.ppf(inside)
    np.testing.assert_array_equal(
        rejects(np.array([[critical - 1e-6, low], [critical + 1e-6, low]]), V, 0.05, cut), [False, True]
    )
    # Without variance a positive moment is a contradiction.
    V0 = np.diag([0.0, 1.0])
    np.testing.assert_array_equal(rejects(np.array([[1e-9, -5.0], [0.0, -5.0]]), V0, 0.05, cut), [True, False])
    # Far in the tail the quantile keeps its digits.
    tail = rejects(np.array([[12.3, 12.0], [12.01, 12.0]]), V, 0.05, 1e9)
    np.testing.assert_array_equal(tail, [True, False])


def test_correlated_moments_bound_each_other_from_above():
    """With a slope above one the other moment overtakes: it bounds the largest from above."""
    V = np.array([[1.0, 1.5], [1.5, 4.0]])
    moments = np.array([[1.2, 1.0]])
    # 1.0 - 1.5 * 1.2 = -0.8 = (1 - 1.5) c at c = 1.6.
    size = (0.05 - 0.005) / (1 - 0.005)
    critical = stats.norm.ppf((1 - size) * stats.norm.cdf(1.6))
    assert 1.2 < critical < 1.6
    assert not rejects(moments, V, 0.05, 9.0)[0]
    at = critical + 1e-4
    assert rejects(np.array([[at, 1.5 * at - 0.8]]), V, 0.05, 9.0)[0]


def test_negative_moments_are_never_rejected():
    """Known to be negative and large for that: the quantile is negative, but no mean is shown to be positive."""
    V = np.array([[1.0, 1.5], [1.5, 4.0]])
    # The other moment overtakes at -.5; given that, 95 % lie below -.54.
    assert not rejects(np.array([[-0.52, 0.25 - 1.5 * 0.52]]), V, 0.05, 9.0)[0]


def test_unusable_paths_are_refused():
    V = covariance()
    with pytest.raises(LiftosError, match="consecutive event times"):
        relative_magnitudes(BETA, V, [-5, -3, -2, 0, 1, 2])
    with pytest.raises(LiftosError, match="bounds of 0 or more"):
        smoothness(BETA, V, TIME, bounds=(-0.1,))
    with pytest.raises(LiftosError, match="a level between 0 and 1"):
        relative_magnitudes(BETA, V, TIME, level=95)
    with pytest.raises(
        LiftosError, match=r"a covariance that can be inverted; found the covariance of 6 .* rank 1"
    ):
        relative_magnitudes(BETA, np.ones((6, 6)), TIME)


def test_one_period_on_either_side():
    V = np.diag([0.01, 0.02])
    found = relative_magnitudes(np.array([0.2, 1.0]), V, [-2, 0], mbars=(1.0,))
    assert (found.sets.loc[0, "set_low"], found.sets.loc[0, "set_high"]) == pytest.approx((0.8, 1.2))
    # Linear extrapolation, no free loading: 1.0 + 0.2 (the trend fell by .2 before) with variance .03.
    smooth = smoothness(np.array([0.2, 1.0]), V, [-2, 0], bounds=(0.0, 0.5)).sets
    assert (smooth["ci_low"] + smooth["ci_high"]).tolist() == pytest.approx([2.4, 2.4])
    assert smooth.loc[0, "ci_high"] - 1.2 == pytest.approx(1.959964 * math.sqrt(0.03), rel=1e-6)
    sd = math.sqrt(0.03)
    assert smooth.loc[1, "ci_high"] - 1.2 == pytest.approx(sd * folded_quantile(0.95, np.array([0.5 / sd]))[0])
