"""Google Ads REST of a simulated world: queries, entities, change log and errors; answers are a JSON array. Rows
per day are rendered in ``google_performance``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta

import numpy as np
import orjson

from liftos_pipeline.platforms.delivery import child_id, children
from liftos_pipeline.platforms.google_experiments import arms, experiments
from liftos_pipeline.platforms.google_performance import (
    AD_GROUP,
    BUDGET,
    RENDERED,
    by_ad_group,
    by_campaign,
    keywords,
)
from liftos_pipeline.platforms.wire import SIMULATED, Refusal, Request, Response, as_json, midnight, texts
from liftos_pipeline.simulator.ads import AdsPanel

BATCH_ROWS = 1000
CHANGE_EVENT_DAYS = 30
CHANGE_EVENT_ROWS = 10_000
_SELECT = re.compile(r"^\s*SELECT\s+(.*?)\s+FROM\s+(\w+)", re.IGNORECASE | re.DOTALL)
_BETWEEN = re.compile(r"segments\.date\s+BETWEEN\s+'([\d-]+)'\s+AND\s+'([\d-]+)'", re.IGNORECASE)
_CHANGED = re.compile(r"change_event\.change_date_time\s*(>=|<=|<|>)\s*'([\d\-: .]+)'", re.IGNORECASE)
_LIMIT = re.compile(r"\bLIMIT\s+(\d+)", re.IGNORECASE)
_PARTS = {
    "customer",
    "campaign",
    "ad_group",
    "ad_group_criterion",
    "campaign_budget",
    "change_event",
    "experiment",
    "experiment_arm",
    "segments",
    "metrics",
}
_CHANGES = {
    "budget_change": "CAMPAIGN_BUDGET",
    "targeting_change": "CAMPAIGN_CRITERION",
    "creative_change": "AD_GROUP_AD",
}


def token(request: Request) -> Response:
    """Exchange a refresh token."""
    form = request.form
    if form.get("client_id") != SIMULATED or form.get("client_secret") != SIMULATED:
        raise Refusal(as_json({"error": "invalid_client", "error_description": "Unauthorized"}, 401))
    if form.get("grant_type") != "refresh_token" or form.get("refresh_token") != SIMULATED:
        reason = "Token has been expired or revoked."
        raise Refusal(as_json({"error": "invalid_grant", "error_description": reason}, 400))
    return as_json({"access_token": SIMULATED, "expires_in": 3599, "token_type": "Bearer", "scope": "adwords"})


def answer(request: Request) -> Response:
    """Answer ``googleAds:searchStream``."""
    if request.headers.get("authorization") != f"Bearer {SIMULATED}":
        raise _refuse(401, "UNAUTHENTICATED", "authenticationError", "OAUTH_TOKEN_INVALID", "Invalid token.")
    if request.headers.get("developer-token") != SIMULATED:
        raise _refuse(
            401, "UNAUTHENTICATED", "authenticationError", "DEVELOPER_TOKEN_INVALID", "Invalid developer token."
        )
    panel = request.world.google_ads
    found = re.fullmatch(r"/v26/customers/(\d+)/googleAds:searchStream", request.path)
    if found is None or found.group(1) not in panel.account_ids:
        raise _refuse(
            403, "PERMISSION_DENIED", "authorizationError", "USER_PERMISSION_DENIED", "No such customer."
        )
    units = np.flatnonzero(panel.account_ids == found.group(1))
    query, fields, resource = _parsed(request)
    rows = _rows(request, panel, units, resource, query)
    if not RENDERED.get(resource, frozenset(("",))) <= set(fields):
        rows = _asked_for(fields, rows)
    mask = ",".join(_camel(field) for field in fields)
    batches = [
        f'{{"results":[{",".join(rows[first : first + BATCH_ROWS])}],"fieldMask":"{mask}","requestId":"r{first}"}}'
        for first in range(0, len(rows), BATCH_ROWS)
    ]
    return Response(200, f"[{','.join(batches)}]".encode())


def _refuse(status: int, code: str, kind: str, reason: str, message: str) -> Refusal:
    failure = {
        "@type": "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure",
        "errors": [{"errorCode": {kind: reason}, "message": message}],
        "requestId": "r0",
    }
    error = {"code": status, "message": message, "status": code, "details": [failure]}
    return Refusal(as_json([{"error": error}], status))


def _invalid(kind: str, reason: str, message: str) -> Refusal:
    return _refuse(400, "INVALID_ARGUMENT", kind, reason, message)


def _parsed(request: Request) -> tuple[str, list[str], str]:
    """Query, its fields and its resource."""
    try:
        query = orjson.loads(request.body)["query"]
    except (ValueError, KeyError, TypeError):
        raise _invalid("requestError", "REQUIRED_FIELD_MISSING", "The body needs a query.") from None
    found = _SELECT.match(query) if isinstance(query, str) else None
    if found is None:
        raise _invalid("queryError", "UNEXPECTED_INPUT", "Error in query: expected SELECT ... FROM ...")
    fields = [field.strip() for field in found.group(1).split(",")]
    unknown = [field for field in fields if "." not in field or field.split(".")[0] not in _PARTS]
    if unknown:
        raise _invalid("queryError", "UNRECOGNIZED_FIELD", f"Unrecognized field in the query: '{unknown[0]}'.")
    return query, fields, found.group(2).lower()


def _camel(field: str) -> str:
    return re.sub(r"_(\w)", lambda found: found.group(1).upper(), field)


def _asked_for(fields: Sequence[str], rows: Sequence[str]) -> Sequence[str]:
    """Rows with the fields of the query only; resource names always come along."""
    asked: dict[str, set[str]] = {}
    for field in fields:
        part, member, *_ = _camel(field).split(".")
        asked.setdefault(part, {"resourceName"}).add(member)
    return texts(
        {
            part: {name: value for name, value in members.items() if name in asked[part]}
            for part, members in row.items()
            if part in asked
        }
        for row in map(orjson.loads, rows)
    )


def _rows(request: Request, panel: AdsPanel, units: np.ndarray, resource: str, query: str) -> Sequence[str]:
    between = _BETWEEN.search(query)
    if between is not None and resource in _DAILY:
        try:
            since, until = (date.fromisoformat(day) for day in between.groups())
        except ValueError:
            raise _invalid("dateError", "INVALID_DATE", "Dates are YYYY-MM-DD.") from None
        return _DAILY[resource](request, panel, units, request.day_range(since, until))
    if resource == "change_event":
        return _change_events(request, panel, units, query)
    if between is None and resource in _ENTITIES:
        known = units.tolist() if request.last_day >= 0 or resource == "customer" else []
        return texts(_ENTITIES[resource](request, panel, known))
    raise _invalid("queryError", "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE", f"FROM {resource} with these conditions.")


def _customer(request: Request, panel: AdsPanel, units: list[int]) -> Iterable[dict[str, object]]:  # noqa: ARG001
    account = str(panel.account_ids[units[0]])
    customer = {
        "resourceName": f"customers/{account}",
        "id": account,
        "descriptiveName": f"Simulated shop {account[-4:]}",
        "currencyCode": "USD",
        "timeZone": "Etc/UTC",
        "status": "ENABLED",
    }
    return [{"customer": customer}]


def _campaigns(request: Request, panel: AdsPanel, units: list[int]) -> Iterable[dict[str, object]]:  # noqa: ARG001
    for unit in units:
        account, campaign = panel.account_ids[unit], str(panel.campaign_ids[unit])
        yield {
            "campaign": {
                "resourceName": f"customers/{account}/campaigns/{campaign}",
                "id": campaign,
                "name": f"Campaign {campaign[-6:]}",
                "status": "ENABLED",
                "advertisingChannelType": "SEARCH",
                "campaignBudget": f"customers/{account}/campaignBudgets/{child_id(campaign, BUDGET)}",
            }
        }


def _ad_groups(request: Request, panel: AdsPanel, units: list[int]) -> Iterable[dict[str, object]]:  # noqa: ARG001
    for unit in units:
        account, campaign = panel.account_ids[unit], str(panel.campaign_ids[unit])
        parent = f"customers/{account}/campaigns/{campaign}"
        for child in children(panel, unit):
            group = child_id(campaign, AD_GROUP, child)
            ad_group = {
                "resourceName": f"customers/{account}/adGroups/{group}",
                "id": group,
                "name": f"Ad group {campaign[-6:]}-{child + 1}",
                "status": "ENABLED",
                "campaign": parent,
            }
            yield {"campaign": {"resourceName": parent, "id": campaign}, "adGroup": ad_group}


def _budgets(request: Request, panel: AdsPanel, units: list[int]) -> Iterable[dict[str, object]]:
    for unit in units:
        budget = child_id(str(panel.campaign_ids[unit]), BUDGET)
        yield {
            "campaignBudget": {
                "resourceName": f"customers/{panel.account_ids[unit]}/campaignBudgets/{budget}",
                "id": budget,
                "amountMicros": f"{int(panel.budget[request.last_day, unit])}000000",
                "period": "DAILY",
                "referenceCount": "1",
            }
        }


def _change_events(request: Request, panel: AdsPanel, units: np.ndarray, query: str) -> list[str]:
    bounds, limit = _change_bounds(request, query)
    days = _days_between(request, [value for _, value in bounds])
    events = []
    for number, (kind, resource_type) in enumerate(_CHANGES.items()):
        for unit, day in panel.changes(kind, units, days).tolist():
            at = midnight(request.day(day), 420 + 13 * (unit % 50))
            if at < request.clock and all(_holds(_stamp(at), operator, bound) for operator, bound in bounds):
                events.append((at, unit, number, _change_event(panel, unit, kind, day, at, resource_type)))
    events.sort(key=lambda event: event[:3])
    return texts(event for *_, event in events[:limit])


def _change_bounds(request: Request, query: str) -> tuple[list[tuple[str, str]], int]:
    """Conditions on the time and the limit: the log is kept for 30 days and never given without both ends."""
    bounds = _CHANGED.findall(query)
    since = [value for operator, value in bounds if operator.startswith(">")]
    if not since or len(since) == len(bounds):
        raise _invalid("changeEventError", "CHANGE_DATE_RANGE_INFINITE", "Give both ends of change_date_time.")
    found = _LIMIT.search(query)
    if found is None:
        raise _invalid("changeEventError", "LIMIT_NOT_SPECIFIED", "Give a LIMIT.")
    if int(found.group(1)) > CHANGE_EVENT_ROWS:
        raise _invalid("changeEventError", "INVALID_LIMIT_CLAUSE", f"LIMIT is at most {CHANGE_EVENT_ROWS}.")
    oldest = request.clock.date() - timedelta(days=CHANGE_EVENT_DAYS)
    if min(since)[:10] < oldest.isoformat():
        raise _invalid("changeEventError", "START_DATE_TOO_OLD", f"The start date is before {oldest}.")
    return bounds, int(found.group(1))


def _days_between(request: Request, moments: list[str]) -> range:
    try:
        days = [date.fromisoformat(moment[:10]) for moment in moments]
    except ValueError:
        raise _invalid("dateError", "INVALID_DATE", "Times are YYYY-MM-DD HH:MM:SS.") from None
    return request.day_range(min(days), max(days))


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")


def _holds(text: str, operator: str, bound: str) -> bool:
    comparable = text[: len(bound)]
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
        "resourceName": f"customers/{account}/changeEvents/{int(at.timestamp()) * 1_000_000}~{unit}~{len(kind)}",
        "changeDateTime": _stamp(at),
        "changeResourceType": resource_type,
        "changeResourceName": f"customers/{account}/{_camel(resource_type.lower())}s/{child_id(campaign, BUDGET)}",
        "clientType": "GOOGLE_ADS_WEB_CLIENT",
        "userEmail": "buyer@example.com",
        "resourceChangeOperation": "UPDATE",
        "campaign": f"customers/{account}/campaigns/{campaign}",
    }
    versions = [panel.version(kind, unit, index) for index in (day - 1, day)]
    if kind == "budget_change":
        old, new = (int(panel.budget[index, unit]) for index in (day - 1, day))
        event["changedFields"] = "amountMicros"
        event["oldResource"] = {"campaignBudget": {"amountMicros": f"{old}000000"}}
        event["newResource"] = {"campaignBudget": {"amountMicros": f"{new}000000"}}
    elif kind == "targeting_change":
        event["changedFields"] = "negative"
        old, new = versions
        event["oldResource"] = {"campaignCriterion": {"negative": True} if old else {}}
        event["newResource"] = {"campaignCriterion": {"negative": True} if new else {}}
    else:
        event["adGroup"] = f"customers/{account}/adGroups/{child_id(campaign, AD_GROUP)}"
        event["changedFields"] = "ad.finalUrls"
        for name, version in zip(("oldResource", "newResource"), versions, strict=True):
            url = f"https://shop.example/{chr(ord('a') + version)}"
            event[name] = {"adGroupAd": {"ad": {"finalUrls": [url]}}}
    return {"changeEvent": event}


_Daily = Callable[[Request, AdsPanel, np.ndarray, range], list[str]]
_DAILY: dict[str, _Daily] = {"campaign": by_campaign, "ad_group": by_ad_group, "keyword_view": keywords}
_Entities = Callable[[Request, AdsPanel, list[int]], Iterable[dict[str, object]]]
_ENTITIES: dict[str, _Entities] = {
    "customer": _customer,
    "campaign": _campaigns,
    "ad_group": _ad_groups,
    "campaign_budget": _budgets,
    "experiment": experiments,
    "experiment_arm": arms,
}
