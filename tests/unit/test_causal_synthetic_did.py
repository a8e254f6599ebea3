"""Synthetic difference-in-differences: its weights, cohorts, resampling by hand, and refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import Panel, estimate
from liftos_pipeline.causal.estimators.synthetic_did import Cohort, fit_cohort
from liftos_pipeline.errors import LiftosError

ROLES = {"outcome": "y", "treatment": "d", "unit": "geo", "period": "week"}


def world(
    starts: dict[int, int], n_units: int = 16, n_weeks: int = 24, effect: float = 1.5, seed: int = 4
) -> pd.DataFrame:
    """Units with levels of their own and two factors; ``starts`` maps treated units to their first treated week."""
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((n_weeks, 2)).cumsum(axis=0) * 0.5
    y = (
        factors @ rng.uniform(0, 1, (2, n_units))
        + 5 * rng.standard_normal(n_units)
        + 0.3 * rng.standard_normal((n_weeks, n_units))
    )
    week, geo = np.repeat(np.arange(n_weeks), n_units), np.tile(np.arange(n_units), n_weeks)
    start = np.array([starts.get(unit, n_weeks) for unit in range(n_units)])
    d = (week >= start[geo]).astype(int)
    return pd.DataFrame({"geo": geo, "week": week, "d": d, "y": y.ravel() + effect * d})


def panel_of(frame: pd.DataFrame, **roles: object) -> Panel:
    return Panel.from_frame(frame, **{**ROLES, **roles})


def test_the_estimate_is_a_weighted_double_difference():
    frame = world({0: 16, 1: 16})
    found = estimate("synthetic_did", panel_of(frame), draws=5)
    wide = frame.pivot(index="week", columns="geo", values="y")
    omega = found.weights.set_index("unit")["weight"]
    lambda_ = pd.Series(found.diagnostics["period_weights"][0])
    lambda_.index = lambda_.index.astype(int)
    gap = wide[[0, 1]].mean(axis=1) - wide[omega.index] @ omega
    assert omega.sum() == pytest.approx(1.0)
    assert lambda_.sum() == pytest.approx(1.0)
    assert found.estimate == pytest.approx(gap[16:].mean() - lambda_ @ gap[lambda_.index])
    assert found.estimate == pytest.approx(1.5, abs=0.4)
    np.testing.assert_allclose(found.path["estimate"], gap - lambda_ @ gap[lambda_.index], atol=1e-10)
    assert list(found.path["event_time"]) == list(range(-16, 8))


def test_levels_of_units_do_not_matter():
    frame = world({0: 16})
    plain = estimate("synthetic_did", panel_of(frame), draws=5).estimate
    moved = frame.assign(y=frame["y"] + 40.0 * (frame["geo"] == 0) - 7.0 * (frame["geo"] == 5))
    assert estimate("synthetic_did", panel_of(moved), draws=5).estimate == pytest.approx(plain, abs=1e-7)


def test_cohorts_are_averaged_by_their_treated_cells():
    frame = world({0: 12, 1: 12, 2: 18})
    found = estimate("synthetic_did", panel_of(frame), draws=5)
    early = estimate("synthetic_did", panel_of(frame[frame["geo"] != 2]), draws=5)
    late = estimate("synthetic_did", panel_of(frame[~frame["geo"].isin([0, 1])]), draws=5)
    assert found.estimate == pytest.approx((early.estimate * 24 + late.estimate * 6) / 30)
    assert found.diagnostics["cohort_effects"] == pytest.approx({"12": early.estimate, "18": late.estimate})
    assert list(found.path["event_time"]) == list(range(-12, 6))
    averaged = (2 * early.path.set_index("event_time") + late.path.set_index("event_time")) / 3
    np.testing.assert_allclose(found.path["estimate"], averaged["estimate"].loc[-12:5])
    assert set(found.weights["start"]) == {12, 18}


def test_placebos_are_donors_in_the_place_of_the_treated():
    frame = world({0: 16}, n_units=8)
    found = estimate("synthetic_did", panel_of(frame), draws=4_000, seed=9)
    donors = frame[frame["geo"] != 0]
    each = [
        estimate(
            "synthetic_did",
            panel_of(donors.assign(d=((donors["geo"] == geo) & (donors["week"] >= 16)) * 1)),
            draws=2,
        )
        for geo in range(1, 8)
    ]
    assert found.std_error == pytest.approx(np.std([one.estimate for one in each]), rel=0.05)
    assert found.ci_high - found.estimate == pytest.approx(1.959964 * found.std_error, rel=1e-6)
    assert found.std_error == estimate("synthetic_did", panel_of(frame), draws=4_000, seed=9).std_error


def test_the_jackknife_leaves_units_out_and_keeps_weights():
    frame = world({0: 16, 1: 16, 2: 16})
    found = estimate("synthetic_did", panel_of(frame), inference="jackknife")
    wide = frame.pivot(index="week", columns="geo", values="y").to_numpy()
    whole = Cohort(wide[:, :3], wide[:, 3:], 16)
    fit = fit_cohort(whole)
    effects = []
    for unit in range(16):
        treated, donors, omega = whole.treated, whole.donors, fit.omega
        if unit < 3:
            treated = np.delete(treated, unit, axis=1)
        else:
            donors, omega = np.delete(donors, unit - 3, axis=1), np.delete(omega, unit - 3)
        effects.append(fit_cohort(Cohort(treated, donors, 16), omega / omega.sum(), fit.lambda_).effect)
    variance = 15 / 16 * np.sum((np.array(effects) - np.mean(effects)) ** 2)
    assert found.std_error == pytest.approx(np.sqrt(variance))


def test_the_bootstrap_agrees_with_the_jackknife_roughly():
    panel = panel_of(world(dict.fromkeys(range(8), 16), n_units=40))
    jackknife = estimate("synthetic_did", panel, inference="jackknife")
    bootstrap = estimate("synthetic_did", panel, inference="bootstrap", draws=200)
    assert 0.5 < bootstrap.std_error / jackknife.std_error < 2.0


@pytest.mark.parametrize(
    ("starts", "n_units", "inference", "reason"),
    [
        ({0: 16}, 16, "jackknife", "1 treated unit in a cohort; the jackknife needs 2"),
        ({0: 16}, 16, "bootstrap", "1 treated unit; the bootstrap needs 2"),
        (
            {0: 16, 1: 16, 2: 16},
            7,
            "placebo",
            "4 donors cannot stand for 3 treated units and be donors at once; use the jackknife",
        ),
    ],
)
def test_inference_that_cannot_be_told_is_not(starts, n_units, inference, reason):
    found = estimate("synthetic_did", panel_of(world(starts, n_units=n_units)), inference=inference)
    assert np.isfinite(found.estimate)
    assert np.isnan([found.std_error, found.ci_low, found.ci_high, found.p_value]).all()
    assert found.undefined["std_error"] == reason


def test_unknown_inference_is_refused():
    with pytest.raises(LiftosError, match="inference one of placebo, jackknife, bootstrap; found 'exact'"):
        estimate("synthetic_did", panel_of(world({0: 16})), inference="exact")
