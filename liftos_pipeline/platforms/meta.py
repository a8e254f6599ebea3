"""Meta Marketing API of a simulated world: accounts, entities, change log, cursors and errors. Insights rows are
rendered in ``meta_insights``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import orjson

from liftos_pipeline.platforms import meta_jobs as jobs
from liftos_pipeline.platforms.delivery import child_id, children
from liftos_pipeline.platforms.meta_insights import AD, ADSET, CREATIVE, FIELDS, insights
from liftos_pipeline.platforms.meta_regions import regions
from liftos_pipeline.platforms.meta_studies import studies
from liftos_pipeline.platforms.wire import (
    SIMULATED,
    Refusal,
    Request,
    Response,
    as_json,
    from_cursor,
    listing,
    midnight,
    texts,
    to_cursor,
)
from liftos_pipeline.simulator.ads import AdsPanel

_PAGE_ROWS = 25
_LARGEST_PAGE = 5000
_ALWAYS_SENT = {"id", "date_start", "date_stop", "region"}
_NESTED = re.compile(r"(?:\.limit\(\d+\))?\{[^{}]*\}")
_ACTIVITY_DAYS = 7
"""Without ``since`` the change log answers for one week."""

_CHANGES = {
    "budget_change": ("update_campaign_budget", "CAMPAIGN"),
    "targeting_change": ("update_ad_set_target_spec", "ADSET"),
    "creative_change": ("update_ad_creative", "AD"),
}


def answer(request: Request) -> Response:
    """Answer a Graph request."""
    token = request.headers.get("authorization", "").removeprefix("Bearer ") or request.query.get("access_token")
    if token != SIMULATED:
        raise _refuse("Error validating access token: the session has expired.", 190, 463)
    _, _, node, *edge = request.path.rstrip("/").split("/")
    if request.method == "POST":
        if edge != ["insights"] or not node.startswith("act_"):
            raise _refuse("Unsupported post request.", 100, 33)
        return jobs.start(request)
    job = jobs.job_of(node)
    if job is not None:
        return _job(request, node, job, edge)
    panel = request.world.meta
    account = node.removeprefix("act_")
    if not node.startswith("act_") or account not in panel.account_ids:
        raise _refuse(f"Unsupported get request. Object with ID '{node}' does not exist", 100, 33)
    if not edge:
        return as_json(_account(account))
    build = _EDGES.get(edge[0])
    if build is None or len(edge) > 1:
        raise _refuse(f"(#100) Tried accessing nonexisting field ({'/'.join(edge)})", 100)
    units = np.flatnonzero(panel.account_ids == account)
    return _paged(request, listing(request, lambda: _asked_for(request, build(request, panel, units))))


def _job(request: Request, job_id: str, job: jobs.Job, edge: list[str]) -> Response:
    """Answer a poll, or the question that a job was asked."""
    if edge != ["insights"]:
        return jobs.status(job_id)
    asked, panel = job.request(request), request.world.meta
    units = np.flatnonzero(panel.account_ids == job.path.split("/")[2].removeprefix("act_"))
    return _paged(request, listing(asked, lambda: _asked_for(asked, _insights(asked, panel, units))))


def _refuse(message: str, code: int, subcode: int | None = None) -> Refusal:
    kind = "OAuthException" if code in (100, 190) else "GraphMethodException"
    error: dict[str, object] = {"message": message, "type": kind, "code": code, "fbtrace_id": "A0simulated"}
    if subcode is not None:
        error["error_subcode"] = subcode
    return Refusal(as_json({"error": error}, 400))


def _account(account: str) -> dict[str, object]:
    return {
        "id": f"act_{account}",
        "name": f"Simulated shop {account[-4:]}",
        "currency": "USD",
        "timezone_name": "Etc/UTC",
        "timezone_offset_hours_utc": 0,
        "account_status": 1,
    }


def _asked_for(request: Request, rows: Sequence[str]) -> Sequence[str]:
    """Rows with the fields of the query only."""
    fields = set(_top_level(request.query.get("fields", "id")).split(",")) | _ALWAYS_SENT
    sent = FIELDS if request.path.endswith("/insights") else set(orjson.loads(rows[0])) if rows else set()
    if sent <= fields:
        return rows
    return texts({name: row[name] for name in row if name in fields} for row in map(orjson.loads, rows))


def _top_level(fields: str) -> str:
    """Field list without what is asked of nested objects: ``cells{id,campaigns{id}}`` is ``cells``."""
    count = 1
    while count:
        fields, count = _NESTED.subn("", fields)
    return fields


def _paged(request: Request, rows: Sequence[str]) -> Response:
    asked = request.query.get("limit", str(_PAGE_ROWS))
    first = from_cursor(request.query["after"]) if "after" in request.query else 0
    if not asked.isdecimal() or not 1 <= int(asked) <= _LARGEST_PAGE:
        raise _refuse(f"(#100) param limit must be between 1 and {_LARGEST_PAGE}", 100)
    if first is None:
        raise _refuse("(#100) Invalid cursor", 100)
    last = first + int(asked)
    data = ",".join(rows[first:last])
    if not data:
        return Response(200, b'{"data":[]}')
    paging: dict[str, object] = {"cursors": {"before": to_cursor(first), "after": to_cursor(last)}}
    if last < len(rows):
        paging["next"] = request.link(access_token=SIMULATED, after=to_cursor(last))
    return Response(200, f'{{"data":[{data}],"paging":{orjson.dumps(paging).decode()}}}'.encode())


def _insights(request: Request, panel: AdsPanel, units: np.ndarray) -> list[str]:
    level = request.query.get("level", "account")
    by_region = request.query.get("breakdowns") == "region"
    if level not in (("account",) if by_region else ("campaign", "ad")):
        raise _refuse("(#100) level must be one of: campaign, ad; by region: account", 100)
    if request.query.get("time_increment") != "1":
        raise _refuse("(#100) time_increment must be 1", 100)
    try:
        span = orjson.loads(request.query.get("time_range", ""))
        since, until = date.fromisoformat(span["since"]), date.fromisoformat(span["until"])
    except (ValueError, KeyError, TypeError):
        raise _refuse('(#100) param time_range must be {"since":"YYYY-MM-DD","until":"YYYY-MM-DD"}', 100) from None
    if since > until:
        raise _refuse("(#100) param time_range: since must not be after until", 100)
    if by_region:
        return regions(request, panel, units, since, until)
    return insights(request, panel, units, since, until, level)


def _activities(request: Request, panel: AdsPanel, units: np.ndarray) -> list[str]:
    """Changes of the span, newest first."""
    since = _instant(request, "since", request.clock - timedelta(days=_ACTIVITY_DAYS))
    until = min(_instant(request, "until", request.clock), request.clock)
    events = []
    days = request.day_range(since.date(), until.date())
    for kind, (event_type, object_type) in _CHANGES.items():
        for unit, day in panel.changes(kind, units, days).tolist():
            at = midnight(request.day(day), 300 + 17 * (unit % 50))
            if since <= at < until:
                events.append((at, unit, _activity(panel, unit, kind, day, at, event_type, object_type)))
    events.sort(key=lambda event: event[:2], reverse=True)
    return texts(event for _, _, event in events)


def _instant(request: Request, name: str, default: datetime) -> datetime:
    """Unix seconds or a date."""
    text = request.query.get(name)
    if text is None:
        return default
    try:
        return datetime.fromtimestamp(int(text), UTC) if text.isdecimal() else midnight(date.fromisoformat(text))
    except (ValueError, OverflowError):
        raise _refuse(f"(#100) param {name} must be a valid date or timestamp", 100) from None


def _activity(
    panel: AdsPanel, unit: int, kind: str, day: int, at: datetime, event_type: str, object_type: str
) -> dict[str, object]:
    campaign = str(panel.campaign_ids[unit])
    objects = {"CAMPAIGN": campaign, "ADSET": child_id(campaign, ADSET), "AD": child_id(campaign, AD)}
    extra: dict[str, object]
    if kind == "budget_change":
        old, new = int(panel.budget[day - 1, unit] * 100), int(panel.budget[day, unit] * 100)
        money = {"type": "payment_amount", "currency": "USD"}
        extra = {"old_value": {**money, "old_value": old}, "new_value": {**money, "new_value": new}}
    else:
        old, new = (panel.version(kind, unit, index) for index in (day - 1, day))
        extra = {"old_value": f"{kind}-{_letter(old)}", "new_value": f"{kind}-{_letter(new)}"}
    return {
        "event_time": at.strftime("%Y-%m-%dT%H:%M:%S+0000"),
        "event_type": event_type,
        "object_id": objects[object_type],
        "object_type": object_type,
        "object_name": f"{object_type.title()} {campaign[-6:]}",
        "actor_id": "100001",
        "actor_name": "Media Buyer",
        "application_name": "Ads Manager",
        "date_time_in_timezone": at.strftime("%m/%d/%Y at %I:%M %p"),
        "extra_data": orjson.dumps(extra).decode(),
        "translated_event_type": event_type.replace("_", " "),
    }


def _entities(
    rows_of: Callable[[Request, AdsPanel, int], Iterator[dict[str, object]]],
) -> Callable[[Request, AdsPanel, np.ndarray], list[str]]:
    """Rows of every campaign as they stand at the clock; none exist before the world starts."""

    def build(request: Request, panel: AdsPanel, units: np.ndarray) -> list[str]:
        if request.last_day < 0:
            return []
        return texts(row for unit in units.tolist() for row in rows_of(request, panel, unit))

    return build


def _campaign(request: Request, panel: AdsPanel, unit: int) -> Iterator[dict[str, object]]:
    campaign = str(panel.campaign_ids[unit])
    yield {
        "id": campaign,
        "name": f"Campaign {campaign[-6:]}",
        "effective_status": "ACTIVE",
        "objective": "OUTCOME_SALES",
        "daily_budget": str(int(panel.budget[request.last_day, unit] * 100)),
    }


def _letter(version: int) -> str:
    return chr(ord("a") + version)


def _adset(request: Request, panel: AdsPanel, unit: int) -> Iterator[dict[str, object]]:
    campaign = str(panel.campaign_ids[unit])
    audience = panel.version("targeting_change", unit, request.last_day) + 1
    for child in children(panel, unit):
        yield {
            "id": child_id(campaign, ADSET, child),
            "campaign_id": campaign,
            "name": f"Ad set {campaign[-6:]}-{child + 1}",
            "effective_status": "ACTIVE",
            "optimization_goal": "OFFSITE_CONVERSIONS",
            "targeting": {"custom_audiences": [{"id": f"{campaign[-6:]}{audience}"}]},
        }


def _ad(request: Request, panel: AdsPanel, unit: int) -> Iterator[dict[str, object]]:
    campaign = str(panel.campaign_ids[unit])
    creative = CREATIVE + panel.version("creative_change", unit, request.last_day)
    for child in children(panel, unit):
        yield {
            "id": child_id(campaign, AD, child),
            "campaign_id": campaign,
            "adset_id": child_id(campaign, ADSET, child),
            "name": f"Ad {campaign[-6:]}-{child + 1}",
            "effective_status": "ACTIVE",
            "creative": {"id": child_id(campaign, creative, child)},
        }


_EDGES: dict[str, Callable[[Request, AdsPanel, np.ndarray], list[str]]] = {
    "insights": _insights,
    "activities": _activities,
    "campaigns": _entities(_campaign),
    "adsets": _entities(_adset),
    "ads": _entities(_ad),
    "ad_studies": studies,
}
