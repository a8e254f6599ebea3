"""What the worlds' switches plant passes through the wire formats and the connectors as it was drawn."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta

import httpx
import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.platforms import SIMULATED_ORIGIN, simulated_app
from liftos_pipeline.platforms.app import world_at
from liftos_pipeline.schema import TREATMENT_TYPES
from liftos_pipeline.settings import Settings
from liftos_pipeline.simulator import SCENARIOS, World
from liftos_pipeline.simulator.switches import AttributionChange, Cells, Outages, Restatement
from liftos_pipeline.sources import SOURCES
from tests.replies import HASH_KEY, utc

SCENARIO = replace(
    SCENARIOS["staggered_rollout"],
    campaigns_per_platform=12,
    lists=6,
    subscribers_per_list=8,
    base_hazard=0.03,
    switch_off_days=(20.0, 50.0),
    fatigue=SCENARIOS["audience_fatigue"].fatigue,
    regimes=SCENARIOS["quality_regimes"].regimes,
    geo_experiment=replace(SCENARIOS["geo_experiment"].geo_experiment, geos=6, treated=3, orders=5.0),
    restatement=Restatement(pending=0.75, delay_days=8.0, final_days=27),
    outages=Outages(gap_days=15.0),
    tracking_break=SCENARIOS["tracking_break"].tracking_break,
    cells=Cells(missing=0.02, outliers=0.02),
    attribution_change=AttributionChange(day=60),
)
"""Every switch at once."""

SEED = 12
CLOCK = utc(2026, 5, 1)
LAST = date(2026, 4, 30)
DAYS = 120


@pytest.fixture(scope="module")
def world() -> World:
    return world_at(SCENARIO, SEED, CLOCK)


@pytest.fixture(scope="module")
def settings(world: World) -> Settings:
    return Settings().as_simulated(world.accounts(), SIMULATED_ORIGIN)


def pull(settings: Settings, name: str, stream: str, start: date, clock: datetime = CLOCK) -> pd.DataFrame:
    return pd.DataFrame(list(_rows(settings, name, stream, start, clock)))


def _rows(settings: Settings, name: str, stream: str, start: date, clock: datetime) -> Iterator[dict]:
    transport = httpx.WSGITransport(simulated_app(SCENARIO, SEED))
    connection = SOURCES[name].connect(settings, clock=clock, transport=transport, hash_key=HASH_KEY)
    last = clock.date() - timedelta(days=1)
    for account in SOURCES[name].accounts(settings, connection):
        yield from SOURCES[name].stream(stream).fetch(connection, account, start, last, clock).rows.to_pylist()
    connection.close()


def grid(rows: pd.DataFrame, ids: np.ndarray, day: str, unit: str, value: str) -> np.ndarray:
    """Values by day and unit, NaN where there is no row."""
    days = pd.date_range(SCENARIO.start, LAST).date
    wide = rows.pivot(index=day, columns=unit, values=value).astype(float)
    return wide.reindex(index=days, columns=ids).to_numpy()


@pytest.mark.parametrize(
    ("name", "stream", "money"), [("meta", "insights_daily", 1.0), ("google_ads", "daily", 1e6)]
)
def test_rows_that_were_lost_are_absent_and_outliers_are_shown(
    name: str, stream: str, money: float, world: World, settings: Settings
) -> None:
    panel = world.ads(name)
    rows = pull(settings, name, stream, SCENARIO.start)
    rows = rows[rows["level"] == "campaign"].rename(columns={"cost_micros": "spend"})
    spend = grid(rows, panel.campaign_ids, "date_day", "entity_id", "spend") / money
    shown = panel.shown[:DAYS]
    assert (panel.delivered[:DAYS] & ~shown).mean() > 0.05
    np.testing.assert_array_equal(np.isfinite(spend), shown)
    np.testing.assert_allclose(spend[shown], panel.spend[:DAYS][shown], atol=1e-9)
    clicks = grid(rows, panel.campaign_ids, "date_day", "entity_id", "clicks_all" if name == "meta" else "clicks")
    np.testing.assert_array_equal(clicks[shown], panel.clicks[:DAYS][shown])
    bought = grid(rows, panel.campaign_ids, "date_day", "entity_id", "conversions")
    known = panel.reported(slice(0, DAYS), DAYS - 1 - np.arange(DAYS), np.arange(12))
    np.testing.assert_array_equal(bought[shown], known[shown])
    assert (panel.tracked[:DAYS][shown] < 1).any()
    parts = pull(settings, name, stream, SCENARIO.start).query("level != 'campaign'")
    total = parts.rename(columns={"cost_micros": "spend"}).groupby(["date_day", "campaign_id"])["spend"].sum()
    assert total.astype(float).sum() / money == pytest.approx(panel.spend[:DAYS][shown].sum())


def test_frequency_is_the_loads_of_the_audience(world: World, settings: Settings) -> None:
    rows = pull(settings, "meta", "insights_daily", SCENARIO.start).query("level == 'campaign'")
    found = grid(rows, world.meta.campaign_ids, "date_day", "entity_id", "frequency")
    shown = world.meta.shown[:DAYS]
    np.testing.assert_allclose(found[shown], world.meta.frequency[:DAYS][shown], atol=1e-6)


def test_the_attribution_setting_changes_on_its_day(settings: Settings) -> None:
    rows = pull(settings, "meta", "insights_daily", SCENARIO.start)
    days = rows.groupby("attribution_setting")["date_day"].agg(["min", "max"])
    change = SCENARIO.start + timedelta(days=60)
    assert days.loc["7d_click_1d_view", "max"] < change <= days.loc["7d_click", "min"]
    assert set(days.index) == {"7d_click_1d_view", "7d_click"}


def test_quality_scores_change_by_week(world: World, settings: Settings) -> None:
    rows = pull(settings, "google_ads", "keyword_quality_daily", SCENARIO.start)
    rows = rows.dropna(subset=["historical_quality_score"]).groupby(["date_day", "campaign_id"], as_index=False)
    scores = rows["historical_quality_score"].agg(["min", "max"])
    assert (scores["min"] == scores["max"]).all()
    found = grid(scores, world.google_ads.campaign_ids, "date_day", "campaign_id", "min")
    seen = np.isfinite(found)
    np.testing.assert_array_equal(found[seen], world.google_ads.quality_score[:DAYS][seen])
    assert len({tuple(row) for row in world.google_ads.quality_score[:DAYS].tolist()}) > 10


@pytest.mark.parametrize("clock", [CLOCK, utc(2026, 3, 20)])
def test_change_logs_name_starts_ends_and_refreshes(clock: datetime, world: World, settings: Settings) -> None:
    begun = (clock.date() - SCENARIO.start).days
    for name, stream, reach in (("meta", "activities", begun), ("google_ads", "change_events", 30)):
        start = clock.date() - timedelta(days=reach)
        rows = pull(settings, name, stream, start, clock)
        found = rows.groupby("change_class")["date_day"].apply(sorted).to_dict()
        panel = world.ads(name)
        for kind in TREATMENT_TYPES:
            days = panel.changes(kind, np.arange(12))[:, 1]
            inside = sorted(SCENARIO.start + timedelta(days=int(d)) for d in days if begun - reach <= d < begun)
            assert found.get(kind.removesuffix("_change"), []) == inside, (name, kind)
    assert (world.meta.stops["budget_change"] >= 0).any()


def test_changes_of_some_days_are_those_of_all_days_in_them(world: World) -> None:
    units = np.array([1, 4, 5, 9])
    for panel in (world.meta, world.google_ads):
        for kind in TREATMENT_TYPES:
            whole = panel.changes(kind, units)
            for first, end in ((0, DAYS), (10, 31), (40, 41), (60, 60)):
                inside = whole[(whole[:, 1] >= first) & (whole[:, 1] < end)]
                np.testing.assert_array_equal(panel.changes(kind, units, range(first, end)), inside)
    assert len(world.meta.changes("creative_change", units)) > 4


def test_ends_of_a_change_are_logged_as_its_reverse(world: World, settings: Settings) -> None:
    panel = world.meta
    rows = pull(settings, "meta", "activities", SCENARIO.start)
    budgets = rows[rows["change_class"] == "budget"].set_index(["object_id", "date_day"])
    for unit in np.flatnonzero((panel.stops["budget_change"] >= 0) & (panel.stops["budget_change"] < DAYS)):
        campaign = panel.campaign_ids[unit]
        start, stop = (
            SCENARIO.start + timedelta(days=int(d["budget_change"][unit])) for d in (panel.starts, panel.stops)
        )
        first, last = budgets.loc[(campaign, start)], budgets.loc[(campaign, stop)]
        assert (first["old_budget"], first["new_budget"]) == (last["new_budget"], last["old_budget"])
        assert first["new_budget"] > first["old_budget"]
    targeting = rows[rows["change_class"] == "targeting"]["detail"].map(json.loads)
    moves = sorted({tuple(str(d.get(key))[-1] for key in ("old_value", "new_value")) for d in targeting})
    assert moves == [("a", "b"), ("b", "a")]


def test_google_names_what_a_change_replaced(world: World, settings: Settings) -> None:
    panel, found = world.google_ads, {}
    for clock in (utc(2026, 1, 31), utc(2026, 3, 1), utc(2026, 3, 31), utc(2026, 4, 20), CLOCK):
        rows = pull(settings, "google_ads", "change_events", clock.date() - timedelta(days=30), clock)
        targeting = rows[rows["change_class"] == "targeting"]
        for campaign, day, detail in zip(
            *(targeting[c] for c in ("campaign_id", "date_day", "detail")), strict=True
        ):
            found[campaign, day] = "negative" in str(json.loads(detail)["new"])
    expected = {
        (str(panel.campaign_ids[unit]), SCENARIO.start + timedelta(days=day)): panel.starts["targeting_change"][
            unit
        ]
        == day
        for unit, day in panel.changes("targeting_change", np.arange(12)).tolist()
        if day < DAYS
    }
    assert found == expected
    assert set(found.values()) == {True, False}


def test_entities_go_back_and_creatives_go_on(world: World, settings: Settings) -> None:
    panel = world.meta
    for clock in (utc(2026, 2, 20), CLOCK):
        day = (clock.date() - SCENARIO.start).days - 1
        adsets = (
            pull(settings, "meta", "adsets", SCENARIO.start, clock)
            .drop_duplicates("campaign_id")
            .set_index("campaign_id")
        )
        ads = (
            pull(settings, "meta", "ads", SCENARIO.start, clock)
            .drop_duplicates("campaign_id")
            .set_index("campaign_id")
        )
        for unit, campaign in enumerate(panel.campaign_ids):
            start, stop = panel.starts["targeting_change"][unit], panel.stops["targeting_change"][unit]
            is_on = 0 <= start <= day and not 0 <= stop <= day
            assert adsets.loc[campaign, "targeting"].split('"id":')[1].strip(' "')[6] == str(1 + is_on)
            creative = (int(ads.loc[campaign, "creative_id"]) - int(campaign)) // 10
            assert creative == 3 + panel.refreshes[: day + 1, unit].sum()
    assert (panel.stops["targeting_change"] >= 0).any()


def test_lists_take_their_changes_back_in_the_schedule(world: World, settings: Settings) -> None:
    sends = pull(settings, "klaviyo", "campaigns", SCENARIO.start).sort_values("send_at")
    lists = world.klaviyo
    for unit, list_id in enumerate(lists.list_ids):
        own = sends[sends["list_id"] == list_id]
        day = np.array([(at.date() - SCENARIO.start).days for at in own["send_at"]])
        np.testing.assert_array_equal(day, np.flatnonzero(lists.sends[:DAYS, unit]))
        start, stop = lists.starts["targeting_change"][unit], lists.stops["targeting_change"][unit]
        is_on = (day >= start) & (start >= 0) & ~((day >= stop) & (stop >= 0))
        assert (own["excluded_ids"].map(lambda ids: "SEG" in str(ids)).to_numpy() == is_on).all()
    assert (lists.stops["targeting_change"] >= 0).any()


def test_orders_of_regions_are_placed_by_their_residents(world: World, settings: Settings) -> None:
    events = pull(settings, "klaviyo", "events", SCENARIO.start)
    profiles = pull(settings, "klaviyo", "profiles", date(2000, 1, 1)).set_index("profile_id")["region"]
    geo = world.geo
    assert set(profiles.dropna()) == set(geo.geo_ids)
    placed = events[events["metric_name"] == "Placed Order"]
    placed = placed.assign(region=profiles.reindex(placed["profile_id"]).to_numpy())
    counts = placed.dropna(subset=["region"]).groupby(["date_day", "region"]).size().rename("orders").reset_index()
    found = np.nan_to_num(grid(counts, geo.geo_ids, "date_day", "region", "orders"))
    np.testing.assert_array_equal(found, geo.orders[:DAYS])
    everywhere = sum(int(panel.orders[:DAYS].sum()) for panel in (world.meta, world.google_ads, world.klaviyo))
    assert placed["region"].isna().sum() == everywhere
    value = placed.dropna(subset=["region"])["numeric_value"].astype(float).sum()
    assert value == pytest.approx((geo.orders * geo.order_value)[:DAYS].sum())
    back = events[events["metric_name"] == "Refunded Order"]
    back_home = profiles.reindex(back["profile_id"]).notna().sum()
    sold = geo.orders[: DAYS - 5].sum()
    assert abs(back_home - 0.03 * sold) < 4 * np.sqrt(0.03 * 0.97 * sold)


@pytest.mark.parametrize(
    ("name", "stream", "key", "value"),
    [
        ("meta", "insights_daily", ["entity_id", "date_day"], "spend"),
        ("google_ads", "keyword_quality_daily", ["criterion_id", "date_day"], "historical_quality_score"),
        ("klaviyo", "events", ["event_id"], "numeric_value"),
    ],
)
def test_later_clocks_add_days_and_change_none(
    name: str, stream: str, key: list[str], value: str, settings: Settings
) -> None:
    """The worlds behind the two clocks differ in length."""
    clock, start = utc(2026, 2, 10), date(2026, 2, 1)
    early = pull(settings, name, stream, start, clock)
    later = pull(settings, name, stream, start)
    assert len(early) > 50
    assert early["date_day"].max() < clock.date() < later["date_day"].max()
    known = later[later["date_day"] < clock.date()]
    pd.testing.assert_series_equal(
        early.set_index(key)[value].sort_index(), known.set_index(key)[value].sort_index(), check_dtype=False
    )
