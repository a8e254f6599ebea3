"""What each world of the register plants is there, at its stated size: bounds are four Monte-Carlo errors."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.simulator import SCENARIOS, World, generate
from liftos_pipeline.simulator.adoption import adoption_hazard
from liftos_pipeline.simulator.environment import environment
from liftos_pipeline.simulator.geos import geo_panel
from liftos_pipeline.simulator.switches import Cells, OrganicSteps, Outages, TrackingBreak
from tests.planted_worlds import PLATFORMS, SEED, off, sized


def slopes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Least-squares slope of each column of y on the same column of x."""
    centred = x - x.mean(axis=0)
    return (centred * y).sum(axis=0) / np.square(centred).sum(axis=0)


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_null_effect_has_changes_and_claims_and_no_effect(seed: int) -> None:
    world = generate(sized("null_effect", 60, lists=20), seed, 150)
    truth = world.truth(world.last_day)
    assert truth.groupby(["platform", "treatment_type"]).size().min() > 500
    assert (truth["effect_on_orders"] == 0.0).all()
    assert (truth["effect_on_order_revenue"] == 0.0).all()
    ads = truth[truth["platform"] != "klaviyo"]
    assert (ads.loc[ads["treatment_type"] != "budget_change", "effect_on_reported"] == 0.0).all()
    assert ads.loc[ads["treatment_type"] == "budget_change", "effect_on_reported"].mean() > 0.05
    assert world.meta.conversions.sum() > 0.5 * world.meta.orders.sum()
    assert (world.klaviyo.means() == world.klaviyo.organic_mean).all()


@pytest.mark.parametrize("seed", [3, 4])
def test_confounded_budget_is_chosen_by_quality_and_recent_demand(seed: int) -> None:
    world = generate(sized("confounded_budget", 2000), seed, 90)
    panel, env = world.meta, world.env
    assert set(world.treatments()["treatment_type"]) == {"budget_change"}
    start = np.where(panel.starts["budget_change"] < 0, 90, panel.starts["budget_change"])
    day = np.arange(28, 90)[:, None]
    lagged = panel.shock[27:89] / 0.20
    common = (0.3 * env.macro + 0.3 * env.rival)[28:, None]
    log_hazard = np.log(0.012) + 1.2 * lagged + 1.2 * panel.quality + 0.5 * panel.agency + common - 0.5
    hazard = np.minimum(np.exp(log_hazard), 1.0) * (day <= start)
    for x in (1.0, lagged, panel.quality):
        score = ((day == start) - hazard) * x
        assert abs(score.sum()) < 4 * np.sqrt((hazard * (1 - hazard) * np.square(x)).sum())
    assert not (panel.starts["budget_change"][panel.starts["budget_change"] >= 0] < 28).any()
    level = np.log(panel.organic_mean).mean(axis=0)
    assert abs(slopes(panel.quality[:, None], level[:, None])[0] - 0.5) < 4 * 0.34 / np.sqrt(2000)
    confounders = world.table("confounders", world.last_day).set_index(["platform", "variable"])
    assert confounders.loc[("meta", "quality"), ["gamma", "beta"]].tolist() == [1.2, 0.5]
    assert confounders.loc[("meta", "demand_shock"), ["gamma", "beta"]].tolist() == [1.2, 0.2]
    assert set(confounders.index[confounders["is_confounder"]].get_level_values(1)) == {
        *("quality", "demand_shock", "macro", "rival"),
    }


