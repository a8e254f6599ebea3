"""Google Ads' wire format: micros, int64 as strings, unset fields left out, batches, the 30-day change log."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import date, datetime, timedelta

import httpx
import numpy as np
import orjson
import pytest

from liftos_pipeline.platforms import CLOCK_HEADER, SIMULATED_ORIGIN
from liftos_pipeline.platforms.app import simulated_app, world_at
from liftos_pipeline.platforms.google_ads import BATCH_ROWS
from liftos_pipeline.platforms.google_performance import RENDERED
from liftos_pipeline.simulator import SCENARIOS

SCENARIO = replace(
    SCENARIOS["staggered_rollout"], campaigns_per_platform=20, accounts_per_platform=1, lists=1, pause_rate=0.05
)
SEED = 3
CLOCK = "2026-04-20T00:00:00+00:00"
LAST_DAY = 108
APP = simulated_app(SCENARIO, SEED)
WORLD = world_at(SCENARIO, SEED, datetime.fromisoformat(CLOCK))
PANEL = WORLD.google_ads
CUSTOMER = WORLD.accounts()["google_ads"][0]
HEADERS = {"Authorization": "Bearer simulated", "developer-token": "simulated"}
FORM = {
    "grant_type": "refresh_token",
    "client_id": "simulated",
    "client_secret": "simulated",
    "refresh_token": "simulated",
}


def post(
    query: object, clock: str = CLOCK, customer: str = CUSTOMER, headers: dict[str, str] = HEADERS
) -> httpx.Response:
    with httpx.Client(transport=httpx.WSGITransport(app=APP), base_url=SIMULATED_ORIGIN) as client:
        path = f"/v26/customers/{customer}/googleAds:searchStream"
        return client.post(path, json={"query": query}, headers={**headers, CLOCK_HEADER: clock})


def rows(query: str, clock: str = CLOCK) -> list[dict]:
    answer = post(query, clock)
    assert answer.status_code == 200, answer.text
    return [row for batch in answer.json() for row in batch["results"]]


def daily(resource: str, since: str, until: str, clock: str = CLOCK, fields: str | None = None) -> list[dict]:
    asked = fields or ", ".join(sorted(RENDERED[resource]))
    return rows(f"SELECT {asked} FROM {resource} WHERE segments.date BETWEEN '{since}' AND '{until}'", clock)


def day_of(row: dict) -> int:
    return (date.fromisoformat(row["segments"]["date"]) - SCENARIO.start).days


def reason(answer: httpx.Response) -> str:
    failure = answer.json()[0]["error"]["details"][0]["errors"][0]
    return next(iter(failure["errorCode"].values()))


def test_campaign_rows_are_the_world_s_days_of_delivery() -> None:
    found = daily("campaign", "2025-12-01", "2026-12-31")
    units = {str(campaign): unit for unit, campaign in enumerate(PANEL.campaign_ids)}
    assert len(found) == PANEL.delivered[: LAST_DAY + 1].sum() < (LAST_DAY + 1) * 20
    for row in found:
        day, unit = day_of(row), units[row["campaign"]["id"]]
        metrics = row["metrics"]
        assert metrics["costMicros"] == str(round(PANEL.spend[day, unit] * 1e6))
        assert metrics["impressions"] == str(PANEL.impressions[day, unit])
        assert metrics["clicks"] == str(PANEL.clicks[day, unit])
        if LAST_DAY - day >= 28:
            assert metrics.get("conversions", 0.0) == PANEL.conversions[day, unit]
            value = metrics.get("conversionsValue", 0.0)
            assert value == pytest.approx(PANEL.conversions[day, unit] * PANEL.order_value[day, unit])


def test_unset_fields_are_left_out() -> None:
    found = daily("ad_group", "2026-01-01", "2026-04-19")
    without = [row for row in found if "conversions" not in row["metrics"]]
    assert 0 < len(without) < len(found)
    assert all("conversionsValue" not in row["metrics"] for row in without)
    assert all(row["metrics"].get("conversions", 1.0) >= 1.0 for row in found)


def test_ad_groups_and_keywords_add_up_to_their_campaign_exactly() -> None:
    sums: dict[tuple[str, str], np.ndarray] = defaultdict(lambda: np.zeros((3, 4), dtype=int))
    for place, resource in enumerate(("campaign", "ad_group", "keyword_view")):
        for row in daily(resource, "2026-01-01", "2026-04-19"):
            metrics = row["metrics"]
            parts = [int(metrics[name]) for name in ("costMicros", "impressions")]
            parts += [int(metrics.get("clicks", 0)), int(metrics.get("conversions", 0))]
            sums[row["segments"]["date"], row["campaign"]["id"]][place] += np.array(parts)
    assert len(sums) > 1900
    for totals in sums.values():
        np.testing.assert_array_equal(totals[0], totals[1])
        np.testing.assert_array_equal(totals[0, :3], totals[2, :3])


def test_a_stream_comes_in_batches_and_an_empty_one_is_an_empty_array() -> None:
    query = "SELECT campaign.id FROM campaign WHERE segments.date BETWEEN '{}' AND '{}'"
    answer = post(query.format("2026-01-01", "2026-04-19")).json()
    sizes = [len(batch["results"]) for batch in answer]
    assert sizes[:-1] == [BATCH_ROWS] * (len(sizes) - 1)
    assert sum(sizes) == PANEL.delivered[: LAST_DAY + 1].sum() > 2 * BATCH_ROWS
    assert {batch["fieldMask"] for batch in answer} == {"campaign.id"}
    assert post(query.format("2026-04-20", "2026-12-31")).json() == []
    assert post(query.format("2025-01-01", "2025-12-31")).json() == []


def test_only_the_fields_asked_for_are_sent() -> None:
    found = daily("campaign", "2026-02-01", "2026-02-01", fields="campaign.id, metrics.cost_micros")
    assert {part for row in found for part in row} == {"campaign", "metrics"}
    assert {name for row in found for name in row["metrics"]} == {"costMicros"}
    assert {name for row in found for name in row["campaign"]} == {"resourceName", "id"}


def test_an_unknown_quality_score_is_absent() -> None:
    found = daily("keyword_view", "2026-01-01", "2026-04-19")
    scores = [row["metrics"].get("historicalQualityScore") for row in found]
    share = sum(score is None for score in scores) / len(scores)
    assert abs(share - 0.05) < 0.01
    assert set(filter(None, scores)) <= set(range(1, 11))
    first = {row["campaign"]["id"]: s for row, s in zip(found, scores, strict=True) if s is not None}
    expected = np.clip(np.round(6.0 + 1.6 * PANEL.quality), 1, 10)
    assert [first[str(campaign)] for campaign in PANEL.campaign_ids] == expected.tolist()


def test_conversions_of_a_day_grow_until_they_are_final() -> None:
    seen = []
    for age in (0, 2, 6, 20, 28, 45):
        clock = f"{date(2026, 2, 10) + timedelta(days=age + 1)}T00:00:00+00:00"
        found = daily("campaign", "2026-02-10", "2026-02-10", clock)
        seen.append([row["metrics"].get("conversions", 0.0) for row in found])
    assert (np.diff(np.array(seen), axis=0) >= 0).all()
    assert seen[-1] == seen[-2]
    assert 0.4 < sum(seen[0]) / sum(seen[-1]) < 0.8


LOG = (
    "change_event.resource_name, change_event.change_date_time, change_event.change_resource_type, "
    "change_event.campaign, change_event.changed_fields, change_event.old_resource, change_event.new_resource"
)


def changes(since: str, until: str, clock: str = CLOCK, tail: str = "LIMIT 10000") -> httpx.Response:
    where = f"change_event.change_date_time >= '{since}' AND change_event.change_date_time <= '{until}'"
    return post(
        f"SELECT {LOG} FROM change_event WHERE {where} ORDER BY change_event.change_date_time {tail}", clock
    )


def events(answer: httpx.Response) -> list[dict]:
    return [row["changeEvent"] for batch in answer.json() for row in batch["results"]]


def test_the_change_log_of_all_months_names_every_change_once() -> None:
    found = []
    for start in (date(2026, 1, 1) + timedelta(days=30 * step) for step in range(4)):
        end = start + timedelta(days=29)
        found += events(
            changes(f"{start} 00:00:00", f"{end} 23:59:59.999999", f"{end + timedelta(days=1)}T00:00:00Z")
        )
    treatments = WORLD.treatments()
    known = treatments[(treatments["platform"] == "google_ads") & (treatments["started_on"] < date(2026, 5, 1))]
    types = {
        "CAMPAIGN_BUDGET": "budget_change",
        "CAMPAIGN_CRITERION": "targeting_change",
        "AD_GROUP_AD": "creative_change",
    }
    logged = sorted(
        (types[e["changeResourceType"]], e["campaign"].rsplit("/", 1)[1], e["changeDateTime"][:10]) for e in found
    )
    expected = sorted(
        (kind, unit.rsplit(":", 1)[1], day.isoformat())
        for kind, unit, day in zip(known["treatment_type"], known["unit_id"], known["started_on"], strict=True)
    )
    assert logged == expected
    assert len({event["resourceName"] for event in found}) == len(found)


def test_a_budget_event_agrees_with_the_budgets_around_it() -> None:
    found = [
        e for e in events(changes("2026-03-22", "2026-04-20")) if e["changeResourceType"] == "CAMPAIGN_BUDGET"
    ]
    assert len(found) >= 2
    for event in found:
        day = date.fromisoformat(event["changeDateTime"][:10])
        campaign = event["campaign"].rsplit("/", 1)[1]
        states = []
        for clock in (f"{day}T00:00:00Z", f"{day + timedelta(days=1)}T00:00:00Z"):
            owner = rows("SELECT campaign.id, campaign.campaign_budget FROM campaign", clock)
            name = next(r["campaign"]["campaignBudget"] for r in owner if r["campaign"]["id"] == campaign)
            amounts = rows("SELECT campaign_budget.id, campaign_budget.amount_micros FROM campaign_budget", clock)
            states.append(
                next(
                    r["campaignBudget"]["amountMicros"]
                    for r in amounts
                    if r["campaignBudget"]["resourceName"] == name
                )
            )
        assert [event[f"{side}Resource"]["campaignBudget"]["amountMicros"] for side in ("old", "new")] == states
        assert event["changedFields"] == "amountMicros"
        assert int(states[1]) > int(states[0])


def test_the_log_is_ordered_limited_and_bounded() -> None:
    whole = events(changes("2026-03-21", "2026-04-20 23:59:59.999999"))
    times = [event["changeDateTime"] for event in whole]
    assert times == sorted(times)
    assert len(times) >= 4
    assert events(changes("2026-03-21", "2026-04-20", tail="LIMIT 2")) == whole[:2]
    assert events(changes(times[1], times[2])) == whole[1:3]


@pytest.mark.parametrize(
    ("since", "tail", "expected"),
    [
        ("2026-03-20 23:59:59", "LIMIT 10000", "START_DATE_TOO_OLD"),
        ("2026-04-01", "", "LIMIT_NOT_SPECIFIED"),
        ("2026-04-01", "LIMIT 10001", "INVALID_LIMIT_CLAUSE"),
        ("2026-04-31", "LIMIT 10000", "INVALID_DATE"),
    ],
)
def test_the_change_log_refuses_what_google_refuses(since: str, tail: str, expected: str) -> None:
    answer = changes(since, "2026-04-19", tail=tail)
    assert (answer.status_code, reason(answer)) == (400, expected)
    assert changes("2026-03-21", "2026-04-19").status_code == 200


def test_the_change_log_needs_both_ends() -> None:
    for condition in (
        "change_event.change_date_time >= '2026-04-01'",
        "change_event.change_date_time < '2026-04-01'",
    ):
        answer = post(f"SELECT {LOG} FROM change_event WHERE {condition} LIMIT 100")
        assert reason(answer) == "CHANGE_DATE_RANGE_INFINITE"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT flowers.id FROM campaign", "UNRECOGNIZED_FIELD"),
        ("SELECT campaign.id FROM flowers", "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE"),
        ("DELETE campaign", "UNEXPECTED_INPUT"),
        (None, "UNEXPECTED_INPUT"),
        (
            "SELECT campaign.id FROM campaign WHERE segments.date BETWEEN '2026-02-30' AND '2026-03-01'",
            "INVALID_DATE",
        ),
    ],
)
def test_wrong_queries_are_refused(query: object, expected: str) -> None:
    answer = post(query)
    assert (answer.status_code, reason(answer)) == (400, expected)


@pytest.mark.parametrize(
    ("headers", "customer", "status", "expected"),
    [
        ({**HEADERS, "Authorization": "Bearer old"}, CUSTOMER, 401, "OAUTH_TOKEN_INVALID"),
        ({"Authorization": "Bearer simulated"}, CUSTOMER, 401, "DEVELOPER_TOKEN_INVALID"),
        (HEADERS, "1234567890", 403, "USER_PERMISSION_DENIED"),
    ],
)
def test_wrong_credentials_are_refused(headers: dict[str, str], customer: str, status: int, expected: str) -> None:
    answer = post("SELECT customer.id FROM customer", customer=customer, headers=headers)
    assert (answer.status_code, reason(answer)) == (status, expected)


@pytest.mark.parametrize(
    ("changed", "status", "error"),
    [
        ({}, 200, None),
        ({"refresh_token": "old"}, 400, "invalid_grant"),
        ({"grant_type": "password"}, 400, "invalid_grant"),
        ({"client_secret": "old"}, 401, "invalid_client"),
    ],
)
def test_the_token_exchange(changed: dict[str, str], status: int, error: str | None) -> None:
    with httpx.Client(transport=httpx.WSGITransport(app=APP), base_url=SIMULATED_ORIGIN) as client:
        answer = client.post("/token", data={**FORM, **changed}, headers={CLOCK_HEADER: CLOCK})
    assert (answer.status_code, answer.json().get("error")) == (status, error)
    if error is None:
        assert (answer.json()["access_token"], answer.json()["expires_in"]) == ("simulated", 3599)


def test_entities_name_their_parents() -> None:
    customer = rows("SELECT customer.id, customer.currency_code, customer.time_zone FROM customer")
    assert customer == [
        {
            "customer": {
                "resourceName": f"customers/{CUSTOMER}",
                "id": CUSTOMER,
                "currencyCode": "USD",
                "timeZone": "Etc/UTC",
            }
        }
    ]
    assert len(CUSTOMER) == 10
    groups = rows("SELECT ad_group.id, ad_group.campaign FROM ad_group")
    assert len(groups) == 20 + PANEL.has_two_children.sum()
    parents = {row["adGroup"]["campaign"].rsplit("/", 1)[1] for row in groups}
    assert parents == set(PANEL.campaign_ids)
    assert len({row["adGroup"]["id"] for row in groups}) == len(groups)


def test_a_body_without_a_query_is_refused() -> None:
    with httpx.Client(transport=httpx.WSGITransport(app=APP), base_url=SIMULATED_ORIGIN) as client:
        path = f"/v26/customers/{CUSTOMER}/googleAds:searchStream"
        for body in (b"{", b"[]", orjson.dumps({"q": 1})):
            answer = client.post(path, content=body, headers={**HEADERS, CLOCK_HEADER: CLOCK})
            assert (answer.status_code, reason(answer)) == (400, "REQUIRED_FIELD_MISSING")
