"""Temporal precedence: a planted lead is found, a shared week, trend or random walk is not one."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.tsa.stattools import grangercausalitytests

from liftos_pipeline.benchmarks.list_worlds import autoregression
from liftos_pipeline.causal.diagnostics.precedence import temporal_precedence
from liftos_pipeline.causal.inference.multiplicity import cauchy_combination
from liftos_pipeline.errors import LiftosError

N_PERIODS = 180
SIZE_SEED, POWER_SEED = 8_001, 8_002
WIDTH = 3.5
"""Standard errors of the Monte-Carlo: a correct test fails one cell in about 4,000."""


def led(n: int, effect: float, rng: np.random.Generator, lag: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """AR(.5) causes, and AR(.5) effects that they move ``lag`` days later."""
    cause = autoregression(n, N_PERIODS + 50, 0.5, rng) / np.sqrt(0.75)
    effects = rng.standard_normal(cause.shape)
    effects[:, lag:] += effect * cause[:, :-lag]
    for now in range(1, effects.shape[1]):
        effects[:, now] += 0.5 * effects[:, now - 1]
    return cause[:, 50:], effects[:, 50:]


@pytest.mark.parametrize("n_lags", [1, 3])
def test_one_number_of_lags_is_statsmodels_f_test(n_lags):
    cause, effect = (series[0] for series in led(1, 0.2, np.random.default_rng(8_100)))
    found = temporal_precedence(
        cause, effect, lags=[n_lags], own_lags=n_lags, weekly=False, trend=False, unit_root="levels"
    )
    witness = grangercausalitytests(np.column_stack([effect, cause]), [n_lags])[n_lags][0]["ssr_ftest"]
    assert found.by_lag[0, 0] == pytest.approx(witness[1], rel=1e-8)
    assert found.n_used[0] == N_PERIODS - n_lags
    assert found.p_value[0] == pytest.approx(found.by_lag[0, 0], rel=0.05)


def test_a_lead_is_found_one_way_only():
    cause, effect = led(40, 0.5, np.random.default_rng(8_200))
    forth, back = temporal_precedence(cause, effect), temporal_precedence(effect, cause)
    assert (forth.p_value < 0.01).mean() > 0.9
    assert (back.p_value < 0.05).mean() < 0.2
    assert forth.overall_p < 1e-6 < back.overall_p
    assert forth.lags == (1, 2, 3, 5, 7)
    assert (forth.by_lag[:, 1] < forth.by_lag[:, 0]).mean() > 0.9


@pytest.mark.parametrize("world", ["AR(.5)", "AR(.8)", "week", "trend", "random walks", "t(3)"])
def test_size_where_nothing_leads(world):
    n = 2_000
    rng = np.random.default_rng([SIZE_SEED, len(world), ord(world[-2])])
    rho = {"AR(.8)": 0.8}.get(world, 0.5)
    x, y = (autoregression(n, N_PERIODS, rho, rng) for _ in range(2))
    day = np.arange(N_PERIODS)
    if world == "week":
        x, y = (series + 2.0 * np.sin(2.0 * np.pi * day / 7.0) for series in (x, y))
    if world == "trend":
        x, y = x + 0.03 * day, y + 0.02 * day
    if world == "random walks":
        x, y = (np.cumsum(rng.standard_normal((n, N_PERIODS)), axis=1) for _ in range(2))
    if world == "t(3)":
        x, y = (rng.standard_t(3, (n, N_PERIODS)) for _ in range(2))
    limit = 0.07 if world == "t(3)" else 0.05
    rejected = np.mean(temporal_precedence(x, y).p_value <= 0.05)
    assert rejected < limit + WIDTH * np.sqrt(limit * (1 - limit) / n)
    assert rejected > 0.03
    if world in {"week", "random walks", "trend"}:
        careless = temporal_precedence(x, y, weekly=False, trend=False, unit_root="levels", own_lags=1)
        assert np.mean(careless.p_value <= 0.05) > 0.1


@pytest.mark.parametrize(("effect", "floor"), [(0.15, 0.31), (0.25, 0.73)])
def test_power_at_a_lead_of_two_days(effect, floor):
    x, y = led(1_500, effect, np.random.default_rng([POWER_SEED, int(100 * effect)]))
    assert np.mean(temporal_precedence(x, y).p_value <= 0.05) > floor


def test_units_are_tested_alone_and_scale_does_not_matter():
    x, y = led(5, 0.3, np.random.default_rng(8_300))
    together = temporal_precedence(x, y)
    for unit in range(5):
        alone = temporal_precedence(1e6 * x[unit] + 3.0, -2e-4 * y[unit])
        np.testing.assert_allclose(alone.by_lag[0], together.by_lag[unit], rtol=1e-6)


def test_gaps_take_out_the_periods_that_need_them_and_only_those():
    x, y = led(2, 0.5, np.random.default_rng(8_400))
    x[0, 100] = np.nan
    x[1, :20], y[1, :20] = np.nan, np.nan
    found = temporal_precedence(x, y, unit_root="levels")
    assert found.n_used.tolist() == [N_PERIODS - 7 - 7, N_PERIODS - 20 - 7]
    whole = temporal_precedence(x[1:, 20:], y[1:, 20:], unit_root="levels")
    np.testing.assert_allclose(found.by_lag[1], whole.by_lag[0], rtol=1e-6)


def test_series_that_cannot_be_tested_say_why():
    x, y = led(4, 0.5, np.random.default_rng(8_500))
    x[1], y[2] = 3.0, np.nan
    y[3] = np.roll(x[3], 1)
    found = temporal_precedence(x, y)
    assert np.isnan(found.p_value[1:3]).all()
    assert found.reason[0] is None
    assert "constant" in found.reason[1]
    assert found.reason[2] == "0 periods with all lags, at least 66 are needed"
    assert found.overall_p == pytest.approx(cauchy_combination(found.p_value[~np.isnan(found.p_value)]))
    short = temporal_precedence(x[:, :7], y[:, :7], unit_root="levels")
    assert short.reason[0] == "7 periods, more than 7 are needed"
    assert np.isnan(short.overall_p)


def test_wrong_calls_are_refused():
    x, y = led(1, 0.0, np.random.default_rng(8_600))
    with pytest.raises(LiftosError, match="series of one shape"):
        temporal_precedence(x, y[:, 1:])
    with pytest.raises(LiftosError, match="1 infinite values"):
        temporal_precedence(np.where(x == x.max(), np.inf, x), y)
    with pytest.raises(LiftosError, match="lags and own_lags of one period or more"):
        temporal_precedence(x, y, lags=[0, 1])
    with pytest.raises(LiftosError, match="unit_root one of test, levels, difference"):
        temporal_precedence(x, y, unit_root="augmented")


def test_cauchy_combination_is_its_definition_and_exact_in_the_tail():
    p = np.array([[0.01, 0.2, 0.7], [0.5, 0.5, 0.5]])
    expected = 0.5 - np.arctan(np.tan((0.5 - p) * np.pi).mean(axis=1)) / np.pi
    np.testing.assert_allclose(cauchy_combination(p), expected, rtol=1e-10)
    tiny = cauchy_combination(np.array([1e-20, 0.3]))
    assert tiny == pytest.approx(2e-20, rel=1e-6)
    assert cauchy_combination(np.array([1.0, 1.0])) == pytest.approx(1.0)
    assert np.isnan(cauchy_combination(np.array([np.nan, 0.1])))
