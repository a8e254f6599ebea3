"""Building blocks of the worlds against outside witnesses: scipy's quantiles and filters, values by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import binom

from liftos_pipeline.errors import LiftosError
from liftos_pipeline.simulator.draws import (
    autoregression,
    binomial_quantile,
    carry_over,
    first_hits,
    response_path,
    saturate,
    stream,
)


def test_binomial_quantile_equals_scipy() -> None:
    rng = np.random.default_rng(3)
    uniforms, trials = rng.random(60_000), rng.integers(0, 80, 60_000)
    share = rng.choice([0.02, 0.3, 0.5, 0.6, 0.9, 0.9996, 1.0], 60_000)
    expected = np.where(trials == 0, 0, binom.ppf(uniforms, trials, share))
    np.testing.assert_array_equal(binomial_quantile(uniforms, trials, share), expected)


def test_binomial_quantile_refuses_what_a_double_cannot_hold() -> None:
    with pytest.raises(LiftosError, match=r"expected at most about 1,000.*; found 5000 conversions"):
        binomial_quantile(np.array([0.5]), np.array([5000]), np.array([0.6]))


def test_autoregression_is_stationary_with_its_correlation() -> None:
    n = 4000
    path = autoregression(np.random.default_rng(5).standard_normal((60, n)), 0.6, 0.2)
    # a variance of n draws has a relative error of sqrt(2 / n), a correlation one of (1 - rho^2) / sqrt(n)
    for day in (0, 30, 59):
        assert abs(path[day].var() / 0.04 - 1.0) < 4 * np.sqrt(2 / n)
    correlation = np.corrcoef(path[40], path[41])[0, 1]
    assert abs(correlation - 0.6) < 4 * (1 - 0.36) / np.sqrt(n)


def test_carry_over_equals_a_linear_filter() -> None:
    values = np.random.default_rng(6).random((50, 3))
    start = 0.7 * values[:1]
    expected = lfilter([0.3], [1.0, -0.7], values, axis=0, zi=start)[0]
    np.testing.assert_allclose(carry_over(values, 0.7), expected, rtol=1e-12)


def test_saturation_is_half_at_its_half() -> None:
    np.testing.assert_allclose(saturate(np.array([0.0, 2.0, 2.0 * 3.0 ** (1 / 1.2)]), 2.0), [0.0, 0.5, 0.75])


def test_response_rises_and_fades_by_its_equation() -> None:
    never = np.array([-1, -1])
    path = response_path(20, np.array([5, -1]), never, np.array([0.4, 0.4]), rise=3.0, decay=10.0)
    age = np.arange(15)
    np.testing.assert_allclose(path[5:, 0], 0.4 * (1 - np.exp(-(age + 1) / 3.0)) * np.exp(-age / 10.0))
    assert not path[:5, 0].any()
    assert not path[:, 1].any()


def test_first_hits_waits_for_the_first_day() -> None:
    uniforms = np.array([[0.0, 0.9], [0.9, 0.9], [0.1, 0.9], [0.0, 0.9]])
    assert first_hits(uniforms, np.full((4, 2), 0.5), first_day=1).tolist() == [2, -1]


def test_streams_differ_by_block_and_seed() -> None:
    draws = {tuple(stream(seed, block).random(4)) for seed in (0, 1) for block in ("a", "b")}
    assert len(draws) == 4
    np.testing.assert_array_equal(stream(7, "a").random(4), stream(7, "a").random(4))
