"""Geo lift where something else happens too: what is refused, what donors teach, and panels at the edge."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import Panel, estimate
from liftos_pipeline.causal.diagnostics.disturbances import after_start, before_start
from liftos_pipeline.causal.estimators.geo_contrast import contrasts, count_factors, leading_factors
from liftos_pipeline.causal.estimators.geo_lift import measure_lift
from liftos_pipeline.causal.estimators.geo_model import fit_lift
from liftos_pipeline.causal.inference.autoregression import (
    EXCESS,
    GRID,
    Mixture,
    excess_of_steps,
    profiles,
    shared_prior,
    step_statistics,
)
from liftos_pipeline.errors import LiftosError

START = 60


def logs(seed: int = 1, n_days: int = 88, n_donors: int = 12, correlation: float = 0.5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = 0.03 * rng.standard_normal((n_days, n_donors + 1))
    for day in range(1, n_days):
        noise[day] += correlation * noise[day - 1]
    season = 0.2 * np.sin(np.arange(n_days) * 2 * np.pi / 7)
    return rng.normal(6, 0.5, n_donors + 1) + season[:, None] + noise


def panel_of(values: np.ndarray, start: int = START, n_treated: int = 1) -> Panel:
    n_days, n_geos = values.shape
    day, geo = np.repeat(np.arange(n_days), n_geos), np.tile(np.arange(n_geos), n_days)
    d = ((geo < n_treated) & (day >= start)).astype(int)
    frame = pd.DataFrame({"geo": geo, "day": day, "d": d, "y": np.exp(values).ravel()})
    return Panel.from_frame(frame, outcome="y", treatment="d", unit="geo", period="day")


def moved(values: np.ndarray, size: float, days: slice, geos: slice | int) -> np.ndarray:
    changed = values.copy()
    changed[days, geos] += size
    return changed


def test_a_lift_moves_the_estimate_and_nothing_else():
    """What the benchmark rests on: without lift, false positives are the draws whose interval misses the lift."""
    values = logs()
    plain = measure_lift(values[:, 0], values[:, 1:], START)
    lifted = measure_lift(moved(values, 0.3, slice(START, None), 0)[:, 0], values[:, 1:], START)
    assert lifted.fit.step.mean - plain.fit.step.mean == pytest.approx(0.3, abs=1e-9)
    assert lifted.fit.step.std_error == pytest.approx(plain.fit.step.std_error, rel=1e-7)
    assert lifted.fit.step.p_value(0.3) == pytest.approx(plain.fit.step.p_value(), rel=1e-6)
    for name in ("before", "after"):
        assert vars(getattr(lifted, name)) == pytest.approx(vars(getattr(plain, name)), rel=1e-6)
    assert lifted.donor_step.p_value() == plain.donor_step.p_value()


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_quiet_world_is_released(seed):
    found = estimate("geo_did", panel_of(moved(logs(seed), 0.2, slice(START, None), 0)))
    assert found.refused is None
    assert found.ci_low < math.expm1(0.2) < found.ci_high
    assert found.diagnostics["donor_step_p"] > 0.01


@pytest.mark.parametrize(
    ("days", "geos", "reason"),
    [
        (slice(30, None), 0, r"moved -\d+\.\d% from 0 to 2\d|moved -\d+\.\d% from 0 to 30"),
        (slice(20, 30), 0, "donors do not follow the treated regions before the start"),
        (slice(START + 8, START + 13), 0, "one lift does not describe all periods from the start on"),
        (slice(START, START + 5), 0, "one lift does not describe all periods from the start on"),
        (slice(-5, None), 0, "one lift does not describe all periods from the start on"),
        (slice(START, None), slice(1, None), r"donors stepped \+\d\d\.\d% at the start"),
    ],
)
def test_what_moves_at_other_times_is_refused(days, geos, reason):
    found = estimate("geo_did", panel_of(moved(logs(), 0.25, days, geos)))
    assert re.search(reason, found.refused), found.refused
    assert math.isfinite(found.estimate)
    assert any(text.startswith("refused: ") for text in found.warnings)


def test_a_known_shock_of_all_regions_is_no_reason():
    values = moved(logs(), 0.25, slice(START, None), slice(None))
    assert estimate("geo_did", panel_of(values)).refused is not None
    allowed = estimate("geo_did", panel_of(values), shared_shock=True)
    assert allowed.refused is None
    assert allowed.diagnostics["donor_step"] == pytest.approx(math.expm1(0.25), abs=0.05)
    quiet = estimate("geo_did", panel_of(logs()))
    assert (allowed.estimate, allowed.ci_low) == pytest.approx((quiet.estimate, quiet.ci_low), rel=1e-6)


def test_maturing_conversions_that_all_regions_share_cancel():
    curve = np.log([0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.4])
    values = logs()
    late = values.copy()
    late[-7:] += curve[:, None]
    plain, found = (estimate("geo_did", panel_of(v)) for v in (values, late))
    assert found.refused is None
    assert (found.estimate, found.ci_high) == pytest.approx((plain.estimate, plain.ci_high), rel=1e-6)


def test_donors_that_step_widen_the_interval():
    values = logs()
    steps = np.zeros_like(values)
    steps[START:, 1:] = 0.1 * np.where(np.arange(12) % 2, 1.0, -1.0)
    plain, found = (measure_lift(v[:, 0], v[:, 1:], START).fit for v in (values, values + steps))
    assert found.excess > plain.excess
    assert found.step.std_error > 1.5 * plain.step.std_error


def test_slopes_of_donors_are_allowed_for_in_the_treated():
    values = logs(seed=5)
    slopes = np.random.default_rng(0).normal(0, 0.3, values.shape[1])
    slopes[0] = 0.3
    tilted = values + np.outer(np.arange(len(values)) / len(values), slopes)
    plain, found = (fit_lift(contrasts(v[:, 0], v[:, 1:]), START) for v in (values, tilted))
    assert plain.has_slopes < 0.5 < 0.99 < found.has_slopes
    assert abs(found.step.mean) < 2.5 * found.step.std_error
    assert found.step.std_error > 1.3 * plain.step.std_error


def test_factors_are_found_and_followed():
    rng = np.random.default_rng(2)
    values, factor = logs(seed=6, n_donors=20), np.zeros(88)
    for day in range(1, 88):
        factor[day] = 0.9 * factor[day - 1] + 0.04 * rng.standard_normal()
    loadings = rng.normal(1, 0.8, 21)
    driven = values + np.outer(factor, loadings)
    donors = contrasts(driven[:, 0], driven[:, 1:]).series[:, 1:]
    assert count_factors(contrasts(values[:, 0], values[:, 1:]).series[:, 1:]) == 0
    assert count_factors(donors) >= 1
    time = np.arange(88) - 43.5
    apart = factor - factor.mean() - time * (time @ factor) / (time @ time)
    assert abs(np.corrcoef(leading_factors(donors, 1)[:, 0], apart)[0, 1]) > 0.9
    assert fit_lift(contrasts(driven[:, 0], driven[:, 1:]), START).n_factors == count_factors(donors)


def test_alike_series_teach_the_autocorrelation():
    X = np.column_stack([np.ones(58), np.arange(58) >= 30]).astype(float)
    values = logs(n_days=58, n_donors=20, correlation=0.6)
    fits = profiles(contrasts(values[:, 0], values[:, 1:]).series, X, 1)
    likelihood = fits.log_likelihood
    prior = shared_prior(likelihood[:, :, 1:], 19.0)
    assert prior.sum() == pytest.approx(1.0)
    density = prior.sum(axis=0)
    assert density @ GRID == pytest.approx(0.6 * 0.8 + 0.2 * GRID.mean(), abs=0.08)
    assert density.min() == pytest.approx(0.2 / len(GRID), rel=0.01)
    alone = shared_prior(likelihood[:, :, :0], 0.0)
    np.testing.assert_allclose(alone / alone.sum(axis=1, keepdims=True), 1 / len(GRID))
    assert np.std(step_statistics(fits, np.full(likelihood.shape, 1 / likelihood[:, :, 0].size))) > 0


def test_excess_follows_the_squares():
    assert excess_of_steps(np.ones(20), 19.0) @ EXCESS < 1.05
    assert excess_of_steps(np.full(20, 3.0), 19.0) @ EXCESS == pytest.approx(9.0, rel=0.25)
    assert excess_of_steps(np.empty(0), 0.0)[0] == pytest.approx(0.95)


def test_mixtures_by_hand():
    from scipy import stats

    one = Mixture(np.array([0.5]), np.array([2.0]), np.array([1.0]), 7)
    low, high = one.interval(0.9)
    assert (low, high) == pytest.approx(stats.t.interval(0.9, 7, 0.5, 2.0), rel=1e-6)
    assert one.p_value() == pytest.approx(2 * stats.t.sf(0.25, 7))
    two = Mixture(np.array([0.0, 3.0]), np.array([1.0, 2.0]), np.array([0.75, 0.25]), 9)
    assert two.mean == pytest.approx(0.75)
    assert two.std_error == pytest.approx(math.sqrt(0.75 * (1 + 0.75**2) + 0.25 * (4 + 2.25**2)))
    for limit in two.interval(0.95):
        assert two.p_value(limit) == pytest.approx(0.05, rel=1e-4)


def test_families_of_disturbances_are_where_they_should_be():
    before, after = before_start(88, START), after_start(88, START)
    assert before.last.max() < START <= after.first.min()
    assert before.first.min() == 0
    assert after.last.max() == 87
    np.testing.assert_array_equal(before.shapes.sum(axis=0), before.last - before.first + 1)
    assert not ((before.first <= START - 1) & (before.last >= START - 1)).any()
    assert after_start(61, START).shapes.shape == (61, 0)


def test_a_single_period_after_the_start():
    values = moved(logs()[: START + 1], 0.5, slice(START, None), 0)
    found = estimate("geo_did", panel_of(values))
    assert found.refused is None
    assert found.ci_low < math.expm1(0.5) < found.ci_high
    assert found.ci_low > 0
    assert math.isnan(found.diagnostics["disturbance_after_p"])


def test_fewer_periods_before_than_donors():
    values = logs(n_days=24, n_donors=30)
    found = estimate("geo_did", panel_of(moved(values, 0.3, slice(10, None), 0), start=10))
    assert found.ci_low < math.expm1(0.3) < found.ci_high
    assert found.weights["weight"].between(0, 0.5).all()


def test_a_donor_without_noise_or_one_that_lacks_a_day():
    values = logs()
    constant = values.copy()
    constant[:, 5] = 6.0
    found = estimate("geo_did", panel_of(constant))
    weights = found.weights.set_index("unit")["weight"]
    assert weights[5] < 0.3 * weights.drop(5).median()
    day, geo = np.repeat(np.arange(88), 13), np.tile(np.arange(13), 88)
    frame = pd.DataFrame({"geo": geo, "day": day, "y": np.exp(values).ravel()})
    frame = frame.assign(d=((geo == 0) & (day >= START)).astype(int)).drop(index=13 * 20 + 4)
    lacking = estimate("geo_did", Panel.from_frame(frame, outcome="y", treatment="d", unit="geo", period="day"))
    without = estimate("geo_did", panel_of(np.delete(values, 4, axis=1)))
    assert "1 donors lack periods and were left out: 4" in lacking.warnings
    assert lacking.estimate == pytest.approx(without.estimate, rel=1e-9)


def test_two_donors_that_mirror_each_other_count_once():
    values = logs(n_donors=2)
    assert contrasts(values[:, 0], values[:, 1:]).n_independent == 1.0
    assert math.isfinite(estimate("geo_did", panel_of(values)).ci_high)


def test_a_zero_is_named():
    values = np.exp(logs())
    values[70, 3] = 0.0
    with np.errstate(divide="ignore"), pytest.raises(LiftosError, match="1 of 1144 at zero or below, in 3"):
        estimate("geo_did", panel_of(np.log(values)))