def test_mixed_assignment_is_by_lot_by_cutoff_or_by_choice() -> None:
    world = generate(sized("mixed_assignment", 3000), SEED, 120)
    panel = world.meta
    shares = pd.Series(panel.method).value_counts(normalize=True)
    for name, share in (("randomized", 0.34), ("quasi_experimental", 0.33), ("observational", 0.33)):
        assert abs(shares[name] - share) < 4 * np.sqrt(share * (1 - share) / 3000)
    start = panel.starts["targeting_change"]
    lot, rule = panel.method == "randomized", panel.method == "quasi_experimental"
    at_risk = np.where(start < 0, 120, start)[lot] - 28 + (start[lot] >= 0)
    score = ((start[lot] >= 0) - 0.012 * at_risk) * np.vstack([np.ones(lot.sum()), panel.quality[lot]])
    assert (np.abs(score.sum(axis=1)) < 4 * np.sqrt(0.012 * at_risk.sum())).all()
    for account in set(panel.account_ids):
        dates = start[rule & (panel.account_ids == account) & (start >= 0)]
        assert len(set(dates)) == 1 and 40 <= dates[0] < 100
    is_above = np.round(6 + 1.6 * panel.quality) > 7
    for group, chance in ((rule & is_above, 0.9), (rule & ~is_above, 0.1)):
        assert abs((start[group] >= 0).mean() - chance) < 4 * np.sqrt(0.09 / group.sum())
    chosen = panel.method == "observational"
    assert panel.quality[chosen & (start >= 0)].mean() > panel.quality[chosen & (start < 0)].mean() + 0.4
    told = world.treatments().query("platform == 'meta' and treatment_type == 'targeting_change'")
    expected = dict(zip(world.units("meta"), panel.method, strict=True))
    assert told.set_index("unit_id")["assignment_method"].to_dict() == {u: expected[u] for u in told["unit_id"]}


def test_poor_overlap_has_propensities_at_zero_and_one() -> None:
    shares = {}
    for name in ("staggered_rollout", "poor_overlap"):
        panel = (world := generate(sized(name, 500), SEED, 60)).meta
        hazard = adoption_hazard(
            world.scenario, "budget_change", world.env, panel.shock, panel.quality, panel.agency
        )
        chance = 1.0 - np.prod(1.0 - np.minimum(hazard[28:56], 1.0), axis=0)
        shares[name] = ((chance < 0.02).mean(), (chance > 0.98).mean())
        adopted = (panel.starts["budget_change"] >= 0) & (panel.starts["budget_change"] < 56)
        error = np.sqrt((chance * (1 - chance)).sum())
        assert abs(adopted.sum() - chance.sum()) < 4 * error
    assert max(shares["staggered_rollout"]) < 0.03
    assert min(shares["poor_overlap"]) > 0.10
    assert sum(shares["poor_overlap"]) > 0.50


def test_frequency_adds_up_impressions_and_falls_at_refreshes() -> None:
    world = generate(sized("audience_fatigue", 200), SEED, 200)
    panel = world.meta
    load = panel.frequency - 1.0
    gained = np.where(panel.refreshes, load / 0.2, load) - 0.95 * np.vstack([np.ones((1, 200)), load[:-1]])
    per_impression = np.where(panel.delivered, gained / np.maximum(panel.impressions, 1), np.nan)
    np.testing.assert_allclose(np.nanmin(per_impression, axis=0), np.nanmax(per_impression, axis=0), rtol=1e-6)
    assert (gained[~panel.delivered] < 1e-9).all()
    usual = np.median(panel.impressions[:28], axis=0) * np.nanmedian(per_impression, axis=0)
    assert abs(np.median(usual) * 16.0 - 1.0) < 0.15
    gaps = np.diff(panel.changes("creative_change", np.array([0]))[:, 1])
    assert len(set(gaps)) == 1 and 30 <= gaps[0] <= 60
    refreshed = panel.refreshes.any(axis=0)
    assert abs(refreshed.mean() - 0.8) < 4 * np.sqrt(0.16 / 200)
    assert not panel.refreshes[:28].any()
    assert panel.refreshes[
        28
    ].any()  # of 160 first gaps of 45 days, one begins on the first day but for 3 % of seeds


@pytest.mark.parametrize("seed", [3, 4])
def test_click_rates_tire_by_their_decay_and_rest_is_noise_of_its_kind(seed: int) -> None:
    world = generate(sized("audience_fatigue", 300), seed, 240)
    panel = world.meta
    tires = panel.decay > 0
    assert abs(tires.mean() - 0.5) < 4 * np.sqrt(0.25 / 300)
    assert panel.decay[tires].min() >= 0.05 and panel.decay[tires].max() <= 0.40
    big = (panel.impressions > 2000).all(axis=0)
    log_rate = np.log(panel.clicks[:, big] / panel.impressions[:, big])
    log_rate -= (-0.0006 * np.arange(240) + 0.5 * world.env.week)[:, None]
    found = slopes(panel.frequency[:, big], log_rate) + panel.decay[big]
    assert abs(found.mean()) < 4 * found.std() / np.sqrt(big.sum())
    assert found.std() < 0.05
    rest = log_rate + panel.decay[big] * panel.frequency[:, big]
    rest -= rest.mean(axis=0)
    # rounding to whole clicks adds to the variance, .29 / sqrt(240) to the correlation of one unit
    assert abs((rest[1:] * rest[:-1]).sum() / np.square(rest).sum() - 0.5) < 0.05
    assert abs(rest.std() - 0.08) < 0.01
    common = rest.mean(axis=1, keepdims=True)
    day = np.arange(240.0)[:, None]
    # an AR(1) of correlation .5 counts for a third of its days along a trend, and for most of them across a week
    for shape in (world.env.week[:, None], day):
        error = 0.08 * np.sqrt(3.0 / (big.sum() * 240)) / shape.std()
        assert abs(slopes(shape, common)[0]) < 4 * error


