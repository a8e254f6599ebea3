"""Paths of coefficients, joint tests and the violations that they miss."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from liftos_pipeline.causal.diagnostics.event_path import event_path
from liftos_pipeline.causal.diagnostics.pretrends import pretrends
from liftos_pipeline.causal.inference.wald import wald_critical_value, wald_test
from liftos_pipeline.errors import LiftosError

TIME = [-4, -3, -2, 0, 1]


def covariance(seed: int = 0, k: int = 5) -> np.ndarray:
    A = np.random.default_rng(seed).standard_normal((k, k))
    return 0.01 * (A @ A.T + np.eye(k))


def test_wald_by_hand():
    found = wald_test(np.array([1.0, 2.0]), np.diag([1.0, 4.0]))
    assert found.statistic == pytest.approx(2.0)
    assert found.p_value == pytest.approx(math.exp(-1.0))
    finite = wald_test(np.array([1.0, 2.0]), np.diag([1.0, 4.0]), degrees_of_freedom=7.0)
    assert finite.p_value == pytest.approx(stats.f.sf(1.0, 2, 7))
    for freedom in (math.inf, 7.0):
        critical = wald_critical_value(2, 0.9, freedom)
        edge = wald_test(np.array([math.sqrt(critical), 0.0]), np.eye(2), freedom)
        assert edge.p_value == pytest.approx(0.1)


def test_singular_covariances_have_a_reason():
    repeated = wald_test(np.ones(2), np.ones((2, 2)))
    assert math.isnan(repeated.statistic) and math.isnan(repeated.p_value)
    assert repeated.undefined.startswith("the covariance of 2 estimates has rank 1")
    flat = wald_test(np.ones(2), np.diag([1.0, 0.0]))
    assert flat.undefined == "1 of 2 estimates without a variance"
    assert wald_test(np.ones(2), np.diag([1.0, 1e-14])).undefined is None
    with pytest.raises(LiftosError, match="k at least 1"):
        wald_test(np.array([]), np.empty((0, 0)))
    with pytest.raises(LiftosError, match="all known"):
        wald_test(np.array([np.nan]), np.eye(1))


def test_paths_come_in_any_order_with_or_without_the_reference():
    estimates, V = np.arange(5.0), covariance()
    straight = event_path(estimates, V, TIME)
    order = [3, 0, 4, 2, 1]
    mixed = event_path(estimates[order], V[np.ix_(order, order)], [TIME[i] for i in order])
    with_zero = event_path(
        np.insert(estimates, 3, 0.0),
        np.insert(np.insert(V, 3, 0.0, axis=0), 3, 0.0, axis=1),
        [-4, -3, -2, -1, 0, 1],
    )
    for path in (mixed, with_zero):
        np.testing.assert_array_equal(path.pre, [0.0, 1.0, 2.0])
        np.testing.assert_array_equal(path.post, [3.0, 4.0])
        np.testing.assert_array_equal(path.covariance, straight.covariance)
    np.testing.assert_array_equal(straight.pre_time, [-3, -2, -1])
    np.testing.assert_array_equal(straight.post_time, [1, 2])
    assert straight.estimate == pytest.approx(3.5)
    assert event_path(estimates, V, TIME, weights=[0.0, 2.0]).estimate == pytest.approx(8.0)


def test_unreadable_paths_are_refused():
    estimates, V = np.arange(5.0), covariance()
    for call, message in (
        ({"event_time": TIME[:4]}, "k coefficients, a k x k covariance"),
        ({"event_time": [-4, -3, -2, 0, 0]}, "each event time once"),
        ({"event_time": [0, 1, 2, 3, 4]}, "at least one before and one after -1; found 0 before"),
        ({"event_time": [-6, -5, -4, -3, -2]}, "found 5 before and 0 after"),
        ({"event_time": [-4, -3, -2, 0.5, 1]}, "whole event times"),
        ({"event_time": TIME, "weights": [1.0]}, "2 weights, one per post-treatment period"),
        ({"event_time": TIME, "weights": [0.0, 0.0]}, "not all zero"),
        (
            {"event_time": [-5, -3, -2, 0, 1], "consecutive": True},
            "consecutive event times around -1; found -5, -3",
        ),
    ):
        with pytest.raises(LiftosError, match=message):
            event_path(estimates, V, **call)
    with pytest.raises(LiftosError, match="known coefficients"):
        event_path(np.array([1.0, np.nan, 1, 1, 1]), V, TIME)


def test_violations_have_the_power_they_claim():
    V = covariance(1)
    found = pretrends(np.zeros(5), V, TIME, powers=(0.3, 0.5, 0.8))
    time = np.array([-3.0, -2.0, -1.0])
    pre = V[:3, :3]
    draws = np.random.default_rng(0).multivariate_normal(np.zeros(3), pre, size=200_000)
    spread = np.sqrt(np.diag(pre))
    for _, row in found.violations.iterrows():
        seen = draws + row["slope_joint"] * time
        wald = np.sum(seen * np.linalg.solve(pre, seen.T).T, axis=1)
        assert np.mean(wald > stats.chi2.ppf(0.95, 3)) == pytest.approx(row["power"], abs=0.005)
        seen = draws + row["slope_individual"] * time
        assert np.mean((np.abs(seen) > 1.959964 * spread).any(axis=1)) == pytest.approx(row["power"], abs=0.005)
        assert row["bias_joint"] == pytest.approx(1.5 * row["slope_joint"])
        assert row["bias_individual"] == pytest.approx(1.5 * row["slope_individual"])


def test_passing_the_test_selects_the_estimate():
    """Roth's point: over the samples that pass, the bias under a trend differs from that over all."""
    V = covariance(2)
    weights = np.array([0.3, 0.7])
    row = pretrends(np.zeros(5), V, TIME, powers=(0.5,), weights=weights).violations.iloc[0]
    mean = row["slope_joint"] * np.array([-3.0, -2.0, -1.0, 1.0, 2.0])
    draws = np.random.default_rng(1).multivariate_normal(mean, V, size=400_000)
    wald = np.sum(draws[:, :3] * np.linalg.solve(V[:3, :3], draws[:, :3].T).T, axis=1)
    passed = draws[wald <= stats.chi2.ppf(0.95, 3), 3:] @ weights
    error = passed.std() / math.sqrt(len(passed))
    assert row["bias_joint_if_passed"] == pytest.approx(passed.mean(), abs=4 * error)
    assert abs(row["bias_joint_if_passed"] - row["bias_joint"]) > 20 * error
    assert row["bias_joint"] == pytest.approx(row["slope_joint"] * 1.7)


