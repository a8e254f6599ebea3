"""Klaviyo: events in two spellings of time, people as hashes, messages from ``included``."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest

from liftos_pipeline.errors import MalformedPage, PlatformError
from liftos_pipeline.schema import Window
from liftos_pipeline.sources import SOURCES
from liftos_pipeline.sources.redact import Redactor
from tests.replies import FIRST, HASH_KEY, LAST, NOW, Asked, Platform, Reply, connect, settings

ACCOUNT = {
    "type": "account",
    "id": "KLV001",
    "attributes": {
        "timezone": "America/New_York",
        "preferred_currency": "USD",
        "contact_information": {"organization_name": "Shop", "default_sender_name": "Ann Example"},
    },
}


def klaviyo(answers: dict[str, object]) -> Platform:
    """Klaviyo with one page per path."""
    known = {"/api/accounts": [ACCOUNT], **answers}

    def answer(asked: Asked) -> Reply:
        body = known[asked.path]
        return Reply(body if isinstance(body, dict) else {"data": body, "links": {"next": None}})

    return Platform(answer)


def fetch(stream: str, platform: Platform, start: date = FIRST) -> Window:
    connection = connect("klaviyo", platform)
    return SOURCES["klaviyo"].stream(stream).fetch(connection, "KLV001", start, LAST, NOW)


def event(number: int, metric: str | None = "M1", properties: dict | None = None, **attributes: object) -> dict:
    link = None if metric is None else {"type": "metric", "id": metric}
    return {
        "type": "event",
        "id": f"E{number}",
        "attributes": {"event_properties": properties or {}, **attributes},
        "relationships": {"metric": {"data": link}, "profile": {"data": {"type": "profile", "id": "P1"}}},
    }


INCLUDED = [{"type": "metric", "id": "M1", "attributes": {"name": "Placed Order"}}]


def test_times_come_as_seconds_or_text() -> None:
    events = [
        event(1, timestamp=1772539200),
        event(2, timestamp="2026-03-03T12:00:00+00:00"),
        event(3, datetime="2026-03-03T07:00:00-05:00"),
    ]
    rows = fetch("events", klaviyo({"/api/events": {"data": events, "included": INCLUDED}})).rows
    assert rows["occurred_at"].to_pylist() == [datetime(2026, 3, 3, 12)] * 3
    assert rows["metric_name"].to_pylist() == ["Placed Order"] * 3


def test_events_fall_on_the_accounts_own_day_and_days_outside_are_left() -> None:
    times = ["2026-03-01T04:59:59", "2026-03-01T05:00:00", "2026-03-09T03:59:59", "2026-03-11T04:00:00"]
    events = [event(n, timestamp=f"{time}+00:00") for n, time in enumerate(times)]
    platform = klaviyo({"/api/events": {"data": events, "included": INCLUDED}})
    window = fetch("events", platform)
    assert window.rows["date_day"].to_pylist() == [date(2026, 3, 1), date(2026, 3, 8)]
    asked = next(a.query["filter"] for a in platform.asked if a.path == "/api/events")
    assert asked == (
        "greater-or-equal(datetime,2026-03-01T05:00:00+00:00),less-than(datetime,2026-03-11T04:00:00+00:00)"
    )


def test_an_event_ahead_of_the_clock_is_stored_as_it_is() -> None:
    ahead = event(1, timestamp="2026-03-10T23:00:00+00:00")
    connection = connect("klaviyo", klaviyo({"/api/events": {"data": [ahead], "included": INCLUDED}}))
    window = SOURCES["klaviyo"].stream("events").fetch(connection, "KLV001", LAST, LAST, datetime(2026, 3, 10, 12))
    assert window.rows["occurred_at"].to_pylist() == [datetime(2026, 3, 10, 23)]
    assert (window.end, window.observed_at) == (LAST, datetime(2026, 3, 10, 12))


def test_properties_become_columns() -> None:
    order = {"$value": 59.9, "OrderId": 17, "$currency_code": "USD", "$extra": {"email": "ann@example.com"}}
    mail = {"$message": "01MSG", "$flow": "F1", "machine_open": True}
    events = [event(1, properties=order, timestamp=1772539200), event(2, properties=mail, timestamp=1772539200)]
    window = fetch("events", klaviyo({"/api/events": {"data": events, "included": INCLUDED}}))
    first, second = window.rows.to_pylist()
    assert (first["numeric_value"], first["order_id"], first["currency_code"]) == (Decimal("59.9"), "17", "USD")
    assert (second["message_id"], second["flow_id"], second["is_machine_open"]) == ("01MSG", "F1", True)
    assert (first["is_machine_open"], first["profile_id"], first["extra"]) == (None, "P1", None)
    assert b"ann@example.com" not in b"".join(page.body or b"" for page in window.pages)


def test_metrics_that_are_not_included_are_looked_up() -> None:
    metrics = [{"type": "metric", "id": "M9", "attributes": {"name": "Opened Email"}}]
    platform = klaviyo({"/api/events": [event(1, "M9", timestamp=1772539200)], "/api/metrics": metrics})
    assert fetch("events", platform).rows["metric_name"].to_pylist() == ["Opened Email"]


@pytest.mark.parametrize(
    ("broken", "field"),
    [
        (event(1), "timestamp"),
        (event(1, timestamp="yesterday"), "timestamp"),
        (event(1, timestamp="2026-03-03T12:00:00"), "timestamp"),
        (event(1, None, timestamp=1772539200), "metric.id"),
        (event(1, properties={"$value": "much"}, timestamp=1772539200), r"event_properties.\$value"),
    ],
)
def test_malformed_events_are_named(broken: dict, field: str) -> None:
    with pytest.raises(MalformedPage, match=rf"in {field} of klaviyo\.events"):
        fetch("events", klaviyo({"/api/events": {"data": [broken], "included": INCLUDED}}))


PROFILE = {
    "type": "profile",
    "id": "P1",
    "attributes": {
        "email": "Ann@example.com",
        "first_name": "Annabel",
        "created": "2025-01-01T00:00:00+00:00",
        "updated": "2026-03-02T00:00:00+00:00",
        "last_event_date": None,
        "location": {"country": "United States", "region": "Ohio", "latitude": 41.4993},
        "subscriptions": {
            "email": {
                "marketing": {
                    "consent": "UNSUBSCRIBED",
                    "consent_timestamp": "2025-02-01T00:00:00+00:00",
                    "double_optin": True,
                    "suppression": [
                        {"reason": "HARD_BOUNCE", "timestamp": "2026-02-03T00:00:00+00:00"},
                        {"reason": "USER_SUPPRESSED", "timestamp": "2026-02-02T00:00:00+00:00"},
                    ],
                }
            }
        },
    },
}


def test_profiles_come_without_the_person() -> None:
    platform = klaviyo({"/api/profiles": [PROFILE]})
    window = fetch("profiles", platform)
    row = window.rows.to_pylist()[0]
    assert row["email_hash"] == Redactor(HASH_KEY, "klaviyo").hash("ann@example.com")
    assert (row["email_consent"], row["consent_at"]) == ("UNSUBSCRIBED", datetime(2025, 2, 1))
    assert (row["suppressed_at"], row["suppression_reason"]) == (datetime(2026, 2, 2), "USER_SUPPRESSED")
    assert (row["country"], row["region"], row["double_optin"]) == ("United States", "Ohio", True)
    stored = b"".join(page.body or b"" for page in window.pages)
    assert not any(text in stored for text in (b"example.com", b"Annabel", b"41.4993"))
    asked = next(a.query["filter"] for a in platform.asked if a.path == "/api/profiles")
    assert asked == "greater-than(updated,2026-03-01T04:00:00+00:00)"
    assert window.mode == "upsert"


def test_a_profile_that_comes_twice_is_the_later_one() -> None:
    later = {**PROFILE, "attributes": {**PROFILE["attributes"], "updated": "2026-03-03T00:00:00+00:00"}}
    rows = fetch("profiles", klaviyo({"/api/profiles": [PROFILE, later]})).rows
    assert rows["updated_at"].to_pylist() == [datetime(2026, 3, 3)]


def test_campaigns_take_their_message_from_included() -> None:
    campaign = {
        "type": "campaign",
        "id": "C1",
        "attributes": {
            "name": "News",
            "status": "Sent",
            "send_time": "2026-03-02T09:00:00+00:00",
            "audiences": {"included": ["L1", "L2"], "excluded": []},
        },
        "relationships": {
            "campaign-messages": {"data": [{"type": "campaign-message", "id": m} for m in ("MA", "MB")]}
        },
    }
    message = {
        "type": "campaign-message",
        "id": "MA",
        "attributes": {"definition": {"channel": "email", "content": {"subject": "Hi", "from_email": "a@b.com"}}},
        "relationships": {"template": {"data": {"type": "template", "id": "T1"}}},
    }

    def answer(asked: Asked) -> Reply:
        if "archived" in asked.query["filter"]:
            return Reply({"data": [{**campaign, "id": "C0"}], "included": [message], "links": {"next": None}})
        return Reply({"data": [campaign], "included": [message], "links": {"next": None}})

    rows = fetch("campaigns", Platform(answer)).rows.to_pylist()
    assert [(r["campaign_id"], r["message_id"], r["template_id"], r["channel"]) for r in rows] == [
        ("C1", "MA", "T1", "email"),
        ("C1", "MB", None, None),
        ("C0", "MA", "T1", "email"),
        ("C0", "MB", None, None),
    ]
    assert (rows[0]["list_id"], rows[0]["included_ids"], rows[0]["excluded_ids"]) == ("L1", '["L1","L2"]', "[]")


def test_members_belong_to_the_list_that_was_asked() -> None:
    member = {"type": "profile", "attributes": {"joined_group_at": "2026-03-02T09:00:00+00:00"}}
    platform = klaviyo(
        {
            "/api/lists": [
                {"type": "list", "id": name, "attributes": {"name": name}} for name in ("L1", "L2", "L3")
            ],
            "/api/lists/L1/profiles": [{**member, "id": "P1"}, {**member, "id": "P2"}],
            "/api/lists/L2/profiles": [],
            "/api/lists/L3/profiles": [{**member, "id": "P1"}],
        }
    )
    rows = fetch("list_memberships", platform).rows
    pairs = list(zip(rows["list_id"].to_pylist(), rows["profile_id"].to_pylist(), strict=True))
    assert pairs == [("L1", "P1"), ("L1", "P2"), ("L3", "P1")]


def test_the_account_is_the_one_of_the_key() -> None:
    connection = connect("klaviyo", klaviyo({}))
    assert SOURCES["klaviyo"].accounts(settings(), connection) == ("KLV001",)
    with pytest.raises(MalformedPage, match="account OTHER"):
        SOURCES["klaviyo"].stream("account").fetch(connection, "OTHER", LAST, LAST, NOW)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", ""])
def test_an_unknown_time_zone_is_refused(zone: str) -> None:
    account = {**ACCOUNT, "attributes": {**ACCOUNT["attributes"], "timezone": zone}}
    with pytest.raises(MalformedPage, match="time zone"):
        fetch("account", klaviyo({"/api/accounts": [account]}))


def test_a_profile_that_moves_to_a_later_page_is_read_as_it_changed_last() -> None:
    def profile(updated: str, consent: str) -> dict:
        marketing = {"consent": consent}
        told = {"updated": updated, "created": updated, "subscriptions": {"email": {"marketing": marketing}}}
        return {"type": "profile", "id": "P1", "attributes": told}

    early, late = "2026-03-02T09:00:00+00:00", "2026-03-02T10:00:00+00:00"
    moved = [profile(early, "SUBSCRIBED"), profile(late, "UNSUBSCRIBED")]
    assert fetch("profiles", klaviyo({"/api/profiles": moved})).rows["email_consent"].to_pylist() == [
        "UNSUBSCRIBED"
    ]
    torn = [profile(late, "SUBSCRIBED"), profile(late, "UNSUBSCRIBED")]
    assert fetch("profiles", klaviyo({"/api/profiles": torn})).rows.num_rows == 2


@pytest.mark.parametrize("status", [400, 410])
def test_a_revision_that_has_ended_names_its_setting(status: int) -> None:
    body = {"errors": [{"status": status, "code": "invalid", "detail": "The revision is no longer supported."}]}
    connection = connect("klaviyo", Platform(lambda _: Reply(body, status)))
    with pytest.raises(PlatformError, match="set KLAVIYO_REVISION"):
        SOURCES["klaviyo"].stream("metrics").fetch(connection, "KLV001", LAST, LAST, NOW)
