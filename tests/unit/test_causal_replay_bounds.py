"""Limits of rates over replays that share units and dates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import norm

from liftos_pipeline.causal.inference.replay_bounds import (
    Bounds,
    Membership,
    percentile_limits,
    resampled_weights,
    simultaneous_rates,
    weighted_mean,
    weighted_quantile,
)


def crossed(n_units: int, n_dates: int, block: int = 1) -> Membership:
    """Each replay has one unit and one date; each pair occurs once."""
    unit, date = np.repeat(np.arange(n_units), n_dates), np.tile(np.arange(n_dates), n_units)
    return Membership(np.arange(len(unit)), unit, date, len(unit), n_units, n_dates, block)


def test_weights_have_mean_one_whatever_the_block() -> None:
    for block in (1, 4, 7, 50):
        weights = resampled_weights(crossed(12, 10, block), seed=1, n_draws=4_000)
        assert weights.shape == (4_000, 120)
        assert (weights >= 0).all()
        assert weights.mean() == pytest.approx(1.0, abs=4 * weights.mean(axis=1).std() / math.sqrt(4_000))


def test_a_replays_weight_is_its_count_times_the_mean_of_unit_times_date() -> None:
    """One replay of two units: with one date and one replay, only the units' counts are left, and they add to two."""
    both = Membership(np.array([0, 0]), np.array([0, 1]), np.array([0, 0]), 1, 2, 1, 1)
    np.testing.assert_allclose(resampled_weights(both, seed=3, n_draws=50), 1.0)
    one = Membership(np.array([0]), np.array([0]), np.array([0]), 1, 2, 1, 1)
    assert set(resampled_weights(one, seed=3, n_draws=200).ravel()) == {0.0, 1.0, 2.0}


def test_blocks_keep_neighbouring_dates_together_and_go_round() -> None:
    whole = resampled_weights(Membership(np.arange(6), np.zeros(6, int), np.arange(6), 6, 1, 6, 6), 0, 300)
    own = resampled_weights(Membership(np.arange(6), np.zeros(6, int), np.arange(6), 6, 1, 6, 1), 0, 300)
    assert set(np.unique(whole)) <= set(range(7))
    np.testing.assert_allclose(whole.sum(axis=1), 6.0)  # every date once: only the replays' own counts vary
    assert own.sum(axis=1).std() > 1.0


def test_the_spread_is_that_of_units_dates_and_replays_added() -> None:
    """Variance of a rate over crossed units and dates: Owen's formula for the pigeonhole bootstrap, by simulation."""
    rng = np.random.default_rng(5)
    members = crossed(40, 40)
    unit, date = rng.normal(size=40), rng.normal(size=40)
    values = unit[members.unit] + date[members.date]
    spread = weighted_mean(values, resampled_weights(members, seed=2, n_draws=4_000)).std()
    expected = math.sqrt(unit.var() / 40 + date.var() / 40 + 3 * values.var() / 1_600)
    assert spread == pytest.approx(expected, rel=0.05)


def test_the_same_seed_gives_the_same_weights() -> None:
    first, again, other = (resampled_weights(crossed(5, 5), seed, 20) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_weighted_mean_leaves_out_nan_and_is_nan_without_weight() -> None:
    values = np.array([1.0, np.nan, 3.0, 10.0])
    weights = np.array([[1.0, 5.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 3.0, 4.0]])
    np.testing.assert_allclose(weighted_mean(values, weights), [2.0, np.nan, 50.0 / 8.0])


def test_a_weighted_quantile_is_the_smallest_value_with_the_share() -> None:
    values = np.array([4.0, 1.0, np.inf, 2.0])
    equal, odd, none = np.ones(4), np.array([0.0, 1.0, 0.0, 9.0]), np.zeros(4)
    found = weighted_quantile(values, np.array([equal, odd, none]), 0.75)
    np.testing.assert_array_equal(found, [4.0, 2.0, np.nan])
    assert weighted_quantile(values, equal[None], 0.76)[0] == np.inf
    assert weighted_quantile(values, equal[None], 0.25)[0] == 1.0


def width(bounds: Bounds) -> float:
    """Of the first rate's limits, on the scale of log odds."""
    return float(logit(bounds.high[0]) - logit(bounds.low[0]))


def test_a_single_rate_that_does_not_vary_with_units_has_binomial_limits() -> None:
    hits = np.zeros(400)
    hits[:40] = 1.0
    bounds = simultaneous_rates([hits], np.ones((10, 400)), 0.95)
    smoothed = 41 / 402
    margin = norm.ppf(0.975) / math.sqrt(smoothed * (1 - smoothed) * 400)
    assert bounds.value[0] == 0.1
    assert bounds.low[0] == pytest.approx(expit(logit(smoothed) - margin))
    assert bounds.high[0] == pytest.approx(expit(logit(smoothed) + margin))


def test_more_rates_have_wider_limits_and_those_without_answers_do_not_count() -> None:
    rng = np.random.default_rng(1)
    hits = [(rng.random(400) < 0.1).astype(float) for _ in range(5)]
    weights = np.ones((10, 400))
    none = np.full(400, np.nan)
    one, five = simultaneous_rates(hits[:1], weights, 0.95), simultaneous_rates(hits, weights, 0.95)
    padded = simultaneous_rates([hits[0], none, none], weights, 0.95)
    sidak = norm.ppf(0.5 * (1 + 0.95**0.2)) / norm.ppf(0.975)
    assert width(five) == pytest.approx(sidak * width(one))
    assert padded.low[0] == one.low[0]
    assert np.isnan([padded.value[1], padded.low[1], padded.high[2]]).all()


def test_limits_stay_between_zero_and_one_and_no_rates_are_no_limits() -> None:
    bounds = simultaneous_rates([np.zeros(30), np.ones(30)], np.ones((5, 30)), 0.95)
    assert (bounds.low[0], bounds.high[1]) == (0.0, 1.0)
    assert 0.03 < bounds.high[0] < 0.5 and bounds.low[1] == pytest.approx(1 - bounds.high[0])
    assert len(simultaneous_rates([], np.ones((5, 30)), 0.95).value) == 0


def test_limits_are_wide_where_draws_vary_and_the_rates_move_together() -> None:
    """Two rates that are the same need no more room than one."""
    rng = np.random.default_rng(2)
    hits = (rng.random(100) < 0.3).astype(float)
    weights = rng.multinomial(10, np.full(100, 0.01), size=2_000) * 10.0
    one, two = simultaneous_rates([hits], weights, 0.95), simultaneous_rates([hits, hits], weights, 0.95)
    spread = weighted_mean(hits, weights).std()
    smoothed = (hits.sum() + 1) / 102
    assert width(one) == pytest.approx(2 * norm.ppf(0.975) * spread / (smoothed * (1 - smoothed)), rel=0.05)
    assert two.low[0] < one.low[0]


def test_percentile_limits_keep_infinity_and_leave_out_nan() -> None:
    assert percentile_limits(np.array([np.nan, np.nan]), 0.95) == pytest.approx((math.nan, math.nan), nan_ok=True)
    low, high = percentile_limits(np.array([1.0, 2.0, np.inf, np.inf, np.nan]), 0.9)
    assert (low, high) == (1.0, math.inf)
