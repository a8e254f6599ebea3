"""What is true of a world: effects against worlds drawn again without the treatment, claims, restatement, bias."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.schema import TREATMENT_TYPES
from liftos_pipeline.simulator import SCENARIOS, Scenario, World, generate
from liftos_pipeline.simulator.lists import SHORT_GAP_DAYS, USUAL_GAP_DAYS
from liftos_pipeline.simulator.switches import OrganicSteps, TrackingBreak

SCENARIO = SCENARIOS["staggered_rollout"]
SMALL = replace(SCENARIO, campaigns_per_platform=16, lists=8, subscribers_per_list=20)
PLATFORMS = ("meta", "google_ads", "klaviyo")
DAYS = 140
SEED = 9


def silenced(*kinds: str) -> MappingProxyType[str, tuple[float, float, float]]:
    """Responses with the strength of some treatments set to zero."""
    responses = {kind: (0.0, *values[1:]) if kind in kinds else values for kind, values in SMALL.response.items()}
    return MappingProxyType(responses)


def means(world: World, platform: str) -> tuple[np.ndarray, np.ndarray]:
    """Expected net orders and claims of a world as it was drawn."""
    net = 1.0 - world.scenario.refund_rate
    if platform == "klaviyo":
        orders = world.klaviyo.means()
        return orders * net, np.full_like(orders, np.nan)
    orders, reported = world.ads(platform).means()
    return orders * net, reported


WORLDS = {
    "staggered_rollout": SMALL,
    "switched": replace(
        SMALL,
        switch_off_days=(10.0, 40.0),
        organic_steps=OrganicSteps(),
        tracking_break=TrackingBreak(),
        order_value_tail=2.5,
    ),
}


def without(scenario: Scenario, kind: str) -> tuple[Scenario, Scenario]:
    """A scenario and the same one in which ``kind`` does nothing. Lists have no dose: there, nobody adopts."""
    if kind == "budget_change":
        quiet = replace(scenario, response=silenced("targeting_change", "creative_change"))
        return quiet, replace(quiet, base_hazard=0.0)
    return scenario, replace(scenario, response=silenced(kind))


@pytest.mark.parametrize("kind", TREATMENT_TYPES)
@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("scenario", list(WORLDS))
def test_truth_equals_drawing_the_world_again_without_the_treatment(
    scenario: str, platform: str, kind: str
) -> None:
    base, other = without(WORLDS[scenario], kind)
    world = generate(base, SEED, DAYS)
    (orders, reported), (fewer, fewer_reported) = (
        means(world, platform),
        means(generate(other, SEED, DAYS), platform),
    )
    truth = world.truth(SMALL.start + timedelta(days=DAYS - 1))
    truth = truth[(truth["platform"] == platform) & (truth["treatment_type"] == kind)]
    day = (truth["date_day"] - pd.Timestamp(SMALL.start)).dt.days.to_numpy()
    unit = pd.Index(world.units(platform)).get_indexer(truth["unit_id"])
    np.testing.assert_allclose(truth["effect_on_orders"], (orders - fewer)[day, unit], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        truth["effect_on_reported"], (reported - fewer_reported)[day, unit], rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(truth["mean_orders"], orders[day, unit])
    np.testing.assert_allclose(truth["mean_reported"], reported[day, unit])
    panel = world.klaviyo if platform == "klaviyo" else world.ads(platform)
    value = panel.order_value[day, unit]
    np.testing.assert_allclose(truth["effect_on_order_revenue"], truth["effect_on_orders"] * value)
    np.testing.assert_allclose(truth["effect_on_revenue_reported"], truth["effect_on_reported"] * value)
    untreated = np.ones(orders.shape, dtype=bool)
    untreated[day, unit] = False
    np.testing.assert_allclose(orders[untreated], fewer[untreated], rtol=1e-12)


def test_truth_has_one_row_per_treated_unit_day() -> None:
    world = generate(SMALL, SEED, DAYS)
    through = SMALL.start + timedelta(days=99)
    truth, treatments = world.truth(through), world.treatments()
    assert not truth.duplicated(["unit_id", "treatment_type", "date_day"]).any()
    started = treatments[treatments["started_on"] <= through].set_index(["unit_id", "treatment_type"])[
        "started_on"
    ]
    counted = truth.groupby(["unit_id", "treatment_type"]).size()
    expected = started.map(lambda day: (through - day).days + 1)
    pd.testing.assert_series_equal(counted.sort_index(), expected.sort_index(), check_names=False)
    assert (truth["date_day"] >= truth["started_on"]).all()


def test_treatments_carry_their_dose() -> None:
    world = generate(SMALL, SEED, DAYS)
    treatments = world.treatments()
    budgets = treatments[treatments["treatment_type"] == "budget_change"].set_index("unit_id")["dose"]
    assert treatments.loc[treatments["treatment_type"] != "budget_change", "dose"].isna().all()
    for platform in ("meta", "google_ads"):
        panel = world.ads(platform)
        for unit in np.flatnonzero(panel.starts["budget_change"] >= 0):
            start = panel.starts["budget_change"][unit]
            change = np.log(panel.budget[start, unit] / panel.budget[start - 1, unit])
            # budgets are whole dollars of about 90: half a dollar on either side
            assert abs(change - budgets[world.units(platform)[unit]]) < 1.0 / panel.budget[start - 1, unit]
    lists = budgets[budgets.index.str.startswith("klaviyo:")]
    np.testing.assert_allclose(lists, np.log(USUAL_GAP_DAYS / SHORT_GAP_DAYS))


@pytest.mark.parametrize("seed", [31, 32, 33, 34])
def test_draws_are_poisson_around_the_means(seed: int) -> None:
    world = generate(SCENARIO, seed, 120)
    for platform in PLATFORMS:
        panel = world.klaviyo if platform == "klaviyo" else world.ads(platform)
        expected = panel.means() if platform == "klaviyo" else panel.means()[0]
        pairs = [(panel.orders, expected)]
        if platform != "klaviyo":
            pairs.append((panel.conversions, panel.means()[1]))
        for drawn, mean in pairs:
            assert abs(drawn.sum() - mean.sum()) < 4 * np.sqrt(mean.sum()), (platform, drawn.sum(), mean.sum())
            spread = np.square(drawn - mean).sum() / mean.sum()
            # the squared deviation of a Poisson count has variance mean + 2 mean^2
            assert abs(spread - 1.0) < 4 * np.sqrt((mean + 2 * mean**2).sum()) / mean.sum()


@pytest.mark.parametrize(("platform", "expected"), [("meta", 1.65), ("google_ads", 1.77)])
def test_platforms_claim_more_than_they_cause(platform: str, expected: float) -> None:
    ratios = []
    for seed in range(8):
        panel = generate(SCENARIO, seed, 180).ads(platform)
        orders, reported = panel.means()
        ratios.append(reported.sum() / (orders - panel.organic_mean).sum())
    # the mean over eight worlds scatters by about .012
    assert abs(np.mean(ratios) - expected) < 0.05


def test_claims_of_organic_orders_rise_with_delivery() -> None:
    panel = generate(SMALL, SEED, DAYS).meta
    more, less = panel.means()[1], panel.means("budget_change")[1]
    stepped = (panel.stock > panel.stock_without_step * 1.01) & panel.delivered
    response = panel.responses["targeting_change"] + panel.responses["creative_change"]
    caused = panel.driven_scale * np.exp(response) * (panel.stock - panel.stock_without_step)
    assert stepped.sum() > 300
    assert (more - less > caused)[stepped].all()


def test_conversions_arrive_late_and_never_leave() -> None:
    panel = generate(SCENARIO, 12, 90).google_ads
    units = np.arange(len(panel.quality))
    span = slice(0, 90)
    seen = [panel.reported(span, np.full(90, age), units) for age in range(30)]
    for younger, older in pairwise(seen):
        assert (older >= younger).all()
    np.testing.assert_array_equal(seen[28], panel.conversions)
    total = panel.conversions.sum()
    for age in (0, 1, 4, 12):
        share = 1.0 - 0.4 * np.exp(-age / 4.0)
        assert abs(seen[age].sum() / total - share) < 4 * np.sqrt(share * (1 - share) / total)


def test_a_day_without_delivery_has_no_claims() -> None:
    world = generate(replace(SMALL, pause_rate=0.2), SEED, 60)
    paused = ~world.meta.delivered
    assert abs(paused.mean() - 0.2) < 4 * np.sqrt(0.16 / paused.size)
    assert world.meta.conversions[paused].sum() == 0
    assert world.meta.means()[1][paused].sum() == 0
    assert (world.meta.spend[paused] == 0).all()


def test_naive_differences_are_biased_and_effects_are_of_useful_size() -> None:
    biases, sizes = [], []
    for seed in range(6):
        world = generate(SCENARIO, seed, 180)
        truth = world.truth(SCENARIO.start + timedelta(days=179)).groupby(["platform", "treatment_type"])
        effect = truth[["effect_on_orders", "mean_orders"]].mean()
        for platform in PLATFORMS:
            panel = world.klaviyo if platform == "klaviyo" else world.ads(platform)
            for kind in TREATMENT_TYPES:
                treated = np.arange(180)[:, None] >= np.where(panel.starts[kind] < 0, 180, panel.starts[kind])
                naive = panel.orders[treated].mean() - panel.orders[~treated].mean()
                real, level = effect.loc[(platform, kind)]
                biases.append(naive / real - 1.0)
                sizes.append({"kind": kind, "share": real / (level - real)})
    assert np.mean(biases) > 0.30
    share = pd.DataFrame(sizes).groupby("kind")["share"].mean()
    assert 0.20 < share["targeting_change"] < 0.40
    assert 0.10 < share["budget_change"] < 0.40
    assert 0.08 < share["creative_change"] < 0.40