def test_one_period_before_is_solved_by_hand():
    V = np.diag([0.04, 1.0])
    row = pretrends(np.array([0.1, 2.0]), V, [-2, 0], powers=(0.5,)).violations.iloc[0]
    # Half of the samples exceed 1.96 errors of .2 where the mean is there: the other tail adds 4e-5.
    assert row["slope_joint"] == pytest.approx(0.2 * 1.959964, rel=1e-3)
    assert row["slope_individual"] == pytest.approx(row["slope_joint"], rel=1e-3)
    finite = pretrends(np.array([0.1, 2.0]), V, [-2, 0], powers=(0.5,), degrees_of_freedom=5.0)
    assert finite.violations.loc[0, "slope_joint"] == pytest.approx(0.2 * 2.570582, rel=1e-3)
    assert finite.violations.loc[0, "slope_individual"] == pytest.approx(0.2 * 2.570582, rel=1e-3)
    assert finite.joint.p_value == pytest.approx(2 * stats.t.sf(0.5, 5))


def test_tests_that_reject_anyway_need_no_violation():
    many = np.eye(31)
    found = pretrends(np.zeros(31), many, [*range(-31, -1), 0], powers=(0.5, 0.9))
    # Thirty independent tests at 5 %: one of them rejects in 79 % of the samples.
    assert found.violations.loc[0, "slope_individual"] == 0.0
    assert found.violations.loc[1, "slope_individual"] > 0.0
    low = pretrends(np.zeros(5), covariance(), TIME, powers=(0.04, 0.051))
    assert list(low.violations["slope_joint"] > 0) == [False, True]


def test_undefined_covariances_leave_missing_violations():
    V = np.zeros((3, 3))
    V[2, 2] = 1.0
    V[:2, :2] = 1.0
    found = pretrends(np.ones(3), V, [-3, -2, 0])
    assert str(found.joint.undefined).startswith("the covariance of 2 estimates has rank 1")
    assert found.violations.drop(columns="power").isna().all().all()
    with pytest.raises(LiftosError, match="level and powers between 0 and 1"):
        pretrends(np.ones(3), np.eye(3), [-3, -2, 0], powers=(0.5, 80.0))
