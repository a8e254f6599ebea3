"""Klaviyo of a simulated world: JSON:API, cursors in absolute `links.next`, people behind relationships."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import numpy as np

from liftos_pipeline.platforms.klaviyo_events import METRICS, day_events, metric_id
from liftos_pipeline.platforms.wire import (
    SIMULATED,
    Request,
    Response,
    as_json,
    from_cursor,
    listing,
    midnight,
    to_cursor,
)
from liftos_pipeline.simulator.lists import ListsPanel
from liftos_pipeline.simulator.world import KLAVIYO_ACCOUNT

EVENT_PAGE, PROFILE_PAGE, OTHER_PAGE = 1000, 100, 100
_BOUND = re.compile(r"(greater-or-equal|greater-than|less-than|less-or-equal)\((\w+),([^)]+)\)")
_MEMBERS = re.compile(r"^/api/lists/([^/]+)/profiles/?$")


def answer(request: Request) -> Response:
    """Answer a request below ``/api``."""
    if request.headers.get("authorization") != f"Klaviyo-API-Key {SIMULATED}":
        return _error(401, "not_authenticated", "Missing or invalid private key.")
    if "revision" not in request.headers:
        return _error(400, "invalid", "A revision header is required.")
    path = request.path.rstrip("/")
    if path == "/api/events":
        return _events(request)
    if path == "/api/campaigns":
        return _campaigns(request)
    members = _MEMBERS.match(path)
    if members:
        return _paged(
            request, listing(request, lambda: list(_list_members(request, members.group(1)))), OTHER_PAGE
        )
    streams = {
        "/api/accounts": lambda: [_account()],
        "/api/metrics": lambda: list(_metrics()),
        "/api/lists": lambda: list(_lists(request)),
        "/api/profiles": lambda: list(_profiles(request)),
    }
    if path not in streams:
        return _error(404, "not_found", f"No such path: {path}")
    limit = PROFILE_PAGE if path == "/api/profiles" else OTHER_PAGE
    return _paged(request, listing(request, streams[path]), limit)


def _error(status: int, code: str, detail: str) -> Response:
    entry = {"id": "e0", "status": status, "code": code, "title": code, "detail": detail, "source": {}}
    return as_json({"errors": [entry]}, status)


def _next_link(request: Request, cursor: str) -> str:
    return f"{request.origin}{request.path}?{urlencode({**request.query, 'page[cursor]': cursor})}"


def _paged(request: Request, rows: list[dict], largest: int, included: list[dict] | None = None) -> Response:
    size = min(int(request.query.get("page[size]", 20 if largest == PROFILE_PAGE else largest)), largest)
    position = from_cursor(request.query["page[cursor]"]) if "page[cursor]" in request.query else (0,)
    if position is None:
        return _error(400, "invalid", "Invalid cursor provided")
    first = position[0]
    more = first + size < len(rows)
    payload: dict[str, object] = {
        "data": rows[first : first + size],
        "links": {"self": request.path, "next": _next_link(request, to_cursor(first + size)) if more else None},
    }
    if included is not None:
        payload["included"] = included[first : first + size]
    return as_json(payload)


def _account() -> dict[str, object]:
    attributes = {
        "timezone": "Etc/UTC",
        "preferred_currency": "USD",
        "contact_information": {"organization_name": "Simulated shop"},
    }
    return {"type": "account", "id": KLAVIYO_ACCOUNT, "attributes": attributes}


def _metrics() -> Iterator[dict]:
    for name, integration in METRICS.items():
        attributes = {"name": name, "integration": {"name": integration}}
        yield {"type": "metric", "id": metric_id(name), "attributes": attributes}


def _lists(request: Request) -> Iterator[dict]:
    created = midnight(request.world.start - timedelta(days=400)).isoformat()
    for position, list_id in enumerate(request.world.klaviyo.list_ids.tolist()):
        attributes = {"name": f"List {position + 1}", "created": created, "updated": created}
        yield {"type": "list", "id": list_id, "attributes": attributes}


def _joined_at(request: Request, day: int, person: int) -> datetime:
    return midnight(request.day(day), 3600 + 61 * (person % 1000))


def _list_members(request: Request, list_id: str) -> Iterator[dict]:
    panel = request.world.klaviyo
    position = np.flatnonzero(panel.list_ids == list_id)
    if len(position) == 0:
        return
    on_list = np.flatnonzero((panel.people_list == position[0]) & (panel.joined <= request.last_day))
    for person in on_list.tolist():
        attributes = {"joined_group_at": _joined_at(request, int(panel.joined[person]), person).isoformat()}
        yield {"type": "profile", "id": f"P{person:07d}", "attributes": attributes}


def _profiles(request: Request) -> Iterator[dict]:
    """People of the lists whose profile changed in the bounds asked for, oldest change first."""
    panel = request.world.klaviyo
    bounds = {operator: datetime.fromisoformat(value) for operator, _, value in _bounds(request)}
    since = bounds.get("greater-than", datetime(1970, 1, 1, tzinfo=UTC))
    until = bounds.get("less-than", request.clock)
    changed = []
    for person in np.flatnonzero(panel.joined <= request.last_day).tolist():
        left = int(panel.left[person])
        last_change = left if left <= request.last_day else int(panel.joined[person])
        updated = _joined_at(request, last_change, person) + timedelta(hours=8)
        if since < updated < until and updated < request.clock:
            changed.append((updated, person))
    yield from (_profile(request, panel, person, updated) for updated, person in sorted(changed))


def _profile(request: Request, panel: ListsPanel, person: int, updated: datetime) -> dict[str, object]:
    joined = _joined_at(request, int(panel.joined[person]), person).isoformat()
    left = int(panel.left[person])
    gone = left <= request.last_day
    marketing = {
        "can_receive_email_marketing": not gone,
        "consent": "UNSUBSCRIBED" if gone else "SUBSCRIBED",
        "consent_timestamp": joined,
        "method": "FORM",
        "double_optin": person % 3 == 0,
        "suppression": [{"reason": "USER_SUPPRESSED", "timestamp": updated.isoformat()}] if gone else [],
        "list_suppressions": [],
    }
    attributes = {
        "email": f"person{person}@example.com",
        "first_name": f"Name{person}",
        "created": joined,
        "updated": updated.isoformat(),
        "last_event_date": None,
        "location": {"country": "United States", "region": "Ohio"},
        "subscriptions": {"email": {"marketing": marketing}},
    }
    return {"type": "profile", "id": f"P{person:07d}", "attributes": attributes}


def _bounds(request: Request) -> list[tuple[str, str, str]]:
    return _BOUND.findall(request.query.get("filter", ""))


def _campaigns(request: Request) -> Response:
    if "messages.channel" not in request.query.get("filter", ""):
        return _error(400, "invalid", "A channel filter is required to list campaigns.")
    panel = request.world.klaviyo
    pairs = listing(
        request,
        lambda: [
            _campaign(request, panel, day, unit)
            for day in range(request.last_day + 1)
            for unit in np.flatnonzero(panel.sends[day]).tolist()
        ],
    )
    return _paged(request, [pair[0] for pair in pairs], OTHER_PAGE, [pair[1] for pair in pairs])


def message_id(list_id: str, day: int) -> str:
    return f"M{list_id}{day:04d}"


def _campaign(request: Request, panel: ListsPanel, day: int, unit: int) -> tuple[dict, dict]:
    list_id = str(panel.list_ids[unit])

    def started(kind: str) -> bool:
        return 0 <= panel.starts[kind][unit] <= day

    sent = midnight(request.day(day), 9 * 3600).isoformat()
    message = message_id(list_id, day)
    attributes = {
        "name": f"{list_id} {request.day(day)}",
        "status": "Sent",
        "archived": False,
        "audiences": {"included": [list_id], "excluded": [f"SEG{list_id}"] if started("targeting_change") else []},
        "send_time": sent,
        "created_at": sent,
        "updated_at": sent,
    }
    link = {"campaign-messages": {"data": [{"type": "campaign-message", "id": message}]}}
    campaign = {"type": "campaign", "id": f"C{list_id}{day:04d}", "attributes": attributes, "relationships": link}
    content = {"subject": f"News {request.day(day)}", "from_email": "shop@example.com"}
    template = f"T{list_id}{'B' if started('creative_change') else 'A'}"
    return campaign, {
        "type": "campaign-message",
        "id": message,
        "attributes": {"definition": {"channel": "email", "label": "", "content": content}},
        "relationships": {"template": {"data": {"type": "template", "id": template}}},
    }


def _events(request: Request) -> Response:
    bounds = {operator: datetime.fromisoformat(value) for operator, _, value in _bounds(request)}
    since = bounds.get("greater-or-equal", midnight(request.world.start - timedelta(days=2)))
    until = min(bounds.get("less-than", request.clock), request.clock)
    size = min(int(request.query.get("page[size]", 200)), EVENT_PAGE)
    days = request.day_range(since.date(), (until - timedelta(microseconds=1)).date())
    position = from_cursor(request.query["page[cursor]"]) if "page[cursor]" in request.query else (days.start, 0)
    if position is None:
        return _error(400, "invalid", "Invalid cursor provided")
    day, offset = position
    rows: list[dict] = []
    low, high = int(since.timestamp()), int(until.timestamp())
    while day < days.stop and len(rows) < size:
        inside = [e for e in day_events(request.world, day) if low <= e["attributes"]["timestamp"] < high]
        taken = inside[offset : offset + size - len(rows)]
        rows.extend(taken)
        offset += len(taken)
        if offset >= len(inside):
            day, offset = day + 1, 0
    following = _next_link(request, to_cursor(day, offset)) if day < days.stop else None
    return as_json(
        {"data": rows, "links": {"self": request.path, "next": following}, "included": list(_metrics())}
    )