@pytest.mark.parametrize("seed", [3, 4])
def test_quality_regimes_switch_the_cost_per_click(seed: int) -> None:
    n = 400
    panel = (world := generate(sized("quality_regimes", n, pause_rate=0.0), seed, 300)).google_ads
    has = panel.saving > 0
    assert abs(has.mean() - 0.5) < 4 * np.sqrt(0.25 / n)
    assert not panel.regime[:, ~has].any()
    now, before = panel.regime[1:, has], panel.regime[:-1, has]
    for state, stay in ((0, 0.975), (1, 0.96)):
        stays = now[before == state] == state
        assert abs(stays.mean() - stay) < 4 * np.sqrt(stay * (1 - stay) / stays.size)
    price = 0.1 * world.env.rival + 0.3 * world.env.demand
    cost = np.log(panel.spend / np.maximum(panel.clicks, 1)) - price[:, None]
    rest = cost + panel.saving * panel.regime
    rest -= rest.mean(axis=0)
    big = (panel.impressions > 3000).all(axis=0)
    both = big & has & (panel.regime.mean(axis=0) > 0.2) & (panel.regime.mean(axis=0) < 0.8)
    cheap = panel.regime[:, both] == 1
    jump = np.where(cheap, rest[:, both], 0).sum(axis=0) / cheap.sum(axis=0)
    jump -= np.where(~cheap, rest[:, both], 0).sum(axis=0) / (~cheap).sum(axis=0)
    assert len(jump) > 30
    assert abs(jump.mean()) < 4 * jump.std() / np.sqrt(len(jump))
    assert abs(rest[:, big].std() - 0.12) < 0.01


def test_the_logged_quality_score_follows_the_regime_by_weeks() -> None:
    panel = generate(sized("quality_regimes", 500), SEED, 280).google_ads
    weeks = panel.quality_score.reshape(40, 7, 500)
    assert (weeks == weeks[:, :1]).all()
    assert panel.quality_score.min() >= 1 and panel.quality_score.max() <= 10
    expected = np.clip(5.5 + 1.2 * panel.quality + 2.0 * panel.regime[::7], 1, 10)
    inside = (expected > 3.5) & (expected < 7.5)
    error = (weeks[:, 0] - expected)[inside]
    spread = np.sqrt(0.7**2 + 1 / 12)
    assert abs(error.mean()) < 4 * spread / np.sqrt(error.size)
    assert abs(error.std() - spread) < 4 * spread / np.sqrt(2 * error.size)


@pytest.mark.parametrize("seed", [3, 4])
def test_failing_lists_lose_subscribers_at_their_hazard(seed: int) -> None:
    world = generate(sized("failing_list", 2, lists=24), seed, 180)
    panel = world.klaviyo
    day, person = panel.received.T
    unit = panel.people_list[person]
    send_days = {u: np.flatnonzero(panel.sends[:, u]) for u in range(24)}
    gap = {(u, d): d - e for u, days in send_days.items() for d, e in zip(days[1:], days, strict=False)}
    gaps = np.array([gap.get((u, d), 7) for u, d in zip(unit.tolist(), day.tolist(), strict=True)])
    age_weeks = (day - panel.consented[person]) / 7
    log_hazard = panel.log_hazard[day, unit] - 0.30 * np.log(1 + age_weeks)
    chance = 1 - np.exp(-np.exp(log_hazard) * gaps / 7)
    leaves = panel.left[person] == day
    late, tires = day >= 90, panel.drift[unit] > 0
    for cell in (late & tires, ~late & tires, late & ~tires, ~late & ~tires):
        error = np.sqrt((chance * (1 - chance))[cell].sum())
        assert abs(leaves[cell].sum() - chance[cell].sum()) < 4 * error
    month = panel.log_hazard - np.log(0.04) - np.arange(180)[:, None] / 30 * panel.drift
    shocks = month[::7]
    assert np.repeat(shocks, 7, axis=0)[:180] == pytest.approx(month)
    assert abs(shocks.std() - 0.15) < 4 * 0.15 / np.sqrt(2 * shocks.size)
    drift = panel.drift[panel.drift > 0]
    assert drift.min() >= 0.03 and drift.max() <= 0.10
    assert 4 <= len(drift) <= 20  # Binomial(24, 1/2): beyond with probability .0008


