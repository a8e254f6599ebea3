"""The sources against the bundled platforms: what is pulled is what the world holds, at every clock."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

import httpx
import numpy as np
import pytest

from liftos_pipeline.errors import AuthExpired
from liftos_pipeline.platforms import SIMULATED_ORIGIN, simulated_app
from liftos_pipeline.platforms.app import world_at
from liftos_pipeline.platforms.loopback import serve
from liftos_pipeline.schema import Window, source_columns
from liftos_pipeline.settings import SIMULATED, Settings
from liftos_pipeline.simulator import World
from liftos_pipeline.simulator.scenario import scenario_named
from liftos_pipeline.sources import SOURCES, Connection
from tests.replies import HASH_KEY, TOKEN, utc

SEED = 3
SCENARIO = scenario_named("staggered_rollout")
CLOCK = utc(2026, 2, 20)
LAST = date(2026, 2, 19)
STREAMS = [(name, stream.name) for name, source in SOURCES.items() for stream in source.streams]


@pytest.fixture(scope="module")
def world() -> World:
    return world_at(SCENARIO, SEED, CLOCK)


@pytest.fixture(scope="module")
def simulated(world: World) -> Settings:
    return Settings().as_simulated(world.accounts(), SIMULATED_ORIGIN)


def open_source(name: str, settings: Settings, clock: datetime = CLOCK) -> Connection:
    transport = httpx.WSGITransport(simulated_app(SCENARIO, SEED))
    return SOURCES[name].connect(settings, clock=clock, transport=transport, hash_key=HASH_KEY)


def pull(name: str, stream: str, settings: Settings, start: date, end: date = LAST) -> list[Window]:
    connection = open_source(name, settings)
    accounts = SOURCES[name].accounts(settings, connection)
    return [SOURCES[name].stream(stream).fetch(connection, a, start, end, CLOCK) for a in accounts]


def column(windows: list[Window], name: str) -> list:
    return [value for window in windows for value in window.rows[name].to_pylist()]


@pytest.mark.parametrize(("name", "stream"), STREAMS)
def test_every_stream_is_read_and_labelled(name: str, stream: str, simulated: Settings) -> None:
    for window in pull(name, stream, simulated, LAST - timedelta(days=1)):
        table = SOURCES[name].stream(stream).table
        assert window.rows.schema.equals(table.arrow(source_columns(table)))
        assert set(window.rows["account_id"].to_pylist()) <= {window.account_id}
        assert (window.source_mode, window.observed_at) == ("simulated", datetime(2026, 2, 20))
        keys = [tuple(row[key] for key in table.key) for row in window.rows.select(table.key).to_pylist()]
        assert len(set(keys)) == len(set(map(str, window.rows.to_pylist())))


def test_accounts_are_those_of_the_world(world: World, simulated: Settings) -> None:
    found = {
        name: tuple(sorted(source.accounts(simulated, open_source(name, simulated))))
        for name, source in SOURCES.items()
    }
    assert found == world.accounts()


@pytest.mark.parametrize("level", ["campaign", "ad"])
def test_meta_totals_are_the_worlds(level: str, world: World, simulated: Settings) -> None:
    windows = pull("meta", "insights_daily", simulated, SCENARIO.start)
    rows = [row for window in windows for row in window.rows.to_pylist() if row["level"] == level]
    days = slice(0, (LAST - SCENARIO.start).days + 1)
    panel = world.meta
    cents = int(np.round(panel.spend[days] * 100).sum())
    assert sum(row["spend"] for row in rows) == Decimal(cents) / 100
    assert sum(row["impressions"] for row in rows) == int(panel.impressions[days].sum())
    assert sum(row["clicks_all"] for row in rows) == int(panel.clicks[days].sum())
    everyone = np.arange(panel.spend.shape[1])
    ages = days.stop - 1 - np.arange(days.stop)
    assert sum(row["conversions"] for row in rows) == int(panel.reported(days, ages, everyone).sum())


@pytest.mark.parametrize("level", ["campaign", "ad_group"])
def test_google_totals_are_the_worlds(level: str, world: World, simulated: Settings) -> None:
    windows = pull("google_ads", "daily", simulated, SCENARIO.start)
    rows = [row for window in windows for row in window.rows.to_pylist() if row["level"] == level]
    days = slice(0, (LAST - SCENARIO.start).days + 1)
    panel = world.google_ads
    assert sum(row["cost_micros"] for row in rows) == int(np.round(panel.spend[days] * 100).sum()) * 10_000
    assert sum(row["clicks"] for row in rows) == int(panel.clicks[days].sum())


def test_orders_are_the_worlds(world: World, simulated: Settings) -> None:
    start = LAST - timedelta(days=4)
    windows = pull("klaviyo", "events", simulated, start)
    names = column(windows, "metric_name")
    days = slice((start - SCENARIO.start).days, (LAST - SCENARIO.start).days + 1)
    expected = sum(int(p.orders[days].sum()) for p in (world.meta, world.google_ads, world.klaviyo))
    assert names.count("Placed Order") == expected
    assert names.count("Received Email") == int(
        np.isin(world.klaviyo.received[:, 0], range(days.start, days.stop)).sum()
    )


@pytest.mark.parametrize(("name", "stream"), [("meta", "activities"), ("google_ads", "change_events")])
def test_logged_changes_are_the_worlds(name: str, stream: str, world: World, simulated: Settings) -> None:
    start = LAST - timedelta(days=20)
    windows = pull(name, stream, simulated, start)
    logged = sorted(
        zip(column(windows, "change_class"), column(windows, "date_day"), strict=True), key=lambda pair: str(pair)
    )
    treatments = world.treatments()
    inside = treatments[
        (treatments.platform == name) & (treatments.started_on >= start) & (treatments.started_on <= LAST)
    ]
    expected = sorted(
        (
            (kind.removesuffix("_change"), day)
            for kind, day in zip(inside.treatment_type, inside.started_on, strict=True)
        ),
        key=lambda pair: str(pair),
    )
    assert logged == expected
    assert len(logged) >= 5


def test_conversions_of_a_day_grow_with_the_clock(simulated: Settings) -> None:
    day, source = date(2026, 2, 1), SOURCES["meta"]
    account = source.accounts(simulated, open_source("meta", simulated))[0]
    totals = []
    for clock in (utc(2026, 2, 2), utc(2026, 2, 6), utc(2026, 2, 20)):
        connection = open_source("meta", simulated, clock)
        rows = source.stream("insights_daily").fetch(connection, account, day, day, clock).rows
        totals.append((sum(rows["conversions"].to_pylist()), sum(rows["spend"].to_pylist())))
    conversions, spends = zip(*totals, strict=True)
    assert conversions[0] < conversions[1] <= conversions[2]
    assert len(set(spends)) == 1


def test_a_window_in_one_pull_equals_its_days(simulated: Settings) -> None:
    start = LAST - timedelta(days=3)
    together = pull("meta", "insights_daily", simulated, start)[0].rows.to_pylist()
    days = [start + timedelta(days=offset) for offset in range(4)]
    apart = [
        row for day in days for row in pull("meta", "insights_daily", simulated, day, day)[0].rows.to_pylist()
    ]
    assert sorted(map(str, together)) == sorted(map(str, apart))


def test_vintages_end_at_the_clock(simulated: Settings) -> None:
    for window in pull("fred", "observations", simulated, LAST):
        assert max(window.rows["realtime_start"].to_pylist()) <= LAST
        assert min(window.rows["observation_date"].to_pylist()) <= date(2024, 10, 1)


@pytest.mark.parametrize("stream", ["events", "profiles", "list_memberships", "account"])
def test_no_person_and_no_token_is_stored(stream: str, simulated: Settings) -> None:
    for window in pull("klaviyo", stream, simulated, LAST - timedelta(days=1)):
        for page in window.pages:
            assert not any(mark in (page.body or b"") for mark in (b"@example.com", b'"Name'))
            assert SIMULATED not in page.url


def test_links_of_meta_are_stored_without_their_token(simulated: Settings) -> None:
    windows = pull("meta", "insights_daily", simulated, SCENARIO.start)
    linked = [page for window in windows for page in window.pages if b'"next"' in (page.body or b"")]
    assert len(linked) > 3
    assert not any(b"access_token" in (page.body or b"") for page in linked)


@pytest.mark.parametrize(
    ("name", "stream"), [("meta", "insights_daily"), ("google_ads", "daily"), ("klaviyo", "events")]
)
def test_a_real_port_gives_the_same_rows(name: str, stream: str, world: World, simulated: Settings) -> None:
    inside = pull(name, stream, simulated, LAST)
    with serve(simulated_app(SCENARIO, SEED)) as url:
        connection = SOURCES[name].connect(
            Settings().as_simulated(world.accounts(), url), clock=CLOCK, transport=None, hash_key=HASH_KEY
        )
        accounts = SOURCES[name].accounts(simulated, connection)
        outside = [SOURCES[name].stream(stream).fetch(connection, a, LAST, LAST, CLOCK) for a in accounts]
        connection.close()
    assert [window.rows.to_pylist() for window in outside] == [window.rows.to_pylist() for window in inside]


@pytest.mark.parametrize(
    ("name", "setting", "variable"),
    [
        ("meta", "meta_access_token", "META_ACCESS_TOKEN"),
        ("google_ads", "google_ads_refresh_token", "GOOGLE_ADS_REFRESH_TOKEN"),
        ("klaviyo", "klaviyo_private_api_key", "KLAVIYO_PRIVATE_API_KEY"),
        ("fred", "fred_api_key", "FRED_API_KEY"),
    ],
)
def test_wrong_credentials_are_named(name: str, setting: str, variable: str, simulated: Settings) -> None:
    wrong = simulated.model_copy(update={setting: type(simulated.meta_access_token)(TOKEN)})
    stream = SOURCES[name].streams[0]
    with pytest.raises(AuthExpired, match=variable):
        stream.fetch(open_source(name, wrong), "GDP", LAST, LAST, CLOCK)


@pytest.mark.parametrize("backend", ["csv", "pandas_datareader"])
def test_the_download_works_without_a_key(backend: str, simulated: Settings) -> None:
    changes = {"fred_api_key": None, "liftos_fred_backend": "auto" if backend == "csv" else backend}
    windows = pull("fred", "observations", simulated.model_copy(update=changes), LAST)
    assert set(column(windows, "backend")) == {backend}
    assert {window.account_id for window in windows if window.rows.num_rows >= 5} == set(
        SOURCES["fred"].accounts(simulated, open_source("fred", simulated))
    )
