"""Google Ads REST of a simulated world: micros, int64 as strings, unset fields left out, answers as a JSON array."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta

import numpy as np
import orjson

from liftos_pipeline.platforms.wire import SIMULATED, Request, Response, as_json, midnight
from liftos_pipeline.simulator.ads import AdsPanel

BATCH_ROWS = 1000
CHANGE_EVENT_DAYS = 30
_BETWEEN = re.compile(r"segments\.date\s+BETWEEN\s+'([\d-]+)'\s+AND\s+'([\d-]+)'", re.IGNORECASE)
_CHANGED = re.compile(r"change_event\.change_date_time\s*(>=|<=|<|>)\s*'([\d\-: .]+)'", re.IGNORECASE)
_FROM = re.compile(r"\bFROM\s+(\w+)", re.IGNORECASE)
_LIMIT = re.compile(r"\bLIMIT\s+(\d+)", re.IGNORECASE)
_CHANGES = {
    "budget_change": "CAMPAIGN_BUDGET",
    "targeting_change": "CAMPAIGN_CRITERION",
    "creative_change": "AD_GROUP_AD",
}


def token(request: Request) -> Response:
    """Exchange a refresh token."""
    form = request.form
    if form.get("grant_type") != "refresh_token" or form.get("refresh_token") != SIMULATED:
        return as_json({"error": "invalid_grant", "error_description": "Token has been expired or revoked."}, 400)
    return as_json({"access_token": SIMULATED, "expires_in": 3599, "token_type": "Bearer", "scope": "adwords"})


def answer(request: Request) -> Response:
    """Answer ``googleAds:searchStream``."""
    if request.headers.get("authorization") != f"Bearer {SIMULATED}":
        return _error(
            401, "UNAUTHENTICATED", {"authenticationError": "OAUTH_TOKEN_INVALID"}, "Invalid credentials."
        )
    parts = request.path.split("/")
    panel = request.world.google_ads
    if len(parts) != 5 or parts[4] != "googleAds:searchStream" or parts[3] not in panel.account_ids:
        return _error(
            403, "PERMISSION_DENIED", {"authorizationError": "USER_PERMISSION_DENIED"}, "No such customer."
        )
    query = orjson.loads(request.body)["query"]
    resource = _FROM.search(query)
    name = resource.group(1).lower() if resource else ""
    if name == "change_event":
        refused = _refuse_changes(request, query)
        if refused is not None:
            return refused
    handler = _RESOURCES.get((name, _BETWEEN.search(query) is not None))
    if handler is None:
        return _error(400, "INVALID_ARGUMENT", {"queryError": "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE"}, f"FROM {name}")
    units = np.flatnonzero(panel.account_ids == parts[3])
    rows = list(handler(request, panel, units, query))
    batches = [rows[first : first + BATCH_ROWS] for first in range(0, len(rows), BATCH_ROWS)]
    return as_json([{"results": batch, "fieldMask": "", "requestId": "r0"} for batch in batches])


def _error(status: int, code: str, reason: dict[str, str], message: str) -> Response:
    details = [{"@type": "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure"}]
    details[0]["errors"] = [{"errorCode": reason, "message": message}]  # type: ignore[assignment]
    return as_json([{"error": {"code": status, "message": message, "status": code, "details": details}}], status)


def _refuse_changes(request: Request, query: str) -> Response | None:
    bounds = dict(_CHANGED.findall(query))
    since = next((value for operator, value in bounds.items() if operator.startswith(">")), None)
    if since is None:
        return _error(
            400, "INVALID_ARGUMENT", {"changeEventError": "CHANGE_DATE_RANGE_INFINITE"}, "Give both ends."
        )
    limit = _LIMIT.search(query)
    if limit is None or int(limit.group(1)) > 10_000:
        return _error(400, "INVALID_ARGUMENT", {"changeEventError": "LIMIT_NOT_SPECIFIED"}, "LIMIT up to 10000.")
    oldest = request.clock.date() - timedelta(days=CHANGE_EVENT_DAYS)
    if date.fromisoformat(since[:10]) < oldest:
        return _error(
            400, "INVALID_ARGUMENT", {"changeEventError": "START_DATE_TOO_OLD"}, f"Start on {oldest} or later."
        )
    return None


def _days(request: Request, query: str) -> range:
    found = _BETWEEN.search(query)
    if found is None:
        return range(0)
    return request.day_range(date.fromisoformat(found.group(1)), date.fromisoformat(found.group(2)))


def _customer(request: Request, panel: AdsPanel, units: np.ndarray, query: str) -> Iterator[dict]:  # noqa: ARG001
    account = str(panel.account_ids[units[0]])
    yield {
        "customer": {
            "resourceName": f"customers/{account}",
            "id": account,
            "descriptiveName": f"Simulated shop {account[-4:]}",
            "currencyCode": "USD",
            "timeZone": "Etc/UTC",
            "status": "ENABLED",
        }
    }


def _campaign(panel: AdsPanel, unit: int) -> dict[str, object]:
    account, campaign = panel.account_ids[unit], str(panel.campaign_ids[unit])
    return {
        "resourceName": f"customers/{account}/campaigns/{campaign}",
        "id": campaign,
        "name": f"Campaign {campaign[-6:]}",
        "status": "ENABLED",
        "advertisingChannelType": "SEARCH",
        "campaignBudget": f"customers/{account}/campaignBudgets/{campaign}7",
    }


def _campaigns(request: Request, panel: AdsPanel, units: np.ndarray, query: str) -> Iterator[dict]:  # noqa: ARG001
    yield from ({"campaign": _campaign(panel, unit)} for unit in units.tolist())


def _ad_groups(request: Request, panel: AdsPanel, units: np.ndarray, query: str) -> Iterator[dict]:  # noqa: ARG001
    for unit in units.tolist():
        for suffix in _suffixes(panel, unit):
            yield {"campaign": {"id": str(panel.campaign_ids[unit])}, "adGroup": _ad_group(panel, unit, suffix)}


def _suffixes(panel: AdsPanel, unit: int) -> tuple[str, ...]:
    return ("1", "2") if panel.has_two_children[unit] else ("1",)


def _ad_group(panel: AdsPanel, unit: int, suffix: str) -> dict[str, object]:
    account, campaign = panel.account_ids[unit], str(panel.campaign_ids[unit])
    return {
        "resourceName": f"customers/{account}/adGroups/{campaign}{suffix}",
        "id": f"{campaign}{suffix}",
        "name": f"Ad group {campaign[-6:]}-{suffix}",
        "status": "ENABLED",
        "campaign": f"customers/{account}/campaigns/{campaign}",
    }


def _budgets(request: Request, panel: AdsPanel, units: np.ndarray, query: str) -> Iterator[dict]:  # noqa: ARG001
    for unit in units.tolist():
        yield {
            "campaignBudget": {
                "id": f"{panel.campaign_ids[unit]}7",
                "amountMicros": str(int(panel.budget[request.last_day, unit]) * 1_000_000),
                "period": "DAILY",
                "referenceCount": "1",
            }
        }


def _split(total: int, share: float, n: int) -> list[int]:
    first = int(total * share)
    return [first, total - first] if n == 2 else [total]


def _performance(
    request: Request, panel: AdsPanel, units: np.ndarray, query: str, by_ad_group: bool
) -> Iterator[dict]:
    for index in _days(request, query):
        day = request.day(index).isoformat()
        columns = zip(
            units.tolist(),
            np.round(panel.spend[index, units] * 100).astype(int).tolist(),
            panel.impressions[index, units].tolist(),
            panel.clicks[index, units].tolist(),
            panel.reported(index, request.age_days(index), units).tolist(),
            panel.order_value[index, units].tolist(),
            strict=True,
        )
        for unit, cents, impressions, clicks, bought, value in columns:
            if impressions == 0:
                continue
            campaign = str(panel.campaign_ids[unit])
            if not by_ad_group:
                yield {
                    "campaign": {"id": campaign, "name": f"Campaign {campaign[-6:]}"},
                    "segments": {"date": day},
                    "customer": {"currencyCode": "USD"},
                    "metrics": _metrics(cents, impressions, clicks, bought, value),
                }
                continue
            names = _suffixes(panel, unit)
            share = float(panel.share[unit])
            parts = zip(
                *(_split(total, share, len(names)) for total in (cents, impressions, clicks, bought)), strict=True
            )
            for suffix, part in zip(names, parts, strict=True):
                if part[1] > 0:
                    yield {
                        "campaign": {"id": campaign, "name": f"Campaign {campaign[-6:]}"},
                        "adGroup": {"id": f"{campaign}{suffix}"},
                        "segments": {"date": day},
                        "customer": {"currencyCode": "USD"},
                        "metrics": _metrics(*part, value),
                    }


def _metrics(cents: int, impressions: int, clicks: int, bought: int, value: float) -> dict[str, object]:
    metrics: dict[str, object] = {"costMicros": str(cents * 10_000), "impressions": str(impressions)}
    if clicks:
        metrics["clicks"] = str(clicks)
        metrics["ctr"] = clicks / impressions
    if bought:
        metrics["conversions"] = float(bought)
        metrics["conversionsValue"] = round(bought * value, 2)
        metrics["allConversions"] = float(bought)
        metrics["conversionsByConversionDate"] = float(bought)
    metrics["searchImpressionShare"] = 0.0999 if impressions < 500 else 0.42
    return metrics


def _by_campaign(request: Request, panel: AdsPanel, units: np.ndarray, query: str) -> Iterator[dict]:
    return _performance(request, panel, units, query, by_ad_group=False)


def _by_ad_group(request: Request, panel: AdsPanel, units: np.ndarray, query: str) -> Iterator[dict]:
    return _performance(request, panel, units, query, by_ad_group=True)


def _keywords(request: Request, panel: AdsPanel, units: np.ndarray, query: str) -> Iterator[dict]:
    for index in _days(request, query):
        day = request.day(index).isoformat()
        for unit in units.tolist():
            impressions = int(panel.impressions[index, unit])
            if impressions == 0:
                continue
            campaign = str(panel.campaign_ids[unit])
            metrics: dict[str, object] = {
                "impressions": str(impressions),
                "clicks": str(int(panel.clicks[index, unit])),
                "costMicros": str(int(round(panel.spend[index, unit] * 100)) * 10_000),
            }
            if (index + unit) % 20:
                metrics["historicalQualityScore"] = int(panel.quality_score[unit])
                metrics["historicalCreativeQualityScore"] = "AVERAGE"
            yield {
                "campaign": {"id": campaign},
                "adGroup": {"id": f"{campaign}1"},
                "adGroupCriterion": {
                    "criterionId": f"{campaign}5",
                    "keyword": {"text": f"keyword {campaign[-4:]}", "matchType": "PHRASE"},
                },
                "segments": {"date": day},
                "metrics": metrics,
            }


def _change_events(request: Request, panel: AdsPanel, units: np.ndarray, query: str) -> Iterator[dict]:
    bounds = dict(_CHANGED.findall(query))
    events = []
    for kind, resource_type in _CHANGES.items():
        for unit in units[panel.starts[kind][units] >= 0].tolist():
            day = int(panel.starts[kind][unit])
            at = midnight(request.day(day), 420 + 13 * (unit % 50))
            text = at.strftime("%Y-%m-%d %H:%M:%S.%f")
            if at < request.clock and all(_holds(text, operator, bound) for operator, bound in bounds.items()):
                events.append((text, _change_event(panel, unit, kind, day, at, resource_type)))
    limit = _LIMIT.search(query)
    ordered = [event for _, event in sorted(events, key=lambda entry: (entry[0], str(entry[1])))]
    yield from ordered[: int(limit.group(1)) if limit else None]


def _holds(text: str, operator: str, bound: str) -> bool:
    comparable = text[: len(bound)] if len(bound) <= 10 else text
    if operator == ">=":
        return comparable >= bound
    if operator == "<=":
        return comparable <= bound
    return comparable < bound if operator == "<" else comparable > bound


def _change_event(
    panel: AdsPanel, unit: int, kind: str, day: int, at: datetime, resource_type: str
) -> dict[str, object]:
    account, campaign = panel.account_ids[unit], str(panel.campaign_ids[unit])
    event: dict[str, object] = {
        "resourceName": f"customers/{account}/changeEvents/{int(at.timestamp() * 1e6)}~{unit}~{len(kind)}",
        "changeDateTime": at.strftime("%Y-%m-%d %H:%M:%S.%f"),
        "changeResourceType": resource_type,
        "changeResourceName": f"customers/{account}/{resource_type.lower()}/{campaign}7",
        "clientType": "GOOGLE_ADS_WEB_CLIENT",
        "userEmail": "buyer@example.com",
        "resourceChangeOperation": "UPDATE",
        "campaign": f"customers/{account}/campaigns/{campaign}",
    }
    if kind == "budget_change":
        old, new = (int(panel.budget[index, unit]) * 1_000_000 for index in (day - 1, day))
        event["changedFields"] = "amountMicros"
        event["oldResource"] = {"campaignBudget": {"amountMicros": str(old)}}
        event["newResource"] = {"campaignBudget": {"amountMicros": str(new)}}
    else:
        event["changedFields"] = "negative" if kind == "targeting_change" else "ad.finalUrls"
        event["oldResource"], event["newResource"] = {"version": "a"}, {"version": "b"}
    return {"changeEvent": event}


_Handler = Callable[[Request, AdsPanel, np.ndarray, str], Iterator[dict]]
_RESOURCES: dict[tuple[str, bool], _Handler] = {
    ("customer", False): _customer,
    ("campaign", False): _campaigns,
    ("ad_group", False): _ad_groups,
    ("campaign_budget", False): _budgets,
    ("campaign", True): _by_campaign,
    ("ad_group", True): _by_ad_group,
    ("keyword_view", True): _keywords,
    ("change_event", False): _change_events,
}