def test_geos_are_drawn_by_lot_and_lifted() -> None:
    scenario = SCENARIOS["geo_experiment"]
    design = scenario.geo_experiment
    lifts, sizes, doses, chosen = [], [], [], np.zeros(design.geos)
    for seed in range(60):
        geo = geo_panel(scenario, seed, environment(scenario.start, seed, 150))
        assert geo is not None and geo.is_treated.sum() == design.treated
        chosen += geo.is_treated
        before, during = geo.orders[:84].sum(axis=0), geo.orders[95:140].sum(axis=0)
        change = np.log(during / before)
        lifts.append(change[geo.is_treated].mean() - change[~geo.is_treated].mean())
        sizes.append(np.corrcoef(geo.is_treated, np.log(geo.means_without.mean(axis=0)))[0, 1])
        spent = np.log(geo.spend[84:140].mean(axis=0) / geo.spend[:84].mean(axis=0))
        doses.append(spent[geo.is_treated].mean() - spent[~geo.is_treated].mean())
        np.testing.assert_array_equal(geo.means[:, ~geo.is_treated], geo.means_without[:, ~geo.is_treated])
        np.testing.assert_array_equal(geo.means[140:], geo.means_without[140:])
    for found, expected in ((lifts, design.lift), (sizes, 0.0), (doses, design.dose)):
        assert abs(np.mean(found) - expected) < 4 * np.std(found) / np.sqrt(60)
    assert np.abs(chosen - 30).max() < 4 * np.sqrt(60 / 4)


def test_siblings_budget_changes_take_organic_orders() -> None:
    scenario = sized("spillover", 40, lists=1)
    world, alone = generate(scenario, SEED, 150), generate(off(scenario, spillover_psi=0.0), SEED, 150)
    for platform in PLATFORMS:
        panel = world.ads(platform)
        start = panel.starts["budget_change"]
        on = (np.arange(150)[:, None] >= start) & (start >= 0)
        share = np.empty(on.shape)
        for unit in range(40):
            others = (panel.account_ids == panel.account_ids[unit]) & (np.arange(40) != unit)
            share[:, unit] = on[:, others].mean(axis=1)
        np.testing.assert_allclose(panel.share_treated, share)
        assert share.max() > 0.5
        ratio = panel.organic_mean / alone.ads(platform).organic_mean
        np.testing.assert_allclose(ratio, np.exp(-0.5 * share))
    lost = world.table("spillovers", world.last_day)
    gone = sum((alone.ads(p).organic_mean - world.ads(p).organic_mean).sum() for p in PLATFORMS)
    assert -lost["effect_on_orders"].sum() == pytest.approx(0.97 * gone)


def test_a_market_shock_hits_demand_prices_and_macro_on_its_day() -> None:
    scenario = sized("macro_shock", 40)
    world, calm = generate(scenario, SEED, 150), generate(off(scenario, market_shocks=()), SEED, 150)
    macro = world.env.macro - calm.env.macro
    np.testing.assert_allclose(
        macro, np.where(np.arange(150) < 100, 0, -2.0 * 0.97 ** (np.arange(150) - 100.0)), atol=1e-12
    )
    hit = (np.arange(150) >= 100) & (np.arange(150) < 130)
    np.testing.assert_allclose(world.env.demand - calm.env.demand, -0.35 * hit + 0.08 * macro, atol=1e-12)

    def mille(drawn: World, days: slice) -> float:
        return float(np.log(drawn.meta.spend[days].sum() / drawn.meta.impressions[days].sum()))

    change = mille(world, slice(100, 130)) - mille(calm, slice(100, 130))
    assert change == pytest.approx(0.25 + 0.3 * (world.env.demand - calm.env.demand)[100:130].mean(), abs=0.005)
    assert mille(world, slice(0, 100)) == mille(calm, slice(0, 100))
    seen, unseen = world.macro.to_pandas(), calm.macro.to_pandas()
    early = seen["realtime_start"] < scenario.start + timedelta(days=100)
    pd.testing.assert_frame_equal(
        seen[early][["series_id", "date", "value"]], unseen[early][["series_id", "date", "value"]]
    )
    late = (seen["series_id"] == "VIXCLS") & (seen["date"] >= scenario.start + timedelta(days=100))
    assert (seen.loc[late, "value"] > 1.05 * unseen.loc[late, "value"]).all()


