"""Geo lift: the likelihood by dense matrices, weights, arithmetic of lift and spend, refusals."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import toeplitz

from liftos_pipeline.causal import Panel, estimate
from liftos_pipeline.causal.estimators.geo_contrast import contrasts, precision_weights
from liftos_pipeline.causal.estimators.geo_model import fit_lift
from liftos_pipeline.causal.inference.autoregression import GRID, SLOPES, profiles
from liftos_pipeline.errors import LiftosError

ROLES = {"outcome": "y", "treatment": "d", "unit": "geo", "period": "day"}


def world(n_geos: int = 12, n_days: int = 60, start: int = 40, lift: float = 0.1, seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    noise = np.zeros((n_days, n_geos))
    for day in range(1, n_days):
        noise[day] = 0.5 * noise[day - 1] + 0.03 * rng.standard_normal(n_geos)
    season = 0.2 * np.sin(np.arange(n_days) * 2 * np.pi / 7)
    y = np.exp(rng.normal(6, 0.5, n_geos) + season[:, None] + noise)
    day, geo = np.repeat(np.arange(n_days), n_geos), np.tile(np.arange(n_geos), n_days)
    d = ((geo < 3) & (day >= start)).astype(int)
    frame = pd.DataFrame({"geo": geo, "day": day, "d": d, "y": y.ravel() * (1 + lift * d)})
    return frame.assign(spend=np.where(geo < 3, 10.0 + geo, 5.0) + 20.0 * d)


def panel_of(frame: pd.DataFrame, **roles: object) -> Panel:
    return Panel.from_frame(frame, **{**ROLES, **roles})


def test_the_likelihood_is_that_of_dense_matrices():
    """With a random slope too, whose variance is a multiple of that of the errors."""
    rng = np.random.default_rng(1)
    X = np.column_stack([np.ones(30), np.arange(30) >= 20]).astype(float)
    time = np.arange(30) - 14.5
    y = rng.standard_normal(30).cumsum() * 0.3 + 0.02 * time
    ours = profiles(y[:, None], X, 1)
    for place, correlation in list(enumerate(GRID))[::7]:
        V = toeplitz(correlation ** np.arange(30)) / (1 - correlation**2)
        wide = np.column_stack([X, time])
        P = np.linalg.inv(V)
        left = y - wide @ np.linalg.solve(wide.T @ P @ wide, wide.T @ P @ y)
        variance = left @ P @ left / 27
        relative = []
        for spread, scale in enumerate(SLOPES * ours.slope_unit):
            P = np.linalg.inv(V + scale**2 / variance * np.outer(time, time))
            gram = X.T @ P @ X
            beta = np.linalg.solve(gram, X.T @ P @ y)
            squares = (y - X @ beta) @ P @ (y - X @ beta)
            assert ours.estimate[spread, place, 0] == pytest.approx(beta[1], rel=1e-7)
            error = math.sqrt(squares / 28 * np.linalg.inv(gram)[1, 1])
            assert ours.std_error[spread, place, 0] == pytest.approx(error, rel=1e-7)
            log_det = np.linalg.slogdet(P)[1] - np.linalg.slogdet(gram)[1]
            relative.append(ours.log_likelihood[spread, place, 0] - 0.5 * log_det + 14 * math.log(squares))
        np.testing.assert_allclose(relative, 0.0, atol=1e-6)


def test_the_interval_and_the_p_value_agree():
    found = estimate("geo_did", panel_of(world(lift=0.03)))
    limit = found.ci_low if found.p_value < 0.05 else found.ci_high
    assert (found.p_value < 0.05) == (found.ci_low > 0 or found.ci_high < 0)
    frame = world(lift=0.03)
    for step, rejected in ((1.0005, True), (0.9995, False)):
        moved = frame.assign(y=np.where(frame["d"] == 1, frame["y"] / ((1 + limit) ** step), frame["y"]))
        p_value = estimate("geo_did", panel_of(moved)).p_value
        assert (p_value < 0.05) is rejected or abs(p_value - 0.05) < 2e-3


def test_lift_incremental_outcome_and_return_by_hand():
    frame = world()
    panel = panel_of(frame, covariates=["spend"])
    found = estimate("geo_did", panel, spend="spend")
    wide = frame.pivot(index="day", columns="geo", values="y").to_numpy()
    weights = found.weights["weight"].to_numpy()
    np.testing.assert_allclose(weights, precision_weights(np.log(wide[:, 3:])))
    contrast = np.log(wide[:, :3].sum(axis=1)) - np.log(wide[:, 3:]) @ weights
    step = fit_lift(contrasts(np.log(wide[:, :3].sum(axis=1)), np.log(wide[:, 3:])), 40).step
    assert found.estimate == pytest.approx(math.expm1(step.mean))
    assert found.std_error == pytest.approx(math.exp(step.mean) * step.std_error)
    assert step.share_above(math.log1p(found.ci_high)) == pytest.approx(0.025, rel=1e-4)
    assert step.share_above(math.log1p(found.ci_low)) == pytest.approx(0.975, rel=1e-4)
    total = wide[40:, :3].sum()
    incremental = found.diagnostics["incremental_outcome"]
    assert incremental["estimate"] == pytest.approx(total - total / (1 + found.estimate))
    assert incremental["ci_low"] == pytest.approx(total - total / (1 + found.ci_low))
    assert found.diagnostics["incremental_spend"] == pytest.approx(20.0 * 3 * 20)
    assert found.diagnostics["iroas"]["ci_high"] == pytest.approx(incremental["ci_high"] / 1_200)
    told = estimate("geo_did", panel_of(frame), spend=600.0)
    assert told.diagnostics["iroas"]["estimate"] == pytest.approx(incremental["estimate"] / 600)
    np.testing.assert_allclose(found.path["estimate"], np.expm1(contrast - contrast[:40].mean()))


def test_sizes_of_regions_and_shared_seasons_do_not_matter():
    frame = world()
    plain = estimate("geo_did", panel_of(frame))
    moved = frame.assign(y=frame["y"] * (1 + frame["geo"] * (frame["geo"] > 2)) * np.exp(0.1 * frame["day"]))
    again = estimate("geo_did", panel_of(moved))
    assert (again.estimate, again.ci_low, again.p_value) == pytest.approx(
        (plain.estimate, plain.ci_low, plain.p_value), rel=1e-6
    )


def test_noisy_donors_weigh_less():
    rng = np.random.default_rng(3)
    noise = rng.standard_normal((4_000, 8)) * np.array([1, 1, 1, 1, 2, 2, 2, 4])
    weights = precision_weights(noise + rng.standard_normal((4_000, 1)))
    expected = 1 / np.array([1, 1, 1, 1, 4, 4, 4, 16])
    np.testing.assert_allclose(weights, expected / expected.sum(), rtol=0.15)
    assert precision_weights(np.ones((10, 4))) == pytest.approx(np.full(4, 0.25))


def test_the_same_seed_gives_the_same_bits():
    first, second = (estimate("geo_did", panel_of(world()), seed=4) for _ in range(2))
    assert (first.ci_low, first.p_value) == (second.ci_low, second.p_value)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda f: f.assign(y=f["y"].where(f.index != 8, 0.0)), {}, "1 of 720 at zero or below, in 8"),
        (
            lambda f: f.assign(d=f["d"] * ((f["geo"] > 0) | (f["day"] >= 50)).astype(int)),
            {},
            "treated regions that start together; found 2 starts",
        ),
        (lambda f: f[f["day"].between(38, 41)], {}, "at least 6 periods; found 4"),
        (lambda f: f, {"spend": 0.0}, "a positive incremental spend; found 0"),
        (lambda f: f, {"spend": "cost"}, "the spend among the covariates x; found cost"),
        (lambda f: f.assign(y=7.0), {}, "a series with noise; found one that the regression fits exactly"),
    ],
)
def test_what_cannot_be_done_is_refused(change, options, message):
    frame = change(world().assign(x=lambda f: f["geo"] * 1.0))
    with pytest.raises(LiftosError, match=message):
        estimate("geo_did", panel_of(frame, covariates=["x"]), **options)
