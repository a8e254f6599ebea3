"""Panels on which synthetic controls go wrong: each method answers with the planted effect, warns, or refuses."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import Panel, estimate
from liftos_pipeline.causal.estimators.synthetic_did import Cohort, StandIns, fit_cohort
from liftos_pipeline.errors import LiftosError

METHODS = ("synthetic_control", "augmented_synthetic_control", "synthetic_did")
EFFECT = 3.0


def world(
    n_units: int = 25, n_days: int = 40, starts: tuple[int, ...] = (30,), seed: int = 5, noise: float = 0.2
) -> pd.DataFrame:
    """Two factors; the first units adopt at the starts and are combinations of the others up to noise."""
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((n_days, 2)).cumsum(axis=0)
    loadings = rng.uniform(0.2, 1.0, (2, n_units))
    loadings[:, : len(starts)] = loadings[:, len(starts) :].mean(axis=1, keepdims=True)
    y = 20 + factors @ loadings + noise * rng.standard_normal((n_days, n_units))
    day, unit = np.repeat(np.arange(n_days), n_units), np.tile(np.arange(n_units), n_days)
    start = np.array([*starts, *[n_days] * (n_units - len(starts))])
    d = (day >= start[unit]).astype(int)
    return pd.DataFrame({"unit": unit, "day": day, "d": d, "y": y.ravel() + EFFECT * d})


def found(method: str, frame: pd.DataFrame, **options: object):
    panel = Panel.from_frame(frame, outcome="y", treatment="d", unit="unit", period="day")
    return estimate(method, panel, **options)


@pytest.mark.parametrize("method", METHODS)
def test_fewer_days_before_than_donors(method: str) -> None:
    effect = found(method, world(n_units=40, n_days=20, starts=(12,)))
    assert effect.estimate == pytest.approx(EFFECT, abs=0.6)
    assert math.isfinite(effect.p_value)


@pytest.mark.parametrize("method", METHODS)
def test_a_missing_donor_day_costs_that_donor_and_says_so(method: str) -> None:
    frame = world()
    effect = found(method, frame[~((frame["unit"] == 9) & (frame["day"] == 33))])
    assert "1 donors lack periods and were left out: 9" in effect.warnings
    without = found(method, frame[frame["unit"] != 9])
    assert (effect.estimate, effect.ci_low) == (without.estimate, without.ci_low)


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_donor_is_a_donor_like_others(method: str) -> None:
    frame = world()
    effect = found(method, frame.assign(y=np.where(frame["unit"] == 9, 20.0, frame["y"])))
    assert effect.estimate == pytest.approx(EFFECT, abs=0.6)
    assert 9 in set(effect.weights["unit"])


@pytest.mark.parametrize("method", METHODS)
def test_one_day_after_the_start(method: str) -> None:
    effect = found(method, world(n_days=31))
    assert effect.estimate == pytest.approx(EFFECT, abs=0.8)
    assert effect.path["event_time"].max() == 0
    assert not math.isnan(effect.ci_low)


@pytest.mark.parametrize("method", ["synthetic_control", "synthetic_did"])
def test_two_treated_units_with_different_starts(method: str) -> None:
    frame = world(starts=(24, 32))
    both = found(method, frame)
    assert both.estimate == pytest.approx(EFFECT, abs=0.6) and both.n_treated == 2
    assert both.path["event_time"].tolist() == list(range(-24, 8))


def test_augmented_control_refuses_two_starts() -> None:
    with pytest.raises(LiftosError, match="treated units that start together; found 2 starts"):
        found("augmented_synthetic_control", world(starts=(24, 32)))


@pytest.mark.parametrize("method", METHODS)
def test_a_unit_far_above_its_donors(method: str) -> None:
    """Synthetic control cannot reach it and warns; the double difference does not need to."""
    frame = world()
    effect = found(method, frame.assign(y=frame["y"] + 50.0 * (frame["unit"] == 0)))
    if method == "synthetic_did":
        assert effect.estimate == pytest.approx(EFFECT, abs=0.6)
    elif method == "synthetic_control":
        assert any("lies outside its donors in 100 % of the periods before" in told for told in effect.warnings)
        assert effect.p_value > 0.05
    else:
        assert effect.diagnostics["pre_rmspe_without_correction"] > 40


@pytest.mark.parametrize("method", METHODS)
def test_outcomes_of_zero_are_outcomes(method: str) -> None:
    frame = world()
    moved = frame.assign(y=frame["y"] - frame.loc[(frame["unit"] == 4) & (frame["day"] == 3), "y"].iloc[0])
    assert (moved["y"] == 0).any()
    assert found(method, moved).estimate == pytest.approx(found(method, frame).estimate, rel=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_outcomes_that_cannot_be_squared_are_refused(method: str) -> None:
    frame = world()
    for scale, seen in ((1e299, r"\d\.?\d*e\+(299|300)"), (1e-160, r"\d\.?\d*e-(159|160)")):
        with pytest.raises(LiftosError, match=rf"outcomes that differ by 1e-150 to 1e\+150; found {seen}"):
            found(method, frame.assign(y=frame["y"] * scale))
    scaled = found(method, frame.assign(y=frame["y"] * 1e148))
    assert scaled.estimate == pytest.approx(1e148 * found(method, frame).estimate, rel=1e-6)


@pytest.mark.parametrize("start", [2, 3, 12, 20])
def test_stand_ins_have_the_effects_that_fitting_them_one_by_one_gives(start: int) -> None:
    """Also where donors are left out that stand for units of another start."""
    rng = np.random.default_rng(8)
    Y = rng.normal(size=(26, 1)).cumsum(axis=0) + 50 * rng.normal(size=30) + rng.normal(size=(26, 30))
    placebos = StandIns(Y, start)
    for _ in range(5):
        order = rng.permutation(30)
        slow = fit_cohort(Cohort(Y[:, order[:3]], Y[:, order[6:]], start)).effect
        assert placebos.effect(order[:3], order[6:]) == pytest.approx(slow, rel=1e-9)


def test_stand_ins_that_do_not_vary_are_fitted_one_by_one() -> None:
    Y = np.tile(np.arange(12.0)[:, None], 8)
    assert StandIns(Y, 8).effect(np.array([0]), np.arange(1, 8)) == pytest.approx(0.0, abs=1e-9)
