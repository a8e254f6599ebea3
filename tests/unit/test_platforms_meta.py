"""Meta's wire format: strings, absent keys, pages, restatement, the change log, errors."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import date, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import numpy as np
import orjson
import pytest

from liftos_pipeline.platforms import CLOCK_HEADER, SIMULATED_ORIGIN
from liftos_pipeline.platforms.app import simulated_app, world_at
from liftos_pipeline.platforms.meta_insights import FIELDS
from liftos_pipeline.simulator import SCENARIOS

SCENARIO = replace(
    SCENARIOS["staggered_rollout"], campaigns_per_platform=10, lists=1, pause_rate=0.05, base_hazard=0.03
)
SEED = 6
CLOCK = "2026-04-20T00:00:00+00:00"
LAST_DAY = 108
APP = simulated_app(SCENARIO, SEED)
WORLD = world_at(SCENARIO, SEED, datetime.fromisoformat(CLOCK))
ACCOUNT = WORLD.accounts()["meta"][0]
UNITS = np.flatnonzero(WORLD.meta.account_ids == ACCOUNT)
TOKEN = {"Authorization": "Bearer simulated"}


def get(path: str, clock: str = CLOCK, headers: dict[str, str] | None = None, **params: object) -> httpx.Response:
    with httpx.Client(transport=httpx.WSGITransport(app=APP), base_url=SIMULATED_ORIGIN) as client:
        return client.get(
            path, params=params, headers={**(TOKEN if headers is None else headers), CLOCK_HEADER: clock}
        )


def insights(level: str, since: str, until: str, clock: str = CLOCK, **params: object) -> httpx.Response:
    span = orjson.dumps({"since": since, "until": until}).decode()
    asked = {"fields": ",".join(sorted(FIELDS)), "time_increment": 1, "limit": 5000, **params}
    return get(f"/v26.0/act_{ACCOUNT}/insights", clock, level=level, time_range=span, **asked)


def purchases(row: dict) -> int:
    return next((int(a["value"]) for a in row.get("actions", []) if a["action_type"] == "omni_purchase"), 0)


def all_pages(answer: httpx.Response) -> list[list[dict]]:
    pages = [answer.json()["data"]]
    while "next" in answer.json().get("paging", {}):
        parts = urlsplit(answer.json()["paging"]["next"])
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        answer = get(parts.path, headers={}, **query)
        pages.append(answer.json()["data"])
    return pages


def test_campaign_rows_are_the_world_s_days_of_delivery() -> None:
    rows = insights("campaign", "2026-01-01", "2026-12-31").json()["data"]
    found = {(row["date_start"], row["campaign_id"]): row for row in rows}
    assert len(found) == len(rows)
    expected = {
        ((SCENARIO.start + timedelta(days=day)).isoformat(), str(WORLD.meta.campaign_ids[unit])): (day, unit)
        for day in range(LAST_DAY + 1)
        for unit in UNITS
        if WORLD.meta.delivered[day, unit]
    }
    assert set(found) == set(expected)
    assert len(expected) < (LAST_DAY + 1) * len(UNITS)
    for key, (day, unit) in expected.items():
        row, panel = found[key], WORLD.meta
        assert row["spend"] == f"{panel.spend[day, unit]:.2f}"
        assert row["impressions"] == str(panel.impressions[day, unit])
        assert row["clicks"] == str(panel.clicks[day, unit])
        assert float(row["ctr"]) == pytest.approx(
            100 * panel.clicks[day, unit] / panel.impressions[day, unit], abs=1e-6
        )
        assert row["account_id"] == ACCOUNT
        if LAST_DAY - day >= 28:
            assert purchases(row) == panel.conversions[day, unit]
    share = len(rows) / ((LAST_DAY + 1) * len(UNITS))
    assert abs(share - 0.95) < 4 * np.sqrt(0.95 * 0.05 / ((LAST_DAY + 1) * len(UNITS)))


def test_every_value_is_a_string_and_zero_purchases_leave_no_key() -> None:
    rows = insights("ad", "2026-01-01", "2026-04-19").json()["data"]
    assert {type(value) for row in rows for name, value in row.items() if not name.startswith("action")} == {str}
    with_none = [row for row in rows if "actions" not in row]
    assert 0 < len(with_none) < len(rows)
    assert all("action_values" not in row for row in with_none)
    for row in rows:
        if "actions" in row:
            kinds = {action["action_type"]: action for action in row["actions"]}
            same = [kinds[k] for k in ("purchase", "omni_purchase", "offsite_conversion.fb_pixel_purchase")]
            assert len({action["value"] for action in same}) == 1
            assert int(same[0]["value"]) >= 1
            windows = [int(same[0][window]) for window in ("1d_click", "7d_click", "28d_click")]
            assert windows == sorted(windows)
            assert windows[-1] == int(same[0]["value"])
            assert {value["action_type"] for value in row["action_values"]} == set(kinds) - {"link_click"}


def test_ads_add_up_to_their_campaign_exactly() -> None:
    sums: dict[tuple[str, str], np.ndarray] = defaultdict(lambda: np.zeros(5))
    for level, sign in (("campaign", 1), ("ad", -1)):
        for row in insights(level, "2026-01-01", "2026-04-19").json()["data"]:
            paid = row.get("action_values", [{"value": "0"}])[0]["value"]
            cents = [round(float(amount) * 100) for amount in (row["spend"], paid)]
            parts = [*cents, int(row["impressions"]), int(row.get("clicks", 0)), purchases(row)]
            sums[row["date_start"], row["campaign_id"]] += sign * np.array(parts)
    assert len(sums) > 400
    assert not any(total.any() for total in sums.values())
    ads = get(f"/v26.0/act_{ACCOUNT}/ads", fields="id,adset_id,campaign_id", limit=500).json()["data"]
    counts = np.unique([ad["campaign_id"] for ad in ads], return_counts=True)[1]
    assert sorted(counts) == sorted(1 + WORLD.meta.has_two_children[UNITS])
    known = {(a["campaign_id"], a["adset_id"], a["id"]) for a in ads}
    rows = insights("ad", "2026-04-01", "2026-04-19").json()["data"]
    assert {(r["campaign_id"], r["adset_id"], r["ad_id"]) for r in rows} == known


def test_conversions_of_a_day_grow_until_they_are_final() -> None:
    day, seen = date(2026, 3, 1), []
    for age in (0, 1, 3, 7, 14, 27, 28, 40):
        clock = datetime.combine(day + timedelta(days=age + 1), datetime.min.time()).isoformat()
        rows = insights("campaign", day.isoformat(), day.isoformat(), clock).json()["data"]
        seen.append([purchases(row) for row in rows])
    counts = np.array(seen)
    assert (np.diff(counts, axis=0) >= 0).all()
    index = (day - SCENARIO.start).days
    shown = WORLD.meta.delivered[index, UNITS]
    for age, row in zip((0, 1, 3, 7, 14, 27), seen, strict=False):
        expected = WORLD.meta.reported(slice(index, index + 1), np.array([age]), UNITS)[0, shown]
        assert row == expected.tolist(), age
    final = WORLD.meta.conversions[index, UNITS][shown]
    assert counts[-1].tolist() == counts[-2].tolist() == final.tolist()
    assert 0.35 < counts[0].sum() / final.sum() < 0.85


@pytest.mark.parametrize("limit", [1, 4, 5, 6])
def test_pages_hold_every_row_once(limit: int) -> None:
    whole = get(f"/v26.0/act_{ACCOUNT}/campaigns", fields="id", limit=500).json()
    assert len(whole["data"]) == 5
    assert "next" not in whole["paging"]
    pages = all_pages(get(f"/v26.0/act_{ACCOUNT}/campaigns", fields="id", limit=limit))
    assert [row for page in pages for row in page] == whole["data"]
    assert [len(page) for page in pages] == [limit] * (5 // limit) + [5 % limit] * (5 % limit > 0)


def test_next_carries_the_token_and_an_empty_list_no_paging() -> None:
    following = get(f"/v26.0/act_{ACCOUNT}/campaigns", fields="id", limit=1).json()["paging"]["next"]
    assert parse_qs(urlsplit(following).query)["access_token"] == ["simulated"]
    assert insights("campaign", "2025-06-01", "2025-12-31").json() == {"data": []}
    assert insights("campaign", "2026-04-20", "2026-12-31").json() == {"data": []}


def test_only_the_fields_asked_for_are_sent() -> None:
    rows = insights("campaign", "2026-02-01", "2026-02-02", fields="campaign_id,spend").json()["data"]
    assert {tuple(sorted(row)) for row in rows} == {("campaign_id", "date_start", "date_stop", "spend")}
    whole = insights("campaign", "2026-02-01", "2026-02-02").json()["data"]
    assert [row["spend"] for row in rows] == [row["spend"] for row in whole]


def activities(clock: str = CLOCK, **params: object) -> list[dict]:
    return get(f"/v26.0/act_{ACCOUNT}/activities", clock, fields=ACTIVITY, limit=500, **params).json()["data"]


ACTIVITY = "event_time,event_type,object_id,object_type,extra_data"
EPOCH = int(datetime.fromisoformat("2026-01-01T00:00:00+00:00").timestamp())


def test_the_change_log_names_every_change_once() -> None:
    events = activities(since=EPOCH, until="2027-01-01")
    treatments = WORLD.treatments()
    mine = [f"meta:{ACCOUNT}:{campaign}" for campaign in WORLD.meta.campaign_ids[UNITS]]
    known = treatments[treatments["unit_id"].isin(mine) & (treatments["started_on"] < date(2026, 4, 20))]
    types = {
        "update_campaign_budget": "budget_change",
        "update_ad_set_target_spec": "targeting_change",
        "update_ad_creative": "creative_change",
    }
    logged = sorted((types[event["event_type"]], event["event_time"][:10]) for event in events)
    assert logged == sorted(
        (kind, day.isoformat()) for kind, day in zip(known["treatment_type"], known["started_on"], strict=True)
    )
    assert [event["event_time"] for event in events] == sorted((e["event_time"] for e in events), reverse=True)
    ids = {
        kind: {row["id"] for row in get(f"/v26.0/act_{ACCOUNT}/{edge}", fields="id", limit=500).json()["data"]}
        for kind, edge in (("CAMPAIGN", "campaigns"), ("ADSET", "adsets"), ("AD", "ads"))
    }
    assert all(event["object_id"] in ids[event["object_type"]] for event in events)


def test_the_change_log_answers_for_one_week_unless_told() -> None:
    whole = activities(since=EPOCH)
    week = activities()
    assert week == [event for event in whole if event["event_time"] >= "2026-04-13"]
    assert activities(since="2026-02-01", until="2026-03-01") == [
        event for event in whole if "2026-02-01" <= event["event_time"] < "2026-03-01"
    ]


def test_a_budget_change_agrees_with_the_budgets_around_it() -> None:
    events = [event for event in activities(since=EPOCH) if event["event_type"] == "update_campaign_budget"]
    assert len(events) >= 2
    for event in events:
        extra = orjson.loads(event["extra_data"])
        day = date.fromisoformat(event["event_time"][:10])
        budgets = []
        for clock in (day, day + timedelta(days=1)):
            rows = get(
                f"/v26.0/act_{ACCOUNT}/campaigns", f"{clock}T00:00:00+00:00", fields="id,daily_budget", limit=9
            )
            budgets.append(
                next(row["daily_budget"] for row in rows.json()["data"] if row["id"] == event["object_id"])
            )
        assert [str(extra[f"{side}_value"][f"{side}_value"]) for side in ("old", "new")] == budgets
        assert int(budgets[1]) > int(budgets[0])


@pytest.mark.parametrize(
    ("edge", "field", "event_type", "kind"),
    [
        ("adsets", "targeting", "update_ad_set_target_spec", "targeting_change"),
        ("ads", "creative", "update_ad_creative", "creative_change"),
    ],
)
def test_entities_change_with_their_events(edge: str, field: str, event_type: str, kind: str) -> None:
    fields = f"id,campaign_id,{field}"
    before, after = (
        {
            row["id"]: row
            for row in get(f"/v26.0/act_{ACCOUNT}/{edge}", clock, fields=fields, limit=500).json()["data"]
        }
        for clock in ("2026-01-15T00:00:00+00:00", CLOCK)
    )
    changed = {entity for entity in before if before[entity][field] != after[entity][field]}
    starts = WORLD.meta.starts[kind][UNITS]
    adopted = set(WORLD.meta.campaign_ids[UNITS[(starts >= 0) & (starts <= LAST_DAY)]])
    assert len(adopted) >= 2
    assert {before[entity]["campaign_id"] for entity in changed} == adopted
    logged = {event["object_id"] for event in activities(since=EPOCH) if event["event_type"] == event_type}
    assert logged <= changed
    assert {before[entity]["campaign_id"] for entity in logged} == adopted


@pytest.mark.parametrize(
    ("path", "params", "code", "text"),
    [
        ("act_1", {}, 100, "Object with ID 'act_1' does not exist"),
        ("12345", {}, 100, "Object with ID '12345' does not exist"),
        (f"act_{ACCOUNT}/flowers", {}, 100, "nonexisting field (flowers)"),
        (f"act_{ACCOUNT}/campaigns", {"limit": "0"}, 100, "param limit"),
        (f"act_{ACCOUNT}/campaigns", {"limit": "many"}, 100, "param limit"),
        (f"act_{ACCOUNT}/campaigns", {"after": "bad!"}, 100, "Invalid cursor"),
        (f"act_{ACCOUNT}/activities", {"since": "2026-02-30"}, 100, "param since"),
        (f"act_{ACCOUNT}/insights", {"level": "planet"}, 100, "level must be one of"),
        (f"act_{ACCOUNT}/insights", {"level": "ad"}, 100, "time_increment must be 1"),
        (
            f"act_{ACCOUNT}/insights",
            {"level": "ad", "time_increment": "1", "time_range": "{"},
            100,
            "param time_range",
        ),
        (
            f"act_{ACCOUNT}/insights",
            {"level": "ad", "time_increment": "1", "time_range": '{"since":"2026-02-02","until":"2026-02-01"}'},
            100,
            "since must not be after until",
        ),
    ],
)
def test_wrong_calls_get_an_error_body(path: str, params: dict[str, str], code: int, text: str) -> None:
    answer = get(f"/v26.0/{path}", **params)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == code
    assert text in answer.json()["error"]["message"]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer other"}])
def test_a_wrong_token_is_refused_as_expired(headers: dict[str, str]) -> None:
    answer = get(f"/v26.0/act_{ACCOUNT}", headers=headers)
    assert answer.status_code == 400
    assert (answer.json()["error"]["code"], answer.json()["error"]["error_subcode"]) == (190, 463)


def test_the_account_says_its_currency_and_zone() -> None:
    account = get(f"/v26.0/act_{ACCOUNT}", fields="name,currency,timezone_name").json()
    assert (account["id"], account["currency"], account["timezone_name"]) == (f"act_{ACCOUNT}", "USD", "Etc/UTC")
    assert len(str(WORLD.meta.campaign_ids[0])) == 18
