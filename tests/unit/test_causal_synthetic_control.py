"""Synthetic control: what it reads, what it refuses, its ranks and sets by hand, its warnings."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import Panel, estimate
from liftos_pipeline.causal.inference.permutation import critical_value, rank_p_value, ratio_inference
from liftos_pipeline.errors import LiftosError

ROLES = {"outcome": "y", "treatment": "d", "unit": "geo", "period": "week"}


def world(
    n_units: int = 25,
    n_weeks: int = 40,
    start: int = 30,
    effect: float = 2.0,
    treated: tuple[int, ...] = (0,),
    seed: int = 3,
) -> pd.DataFrame:
    """Two factors and noise; the treated units are combinations of the others up to noise."""
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((n_weeks, 2)).cumsum(axis=0)
    loadings = rng.uniform(0.2, 1.0, (2, n_units))
    y = 10 + factors @ loadings + 0.3 * rng.standard_normal((n_weeks, n_units))
    week, geo = np.repeat(np.arange(n_weeks), n_units), np.tile(np.arange(n_units), n_weeks)
    d = np.isin(geo, treated) & (week >= start)
    x = np.tile(loadings[0], n_weeks)
    frame = pd.DataFrame({"geo": [f"g{number:02d}" for number in geo], "week": week, "d": d.astype(int)})
    return frame.assign(y=y.ravel() + effect * d, x=x, z=np.tile(loadings[1], n_weeks) + 0.01 * week)


def panel_of(frame: pd.DataFrame, **roles: object) -> Panel:
    return Panel.from_frame(frame, **{**ROLES, **roles})


def test_gaps_weights_and_path_fit_together():
    frame = world()
    found = estimate("synthetic_control", panel_of(frame))
    wide = frame.pivot(index="week", columns="geo", values="y")
    weights = found.weights.set_index("unit")["weight"]
    assert "g00" not in weights.index
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    gap = wide["g00"] - wide[weights.index] @ weights
    np.testing.assert_allclose(found.path["estimate"], gap, atol=1e-10)
    np.testing.assert_allclose(found.path["observed"], wide["g00"])
    assert list(found.path["event_time"]) == list(range(-30, 10))
    assert found.estimate == pytest.approx(gap[30:].mean())
    assert found.estimate == pytest.approx(2.0, abs=0.5)
    assert found.diagnostics["pre_rmspe"] == pytest.approx(np.sqrt(np.mean(gap[:30] ** 2)))
    assert found.diagnostics["post_rmspe"] == pytest.approx(np.sqrt(np.mean(gap[30:] ** 2)))
    assert found.undefined == {"std_error": "a permutation test has no standard error"}


def test_the_p_value_is_the_rank_among_placebos():
    """Each donor by hand through the same method, the treated unit left out."""
    frame = world(effect=0.4)
    found = estimate("synthetic_control", panel_of(frame))
    donors = frame[frame["geo"] != "g00"]
    ratios = []
    for geo in sorted(donors["geo"].unique()):
        alone = donors.assign(d=((donors["geo"] == geo) & (donors["week"] >= 30)).astype(int))
        ratios.append(estimate("synthetic_control", panel_of(alone)).diagnostics["rmspe_ratio"])
    ratios = np.array(ratios)
    ratio = found.diagnostics["rmspe_ratio"]
    assert 0.04 < found.p_value < 0.96
    assert found.p_value == pytest.approx((1 + np.sum(ratios >= ratio)) / 25)


def test_the_interval_is_what_the_test_does_not_reject():
    frame = world(effect=0.5)
    found = estimate("synthetic_control", panel_of(frame), level=0.9)
    for limit, outward in ((found.ci_low, -1), (found.ci_high, 1)):
        for step, rejected in ((0.001, True), (-0.001, False)):
            tried = frame.assign(y=frame["y"] - (limit + outward * step) * frame["d"])
            assert (estimate("synthetic_control", panel_of(tried)).p_value <= 0.1) is rejected


def test_conformal_sets_invert_their_test():
    frame = world(effect=1.5)
    found = estimate("synthetic_control", panel_of(frame), level=0.9, inference="conformal")
    assert found.ci_low < 1.5 < found.ci_high
    for limit, outward in ((found.ci_low, -1), (found.ci_high, 1)):
        for step, rejected in ((0.02, True), (-0.02, False)):
            tried = frame.assign(y=frame["y"] - (limit + outward * step) * frame["d"])
            p_value = estimate("synthetic_control", panel_of(tried), inference="conformal").p_value
            assert (p_value <= 0.1) is rejected


def test_conformal_p_values_are_cyclic_shifts():
    """Residuals of a fit to all periods, by hand."""
    frame = world(effect=0.3, n_weeks=30, start=25)
    found = estimate("synthetic_control", panel_of(frame), inference="conformal")
    early = frame.assign(d=((frame["geo"] == "g00") & (frame["week"] >= 29)).astype(int))
    wide = frame.pivot(index="week", columns="geo", values="y")
    extended = pd.concat([wide, wide.iloc[-1:]], ignore_index=True)
    stacked = extended.reset_index(names="week").melt("week", var_name="geo", value_name="y")
    stacked["d"] = ((stacked["geo"] == "g00") & (stacked["week"] >= 30)).astype(int)
    weights = estimate("synthetic_control", panel_of(stacked)).weights.set_index("unit")["weight"]
    size = (wide["g00"] - wide[weights.index] @ weights).abs().to_numpy()
    shifted = [np.roll(size, -shift)[:5].mean() for shift in range(30)]
    assert found.p_value == pytest.approx(np.mean(np.array(shifted) >= size[25:].mean() - 1e-9))
    assert len(early) == len(frame)


def test_fewer_periods_than_the_level_needs_leave_the_conformal_set_unbounded():
    short = world(n_weeks=19, start=15)
    found = estimate("synthetic_control", panel_of(short), inference="conformal")
    assert (found.ci_low, found.ci_high) == (-math.inf, math.inf)
    wide = estimate("synthetic_control", panel_of(world(n_weeks=40)), inference="conformal")
    assert math.isfinite(wide.ci_low)


def test_fewer_donors_than_the_level_needs_leave_the_set_unbounded():
    found = estimate("synthetic_control", panel_of(world(n_units=19)))
    assert (found.ci_low, found.ci_high) == (-math.inf, math.inf)
    assert found.p_value == pytest.approx(1 / 19)
    assert "18 donors are too few for an interval at 95 %" in " ".join(found.warnings)
    enough = estimate("synthetic_control", panel_of(world(n_units=20)))
    assert math.isfinite(enough.ci_low)
    assert math.isfinite(estimate("synthetic_control", panel_of(world(n_units=12)), level=0.9).ci_high)


def test_ranks_and_critical_values_by_hand():
    placebos = np.array([5.0, 1.0, 3.0, 2.0])
    assert rank_p_value(3.0, placebos) == pytest.approx(3 / 5)
    assert rank_p_value(9.0, placebos) == pytest.approx(1 / 5)
    assert critical_value(placebos, 0.8) == 5.0
    assert critical_value(placebos, 0.6) == 3.0
    assert critical_value(placebos, 0.7) == 5.0
    assert critical_value(placebos, 0.85) == math.inf
    weights = np.array([0.5, 0.5])
    found = ratio_inference(np.array([1.0, 3.0]), weights, 0.5, placebos, 0.8, 5)
    # Mean 2, variance 1, critical 5: 2 +- root(25 * .25 - 1). Ratio root(1 + 4) / .5 = 4.47: one placebo above.
    assert found.ci_high == pytest.approx(2 + math.sqrt(5.25))
    assert found.p_value == pytest.approx(2 / 5)
    varied = ratio_inference(np.array([-9.0, 9.0]), weights, 0.5, placebos, 0.8, 5)
    assert math.isnan(varied.ci_low)
    assert varied.undefined["ci_low"].startswith("no constant effect agrees with the gaps")
    perfect = ratio_inference(np.array([1.0]), np.ones(1), 0.0, placebos, 0.8, 5)
    assert math.isnan(perfect.p_value)
    assert "no denominator" in perfect.undefined["p_value"]


def test_several_treated_units_with_their_own_starts():
    frame = world(treated=(0, 1))
    late = (frame["geo"] == "g01") & (frame["week"] < 34)
    frame.loc[late & (frame["d"] == 1), "y"] -= 2.0
    frame.loc[late, "d"] = 0
    found = estimate("synthetic_control", panel_of(frame))
    only = [estimate("synthetic_control", panel_of(frame[frame["geo"] != other])) for other in ("g01", "g00")]
    assert found.estimate == pytest.approx(np.mean([one.estimate for one in only]))
    assert list(found.path["event_time"]) == list(range(-30, 6))
    assert set(found.weights["treated_unit"]) == {"g00", "g01"}
    assert found.diagnostics["n_pre_periods"] == [30, 34]
    assert found.p_value < 0.05
    assert (found.ci_low + found.ci_high) / 2 == pytest.approx(found.estimate)
    assert found.n_treated == 2
    again = estimate("synthetic_control", panel_of(frame))
    assert (again.ci_low, again.p_value) == (found.ci_low, found.p_value)


def test_donors_left_out_one_by_one():
    found = estimate("synthetic_control", panel_of(world()))
    used = found.weights.loc[found.weights["weight"] > 0, "unit"]
    assert [entry["without"] for entry in found.diagnostics["leave_one_out"]] == list(used)
    entry = found.diagnostics["leave_one_out"][0]
    frame = world()
    without = estimate("synthetic_control", panel_of(frame[frame["geo"] != entry["without"]]))
    assert entry["estimate"] == pytest.approx(without.estimate)


def test_predictors_are_means_before_the_start():
    frame = world()
    roles = {"covariates": ["x", "z"]}
    found = estimate(
        "synthetic_control",
        panel_of(frame, **roles),
        predictors=["x", "z", ("y", 5), ("y", (20, 29))],
        predictor_weights="inverse_variance",
    )
    before = frame[frame["week"] < 30]
    table = pd.DataFrame(
        {
            "x": before.groupby("geo")["x"].mean(),
            "z": before.groupby("geo")["z"].mean(),
            "y5": frame[frame["week"] == 5].set_index("geo")["y"],
            "late": before[before["week"] >= 20].groupby("geo")["y"].mean(),
        }
    )
    scaled = (table - table.mean()) / table.std(ddof=0)
    weights = found.weights.set_index("unit")["weight"]
    objective = float(np.sum((scaled.loc["g00"] - weights @ scaled.loc[weights.index]) ** 2)) / 4
    assert found.diagnostics["objective"] == pytest.approx([objective], abs=1e-9)
    assert list(found.diagnostics["predictors"]) == ["x", "z", "y 5", "y (20, 29)"]


def test_nested_weights_are_no_worse_than_others():
    frame = world(n_units=12)
    panel = panel_of(frame, covariates=["x", "z"])
    names = ["x", "z", ("y", 2), ("y", 14), ("y", 28)]
    plain = estimate("synthetic_control", panel, predictors=names, predictor_weights="inverse_variance")
    nested = estimate("synthetic_control", panel, predictors=names, predictor_weights="nested", seed=1)
    best = estimate("synthetic_control", panel)
    assert nested.diagnostics["is_identified"] is True
    assert best.diagnostics["pre_rmspe"] <= nested.diagnostics["pre_rmspe"] < plain.diagnostics["pre_rmspe"]
    assert nested.diagnostics["predictor_loss"] == pytest.approx(nested.diagnostics["pre_rmspe"] ** 2, rel=1e-3)
    assert sum(nested.diagnostics["predictors"].values()) == pytest.approx(1.0)
    other = estimate("synthetic_control", panel, predictors=names, predictor_weights="nested", seed=2)
    assert other.diagnostics["pre_rmspe"] == pytest.approx(nested.diagnostics["pre_rmspe"], rel=0.01)


def test_a_unit_inside_the_hull_of_the_predictors_has_no_identified_weights():
    panel = panel_of(world(n_units=40), covariates=["x", "z"])
    found = estimate("synthetic_control", panel, predictors=[("y", 3), ("y", 20)], predictor_weights="nested")
    assert found.diagnostics["is_identified"] is False
    assert "the predictors of g00 can be met exactly: their weights are not identified" in found.warnings


def test_a_unit_outside_the_hull_and_a_poor_fit_are_warned_of():
    frame = world()
    frame.loc[frame["geo"] == "g00", "y"] += 30.0
    found = estimate("synthetic_control", panel_of(frame))
    told = " ".join(found.warnings)
    assert "lies outside its donors in 100 % of the periods before" in told
    assert "the synthetic control of g00 is off by" in told
    assert estimate("synthetic_control", panel_of(world())).warnings == ()


def test_missing_constant_and_few():
    frame = world()
    gone = (frame["geo"] == "g05") & (frame["week"] == 7)
    found = estimate("synthetic_control", panel_of(frame[~gone]))
    assert "1 donors lack periods and were left out: g05" in found.warnings
    assert "g05" not in set(found.weights["unit"])
    with pytest.raises(LiftosError, match="every period of every treated unit; found missing ones of g00"):
        estimate("synthetic_control", panel_of(frame[~((frame["geo"] == "g00") & (frame["week"] == 7))]))
    constant = frame.assign(y=np.where(frame["geo"] == "g09", 10.0, frame["y"]))
    assert math.isfinite(estimate("synthetic_control", panel_of(constant)).p_value)
    single = estimate("synthetic_control", panel_of(frame[frame["week"] <= 30]))
    assert list(single.path["event_time"][-1:]) == [0]
    wide_short = estimate("synthetic_control", panel_of(frame[frame["week"] >= 25]))
    assert wide_short.diagnostics["n_pre_periods"] == [5]
    flat = estimate("synthetic_control", panel_of(frame.assign(y=1.0)))
    assert math.isnan(flat.p_value)
    assert flat.estimate == 0.0


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda f: f[f["week"] >= 29], {}, "at least 2 periods before the start; found fewer for g00"),
        (
            lambda f: f[f["geo"] <= "g01"],
            {},
            "at least 2 units that are never treated and have every period; found 1",
        ),
        (lambda f: f.assign(d=f["d"] * (f["week"] < 35)), {}, "a treatment that stays on once it is on"),
        (lambda f: f, {"predictor_weights": "best"}, "predictor_weights one of none, inverse_variance"),
        (lambda f: f, {"inference": "wald"}, "inference one of placebo, conformal; found 'wald'"),
        (lambda f: f, {"predictors": ["q"]}, "predictors among y, x; found q"),
        (lambda f: f, {"predictors": []}, "at least one predictor; found none"),
        (lambda f: f, {"predictors": [("y", 35)]}, "a period before the start for predictor y; found none in 35"),
        (lambda f: f, {"predictor_weights": "cross_validated"}, "names of predictors for cross-validated weights"),
        (lambda f: f, {"predictors": ["x"], "inference": "conformal"}, "every outcome as predictor for conformal"),
    ],
)
def test_what_cannot_be_done_is_refused(change, options, message):
    with pytest.raises(LiftosError, match=message):
        estimate("synthetic_control", panel_of(change(world()), covariates=["x"]), **options)


def test_a_cross_section_is_refused():
    frame = world()
    frame = frame[frame["week"] == 35]
    with pytest.raises(LiftosError, match="a panel with periods for synthetic_control; found none"):
        estimate("synthetic_control", Panel.from_frame(frame, outcome="y", treatment="d", unit="geo"))


def test_the_picture_shows_both_outcomes_the_gaps_and_the_weights():
    frame = world()
    frame.loc[frame["geo"] == "g20", "y"] += 40.0
    found = estimate("synthetic_control", panel_of(frame))
    outcomes, gaps, weights = found.plot().axes
    treated, synthetic = outcomes.lines[:2]
    np.testing.assert_array_equal(treated.get_ydata(), found.path["observed"])
    np.testing.assert_array_equal(synthetic.get_ydata(), found.path["synthetic"])
    placebos = found.diagnostics["placebo_gaps"]
    pre = found.diagnostics["pre_rmspe"]
    assert len(placebos) == 23
    assert "g20" not in placebos
    assert all(np.mean(np.square(gap[:30])) <= 20 * pre**2 for gap in placebos.values())
    for line, gap in zip(gaps.lines, placebos.values(), strict=False):
        np.testing.assert_array_equal(line.get_ydata(), gap)
    np.testing.assert_array_equal(gaps.lines[len(placebos)].get_ydata(), found.path["estimate"])
    widths = [bar.get_width() for bar in weights.patches]
    assert widths == sorted(found.weights["weight"], reverse=True)[: len(widths)]


def test_a_donors_gap_is_that_of_its_own_synthetic_control():
    frame = world()
    found = estimate("synthetic_control", panel_of(frame))
    geo, gap = next(iter(found.diagnostics["placebo_gaps"].items()))
    donors = frame[frame["geo"] != "g00"]
    alone = donors.assign(d=((donors["geo"] == geo) & (donors["week"] >= 30)).astype(int))
    np.testing.assert_allclose(estimate("synthetic_control", panel_of(alone)).path["estimate"], gap, atol=1e-9)
