"""Power on a user's own panel: what is replayed, what is told of other designs, and what is refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import ESTIMATORS, EffectEstimate, Panel, Power, estimate, power
from liftos_pipeline.causal.diagnostics.design_noise import DesignNoise
from liftos_pipeline.causal.diagnostics.planned import Design, planned_replays, untreated_outcomes
from liftos_pipeline.causal.power_result import Needed
from liftos_pipeline.causal.simulated_power import Asked, simulate_power
from liftos_pipeline.causal.specification import EstimatorSpec
from liftos_pipeline.causal.trials import Trial, run_trials
from liftos_pipeline.errors import LiftosError

N_UNITS, N_PERIODS = 40, 36
DESIGN = {"n_treated": 16, "n_pre": 10, "n_post": 6}
ROLES = {"outcome": "y", "unit": "unit", "period": "t"}


def noisy_panel(seed: int = 1, correlation: float = 0.5, shared: float = 0.0) -> pd.DataFrame:
    """Columns unit, t, y (mean about 20), region (clusters of five units with noise of their own), w."""
    rng = np.random.default_rng(seed)
    own, common = rng.normal(size=(N_UNITS, N_PERIODS)), rng.normal(size=(N_UNITS // 5, N_PERIODS))
    for period in range(1, N_PERIODS):
        own[:, period] += correlation * own[:, period - 1]
        common[:, period] += correlation * common[:, period - 1]
    region = np.arange(N_UNITS) // 5
    Y = 20 + rng.normal(size=(N_UNITS, 1)) + rng.normal(size=N_PERIODS) + own + shared * common[region]
    unit, t = np.repeat(np.arange(N_UNITS), N_PERIODS), np.tile(np.arange(N_PERIODS), N_UNITS)
    return pd.DataFrame({"unit": unit, "t": t, "y": Y.ravel(), "region": region[unit], "w": 1.0 + unit % 3})


@pytest.fixture(scope="module")
def panel() -> Panel:
    return Panel.untreated(noisy_panel(), **ROLES)


@pytest.fixture(scope="module")
def unseen(panel: Panel) -> Power:
    return power(panel, effect=0.4, n_replays=200, **DESIGN)


def test_a_panel_before_anyone_is_treated(panel: Panel) -> None:
    assert panel.n_treated == 0 and not panel.d.any()
    with pytest.raises(LiftosError, match=r"nobody is treated in\. Plan a test on it with power"):
        estimate("did", panel)
    with pytest.raises(LiftosError, match=r"build Panel\.untreated"):
        Panel.from_frame(noisy_panel().assign(d=0), treatment="d", **ROLES)


def test_placebos_of_a_design(panel: Panel) -> None:
    replays = planned_replays(panel, Design(16, 10, 6), 300, seed=3)
    assert {draw.first for draw in replays.draws} == set(range(N_PERIODS - 15))
    for draw in replays.draws:
        assert len(set(draw.units)) == 16
        assert (draw.starts == draw.first + 10).all() and draw.end == draw.first + 16
    placebo = replays.placebo(0)
    assert (placebo.n_treated, placebo.n_rows, placebo.d.sum()) == (16, N_UNITS * 16, 16 * 6)
    counts = np.bincount(np.concatenate([draw.units for draw in replays.draws]), minlength=N_UNITS)
    assert abs(counts - 120).max() < 4.5 * math.sqrt(300 * 0.4 * 0.6)


def test_whole_clusters_are_treated() -> None:
    frame = noisy_panel()
    frame = frame[~((frame["region"] == 2) & (frame["unit"] % 5 > 1))]
    panel = Panel.untreated(frame, cluster="region", **ROLES)
    for n_treated, allowed in ((15, {12, 15, 17}), (1, {2, 5}), (33, {32, 35})):
        draws = planned_replays(panel, Design(n_treated, 10, 6, "cluster"), 60, seed=0).draws
        assert {len(draw.units) for draw in draws} <= allowed
        cluster = panel.index.unit_cluster
        for draw in draws:
            inside = np.isin(cluster, cluster[draw.units])
            assert sorted(draw.units) == list(np.flatnonzero(inside))


def test_what_was_treated_says_nothing() -> None:
    frame = noisy_panel()
    frame["d"] = ((frame["unit"] < 12) & (frame["t"] >= 24)).astype(int)
    moved = frame.assign(y=frame["y"] + 50.0 * frame["d"])
    first, second = (
        power(Panel.from_frame(part, treatment="d", **ROLES), effect=0.5, n_replays=40) for part in (frame, moved)
    )
    assert first.to_dict() == second.to_dict()
    assert first.design == Design(12, 18, 5)


def test_units_at_hand_limit_the_usual_design() -> None:
    frame = noisy_panel()
    frame["d"] = ((frame["unit"] < 30) & (frame["t"] >= 3)).astype(int)
    found = power(Panel.from_frame(frame, treatment="d", **ROLES), n_replays=0)
    assert found.design == Design(5, 3, 5) and found.n_units == 10


@pytest.mark.parametrize(("method", "sign"), [("did", 1), ("did", -1), ("geo_did", 1), ("geo_did", -1)])
def test_power_is_the_share_of_replays_that_see_an_injected_effect(panel: Panel, method: str, sign: int) -> None:
    """An effect is added to the answers, exactly: as if it had been injected into the outcomes. A refusal sees nothing."""
    replays = planned_replays(panel, Design(6, 12, 6), 40, seed=2)
    asked = Asked(method, {}, 0.95, 0.8, sign, 20.0, 0)
    effects = np.array([0.5, 0.9, 1.4])
    found = simulate_power(replays, asked, effects)
    assert found.is_exact_shift
    share = [effect / 20.0 if method == "geo_did" else effect for effect in effects]
    trials = run_trials(replays, [Trial(method, sign * part, {}) for part in share], level=0.95, seed=0)
    seen = [((part.ci_low > 0) if sign > 0 else (part.ci_high < 0)) & part.answered for part in trials]
    assert list(found.power) == [hits.mean() for hits in seen]
    assert found.power[0] < found.power[-1]
    just_below, just_above = (
        simulate_power(replays, asked, np.array([found.detectable * f])).power[0] for f in (1 - 1e-9, 1 + 1e-9)
    )
    assert (just_below, just_above) == (32 / 40, 33 / 40)


def test_size_is_two_sided(panel: Panel) -> None:
    replays = planned_replays(panel, Design(3, 10, 6), 120, seed=5)
    null = run_trials(replays, [Trial("did", 0.0, {})], level=0.95, seed=0)[0]
    found = simulate_power(replays, Asked("did", {}, 0.95, 0.8, 1, 20.0, 0), np.array([1.0]))
    assert found.size == np.mean((null.ci_low > 0) | (null.ci_high < 0)) > 0
    assert found.size_low < found.size < found.size_high


def half_of_did(panel: Panel, *, level: float) -> EffectEstimate:
    """A method that an effect of one moves by a half."""
    found = estimate("did", panel, level=level)
    return replace(found, estimate=found.estimate / 2, ci_low=found.ci_low / 2, ci_high=found.ci_high / 2)


def test_a_method_that_an_effect_does_not_just_shift_is_tried_at_each_effect(
    panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = EstimatorSpec("half", half_of_did, ("att",), "", "", "", "")
    monkeypatch.setitem(ESTIMATORS, "half", line)  # type: ignore[arg-type]
    half, whole = (power(panel, method, effect=0.77, n_replays=40, **DESIGN) for method in ("half", "did"))
    assert half.simulated is not None and not half.simulated.is_exact_shift
    assert any("injected one by one at 9 sizes" in text for text in half.warnings)
    assert list(half.curve["power"]) == list(whole.curve["power"])
    curve, at = half.curve, half.detectable / half.allowance
    below, above = curve[curve["power"] < 0.8].iloc[-1], curve[curve["power"] >= 0.8].iloc[0]
    share = (0.8 - below["power"]) / (above["power"] - below["power"])
    assert at == pytest.approx(below["effect"] + share * (above["effect"] - below["effect"]))
    assert half.detectable_low < half.detectable < half.detectable_high


def test_a_method_that_sees_no_effect(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(panel: Panel, *, level: float) -> EffectEstimate:
        return replace(estimate("did", panel, level=level), ci_low=-math.inf, ci_high=math.inf)

    monkeypatch.setitem(ESTIMATORS, "blind", EstimatorSpec("blind", blind, ("att",), "", "", "", ""))  # type: ignore[arg-type]
    found = power(panel, "blind", effect=9.0, n_replays=20, **DESIGN)
    assert found.detectable == math.inf and found.can_see is False and found.effect_power == 0.0
    assert found.reason is not None and found.reason.endswith("choose another method or design")
    assert found.needed == Needed(None, None, None)
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["detectable"] == "Infinity"
    assert found.summary() and found.plot().axes


def test_a_design_that_cannot_see_an_effect_says_so_and_what_would(panel: Panel, unseen: Power) -> None:
    assert unseen.can_see is False and unseen.effect < unseen.detectable
    assert unseen.effect_power_low <= unseen.effect_power <= unseen.effect_power_high < 0.8
    assert f"the smallest that is seen as often is {unseen.detectable:.4g}" in unseen.reason
    assert f"{unseen.needed.n_units} units in all" in unseen.reason
    assert unseen.simulated is not None and 1.0 < unseen.allowance < 1.02
    assert unseen.detectable == unseen.allowance * unseen.simulated.detectable
    larger = power(panel, effect=1.02 * unseen.detectable, n_replays=200, **DESIGN)
    assert larger.can_see is True and larger.reason is None and larger.effect_power >= 0.8


def test_numbers_needed_are_the_smallest(panel: Panel) -> None:
    untreated = untreated_outcomes(panel)
    noise = DesignNoise(untreated, Design(6, 10, 6), 0.95, 0.8)
    start = noise.reach(noise.design).detectable
    effect = 0.8 * start
    treated, post, units = noise.treated_needed(effect), noise.post_needed(effect), noise.units_needed(effect)
    assert treated is not None and post is not None
    for n, least in ((treated, True), (treated - 1, False)):
        assert (noise.reach(Design(n, 10, 6)).detectable <= effect) is least
    for n, least in ((post, True), (post - 1, False)):
        assert (noise.reach(Design(6, 10, n)).detectable <= effect) is least
    for n, least in ((units, True), (units - 1, False)):
        assert (noise.reach(Design(round(0.15 * n), 10, 6), n).detectable <= effect) is least
    assert noise.treated_needed(start) == 6 and noise.post_needed(start) == 6 and noise.units_needed(start) == 40
    assert noise.treated_needed(0.01) is None and noise.post_needed(0.01) is None
    assert noise.units_needed(0.01) > 10_000


def test_windows_longer_than_the_panel_are_marked(unseen: Power) -> None:
    designs = unseen.designs.set_index(["n_treated", "n_post"])
    assert list(designs["is_extrapolated"]) == [n_post + 10 > N_PERIODS for _, n_post in designs.index]
    longer = power(Panel.untreated(noisy_panel(), **ROLES), post_grid=[6, 26, 27, 60], n_replays=0, **DESIGN)
    assert list(longer.designs["is_extrapolated"].iloc[:4]) == [n + 10 > N_PERIODS for n in (6, 26, 27, 60)]
    assert "extrapolated from its fitted autocorrelation" in longer.summary()
    for _, part in designs.groupby("n_treated"):
        assert (np.diff(part["detectable"]) < 0).all()


def test_designs_are_told_on_the_scale_of_the_simulation(unseen: Power) -> None:
    own = unseen.designs.set_index(["n_treated", "n_post"]).loc[(16, 6)]
    assert own["detectable"] == pytest.approx(unseen.detectable, rel=1e-9)
    assert own["analytic"] == pytest.approx(unseen.analytic, rel=1e-9)
    ratio = unseen.designs["detectable"] / unseen.designs["analytic"]
    assert ratio.to_numpy() == pytest.approx(unseen.detectable / unseen.analytic)
    assert list(unseen.designs["can_see"]) == list(unseen.designs["detectable"] <= 0.4)


def test_formula_weighs_the_two_groups_and_the_level(panel: Panel) -> None:
    found = {k: power(panel, n_treated=k, n_pre=10, n_post=6, n_replays=0).analytic for k in (4, 20, 36)}
    assert found[4] == pytest.approx(found[36])
    assert found[4] / found[20] == pytest.approx(math.sqrt((1 / 4 + 1 / 36) / (2 / 20)))
    more = power(panel, power=0.9, level=0.99, n_replays=0, **{**DESIGN, "n_treated": 20})
    assert 1.33 < more.analytic / found[20] < 1.5


def test_independent_errors_promise_too_much(unseen: Power) -> None:
    assert unseen.independent < 0.85 * unseen.analytic
    assert (unseen.curve["power_independent"] >= unseen.curve["power_analytic"]).all()
    white = power(Panel.untreated(noisy_panel(correlation=0.0), **ROLES), n_replays=0, **DESIGN)
    assert white.independent == pytest.approx(white.analytic, rel=0.1)
    assert abs(white.noise.autocorrelation) < 0.1 and unseen.noise.autocorrelation == pytest.approx(0.5, abs=0.1)


def test_whole_clusters_cost_power() -> None:
    panel = Panel.untreated(noisy_panel(shared=1.0), cluster="region", **ROLES)
    whole, single = (
        power(panel, n_replays=200, assigned=a, **{**DESIGN, "n_treated": 20}) for a in (None, "unit")
    )
    assert whole.design.assigned == "cluster" and whole.n_clusters == 8
    assert whole.noise.intraclass == pytest.approx(0.5, abs=0.25)
    assert whole.noise.design_effect == pytest.approx(1 + 4 * whole.noise.intraclass)
    assert single.noise.design_effect == 1.0
    assert whole.detectable > 1.3 * single.detectable
    assert whole.detectable == pytest.approx(whole.analytic, rel=0.25)


def test_weights_and_holes() -> None:
    frame = noisy_panel()
    weighted = power(Panel.untreated(frame, weights="w", **ROLES), n_replays=0, **DESIGN)
    plain = power(Panel.untreated(frame, **ROLES), n_replays=0, **DESIGN)
    w = 1.0 + np.arange(N_UNITS) % 3
    assert weighted.analytic / plain.analytic == pytest.approx(math.sqrt(np.mean(w**2)) / np.mean(w))
    assert any("sampling weights" in text for text in weighted.warnings)
    holes = power(Panel.untreated(frame.drop(index=[5, 90, 700]), **ROLES), n_replays=40, **DESIGN)
    assert holes.analytic == pytest.approx(plain.analytic, rel=0.1)


def test_relative_effects_and_their_sign(panel: Panel) -> None:
    mean = float(panel.y.mean())
    share = power(panel, effect=-0.03, relative=True, n_replays=40, **DESIGN)
    plain = power(panel, effect=-0.03 * mean, n_replays=40, **DESIGN)
    assert share.to_dict() == plain.to_dict()
    assert share.effect == pytest.approx(-0.03 * mean) and share.relative(share.effect) == pytest.approx(-0.03)
    assert share.detectable_relative == pytest.approx(share.detectable / mean)
    upward = power(panel, effect=0.03, relative=True, n_replays=40, **DESIGN)
    assert upward.detectable != share.detectable


def test_a_method_that_rejects_true_zeros_sees_nothing() -> None:
    panel = Panel.untreated(noisy_panel(), **ROLES)
    found = power(panel, effect=50.0, n_treated=2, n_pre=10, n_post=6, n_replays=100)
    assert found.can_see is False and found.recommended is None and found.needed == Needed(None, None, None)
    assert found.reason is not None and "leaves out a true zero in" in found.reason
    assert any(text.startswith("power is overstated") for text in found.warnings)


def test_recommended_design_is_the_cheapest_that_sees_the_effect(panel: Panel) -> None:
    found = power(panel, effect=0.9, n_replays=200, **DESIGN)
    best = found.recommended
    assert best is not None and best["power"] >= 0.8
    able = found.designs[found.designs["can_see"].astype(bool) & ~found.designs["is_extrapolated"]]
    assert best["n_treated"] * best["n_post"] >= (able["n_treated"] * able["n_post"]).min()
    direct = power(panel, effect=0.9, n_replays=200, n_treated=best["n_treated"], n_pre=10, n_post=best["n_post"])
    assert direct.effect_power == best["power"]


def test_same_seed_same_numbers_with_any_number_of_processes(panel: Panel) -> None:
    first, second = (power(panel, effect=0.5, n_replays=20, seed=4, workers=n, **DESIGN) for n in (1, 2))
    assert first.to_dict() == second.to_dict()
    assert power(panel, n_replays=20, seed=5, **DESIGN).detectable != first.detectable


def test_rows_words_and_picture(unseen: Power) -> None:
    row = json.loads(json.dumps(unseen.to_dict(), allow_nan=False))
    assert row["detectable"] == unseen.detectable and row["design"]["n_treated"] == 16
    assert row["curve"][0]["power_analytic"] == unseen.curve["power_analytic"][0]
    text = " ".join(unseen.summary().split())
    assert "CANNOT BE SEEN" in text and f"{unseen.detectable:.4g}" in text and "extrapolated" not in text
    curve, designs = unseen.plot().axes
    assert list(curve.lines[2].get_ydata()) == list(100 * unseen.curve["power_analytic"])
    assert len(designs.get_legend().get_texts()) == unseen.designs["n_treated"].nunique()
    formula = power(Panel.untreated(noisy_panel(), **ROLES), n_replays=0, **DESIGN)
    assert math.isnan(formula.detectable_low) and formula.detectable == formula.analytic
    assert formula.can_see is None and json.dumps(formula.to_dict(), allow_nan=False)
    assert "simulated on" not in formula.summary() and formula.plot().axes


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ({"effect": 0.0}, "an effect other than 0"),
        ({"effect": math.nan}, "an effect other than 0"),
        ({"power": 1.0}, "a power above 0.05"),
        ({"power": 0.05}, "a power above 0.05"),
        ({"level": 1.0}, "a level between 0 and 1"),
        ({"method": "difference"}, "a method among"),
        ({"options": {"inference": "cr9"}}, "inference one of"),
        ({"options": {"leads": 2}}, "options of did"),
        ({"n_replays": 19}, "at least 20 replays, or 0"),
        ({"n_treated": 39}, "at least 2 units left untreated; found 39 of 40 treated"),
        ({"n_treated": 0}, "whole numbers from 1 on"),
        ({"n_post": 1.5}, "whole numbers from 1 on"),
        ({"n_pre": 30, "n_post": 7}, "a window of at most 36 periods; found one of 37"),
        ({"assigned": "region"}, "assigned one of unit, cluster"),
        ({"treated_grid": [4, 39]}, "whole numbers from 1 to 38 as treated_grid"),
        ({"post_grid": [0]}, "whole numbers from 1 as post_grid"),
        ({"method": "geo_did", "n_pre": 1, "n_post": 1}, "a method that answers on this design; found geo_did"),
    ],
)
def test_wrong_calls_say_the_way_out(panel: Panel, call: dict[str, object], text: str) -> None:
    with pytest.raises(LiftosError, match=text):
        power(panel, **{"n_replays": 20, **DESIGN, **call})  # type: ignore[arg-type]


def test_panels_that_cannot_be_planned_on() -> None:
    frame = noisy_panel()
    with pytest.raises(LiftosError, match="a panel with periods"):
        power(
            Panel.from_frame(
                frame[frame["t"] == 0].assign(d=frame["unit"] % 2), outcome="y", treatment="d", unit="unit"
            )
        )
    with pytest.raises(LiftosError, match="an outcome with noise"):
        power(Panel.untreated(frame.assign(y=frame["unit"] + frame["t"]), **ROLES), **DESIGN)
    with pytest.raises(LiftosError, match="positive mean"):
        power(Panel.untreated(frame.assign(y=frame["y"] - 40.0), **ROLES), effect=0.1, relative=True, **DESIGN)
    with pytest.raises(LiftosError, match="positive outcomes for a method that tells proportions"):
        power(Panel.untreated(frame.assign(y=frame["y"] - 20.0 + 0.5), **ROLES), "geo_did", **DESIGN)
    with pytest.raises(LiftosError, match="finite values in outcome y"):
        Panel.untreated(frame.assign(y=np.where(frame["t"] == 3, np.nan, frame["y"])), **ROLES)
    always = frame.assign(d=((frame["unit"] < 37) | (frame["t"] == 35)).astype(int))
    with pytest.raises(
        LiftosError, match="at least 4 units that are observed and untreated in 16 successive periods"
    ):
        power(Panel.from_frame(always, treatment="d", **ROLES), **{**DESIGN, "n_treated": 1})
    cut = Panel.untreated(frame.assign(region=frame["t"] % 4), cluster="region", **ROLES)
    with pytest.raises(LiftosError, match="clusters that hold whole units"):
        power(cut, assigned="cluster", **DESIGN)
    two = Panel.untreated(frame.assign(region=frame["unit"] % 2), cluster="region", **ROLES)
    with pytest.raises(LiftosError, match="more than 2 clusters"):
        power(two, **DESIGN)
