"""Augmented synthetic control: the correction by hand, the choice of its penalty, its set, refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import Panel, estimate
from liftos_pipeline.causal.estimators.augmented_synthetic_control import cross_validated_penalty, ridge_weights
from liftos_pipeline.errors import LiftosError

ROLES = {"outcome": "y", "treatment": "d", "unit": "geo", "period": "week"}


def world(
    n_units: int = 20, n_weeks: int = 40, start: int = 30, effect: float = 2.0, seed: int = 8
) -> pd.DataFrame:
    """The treated unit lies a little outside its donors."""
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((n_weeks, 2)).cumsum(axis=0)
    loadings = rng.uniform(0.2, 1.0, (2, n_units))
    loadings[:, 0] = 1.1
    y = 10 + factors @ loadings + 0.3 * rng.standard_normal((n_weeks, n_units))
    week, geo = np.repeat(np.arange(n_weeks), n_units), np.tile(np.arange(n_units), n_weeks)
    d = ((geo == 0) & (week >= start)).astype(int)
    return pd.DataFrame({"geo": geo, "week": week, "d": d, "y": y.ravel() + effect * d})


def panel_of(frame: pd.DataFrame) -> Panel:
    return Panel.from_frame(frame, **ROLES)


def test_the_correction_is_a_ridge_regression_of_outcomes():
    """Weights applied to a donor outcome equal the simplex mean plus what the regression predicts of the misfit."""
    wide = world().pivot(index="week", columns="geo", values="y").to_numpy()
    x, D = wide[:30, 0], wide[:30, 1:]
    fit = ridge_weights(x, D, 5.0)
    assert fit.weights.sum() == pytest.approx(1.0)
    later = wide[35, 1:]
    centred = (D - D.mean(axis=1, keepdims=True)).T
    slopes = np.linalg.solve(centred.T @ centred + 5.0 * np.eye(30), centred.T @ (later - later.mean()))
    misfit = (x - D.mean(axis=1)) - centred.T @ fit.simplex
    assert fit.weights @ later == pytest.approx(fit.simplex @ later + misfit @ slopes)
    assert (fit.simplex >= 0).all()
    np.testing.assert_allclose(ridge_weights(x, D, 1e12).weights, fit.simplex, atol=1e-8)


def test_the_penalty_is_the_largest_within_one_standard_error():
    wide = world(n_weeks=16, start=12).pivot(index="week", columns="geo", values="y").to_numpy()
    x, D = wide[:12, 0], wide[:12, 1:]
    largest = np.linalg.svd(D - D.mean(axis=1, keepdims=True))[1][0] ** 2
    penalties = largest * 1e-8 ** (np.arange(21) / 20)
    errors = np.array(
        [
            [
                (x[t] - D[t] @ ridge_weights(np.delete(x, t), np.delete(D, t, axis=0), penalty).weights) ** 2
                for penalty in penalties
            ]
            for t in range(12)
        ]
    )
    mean, spread = errors.mean(axis=0), errors.std(axis=0, ddof=1) / np.sqrt(12)
    best = np.argmin(mean)
    expected = penalties[mean <= mean[best] + spread[best]].max()
    assert cross_validated_penalty(x, D) == pytest.approx(expected)


def test_the_estimate_fits_better_than_without_correction():
    found = estimate("augmented_synthetic_control", panel_of(world()))
    plain = estimate("synthetic_control", panel_of(world()))
    assert found.diagnostics["pre_rmspe"] < plain.diagnostics["pre_rmspe"]
    assert found.diagnostics["estimate_without_correction"] == pytest.approx(plain.estimate)
    assert abs(found.estimate - 2.0) < abs(plain.estimate - 2.0)
    wide = world().pivot(index="week", columns="geo", values="y")
    weights = found.weights.set_index("unit")["weight"]
    gap = wide[0] - wide[weights.index] @ weights
    np.testing.assert_allclose(found.path["estimate"], gap, atol=1e-9)
    assert found.estimate == pytest.approx(gap[30:].mean())


def test_the_set_holds_what_the_test_does_not_reject():
    frame = world()
    found = estimate("augmented_synthetic_control", panel_of(frame), level=0.9, penalty=50.0)
    assert found.ci_low < 2.0 < found.ci_high
    for limit, outward in ((found.ci_low, -1), (found.ci_high, 1)):
        for step, rejected in ((0.01, True), (-0.01, False)):
            tried = frame.assign(y=frame["y"] - (limit + outward * step) * frame["d"])
            p_value = estimate("augmented_synthetic_control", panel_of(tried), penalty=50.0).p_value
            assert (p_value <= 0.1) is rejected


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda f: f, {"penalty": 0.0}, "a penalty above 0; found 0.0"),
        (
            lambda f: f.assign(d=f["d"] | ((f["geo"] == 1) & (f["week"] >= 35)).astype(int)),
            {},
            "treated units that start together; found 2 starts",
        ),
        (lambda f: f.assign(y=f["week"] * 1.0), {}, "donors that differ from each other before the start"),
    ],
)
def test_what_cannot_be_done_is_refused(change, options, message):
    with pytest.raises(LiftosError, match=message):
        estimate("augmented_synthetic_control", panel_of(change(world())), **options)
