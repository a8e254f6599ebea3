"""Google's rows: micros, int64 as strings, unset counts, unknown scores, the 30 days of the change log."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest

from liftos_pipeline.errors import MalformedPage
from liftos_pipeline.schema import Window
from liftos_pipeline.sources import SOURCES
from tests.replies import FIRST, LAST, NOW, Asked, Platform, Reply, connect, settings

METRICS = {
    "costMicros": "14350000",
    "impressions": "1000",
    "clicks": "40",
    "conversions": 2.5,
    "conversionsValue": 99.9,
    "ctr": 0.04,
    "searchImpressionShare": 0.0999,
}
CAMPAIGN = {
    "campaign": {"resourceName": "customers/1/campaigns/7", "id": "7", "name": "Brand"},
    "segments": {"date": "2026-03-02"},
    "customer": {"currencyCode": "USD"},
    "metrics": METRICS,
}
AD_GROUP = {**CAMPAIGN, "adGroup": {"id": "71"}}


def google(rows: dict[str, list[dict]], zone: str = "America/New_York") -> Platform:
    """Google with rows by the resource in FROM."""
    known = {"customer": [{"customer": {"currencyCode": "USD", "timeZone": zone}}], **rows}

    def answer(asked: Asked) -> Reply:
        if asked.path == "/token":
            return Reply({"access_token": "ya29.fresh-token", "expires_in": 3599})
        resource = asked.body.decode().split("FROM ")[1].replace('"', " ").split()[0].rstrip("}")
        return Reply([{"results": known.get(resource, []), "fieldMask": "", "requestId": "r"}])

    return Platform(answer)


def fetch(
    stream: str, platform: Platform, start: date = FIRST, end: date = LAST, observed: datetime = NOW
) -> Window:
    return SOURCES["google_ads"].stream(stream).fetch(connect("google_ads", platform), "1", start, end, observed)


def daily(metrics: dict) -> dict:
    return fetch("daily", google({"campaign": [{**CAMPAIGN, "metrics": metrics}]})).rows.to_pylist()[0]


def test_micros_and_strings_are_typed() -> None:
    row = daily(METRICS)
    assert (row["cost_micros"], row["impressions"], row["clicks"]) == (14_350_000, 1000, 40)
    assert (row["conversions"], row["conversions_value"]) == (Decimal("2.5"), Decimal("99.9"))
    assert (row["ctr_ratio"], row["search_impression_share"]) == (0.04, 0.0999)
    assert row["search_budget_lost_impression_share"] is None
    assert (row["date_day"], row["currency_code"], row["extra"]) == (date(2026, 3, 2), "USD", None)


def test_unset_counts_are_zero_and_unset_ratios_are_unknown() -> None:
    row = daily({"costMicros": "1", "impressions": "1"})
    counts = ("clicks", "conversions", "conversions_value", "all_conversions", "view_through_conversions")
    assert [row[name] for name in counts] == [0, 0, 0, 0, 0]
    assert (row["ctr_ratio"], row["search_impression_share"]) == (None, None)


def test_ad_groups_are_beside_their_campaigns() -> None:
    rows = fetch("daily", google({"campaign": [CAMPAIGN], "ad_group": [AD_GROUP]})).rows.to_pylist()
    assert [(r["level"], r["entity_id"], r["campaign_id"], r["ad_group_id"]) for r in rows] == [
        ("campaign", "7", "7", None),
        ("ad_group", "71", "7", "71"),
    ]


@pytest.mark.parametrize(
    ("changed", "voided"),
    [
        ({"ctr": "NaN"}, {"ctr_ratio"}),
        ({"clicks": "1001"}, {"clicks", "impressions"}),
        ({"clicks": "1e13"}, {"clicks"}),
    ],
)
def test_what_cannot_be_true_is_unknown_and_in_quarantine(changed: dict[str, str], voided: set[str]) -> None:
    window = fetch("daily", google({"campaign": [{**CAMPAIGN, "metrics": {**METRICS, **changed}}]}))
    (row,) = window.rows.to_pylist()
    asked = ("cost_micros", "impressions", "clicks", "conversions", "ctr_ratio", "search_impression_share")
    assert {name for name in asked if row[name] is None} == voided
    assert len(window.rejected) == 1


def test_a_credit_for_invalid_clicks_is_a_negative_cost() -> None:
    window = fetch("daily", google({"campaign": [{**CAMPAIGN, "metrics": {**METRICS, "costMicros": "-5"}}]}))
    assert (window.rows["cost_micros"].to_pylist(), window.rejected) == ([-5], ())


@pytest.mark.parametrize(
    ("metrics", "field"),
    [
        ({"impressions": "1"}, "metrics.costMicros"),
        ({"costMicros": "1"}, "metrics.impressions"),
        ({**METRICS, "costMicros": "12.5"}, "metrics.costMicros"),
        ({**METRICS, "conversions": "many"}, "metrics.conversions"),
        ("none", "metrics"),
    ],
)
def test_malformed_metrics_are_named(metrics: object, field: str) -> None:
    platform = google({"campaign": [CAMPAIGN, {**CAMPAIGN, "metrics": metrics}]})
    with pytest.raises(MalformedPage, match=rf"in {field} of google_ads\.daily"):
        fetch("daily", platform)


def test_unknown_members_are_kept() -> None:
    row = daily({**METRICS, "auraMicros": "5"})
    assert row["extra"] == '{"metrics.auraMicros":"5"}'


@pytest.mark.parametrize(("sent", "score"), [({"historicalQualityScore": 7}, 7), ({}, None)])
def test_an_absent_quality_score_is_unknown(sent: dict, score: int | None) -> None:
    keyword = {
        "campaign": {"id": "7"},
        "adGroup": {"id": "71"},
        "adGroupCriterion": {"criterionId": "9", "keyword": {"text": "shoes", "matchType": "EXACT"}},
        "segments": {"date": "2026-03-02"},
        "metrics": sent,
    }
    row = fetch("keyword_quality_daily", google({"keyword_view": [keyword]})).rows.to_pylist()[0]
    assert (row["historical_quality_score"], row["keyword_text"], row["match_type"]) == (score, "shoes", "EXACT")


EVENT = {
    "resourceName": "customers/1/changeEvents/1~0~0",
    "changeDateTime": "2026-03-08 12:00:00.5",
    "changeResourceType": "CAMPAIGN_BUDGET",
    "resourceChangeOperation": "UPDATE",
    "campaign": "customers/1/campaigns/7",
    "adGroup": "customers/1/adGroups/71",
    "userEmail": "Ann@example.com",
    "changedFields": "amountMicros",
    "oldResource": {"campaignBudget": {"amountMicros": "50000000"}},
    "newResource": {"campaignBudget": {"amountMicros": "75000000"}},
}


def test_a_budget_change_is_read() -> None:
    window = fetch("change_events", google({"change_event": [{"changeEvent": EVENT}]}))
    row = window.rows.to_pylist()[0]
    assert (row["old_budget_micros"], row["new_budget_micros"]) == (50_000_000, 75_000_000)
    assert (row["campaign_id"], row["ad_group_id"], row["change_class"]) == ("7", "71", "budget")
    assert (row["changed_at"], row["date_day"]) == (datetime(2026, 3, 8, 16, 0, 0, 500_000), date(2026, 3, 8))
    assert len(row["actor_hash"]) == 32
    assert b"example.com" not in b"".join(page.body or b"" for page in window.pages)


@pytest.mark.parametrize(
    ("kind", "fields", "change_class"),
    [
        ("CAMPAIGN_BUDGET", "amount_micros", "budget"),
        ("CAMPAIGN_BUDGET", "name", "other"),
        ("CAMPAIGN_CRITERION", "negative", "targeting"),
        ("AD_GROUP_CRITERION", ["keyword.text"], "targeting"),
        ("AD_GROUP_CRITERION", "cpcBidMicros", "bid"),
        ("AD_GROUP_AD", "ad.finalUrls", "creative"),
        ("AD_GROUP_AD", "status", "status"),
        ("FEED", None, "other"),
    ],
)
def test_changes_are_classed(kind: str, fields: object, change_class: str) -> None:
    event = {**EVENT, "changeResourceType": kind, "changedFields": fields}
    rows = fetch("change_events", google({"change_event": [{"changeEvent": event}]})).rows
    assert rows["change_class"].to_pylist() == [change_class]


@pytest.mark.parametrize(
    ("observed", "first"),
    [
        (datetime(2026, 3, 11, 5, 0), date(2026, 2, 9)),
        (datetime(2026, 3, 11, 5, 1), date(2026, 2, 10)),
        (datetime(2026, 3, 11, 3, 59), date(2026, 2, 9)),
    ],
)
def test_days_that_google_forgot_are_not_asked_for(observed: datetime, first: date) -> None:
    platform = google({})
    window = fetch("change_events", platform, date(2026, 1, 1), LAST, observed)
    asked = [a.body.decode() for a in platform.asked if b"change_event" in a.body]
    assert f">= '{first} 00:00:00'" in asked[0]
    assert (window.start, window.end) == (first, LAST)


def test_a_window_that_google_forgot_asserts_nothing() -> None:
    platform = google({"change_event": [{"changeEvent": EVENT}]})
    window = fetch("change_events", platform, date(2026, 1, 1), date(2026, 1, 20))
    assert not any(b"change_event" in asked.body for asked in platform.asked)
    assert (window.start, window.end, window.rows.num_rows) == (date(2026, 1, 21), date(2026, 1, 20), 0)


def test_customers_come_in_digits() -> None:
    found = SOURCES["google_ads"].accounts(settings(google_ads_customer_ids="441-000-0001, 2"), None)
    assert found == ("4410000001", "2")
