"""Folds, overlap, weights, inference arithmetic, attribution: against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from liftos_pipeline.causal.attribution import error_improvement
from liftos_pipeline.causal.inference.bootstrap import multiplier_draws
from liftos_pipeline.causal.inference.covariance import clustered_inference, limits
from liftos_pipeline.causal.kernels.folds import assign_folds, key_words, splitmix64
from liftos_pipeline.causal.kernels.scores import orthogonal_score, ratio_of_sums
from liftos_pipeline.causal.propensity.overlap import OverlapRule, effective_size, judge_overlap
from liftos_pipeline.causal.propensity.weights import balancing_weights
from liftos_pipeline.errors import LiftosError


def test_splitmix64_and_fnv_match_their_published_vectors():
    state = np.array([0, 0x9E3779B97F4A7C15], dtype=np.uint64)
    assert [hex(v) for v in splitmix64(state)] == ["0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4"]
    words = key_words(np.array(["", "a", "foobar"], dtype=object))
    assert [hex(v) for v in words] == ["0xcbf29ce484222325", "0xaf63dc4c8601ec8c", "0x85944171f73967e8"]


def test_folds_depend_on_key_and_seed_only():
    labels = np.array([f"campaign_{i}" for i in range(1_000)], dtype=object)
    folds = assign_folds(labels, 5, seed=3)
    np.testing.assert_array_equal(assign_folds(labels[::-1], 5, seed=3)[::-1], folds)
    np.testing.assert_array_equal(assign_folds(labels[:10], 5, seed=3), folds[:10])
    assert np.mean(assign_folds(labels, 5, seed=4) == folds) == pytest.approx(0.2, abs=0.05)
    # 200 expected per fold, standard deviation 12.6: four of them.
    assert np.abs(np.bincount(folds) - 200).max() < 51


def test_effective_size_counts_groups():
    assert effective_size(np.array([1.0, 1.0, 2.0]), np.array([0, 1, 2])) == pytest.approx(16 / 6)
    assert effective_size(np.array([1.0, 1.0, 2.0]), np.array([0, 0, 1])) == pytest.approx(2.0)


def test_balancing_weights_by_hand():
    e, d = np.array([0.2, 0.2]), np.array([1.0, 0.0])
    np.testing.assert_allclose(balancing_weights(e, d, "ate"), [5.0, 1.25])
    np.testing.assert_allclose(balancing_weights(e, d, "att"), [1.0, 0.25])
    np.testing.assert_allclose(balancing_weights(e, d, "overlap"), [0.8, 0.2])


def test_overlap_is_judged_per_estimand():
    e = np.concatenate([np.full(50, 0.05), np.full(50, 0.5)])
    d = np.tile([0.0, 1.0], 50)
    unit = np.arange(100)
    ate = judge_overlap(e, d, unit, unit, "ate")
    assert ate.share_inside == pytest.approx(0.5)
    assert ate.refused == "50.0 % of propensity scores lie in [0.1, 0.9], the ATE needs 80 %"
    assert judge_overlap(e, d, unit, unit, "att").refused is None
    few = judge_overlap(e, d, unit, unit, "att", OverlapRule(min_effective_units=40.0))
    # Controls: 25 at weight 1/19 and 25 at weight 1.
    size = (25 / 19 + 25) ** 2 / (25 / 19**2 + 25)
    assert few.ess_control == pytest.approx(size)
    assert few.refused == f"{size:.1f} effective control units, the ATT needs 40"
    high = judge_overlap(np.full(100, 0.95), d, unit, unit // 10, "att")
    assert "0.0 % of treated rows have scores below 0.9" in high.refused
    assert high.ess_control_clusters == pytest.approx(10.0)


def test_clustered_error_by_hand():
    influence = np.array([1.0, 2.0, -1.0, -2.0])
    treated = np.array([True, False, True, False])
    result = clustered_inference(3.0, influence, np.array([7, 7, 9, 9]), treated, 0.95)
    # Cluster sums 3 and -3, factor 2 / 1: variance 36. t(1) quantile at .975 is 12.7062.
    assert result.std_error == pytest.approx(6.0)
    assert result.ci_high == pytest.approx(3.0 + 12.706204736 * 6.0)
    assert result.p_value == pytest.approx(2 * (0.5 - math.atan(0.5) / math.pi))


def test_normal_limits():
    result = limits(1.96, 1.0, 0.95, 10, math.inf)
    assert result.ci_low == pytest.approx(1.96 - 1.959963984540054, abs=1e-12)
    assert result.p_value == pytest.approx(0.04999579, abs=1e-8)


@pytest.mark.parametrize("multiplier", ["rademacher", "mammen"])
def test_multipliers_have_mean_zero_and_variance_one(multiplier):
    draws = multiplier_draws(np.array([1.0]), seed=5, n_draws=100_000, multiplier=multiplier)
    assert abs(draws.mean()) < 4 / math.sqrt(100_000)
    assert draws.var() == pytest.approx(1.0, abs=0.02)
    third = {"rademacher": 0.0, "mammen": 1.0}[multiplier]
    assert np.mean(draws**3) == pytest.approx(third, abs=0.04)


def test_scores_by_hand():
    y = np.array([5.0, 2.0, 7.0, 1.0])
    d = np.array([1.0, 0.0, 1.0, 0.0])
    e = np.array([0.5, 0.5, 0.8, 0.2])
    m0, m1 = np.array([1.0, 2.0, 3.0, 0.0]), np.array([4.0, 3.0, 6.0, 1.0])

    def theta(estimand: str) -> float:
        return ratio_of_sums(*orthogonal_score(y, d, e, m0, m1, estimand))[0]

    # ate: 3 + 1/.5 = 5; 1 - 0 = 1; 3 + 1/.8 = 4.25; 1 - 1/.8 = -.25. Mean 2.5.
    assert theta("ate") == pytest.approx(2.5)
    # att: (4 - 0 + 4 - .25) / 2
    assert theta("att") == pytest.approx(3.875)
    # overlap: (.25*3 + .5) + (.25*1 - 0) + (.04*3 + .2) + (.04*1 - .2) over .25 + .25 + .04 + .04
    assert theta("overlap") == pytest.approx(1.66 / 0.58)
    influence = ratio_of_sums(*orthogonal_score(y, d, e, m0, m1, "att"))[1]
    assert influence.sum() == pytest.approx(0.0, abs=1e-12)


def test_improvement_of_the_error():
    better = error_improvement(truth=[1.0, 2.0], before=[3.0, 6.0], after=[1.5, 2.5])
    assert (better.mae_before, better.mae_after, better.absolute) == (3.0, 0.5, 2.5)
    assert better.percent == pytest.approx(250 / 3)
    worse = error_improvement([1.0], [1.0], [3.0])
    assert worse.absolute == -2.0
    assert math.isnan(worse.relative)
    assert math.isnan(worse.percent)
    assert worse.reason == "there was no error before, so a relative improvement is undefined"
    with pytest.raises(LiftosError, match="1 treatments with a missing one"):
        error_improvement([1.0, math.nan], [1.0, 1.0], [1.0, 1.0])
    with pytest.raises(LiftosError, match="of one positive length"):
        error_improvement([], [], [])
