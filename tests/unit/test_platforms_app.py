"""The server as a whole: clock, routes, growth of the world behind it, and a real port."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import orjson
import pytest

from liftos_pipeline.platforms import CLOCK_HEADER, SIMULATED_ORIGIN, fred, google_ads, klaviyo, meta, serve
from liftos_pipeline.platforms.app import HORIZON_DAYS, simulated_app, world_at
from liftos_pipeline.platforms.wire import Request, Response, from_cursor, to_cursor
from liftos_pipeline.simulator import SCENARIOS, World, generate

SCENARIO = replace(SCENARIOS["staggered_rollout"], campaigns_per_platform=8, lists=4, subscribers_per_list=15)
SEED = 2
CLOCK = datetime(2026, 2, 20, tzinfo=UTC)
APP = simulated_app(SCENARIO, SEED)
BEARER = {"authorization": "Bearer simulated", "developer-token": "simulated"}
KEY = {"authorization": "Klaviyo-API-Key simulated", "revision": "2026-10-15"}


def client(clock: str = CLOCK.isoformat()) -> httpx.Client:
    transport = httpx.WSGITransport(app=APP)
    return httpx.Client(transport=transport, base_url=SIMULATED_ORIGIN, headers={CLOCK_HEADER: clock})


@pytest.mark.parametrize("clock", ["yesterday", "2026-13-01T00:00:00+00:00"])
def test_a_clock_that_is_none_is_refused(clock: str) -> None:
    answer = client(clock).get("/fred/series/observations")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == f"X-Liftos-Clock must be ISO 8601, not {clock!r}"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v25.0/act_1", 404), ("GET", "/", 404), ("POST", "/api/events", 405), ("GET", "/token", 405)],
)
def test_unknown_paths_and_methods_are_refused(method: str, path: str, status: int) -> None:
    answer = client().request(method, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, status)


def test_a_clock_without_zone_is_utc_and_offsets_count() -> None:
    path = f"/v26.0/act_{world().accounts()['meta'][0]}/insights"
    params = {"level": "campaign", "time_increment": "1", "fields": "spend", "limit": "500"}
    params["time_range"] = '{"since":"2026-02-15","until":"2026-03-31"}'
    answers = {
        clock: client(clock).get(path, params=params, headers=BEARER).content
        for clock in ("2026-02-20T00:00:00", "2026-02-20T02:00:00+02:00", "2026-02-20T00:00:00-02:00")
    }
    first, same, later = answers.values()
    assert first == same
    assert max(row["date_start"] for row in orjson.loads(first)["data"]) == "2026-02-19"
    assert max(row["date_start"] for row in orjson.loads(later)["data"]) == "2026-02-20"


def world() -> World:
    return world_at(SCENARIO, SEED, CLOCK)


def test_a_world_is_drawn_as_far_as_the_clock_asks() -> None:
    lengths = {
        day: world_at(SCENARIO, SEED, datetime.fromisoformat(day).replace(tzinfo=UTC)).n_days
        for day in ("2025-12-01", "2026-03-02", "2026-03-03", "2026-06-30", "2030-01-01")
    }
    assert list(lengths.values()) == [60, 60, 120, 180, HORIZON_DAYS]


def requests() -> list[tuple[Callable[[Request], Response], Request]]:
    accounts = world().accounts()
    span = '{"since":"2025-12-01","until":"2026-12-31"}'
    node = f"/v26.0/act_{accounts['meta'][0]}"
    search = f"/v26/customers/{accounts['google_ads'][0]}/googleAds:searchStream"
    log = "change_event.change_date_time >= '2026-01-21' AND change_event.change_date_time <= '2026-12-31'"
    queries = [
        "SELECT campaign.id, segments.date, metrics.conversions, metrics.cost_micros FROM campaign "
        "WHERE segments.date BETWEEN '2025-12-01' AND '2026-12-31'",
        "SELECT ad_group.id, metrics.historical_quality_score, segments.date FROM keyword_view "
        "WHERE segments.date BETWEEN '2025-12-01' AND '2026-12-31'",
        "SELECT campaign_budget.id, campaign_budget.amount_micros FROM campaign_budget",
        f"SELECT change_event.change_date_time, change_event.campaign FROM change_event WHERE {log} LIMIT 10000",
    ]
    entity = "id,daily_budget,targeting,creative,campaign_id"
    asked = [
        (
            meta.answer,
            f"{node}/insights",
            {"level": "ad", "time_increment": "1", "time_range": span, "limit": "900"},
        ),
        (meta.answer, f"{node}/activities", {"since": "2025-12-01", "until": "2026-12-31", "limit": "500"}),
        *(
            (meta.answer, f"{node}/{edge}", {"fields": entity, "limit": "500"})
            for edge in ("campaigns", "adsets", "ads")
        ),
        (klaviyo.answer, "/api/events", {"page[size]": "1000", "include": "metric"}),
        (klaviyo.answer, "/api/events", {"filter": "greater-or-equal(datetime,2026-02-18T00:00:00Z)"}),
        (
            klaviyo.answer,
            "/api/profiles",
            {"filter": "greater-than(updated,2026-01-20T00:00:00Z)", "page[size]": "100"},
        ),
        (
            klaviyo.answer,
            "/api/campaigns",
            {"filter": "equals(messages.channel,'email')", "include": "campaign-messages"},
        ),
        (klaviyo.answer, f"/api/lists/{world().klaviyo.list_ids[0]}/profiles", {"page[size]": "100"}),
        *(
            (
                fred.answer,
                "/fred/series/observations",
                {"api_key": "simulated", "file_type": "json", "series_id": series, "realtime_start": "1776-07-04"},
            )
            for series in accounts["fred"]
        ),
        (fred.download, "/graph/fredgraph.csv", {"id": "UNRATE"}),
    ]
    made = [(handler, request(path, query)) for handler, path, query in asked]
    bodies = [orjson.dumps({"query": query}) for query in queries]
    return made + [(google_ads.answer, request(search, {}, body)) for body in bodies]


def request(path: str, query: dict[str, str], body: bytes = b"") -> Request:
    headers = KEY if path.startswith("/api") else BEARER
    return Request("GET", SIMULATED_ORIGIN, path, query, headers, body, CLOCK, world())


def test_the_future_of_the_world_changes_no_answer() -> None:
    longer = generate(SCENARIO, SEED, 200)
    for handler, asked in requests():
        answer = handler(asked)
        assert answer.status == 200
        assert len(answer.body) > 60, asked.path
        assert handler(replace(asked, world=longer)).body == answer.body, asked.path


def test_before_the_world_starts_there_are_only_accounts_and_history() -> None:
    early = datetime(2026, 1, 1, tzinfo=UTC)
    empty = {b'{"data":[]}', b"[]"}
    for handler, asked in requests():
        body = handler(replace(asked, clock=early)).body
        if handler in (meta.answer, google_ads.answer) and b"change_event" not in asked.body:
            assert body in empty, asked.path
        elif asked.path in ("/api/events", "/api/campaigns"):
            assert orjson.loads(body)["data"] == []
    account = client(early.isoformat()).get("/api/accounts", headers=KEY).json()["data"]
    assert [entry["id"] for entry in account] == list(world().accounts()["klaviyo"])


def test_cursors_are_opaque_and_only_ours_are_accepted() -> None:
    assert [from_cursor(to_cursor(position)) for position in (0, 7, 123_456_789)] == [0, 7, 123_456_789]
    assert [from_cursor(text) for text in ("", "%%%", "YWJj", "MTI6", "/w")] == [None] * 5


def test_a_real_port_answers_like_the_process() -> None:
    path = f"/v26.0/act_{world().accounts()['meta'][0]}/campaigns"
    inside = client().get(path, params={"fields": "id,daily_budget"}, headers=BEARER).json()["data"]
    with serve(APP) as base:
        headers = {**BEARER, CLOCK_HEADER: CLOCK.isoformat()}
        answer = httpx.get(f"{base}{path}", params={"fields": "id,daily_budget", "limit": 2}, headers=headers)
        following = httpx.get(answer.json()["paging"]["next"], headers={CLOCK_HEADER: CLOCK.isoformat()})
    assert answer.json()["paging"]["next"].startswith(f"{base}/v26.0/")
    assert answer.json()["data"] + following.json()["data"] == inside
