"""What worlds plant in the measurement: restatement, outages, broken tracking, outliers. Bounds: four Monte-Carlo errors."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd

from liftos_pipeline.simulator import SCENARIOS, generate
from liftos_pipeline.simulator.switches import AttributionChange
from tests.planted_worlds import PLATFORMS, SEED, off, sized


def test_restatement_is_slow_and_ends() -> None:
    panel = generate(sized("restated_conversions", 300), SEED, 60).meta
    span, units = slice(0, 60), np.arange(300)
    total = panel.conversions.sum()
    for age in (0, 3, 14, 26):
        share = 1.0 - 0.75 * np.exp(-age / 8.0)
        seen = panel.reported(span, np.full(60, age), units).sum() / total
        assert abs(seen - share) < 4 * np.sqrt(share * (1 - share) / total), age
    np.testing.assert_array_equal(panel.reported(span, np.full(60, 27), units), panel.conversions)


def test_outages_last_and_hit_whole_accounts_and_nothing_else() -> None:
    scenario = sized("outage", 400, accounts_per_platform=200)
    world, well = generate(scenario, SEED, 300), generate(off(scenario, outages=None, cells=None), SEED, 300)
    panel = world.meta
    by_account = panel.is_outage[:, ::2]
    np.testing.assert_array_equal(by_account, panel.is_outage[:, 1::2])
    assert not panel.shown[panel.is_outage].any()
    for state, chance in ((False, 1 / 45), (True, 2 / 3)):
        following = by_account[1:][by_account[:-1] == state]
        assert abs(following.mean() - chance) < 4 * np.sqrt(chance * (1 - chance) / following.size)
    kept = panel.delivered & ~panel.is_outage
    missing = ~panel.shown[kept]
    assert abs(missing.mean() - 0.01) < 4 * np.sqrt(0.01 * 0.99 / missing.size)
    for name in ("orders", "spend", "impressions", "conversions"):
        np.testing.assert_array_equal(getattr(panel, name), getattr(well.meta, name))
    faults = world.table("faults", world.last_day)
    days = (faults["ended_on"] - faults["started_on"]).dt.days + 1
    assert set(faults["kind"]) == {"outage"}
    first_units = {p: world.ads(p).is_outage[:, ::2].sum() for p in PLATFORMS}
    assert days.groupby(faults["platform"]).sum().to_dict() == first_units


def test_broken_tracking_reports_a_tenth_from_its_day_on() -> None:
    scenario = sized("tracking_break", 240, accounts_per_platform=12)
    world, well = generate(scenario, SEED, 200), generate(off(scenario, tracking_break=None), SEED, 200)
    for platform in PLATFORMS:
        panel, whole = world.ads(platform), well.ads(platform)
        broken = panel.tracked < 1.0
        assert len(set(panel.account_ids[broken.any(axis=0)])) == 6
        first = broken.argmax(axis=0)[broken.any(axis=0)]
        assert first.min() >= 80 and first.max() < 130
        assert broken[-1].sum() == broken.any(axis=0).sum()
        np.testing.assert_array_equal(panel.conversions[~broken], whole.conversions[~broken])
        total = whole.conversions[broken].sum()
        assert abs(panel.conversions[broken].sum() - 0.1 * total) < 4 * np.sqrt(0.09 * total)
        np.testing.assert_allclose(panel.means()[1], whole.means()[1] * np.where(broken, 0.1, 1.0))
        np.testing.assert_array_equal(panel.orders, whole.orders)


def test_another_attribution_claims_less_of_the_same_orders() -> None:
    scenario = sized("staggered_rollout", 100)
    world = generate(off(scenario, attribution_change=AttributionChange(90, 0.5)), SEED, 150)
    panel, usual = world.meta, generate(scenario, SEED, 150).meta
    np.testing.assert_array_equal(panel.orders, usual.orders)
    np.testing.assert_array_equal(panel.means()[1][:90], usual.means()[1][:90])
    organic = usual.organic_mean * usual.delivered
    halved = usual.means()[1] - organic * (np.exp(-1.1 * usual.stock) - np.exp(-2.2 * usual.stock))
    np.testing.assert_allclose(panel.means()[1][90:], halved[90:])
    total = panel.means()[1][90:].sum()
    assert abs(panel.conversions[90:].sum() - total) < 4 * np.sqrt(total)
    faults = world.table("faults", world.last_day)
    assert set(faults["kind"]) == {"attribution_change"} and set(faults["factor"]) == {0.5}
    assert set(faults["started_on"]) == {pd.Timestamp(scenario.start + timedelta(days=90))}
    assert len(faults) == 4


def test_many_units_has_the_defects_of_large_accounts() -> None:
    assert 2 * SCENARIOS["many_units"].campaigns_per_platform == 10_000
    scenario = sized("many_units", 500)
    world = generate(scenario, SEED, 200)
    clean = generate(off(scenario, cells=None, order_value_tail=0.0), SEED, 200)
    panel, steady = world.meta, clean.meta
    share = 1 - panel.shown[panel.delivered].mean()
    assert abs(share - 0.01) < 4 * np.sqrt(0.01 * 0.99 / panel.delivered.sum())
    ratio = panel.spend[panel.delivered] / steady.spend[panel.delivered]
    inflated = ratio > 1.5
    assert abs(inflated.mean() - 0.002) < 4 * np.sqrt(0.002 * 0.998 / ratio.size)
    assert abs(ratio[inflated].mean() - 6.5) < 4 * 7 / np.sqrt(12 * inflated.sum())
    assert (ratio[~inflated] == 1.0).all()
    np.testing.assert_array_equal(panel.orders, steady.orders)
    tail = panel.order_value / steady.order_value
    assert abs(tail.mean() - 1.0) < 4 * np.sqrt(0.8 / tail.size)
    for x in (2.0, 5.0, 20.0):
        above = (0.6 / x) ** 2.5
        assert abs((tail > x).mean() - above) < 4 * np.sqrt(above / tail.size) + 1e-5, x


def test_organic_steps_are_unlogged_lasting_and_of_their_size() -> None:
    scenario = sized("many_units", 500)
    world, steady = generate(scenario, SEED, 200), generate(off(scenario, organic_steps=None), SEED, 200)
    panel = world.google_ads
    moved = panel.organic_step != 0
    assert abs(moved[1:].mean() - 1 / 400) < 4 * np.sqrt(1 / 400 / moved.size)
    size = panel.organic_step[moved]
    assert np.abs(size).min() >= 0.15 and np.abs(size).max() <= 0.50
    assert abs((size > 0).mean() - 0.5) < 4 * 0.5 / np.sqrt(size.size)
    # without outliers on either side: what was bought
    ratio = np.log(
        panel.impressions / np.maximum(steady.google_ads.impressions, 1),
        where=panel.delivered,
        out=np.zeros(moved.shape),
    )
    expected = np.cumsum(panel.organic_step, axis=0)
    many = panel.delivered & (steady.google_ads.impressions > 2000)
    np.testing.assert_allclose(ratio[many], expected[many], atol=2e-3)
    steps = world.table("change_dates", world.last_day)
    ours = steps[steps["platform"] == "google_ads"]
    assert ours["is_organic"].sum() == moved.sum()
    assert ours["is_logged"].sum() == len(panel.changes("budget_change", np.arange(500)))
    np.testing.assert_array_equal(panel.budget, steady.google_ads.budget)
