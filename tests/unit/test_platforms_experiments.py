"""Declared experiments on the wire: what the platforms list is who was drawn, and what had happened by the clock; and
what Meta reports by region."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta

import httpx
import numpy as np
import pytest

from liftos_pipeline.platforms import SIMULATED_ORIGIN, simulated_app
from liftos_pipeline.platforms.app import world_at
from liftos_pipeline.settings import Settings
from liftos_pipeline.simulator import World
from liftos_pipeline.simulator.scenario import scenario_named
from liftos_pipeline.sources import SOURCES
from tests.replies import HASH_KEY, utc

SEED = 4
CLOCK = utc(2026, 4, 11)
DAY = 99
MIXED, GEO, PLAIN = "small_mixed_assignment", "small_geo_experiment", "small_rollout"


def world_of(scenario: str) -> World:
    return world_at(scenario_named(scenario), SEED, CLOCK)


def pull(scenario: str, name: str, stream: str, clock: datetime = CLOCK, days: int = 1) -> list[dict]:
    named = scenario_named(scenario)
    settings = Settings().as_simulated(world_of(scenario).accounts(), SIMULATED_ORIGIN)
    transport = httpx.WSGITransport(simulated_app(named, SEED))
    connection = SOURCES[name].connect(settings, clock=clock, transport=transport, hash_key=HASH_KEY)
    day = clock.date() - timedelta(days=1)
    windows = [
        SOURCES[name].stream(stream).fetch(connection, account, day - timedelta(days=days - 1), day, clock)
        for account in SOURCES[name].accounts(settings, connection)
    ]
    connection.close()
    return [row for window in windows for row in window.rows.to_pylist()]


def drawn(world: World, platform: str, day: int) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """By account the randomised campaigns that have, and that have not, changed anything by a day."""
    panel = world.ads(platform)
    started = np.any([(begun >= 0) & (begun <= day) for begun in panel.starts.values()], axis=0)
    arms: tuple[dict[str, set[str]], dict[str, set[str]]] = ({}, {})
    for account, campaign, method, is_on in zip(
        panel.account_ids, panel.campaign_ids, panel.method, started, strict=True
    ):
        if method == "randomized":
            arms[0 if is_on else 1].setdefault(str(account), set()).add(str(campaign))
    return arms


@pytest.mark.parametrize("day", [28, 60, DAY])
def test_meta_lists_one_study_of_all_drawn_campaigns_in_every_account_of_it(day: int) -> None:
    world = world_of(MIXED)
    rows = pull(MIXED, "meta", "ad_studies", CLOCK - timedelta(days=DAY - day))
    on, off = (set().union(*arm.values()) for arm in drawn(world, "meta", day))
    accounts = {a for arm in drawn(world, "meta", day) for a in arm}
    assert len({row["study_id"] for row in rows}) == 1
    assert {row["account_id"] for row in rows} == accounts and len(rows) == 2 * len(accounts)
    for row in rows:
        is_rollout = row["control_pct"] is None
        assert set(json.loads(row["campaign_ids"])) == (on if is_rollout else off)
        share = round(100 * len(on) / (len(on) + len(off)))
        assert row["treatment_pct" if is_rollout else "control_pct"] == (share if is_rollout else 100 - share)
        assert (row["study_type"], row["start_on"], row["end_on"]) == ("SPLIT_TEST", date(2026, 1, 29), None)
        assert row["region_names"] == "[]" and row["extra"] is None


@pytest.mark.parametrize("day", [28, 60, DAY])
def test_each_google_customer_has_an_experiment_of_its_own(day: int) -> None:
    world = world_of(MIXED)
    clock = CLOCK - timedelta(days=DAY - day)
    experiments, arms = (pull(MIXED, "google_ads", name, clock) for name in ("experiments", "experiment_arms"))
    on, off = drawn(world, "google_ads", day)
    customers = {*on, *off}
    assert {row["account_id"] for row in experiments} == customers
    assert len({row["experiment_id"] for row in experiments}) == len(experiments) == len(customers)
    known = {(row["account_id"], row["experiment_id"]) for row in experiments}
    assert {(row["status"], row["start_on"], row["end_on"]) for row in experiments} == {
        ("ENABLED", date(2026, 1, 29), None)
    }
    assert len(arms) == 2 * len(customers) and {(a["account_id"], a["experiment_id"]) for a in arms} == known
    for arm in arms:
        side = off if arm["is_control"] else on
        assert set(json.loads(arm["campaign_ids"])) == side.get(arm["account_id"], set())
    shares = {
        customer: sum(a["traffic_split_pct"] for a in arms if a["account_id"] == customer)
        for customer in customers
    }
    assert set(shares.values()) == {100}


def test_regions_are_one_study_with_its_last_day() -> None:
    geo = world_of(GEO).geo
    rows = pull(GEO, "meta", "ad_studies", utc(2026, 4, 1))
    assert [(row["study_type"], row["cell_name"], row["campaign_ids"]) for row in rows] == [
        ("GEO_LIFT", "Rollout", "[]"),
        ("GEO_LIFT", "Holdout", "[]"),
    ]
    assert {(row["start_on"], row["end_on"]) for row in rows} == {(date(2026, 3, 26), date(2026, 5, 20))}
    regions = [set(json.loads(row["region_names"])) for row in rows]
    assert regions == [set(geo.geo_ids[geo.is_treated]), set(geo.geo_ids[~geo.is_treated])]


@pytest.mark.parametrize(
    ("scenario", "clock"),
    [(PLAIN, CLOCK), (GEO, utc(2026, 3, 26)), (MIXED, utc(2026, 1, 29))],
    ids=["a world without", "before the regions'", "before the rollout"],
)
def test_what_has_not_begun_is_not_listed(scenario: str, clock: datetime) -> None:
    streams = [("meta", "ad_studies"), ("google_ads", "experiments"), ("google_ads", "experiment_arms")]
    assert [pull(scenario, name, stream, clock) for name, stream in streams] == [[], [], []]


def test_regions_are_reported_by_the_one_account_that_buys_them() -> None:
    world = world_of(GEO)
    rows = pull(GEO, "meta", "insights_geo_daily", days=30)
    assert {row["account_id"] for row in rows} == {world.accounts()["meta"][0]}
    assert len(world.accounts()["meta"]) == 2
    found = {(row["date_day"], row["geo_id"]): row for row in rows}
    for day in range(DAY - 29, DAY + 1):
        for place, name in enumerate(world.geo.geo_ids):
            row = found.pop((date(2026, 1, 1) + timedelta(days=day), str(name)))
            assert float(row["spend"]) == world.geo.spend[day, place]
            assert abs(row["impressions"] - 100 * world.geo.spend[day, place]) <= 0.5
            assert (row["geo_type"], row["currency_code"]) == ("region", "USD")
            assert (row["link_clicks"], row["extra"]) == (None, None)
    assert found == {}
    assert pull(PLAIN, "meta", "insights_geo_daily", days=30) == []
