"""Klaviyo's wire format: JSON:API pages, filters, events in time order, people behind relationships."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import numpy as np
import pytest

from liftos_pipeline.platforms import CLOCK_HEADER, SIMULATED_ORIGIN
from liftos_pipeline.platforms.app import simulated_app, world_at
from liftos_pipeline.platforms.klaviyo_events import REFUND_AFTER_DAYS, SHOPPERS
from liftos_pipeline.simulator import SCENARIOS

SCENARIO = replace(
    SCENARIOS["staggered_rollout"], campaigns_per_platform=4, lists=5, subscribers_per_list=250, base_hazard=0.05
)
SEED = 8
CLOCK = "2026-03-25T00:00:00+00:00"
LAST_DAY = 82
APP = simulated_app(SCENARIO, SEED)
WORLD = world_at(SCENARIO, SEED, datetime.fromisoformat(CLOCK))
PANEL = WORLD.klaviyo
HEADERS = {"Authorization": "Klaviyo-API-Key simulated", "revision": "2026-10-15"}
EMAIL = "equals(messages.channel,'email')"


def get(path: str, clock: str = CLOCK, headers: dict[str, str] = HEADERS, **params: object) -> httpx.Response:
    asked = {
        name.replace("page_size", "page[size]").replace("page_cursor", "page[cursor]"): v
        for name, v in params.items()
    }
    with httpx.Client(transport=httpx.WSGITransport(app=APP), base_url=SIMULATED_ORIGIN) as client:
        return client.get(f"/api/{path}", params=asked, headers={**headers, CLOCK_HEADER: clock})


def pages(path: str, clock: str = CLOCK, **params: object) -> list[dict]:
    """Every page, by ``links.next``."""
    found = [get(path, clock, **params).json()]
    while found[-1]["links"]["next"]:
        parts = urlsplit(found[-1]["links"]["next"])
        assert parts.path == f"/api/{path}"
        found.append(
            get(path, clock, **{name: values[0] for name, values in parse_qs(parts.query).items()}).json()
        )
    return found


def rows(path: str, clock: str = CLOCK, **params: object) -> list[dict]:
    return [row for page in pages(path, clock, **params) for row in page["data"]]


def span(since: str, until: str) -> str:
    return f"greater-or-equal(datetime,{since}),less-than(datetime,{until})"


def events(since: str = "2026-01-01T00:00:00+00:00", until: str = "2026-12-31T00:00:00+00:00") -> list[dict]:
    return rows("events", filter=span(since, until), page_size=1000)


@pytest.fixture(scope="module")
def log() -> list[dict]:
    return events()


@pytest.fixture(scope="module")
def names() -> dict[str, str]:
    return {row["id"]: row["attributes"]["name"] for row in rows("metrics", page_size=100)}


def metric(event: dict) -> str:
    return event["relationships"]["metric"]["data"]["id"]


def person(event: dict) -> str:
    return event["relationships"]["profile"]["data"]["id"]


def day_of(text: str) -> int:
    return (datetime.fromisoformat(text).date() - SCENARIO.start).days


def of_kind(log: list[dict], names: dict[str, str], name: str) -> list[dict]:
    return [event for event in log if names[metric(event)] == name]


def test_events_are_unique_in_order_and_say_their_time_twice(log: list[dict]) -> None:
    stamps = [event["attributes"]["timestamp"] for event in log]
    assert stamps == sorted(stamps)
    assert len({event["id"] for event in log}) == len(log)
    assert len({event["attributes"]["uuid"] for event in log}) == len(log)
    for event in log:
        told = datetime.fromisoformat(event["attributes"]["datetime"])
        assert told.timestamp() == event["attributes"]["timestamp"]
    assert log[-1]["attributes"]["datetime"] < CLOCK
    assert day_of(log[-1]["attributes"]["datetime"]) == LAST_DAY


def test_orders_are_the_world_s_orders(log: list[dict], names: dict[str, str]) -> None:
    placed = of_kind(log, names, "Placed Order")
    counts = Counter(day_of(event["attributes"]["datetime"]) for event in placed)
    panels = (WORLD.meta, WORLD.google_ads, PANEL)
    assert [counts[day] for day in range(LAST_DAY + 1)] == [
        sum(int(panel.orders[day].sum()) for panel in panels) for day in range(LAST_DAY + 1)
    ]
    value = sum(event["attributes"]["event_properties"]["$value"] for event in placed)
    days = slice(0, LAST_DAY + 1)
    assert value == pytest.approx(sum((panel.orders[days] * panel.order_value[days]).sum() for panel in panels))
    assert {event["attributes"]["event_properties"]["$currency_code"] for event in placed} == {"USD"}
    ids = {event["attributes"]["event_properties"]["OrderId"] for event in placed}
    assert len(ids) == len(placed)


def test_orders_of_a_list_come_from_its_members_and_the_others_from_nobody_s(
    log: list[dict], names: dict[str, str]
) -> None:
    members = {}
    for position, list_id in enumerate(PANEL.list_ids.tolist()):
        members.update({row["id"]: position for row in rows(f"lists/{list_id}/profiles", page_size=100)})
    owners = Counter()
    outside = 0
    for event in of_kind(log, names, "Placed Order"):
        if person(event) in members:
            owners[day_of(event["attributes"]["datetime"]), members[person(event)]] += 1
        else:
            outside += 1
            assert person(event).startswith("S")
    for day in range(LAST_DAY + 1):
        assert [owners[day, unit] for unit in range(5)] == PANEL.orders[day].tolist()
    assert outside == sum(int(panel.orders[: LAST_DAY + 1].sum()) for panel in (WORLD.meta, WORLD.google_ads))


def test_refunds_repeat_an_order_days_later(log: list[dict], names: dict[str, str]) -> None:
    placed = {e["attributes"]["event_properties"]["OrderId"]: e for e in of_kind(log, names, "Placed Order")}
    refunds = of_kind(log, names, "Refunded Order")
    for event in refunds:
        order = placed[event["attributes"]["event_properties"]["OrderId"]]
        assert event["attributes"]["event_properties"] == order["attributes"]["event_properties"]
        assert event["attributes"]["timestamp"] - order["attributes"]["timestamp"] == REFUND_AFTER_DAYS * 86_400
        assert person(event) == person(order)
    mature = sum(day_of(e["attributes"]["datetime"]) <= LAST_DAY - REFUND_AFTER_DAYS for e in placed.values())
    rate = SCENARIO.refund_rate
    assert abs(len(refunds) / mature - rate) < 4 * np.sqrt(rate * (1 - rate) / mature)


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_event_pages_hold_every_event_once(more: int) -> None:
    asked = span("2026-02-03T00:00:00+00:00", "2026-02-05T00:00:00+00:00")
    whole = rows("events", filter=asked, page_size=1000)
    size = len(whole) - more
    found = pages("events", filter=asked, page_size=size)
    assert [row for page in found for row in page["data"]] == whole
    assert [len(page["data"]) for page in found] == ([len(whole)] if more <= 0 else [size, 1])


def test_a_page_may_end_inside_a_second_and_inside_a_day() -> None:
    asked = span("2026-01-01T00:00:00+00:00", "2026-01-15T00:00:00+00:00")
    whole = rows("events", filter=asked, page_size=1000)
    assert len({event["attributes"]["timestamp"] for event in whole}) < len(whole)
    assert rows("events", filter=asked, page_size=37) == whole


def test_event_bounds_are_kept_to_the_second() -> None:
    stamps = [event["attributes"]["timestamp"] for event in events("2026-02-10T00:00:00Z", "2026-02-11T00:00:00Z")]
    middle = stamps[len(stamps) // 2]
    text = datetime.fromtimestamp(middle, UTC).isoformat()
    counted = {
        operator: len(rows("events", filter=f"{operator}(datetime,{text}),{day_bounds(operator)}", page_size=1000))
        for operator in ("greater-or-equal", "greater-than", "less-or-equal", "less-than")
    }
    assert counted == {
        "greater-or-equal": sum(stamp >= middle for stamp in stamps),
        "greater-than": sum(stamp > middle for stamp in stamps),
        "less-or-equal": sum(stamp <= middle for stamp in stamps),
        "less-than": sum(stamp < middle for stamp in stamps),
    }


def day_bounds(operator: str) -> str:
    """The other end of 10 February."""
    if operator.startswith("greater"):
        return "less-than(datetime,2026-02-11T00:00:00Z)"
    return "greater-or-equal(datetime,2026-02-10T00:00:00Z)"


def test_no_events_is_one_empty_page() -> None:
    for asked in (span("2025-01-01T00:00:00Z", "2025-12-31T00:00:00Z"), span(CLOCK, "2026-12-31T00:00:00Z")):
        page = get("events", filter=asked, include="metric").json()
        assert (page["data"], page["links"]["next"]) == ([], None)
        assert {entry["type"] for entry in page["included"]} == {"metric"}
    assert "included" not in get("events", filter=span(CLOCK, CLOCK)).json()


def test_mail_events_follow_the_sends(log: list[dict], names: dict[str, str]) -> None:
    sent = {
        row["attributes"]["send_time"][:10] + row["attributes"]["audiences"]["included"][0]: row
        for row in rows("campaigns", filter=EMAIL)
    }
    received = of_kind(log, names, "Received Email")
    assert len(received) == (PANEL.received[:, 0] <= LAST_DAY).sum()
    messages = Counter()
    for event in received:
        properties = event["attributes"]["event_properties"]
        campaign = sent[event["attributes"]["datetime"][:10] + properties["Campaign Name"]]
        link = campaign["relationships"]["campaign-messages"]["data"][0]
        assert (link["type"], link["id"]) == ("campaign-message", properties["$message"])
        assert event["attributes"]["datetime"] >= campaign["attributes"]["send_time"]
        messages[properties["$message"]] += 1
    assert len(messages) == len(sent) == PANEL.sends[: LAST_DAY + 1].sum()
    times = {
        (person(e), e["attributes"]["event_properties"]["$message"]): e["attributes"]["timestamp"]
        for e in received
    }
    for event in of_kind(log, names, "Clicked Email"):
        key = person(event), event["attributes"]["event_properties"]["$message"]
        assert event["attributes"]["timestamp"] > times[key]


def test_treatments_show_in_the_schedule() -> None:
    found = pages("campaigns", filter=EMAIL, include="campaign-messages", page_size=20)
    messages = {entry["id"]: entry for page in found for entry in page["included"]}
    assert len(found) >= 2
    for page in found:
        links = [row["relationships"]["campaign-messages"]["data"][0]["id"] for row in page["data"]]
        assert [entry["id"] for entry in page["included"]] == links
    shown = 0
    for position, list_id in enumerate(PANEL.list_ids.tolist()):
        mine = [
            row
            for page in found
            for row in page["data"]
            if row["attributes"]["audiences"]["included"] == [list_id]
        ]
        days = [day_of(row["attributes"]["send_time"]) for row in mine]
        gaps = np.diff(days)
        templates = [
            messages[row["relationships"]["campaign-messages"]["data"][0]["id"]]["relationships"]["template"][
                "data"
            ]["id"]
            for row in mine
        ]
        first_other = {
            "budget_change": next((d for d, gap in zip(days[1:], gaps, strict=True) if gap != gaps[0]), -1),
            "targeting_change": next(
                (d for d, r in zip(days, mine, strict=True) if r["attributes"]["audiences"]["excluded"]), -1
            ),
            "creative_change": next((d for d, t in zip(days, templates, strict=True) if t != templates[0]), -1),
        }
        for kind, day in first_other.items():
            start = int(PANEL.starts[kind][position])
            assert day == (start if start <= LAST_DAY else -1)
            shown += day >= 0
    assert shown >= 8


def test_campaigns_need_a_channel_and_none_is_archived() -> None:
    answer = get("campaigns", filter="equals(status,'Sent')")
    assert (answer.status_code, answer.json()["errors"][0]["source"]) == (400, {"parameter": "filter"})
    assert get("campaigns", filter=f"and({EMAIL},equals(archived,true))").json()["data"] == []
    assert get("campaigns", filter="equals(messages.channel,'sms')").json()["data"] == []


def test_profiles_are_everyone_and_agree_with_the_events(log: list[dict], names: dict[str, str]) -> None:
    found = {row["id"]: row["attributes"] for row in rows("profiles", page_size=100)}
    known = int((PANEL.joined <= LAST_DAY).sum())
    assert len(found) == known + SHOPPERS
    assert {person(event) for event in log} <= set(found)
    left = {
        person(e): e["attributes"]["datetime"] for e in of_kind(log, names, "Unsubscribed from Email Marketing")
    }
    joined = {person(e): e["attributes"]["datetime"] for e in of_kind(log, names, "Subscribed to Email Marketing")}
    assert len(left) == (PANEL.left <= LAST_DAY).sum() >= 20
    assert len(joined) == ((PANEL.joined >= 0) & (PANEL.joined <= LAST_DAY)).sum()
    for profile, told in found.items():
        marketing = told["subscriptions"]["email"]["marketing"]
        if profile in left:
            assert marketing["consent"] == "UNSUBSCRIBED"
            assert marketing["suppression"] == [{"reason": "USER_SUPPRESSED", "timestamp": left[profile]}]
            assert told["updated"] == left[profile]
        elif profile.startswith("P"):
            assert (marketing["consent"], marketing["suppression"]) == ("SUBSCRIBED", [])
            assert told["updated"] == told["created"]
        else:
            assert (marketing["consent"], marketing["consent_timestamp"]) == ("NEVER_SUBSCRIBED", None)
        if profile in joined:
            assert marketing["consent_timestamp"] == told["created"] == joined[profile]
        elif profile.startswith("P"):
            assert marketing["consent_timestamp"] <= told["created"]
    imported = [a for p, a in found.items() if p.startswith("P") and p not in joined]
    assert {told["created"][:10] for told in imported} == {"2025-12-31"}
    months = {told["subscriptions"]["email"]["marketing"]["consent_timestamp"][:7] for told in imported}
    assert len(months) >= 12


def test_profiles_are_filtered_strictly_and_sorted() -> None:
    whole = rows("profiles", page_size=100)
    updated = [row["attributes"]["updated"] for row in whole]
    assert updated == sorted(updated)
    middle = updated[-40]
    later = rows("profiles", filter=f"greater-than(updated,{middle})", page_size=100)
    assert [row["id"] for row in later] == [row["id"] for row in whole if row["attributes"]["updated"] > middle]
    young = rows("profiles", filter="greater-than(created,2026-02-01T00:00:00Z)", page_size=100)
    assert {row["id"] for row in young} == {
        row["id"] for row in whole if row["attributes"]["created"] > "2026-02-01T00:00:00+00:00"
    }


@pytest.mark.parametrize("size", [1, 4, 5, 6])
def test_list_pages_hold_every_row_once(size: int) -> None:
    found = pages("lists", page_size=size)
    assert [row["id"] for page in found for row in page["data"]] == PANEL.list_ids.tolist()
    assert [len(page["data"]) for page in found] == [size] * (5 // size) + [5 % size] * (5 % size > 0)


FIRST_JOIN_DAY = int(PANEL.joined[(PANEL.people_list == 2) & (PANEL.joined >= 30)].min())
FIRST_JOIN = SCENARIO.start + timedelta(days=FIRST_JOIN_DAY)


def test_members_are_those_who_joined_by_the_clock() -> None:
    list_id = str(PANEL.list_ids[2])
    for clock, last in (
        (CLOCK, LAST_DAY),
        ("2026-01-11T00:00:00Z", 9),
        (f"{FIRST_JOIN}T00:30:00Z", FIRST_JOIN_DAY - 1),
    ):
        found = rows(f"lists/{list_id}/profiles", clock, page_size=100)
        expected = (PANEL.people_list == 2) & (PANEL.joined <= last)
        assert {int(row["id"][1:]) for row in found} == set(np.flatnonzero(expected).tolist())
        assert max(day_of(row["attributes"]["joined_group_at"]) for row in found) == PANEL.joined[expected].max()


def test_nothing_shows_before_its_second_on_a_day_in_progress() -> None:
    clock = "2026-03-10T10:00:00+00:00"
    stamps = [
        *(event["attributes"]["datetime"] for event in rows("events", clock, page_size=1000)),
        *(row["attributes"]["updated"] for row in rows("profiles", clock, page_size=100)),
        *(row["attributes"]["send_time"] for row in rows("campaigns", clock, filter=EMAIL)),
    ]
    assert max(stamps) < clock
    assert max(stamps) > "2026-03-10T00:00:00+00:00"
    early = rows("profiles", "2026-01-01T00:00:00Z", page_size=100)
    assert len(early) == 5 * 250 + SHOPPERS
    assert {row["attributes"]["subscriptions"]["email"]["marketing"]["consent"] for row in early} == {
        "SUBSCRIBED",
        "NEVER_SUBSCRIBED",
    }


@pytest.mark.parametrize(
    ("path", "params", "status", "parameter"),
    [
        ("events", {"page_size": 1001}, 400, "page[size]"),
        ("events", {"page_size": 0}, 400, "page[size]"),
        ("profiles", {"page_size": 101}, 400, "page[size]"),
        ("events", {"page_cursor": "bad!"}, 400, "page[cursor]"),
        ("events", {"filter": "greater-than(updated,2026-01-01T00:00:00Z)"}, 400, "filter"),
        ("events", {"filter": "less-than(datetime,soon)"}, 400, "filter"),
        ("events", {"sort": "-datetime"}, 400, "sort"),
        ("profiles", {"filter": "greater-or-equal(updated,2026-01-01T00:00:00Z)"}, 400, "filter"),
        ("lists/L999999/profiles", {}, 404, None),
        ("flowers", {}, 404, None),
    ],
)
def test_wrong_calls_get_an_error_body(
    path: str, params: dict[str, object], status: int, parameter: str | None
) -> None:
    answer = get(path, **params)
    assert answer.status_code == status
    error = answer.json()["errors"][0]
    assert (error["status"], error["source"].get("parameter")) == (status, parameter)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"revision": "2026-10-15"}, 401, "not_authenticated"),
        ({**HEADERS, "Authorization": "Klaviyo-API-Key pk_old"}, 401, "not_authenticated"),
        ({"Authorization": HEADERS["Authorization"]}, 400, "invalid"),
    ],
)
def test_key_and_revision_are_needed(headers: dict[str, str], status: int, code: str) -> None:
    answer = get("accounts", headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (status, code)


def test_the_account_s_first_day_is_the_world_s() -> None:
    assert SCENARIO.start + timedelta(days=LAST_DAY) == date(2026, 3, 24)
    assert [row["id"] for row in rows("accounts")] == list(WORLD.accounts()["klaviyo"])