def test_treatments_end_and_take_their_effect_along() -> None:
    world = generate(sized("non_absorbing", 200, lists=40), SEED, 200)
    treatments = world.treatments()
    ended = treatments[treatments["ended_on"].notna()]
    length = (pd.to_datetime(ended["ended_on"]) - pd.to_datetime(ended["started_on"])).dt.days + 1
    ads = ended["platform"] != "klaviyo"
    assert length[ads].min() >= 30 and length[ads].max() < 90
    # a list shows a change at its sends, which are a week apart
    assert length[~ads].min() >= 30 - 7 and length[~ads].max() < 90 + 11
    assert (
        abs(length[ads].mean() - 59.5) < 4 * 60 / np.sqrt(12) / np.sqrt(ads.sum()) + 3
    )  # late long ones are cut off
    for platform in PLATFORMS:
        panel = world.ads(platform)
        for kind in ("targeting_change", "creative_change"):
            unit = np.flatnonzero(panel.stops[kind] >= 0)[0]
            start, stop = panel.starts[kind][unit], panel.stops[kind][unit]
            assert (panel.responses[kind][start:stop, unit] > 0).all()
            assert not panel.responses[kind][stop:, unit].any()
        unit = np.flatnonzero(panel.stops["budget_change"] >= 0)[0]
        stop = panel.stops["budget_change"][unit]
        assert panel.budget[stop, unit] == panel.budget[0, unit] < panel.budget[stop - 1, unit]
    steps = world.table("change_dates", world.last_day).groupby("unit_id")["log_size"].agg(["sum", "size"])
    assert np.abs(steps.loc[steps["size"] == 2, "sum"]).max() < 1e-12
    lists = world.klaviyo
    unit = np.flatnonzero(lists.stops["budget_change"] >= 0)[0]
    days = np.flatnonzero(lists.sends[:, unit])
    gaps = dict(zip(days[1:].tolist(), np.diff(days).tolist(), strict=True))
    start, stop = lists.starts["budget_change"][unit], lists.stops["budget_change"][unit]
    assert {gap for day, gap in gaps.items() if start <= day < stop} == {4}
    assert {gap for day, gap in gaps.items() if day < start or day >= stop} == {7}
    truth = world.truth(world.last_day)
    remains = truth[~truth["is_on"]].groupby("treatment_type")["effect_on_orders"].agg(["max", "size"])
    assert remains["size"].min() > 100
    assert (remains.loc[["targeting_change", "creative_change"], "max"] == 0.0).all()
    assert remains.loc["budget_change", "max"] > 0.0


def test_a_block_leaves_the_draws_of_the_others_alone() -> None:
    base = sized("staggered_rollout", 30, lists=4, subscribers_per_list=20)
    plain = generate(base, SEED, 120)
    quality = SCENARIOS["quality_regimes"].regimes
    for block in (
        {"regimes": quality},
        {"fatigue": SCENARIOS["audience_fatigue"].fatigue, "adopted": base.adopted},
        {"outages": Outages(), "cells": Cells(), "tracking_break": TrackingBreak()},
        {"geo_experiment": SCENARIOS["geo_experiment"].geo_experiment},
        {"churn": SCENARIOS["failing_list"].churn},
        {"order_value_tail": 3.0},
    ):
        world = generate(off(base, **block), SEED, 120)
        np.testing.assert_array_equal(world.google_ads.orders, plain.google_ads.orders)
        np.testing.assert_array_equal(world.google_ads.impressions, plain.google_ads.impressions)
        np.testing.assert_array_equal(world.klaviyo.orders, plain.klaviyo.orders)
    stepped = generate(off(base, organic_steps=OrganicSteps()), SEED, 120)
    for kind, days in plain.meta.starts.items():
        np.testing.assert_array_equal(stepped.meta.starts[kind], days)
