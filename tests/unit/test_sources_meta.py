"""Meta's rows: strings, absent keys, several names of one purchase, minor units, account-local days."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import orjson
import pytest

from liftos_pipeline.errors import MalformedPage
from liftos_pipeline.schema import Window, source_columns
from liftos_pipeline.schema.raw import META_INSIGHTS_DAILY
from liftos_pipeline.sources import SOURCES
from tests.replies import FIRST, LAST, META_ACCOUNT, NOW, Asked, Platform, Reply, connect, settings

ROW = {
    "account_id": "1001",
    "account_currency": "USD",
    "campaign_id": "120210000000000001",
    "campaign_name": "Spring",
    "date_start": "2026-03-02",
    "date_stop": "2026-03-02",
    "impressions": "1000",
    "reach": "800",
    "frequency": "1.25",
    "clicks": "40",
    "inline_link_clicks": "30",
    "ctr": "4.0",
    "spend": "14.35",
    "attribution_setting": "7d_click_1d_view",
}
WINDOWS = {"1d_click": "1", "7d_click": "2", "28d_click": "3", "1d_view": "1"}
PURCHASES = [
    {"action_type": "link_click", "value": "30"},
    {"action_type": "purchase", "value": "4", **WINDOWS},
    {"action_type": "offsite_conversion.fb_pixel_purchase", "value": "2", **WINDOWS},
    {"action_type": "omni_purchase", "value": "3", **WINDOWS},
]
PAID = [{"action_type": entry["action_type"], "value": f"{entry['value']}9.90"} for entry in PURCHASES]


def insights(*campaign_rows: dict, ad_rows: tuple[dict, ...] = ()) -> Window:
    def answer(asked: Asked) -> Reply:
        if not asked.path.endswith("insights"):
            return META_ACCOUNT
        return Reply({"data": list(campaign_rows if asked.query["level"] == "campaign" else ad_rows)})

    connection = connect("meta", Platform(answer))
    return SOURCES["meta"].stream("insights_daily").fetch(connection, "1001", FIRST, LAST, NOW)


def one(**changes: object) -> dict:
    kept = {name: value for name, value in {**ROW, **changes}.items() if value is not ...}
    return insights(kept).rows.to_pylist()[0]


def test_numbers_in_strings_are_typed() -> None:
    row = one()
    assert row["spend"] == Decimal("14.350000")
    assert (row["impressions"], row["clicks_all"], row["link_clicks"], row["reach"]) == (1000, 40, 30, 800)
    assert (row["date_day"], row["frequency"], row["ctr_pct"]) == (date(2026, 3, 2), 1.25, 4.0)
    assert (row["level"], row["entity_id"], row["ad_id"]) == ("campaign", ROW["campaign_id"], None)
    assert row["extra"] is None


def test_the_table_is_the_one_of_the_schema() -> None:
    schema = META_INSIGHTS_DAILY.arrow(source_columns(META_INSIGHTS_DAILY))
    assert insights(ROW).rows.schema.equals(schema)
    assert insights().rows.schema.equals(schema)


def test_ads_are_beside_their_campaigns() -> None:
    ad = {**ROW, "adset_id": "12", "ad_id": "13"}
    rows = insights(ROW, ad_rows=(ad,)).rows.to_pylist()
    assert [(r["level"], r["entity_id"], r["adset_id"]) for r in rows] == [
        ("campaign", ROW["campaign_id"], None),
        ("ad", "13", "12"),
    ]


def test_one_purchase_under_three_names_is_counted_once() -> None:
    row = one(actions=PURCHASES, action_values=PAID)
    assert row["conversion_action_type"] == "omni_purchase"
    assert (row["conversions"], row["conversions_value"]) == (3, Decimal("39.90"))
    assert [row[f"conversions_{w}"] for w in WINDOWS] == [1, 2, 3, 1]


@pytest.mark.parametrize(
    ("left", "chosen", "count"),
    [(3, "offsite_conversion.fb_pixel_purchase", 2), (2, "purchase", 4)],
)
def test_the_next_name_counts_where_the_preferred_one_is_absent(left: int, chosen: str, count: int) -> None:
    row = one(actions=PURCHASES[:left], action_values=PAID)
    assert (row["conversion_action_type"], row["conversions"]) == (chosen, count)
    assert row["conversions_value"] == Decimal(f"{count}9.90")


@pytest.mark.parametrize("actions", [..., [], PURCHASES[:1]])
def test_absent_actions_are_zero_purchases(actions: object) -> None:
    row = one(actions=actions)
    assert (row["conversions"], row["conversions_value"], row["conversions_1d_view"]) == (0, 0, 0)
    assert row["conversion_action_type"] is None


def test_absent_clicks_are_zero_only_where_the_rate_says_so() -> None:
    nothing = one(clicks=..., inline_link_clicks=..., ctr="0.000000")
    assert (nothing["clicks_all"], nothing["link_clicks"]) == (0, 0)
    unknown = one(clicks=..., inline_link_clicks=..., ctr="4.0")
    assert (unknown["clicks_all"], unknown["link_clicks"]) == (None, None)


@pytest.mark.parametrize("field", ["spend", "impressions", "campaign_id", "date_start"])
def test_a_missing_required_field_is_named(field: str) -> None:
    with pytest.raises(MalformedPage, match=rf"{field} of meta\.insights_daily; found nothing on page 0"):
        insights(ROW, {name: value for name, value in ROW.items() if name != field})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("spend", "1,234.50"),
        ("spend", True),
        ("spend", {}),
        ("impressions", "12.5"),
        ("impressions", True),
        ("impressions", ""),
        ("date_start", "2026-02-30"),
        ("date_stop", "2026-03-03"),
        ("campaign_name", ["x"]),
        ("actions", "none"),
        ("actions", ["purchase"]),
        ("actions", [{"action_type": "purchase"}]),
    ],
)
def test_malformed_values_are_named_with_sample_and_page(field: str, value: object) -> None:
    with pytest.raises(MalformedPage) as caught:
        insights(ROW, ROW, ad_rows=({**ROW, "adset_id": "1", "ad_id": "2", field: value},))
    text = str(caught.value)
    assert field in text
    assert "meta.insights_daily" in text
    assert "on page 1" in text


@pytest.mark.parametrize(
    ("field", "value", "columns"),
    [
        ("spend", "NaN", {"spend"}),
        ("spend", "-0.01", {"spend"}),
        ("spend", "1e400", {"spend"}),
        ("spend", "999999999999999", {"spend"}),
        ("impressions", "-1", {"impressions"}),
        ("impressions", "7", {"impressions", "clicks_all"}),
        ("reach", "1001", {"reach", "impressions"}),
        ("frequency", "inf", {"frequency"}),
        ("frequency", "nan", {"frequency"}),
        ("inline_link_clicks", "-1", {"link_clicks"}),
        ("actions", [{"action_type": "purchase", "value": "-1"}], {"conversions"}),
    ],
)
def test_what_cannot_be_true_is_unknown_and_in_quarantine(field: str, value: object, columns: set[str]) -> None:
    window = insights(ROW, {**ROW, "campaign_id": "2", field: value})
    good, bad = window.rows.to_pylist()
    voided = {name for name in bad if bad[name] is None and good[name] is not None} - {"conversion_action_type"}
    assert voided == columns
    (rejected,) = window.rejected
    assert rejected.date_day == good["date_day"]
    assert orjson.loads(rejected.detail) == {**ROW, "campaign_id": "2", field: value}
    assert field in rejected.reason


def test_strings_and_numbers_may_mix() -> None:
    rows = insights(ROW, {**ROW, "spend": 3, "impressions": 7000}, {**ROW, "spend": 2.5}).rows
    assert rows["spend"].to_pylist() == [Decimal("14.35"), Decimal("3"), Decimal("2.5")]
    assert rows["impressions"].to_pylist() == [1000, 7000, 1000]


def test_long_fractions_are_rounded_to_the_column() -> None:
    assert one(spend="0.12345678")["spend"] == Decimal("0.123457")


def test_unknown_fields_are_kept_and_requested_ones_are_not() -> None:
    row = one(objective="OUTCOME_SALES", cosmic_rays="7", aura={"b": 1, "a": 2})
    assert row["extra"] == '{"aura":{"a":2,"b":1},"cosmic_rays":"7"}'


def test_everything_is_asked_for() -> None:
    platform = Platform(lambda asked: META_ACCOUNT if asked.path.endswith("1001") else Reply({"data": []}))
    connection = connect("meta", platform)
    SOURCES["meta"].stream("insights_daily").fetch(connection, "1001", FIRST, LAST, NOW)
    query = next(asked.query for asked in platform.asked if asked.path.endswith("insights"))
    assert orjson.loads(query["time_range"]) == {"since": "2026-03-01", "until": "2026-03-10"}
    statuses = orjson.loads(query["filtering"])[0]["value"]
    assert {"ARCHIVED", "DELETED"} < set(statuses)
    assert "28d_click" in query["action_attribution_windows"]
    assert (query["time_increment"], query["action_report_time"]) == ("1", "impression")


def activity(at: str, kind: str = "update_campaign_budget", **more: object) -> dict:
    return {"event_time": at, "event_type": kind, "object_id": "7", "object_type": "CAMPAIGN", **more}


def activities(*entries: dict, currency: str = "USD") -> Window:
    account = Reply({"currency": currency, "timezone_name": "America/New_York"})
    platform = Platform(
        lambda asked: Reply({"data": list(entries)}) if asked.path.endswith("activities") else account
    )
    connection = connect("meta", platform)
    return SOURCES["meta"].stream("activities").fetch(connection, "1001", FIRST, LAST, NOW)


def test_changes_fall_on_the_accounts_own_day() -> None:
    rows = activities(
        activity("2026-03-01T04:59:59+0000"),
        activity("2026-03-01T05:00:00+0000"),
        activity("2026-03-08T06:59:00+0000"),
        activity("2026-03-09T03:30:00+0000"),
        activity("2026-03-11T03:59:59+0000"),
        activity("2026-03-11T04:00:00+0000"),
    ).rows
    assert [day.day for day in rows["date_day"].to_pylist()] == [1, 8, 8, 10]
    assert rows["event_at"].to_pylist()[0] == datetime(2026, 3, 1, 5)


def payment(old: object, new: object, currency: str = "USD") -> str:
    sides = {"old_value": old, "new_value": new}
    kind = {"type": "payment_amount", "currency": currency}
    return orjson.dumps({side: {**kind, side: value} for side, value in sides.items()}).decode()


@pytest.mark.parametrize(
    ("extra_data", "currency", "expected"),
    [
        (payment(5000, 7500), "USD", (Decimal("50"), Decimal("75"))),
        (payment("5000", "7500"), "USD", (Decimal("50"), Decimal("75"))),
        (payment(5000, 7500, "JPY"), "USD", (Decimal("5000"), Decimal("7500"))),
        ('{"old_value":5000,"new_value":7550}', "USD", (Decimal("50"), Decimal("75.5"))),
        ('{"old_value":5000,"new_value":7500}', "KRW", (Decimal("5000"), Decimal("7500"))),
        ('{"old_value":"CBO off","new_value":"CBO on"}', "USD", (None, None)),
        (None, "USD", (None, None)),
    ],
)
def test_budgets_come_in_minor_units(extra_data: str | None, currency: str, expected: tuple) -> None:
    row = activities(activity("2026-03-03T12:00:00+0000", extra_data=extra_data), currency=currency).rows
    assert (row["old_budget"][0].as_py(), row["new_budget"][0].as_py()) == expected


@pytest.mark.parametrize(
    ("kind", "change_class"),
    [
        ("update_campaign_budget", "budget"),
        ("update_ad_set_target_spec", "targeting"),
        ("update_ad_creative", "creative"),
        ("update_ad_set_bidding", "bid"),
        ("update_campaign_run_status", "status"),
        ("first_delivery_event", "other"),
    ],
)
def test_changes_are_classed(kind: str, change_class: str) -> None:
    rows = activities(activity("2026-03-03T12:00:00+0000", kind, extra_data='{"new_value":5}')).rows
    assert rows["change_class"].to_pylist() == [change_class]
    assert (rows["new_budget"][0].as_py() is None) == (change_class != "budget")


def test_equal_changes_get_keys_of_their_own() -> None:
    same = activity("2026-03-03T12:00:00+0000")
    keys = activities(same, same, {**same, "object_id": "8"}).rows["activity_key"].to_pylist()
    assert [key[-2:] for key in keys] == [":0", ":1", ":0"]
    assert keys[0][:-2] == keys[1][:-2] != keys[2][:-2]


def test_entity_budgets_are_major_units() -> None:
    entity = {"id": "1", "daily_budget": "5050", "lifetime_budget": "0"}
    platform = Platform(
        lambda asked: Reply({"data": [entity]}) if asked.path.endswith("campaigns") else META_ACCOUNT
    )
    rows = SOURCES["meta"].stream("campaigns").fetch(connect("meta", platform), "1001", LAST, LAST, NOW).rows
    assert rows["daily_budget"].to_pylist() == [Decimal("50.5")]


def test_accounts_come_without_their_prefix() -> None:
    connection = connect("meta", Platform(lambda _: META_ACCOUNT))
    assert SOURCES["meta"].accounts(settings(meta_ad_account_ids=" act_1, 2 ,"), connection) == ("1", "2")
