"""Return on spend: the limits of a ratio by their definition, and where spend has no error."""

from __future__ import annotations

import math

import numpy as np
import pytest

from liftos_pipeline.causal.estimators.geo_spend import Incremental, Spend, return_on, spend_of
from liftos_pipeline.errors import LiftosError

OUTCOME = Incremental(100.0, 60.0, 140.0, 20.0)


def statistic(ratio: float, spend: Spend) -> float:
    """Distance of the ratio's hypothesis in standard errors."""
    covariance = spend.correlation * OUTCOME.std_error * spend.std_error
    variance = OUTCOME.std_error**2 - 2 * ratio * covariance + ratio**2 * spend.std_error**2
    return abs(OUTCOME.estimate - ratio * spend.total) / math.sqrt(variance)


@pytest.mark.parametrize("correlation", [-0.6, 0.0, 0.8])
def test_limits_are_where_the_ratio_is_just_rejected(correlation):
    spend = Spend(50.0, 8.0, correlation)
    found = return_on(spend, OUTCOME, 2.0)
    assert found["estimate"] == pytest.approx(2.0)
    ((low, high),) = found["set"]
    assert (found["ci_low"], found["ci_high"]) == (low, high)
    assert low < 2.0 < high
    assert (statistic(low, spend), statistic(high, spend)) == pytest.approx((2.0, 2.0))


def test_a_spend_that_may_be_none_leaves_two_rays_or_everything():
    rays = return_on(Spend(50.0, 40.0, 0.0), OUTCOME, 2.0)
    (_, left), (right, _) = rays["set"]
    assert left < 0 < right < 2.0
    assert statistic(left, Spend(50.0, 40.0)) == pytest.approx(2.0)
    assert (rays["ci_low"], rays["ci_high"]) == (-math.inf, math.inf)
    nothing = return_on(Spend(50.0, 40.0), Incremental(20.0, -20.0, 60.0, 20.0), 2.0)
    assert nothing["set"] == [[-math.inf, math.inf]]


def test_a_told_spend_only_divides():
    assert return_on(Spend(50.0), OUTCOME, 2.0) == {
        "estimate": 2.0,
        "ci_low": 1.2,
        "ci_high": 2.8,
        "set": [[1.2, 2.8]],
    }
    with pytest.raises(LiftosError, match="a positive incremental spend; found 0"):
        Spend(0.0)


def test_spend_that_did_not_vary_before_has_no_error():
    by_period = np.array([3.0] * 30 + [10.0, 14.0] * 5)
    design = np.column_stack([np.ones(40), np.arange(40) >= 30]).astype(float)
    contrast = np.random.default_rng(0).standard_normal(40)
    assert spend_of(by_period, 30, contrast, design) == Spend(120.0 - 30.0)


def test_spend_that_varied_has_the_error_of_its_step():
    rng = np.random.default_rng(1)
    shocks = rng.standard_normal(200)
    design = np.column_stack([np.ones(200), np.arange(200) >= 150]).astype(float)
    found = spend_of(100.0 + 5.0 * shocks + 20.0 * design[:, 1], 150, -shocks + 0.01, design)
    assert found.total == pytest.approx(50 * 20.0, abs=4 * found.std_error)
    assert found.std_error == pytest.approx(50 * 5.0 * math.sqrt(1 / 150 + 1 / 50), rel=0.35)
    assert found.correlation == pytest.approx(-1.0, abs=1e-6)
