"""Klaviyo of a simulated world: JSON:API, filters, cursors in absolute `links.next`, people behind relationships.
Events are rendered in ``klaviyo_events``.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import orjson

from liftos_pipeline.platforms import klaviyo_events as events
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
from liftos_pipeline.simulator.geos import SHOPPERS_PER_GEO
from liftos_pipeline.simulator.world import KLAVIYO_ACCOUNT

EVENT_PAGE, OTHER_PAGE = 1000, 100
_DEFAULT_EVENT_PAGE, _DEFAULT_PAGE = 200, 20
_BOUND = re.compile(r"([a-z-]+)\(([\w.]+),([^()]+)\)")
_MEMBERS = re.compile(r"/api/lists/([^/]+)/profiles")
_EVENT_BOUNDS = {
    (operator, field)
    for operator in ("greater-or-equal", "greater-than", "less-or-equal", "less-than")
    for field in ("datetime", "timestamp")
}
_PROFILE_BOUNDS = {
    (operator, field) for operator in ("greater-than", "less-than") for field in ("created", "updated")
}
_DAY_STEP = 10_000_000
"""An event cursor is its day times this, plus what was sent of that day."""

_REGIONS = ("California", "Texas", "Florida", "New York", "Ohio", "Washington")


def answer(request: Request) -> Response:
    """Answer a request below ``/api``."""
    if request.headers.get("authorization") != f"Klaviyo-API-Key {SIMULATED}":
        raise _refuse(401, "not_authenticated", "Missing or invalid private key.")
    if "revision" not in request.headers:
        raise _refuse(400, "invalid", "A revision header is required.")
    path = request.path.rstrip("/")
    members = _MEMBERS.fullmatch(path)
    if path == "/api/events":
        return _events(request)
    if path == "/api/campaigns":
        return _campaigns(request)
    if members is not None:
        return _paged(request, listing(request, lambda: texts(_list_members(request, members.group(1)))))
    if path not in _STREAMS:
        raise _refuse(404, "not_found", f"No such path: {path}")
    return _paged(request, listing(request, lambda: texts(_STREAMS[path](request))))


def _refuse(status: int, code: str, detail: str, parameter: str | None = None) -> Refusal:
    source = {"parameter": parameter} if parameter else {}
    entry = {"id": "e0", "status": status, "code": code, "title": code, "detail": detail, "source": source}
    return Refusal(as_json({"errors": [entry]}, status))


def _page(request: Request, default: int, largest: int) -> tuple[int, int]:
    """First row and number of rows of the page asked for."""
    size = request.query.get("page[size]", str(default))
    if not size.isdecimal() or not 1 <= int(size) <= largest:
        raise _refuse(400, "invalid", f"Page size must be an integer between 1 and {largest}.", "page[size]")
    first = from_cursor(request.query["page[cursor]"]) if "page[cursor]" in request.query else 0
    if first is None:
        raise _refuse(400, "invalid", "Invalid cursor provided", "page[cursor]")
    return first, int(size)


def _paged(request: Request, rows: Sequence[str]) -> Response:
    first, size = _page(request, _DEFAULT_PAGE, OTHER_PAGE)
    return _answer(request, rows[first : first + size], first + size if first + size < len(rows) else None)


def _answer(request: Request, rows: Sequence[str], following: int | None, included: str | None = None) -> Response:
    link = None if following is None else request.link(**{"page[cursor]": to_cursor(following)})
    links = orjson.dumps({"self": f"{request.origin}{request.path}", "next": link}).decode()
    tail = "" if included is None else f',"included":[{included}]'
    return Response(200, f'{{"data":[{",".join(rows)}],"links":{links}{tail}}}'.encode())


def _bounds(request: Request, allowed: set[tuple[str, str]]) -> list[tuple[str, str, datetime]]:
    """Conditions of the filter: operator, field, instant."""
    found = []
    for operator, field, value in _BOUND.findall(request.query.get("filter", "")):
        if (operator, field) not in allowed:
            fields = ", ".join(sorted({name for _, name in allowed}))
            detail = f"'{operator}' on '{field}' is not allowed here. Filterable: {fields}."
            raise _refuse(400, "invalid", detail, "filter")
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            raise _refuse(400, "invalid", f"Invalid datetime '{value}'.", "filter") from None
        found.append((operator, field, instant if instant.tzinfo else instant.replace(tzinfo=UTC)))
    return found


def _span(bounds: list[tuple[str, str, datetime]], low: int, high: int) -> tuple[int, int]:
    """Whole Unix seconds ``[low, high)`` that meet all conditions."""
    for operator, _, instant in bounds:
        second = instant.timestamp()
        if operator.startswith("greater"):
            low = max(low, math.ceil(second) if operator == "greater-or-equal" else math.floor(second) + 1)
        else:
            high = min(high, math.ceil(second) if operator == "less-than" else math.floor(second) + 1)
    return low, high


def _account(request: Request) -> Iterator[dict[str, object]]:  # noqa: ARG001
    attributes = {
        "timezone": "Etc/UTC",
        "preferred_currency": "USD",
        "contact_information": {"organization_name": "Simulated shop"},
    }
    yield {"type": "account", "id": KLAVIYO_ACCOUNT, "attributes": attributes}


def _metrics(request: Request) -> Iterator[dict[str, object]]:  # noqa: ARG001
    for name, integration in events.METRICS.items():
        attributes = {"name": name, "integration": {"name": integration}}
        yield {"type": "metric", "id": events.metric_id(name), "attributes": attributes}


def _lists(request: Request) -> Iterator[dict[str, object]]:
    created = midnight(request.world.start - timedelta(days=1)).isoformat()
    for position, list_id in enumerate(request.world.klaviyo.list_ids.tolist()):
        attributes = {"name": f"List {position + 1}", "created": created, "updated": created}
        yield {"type": "list", "id": list_id, "attributes": attributes}


def _instant(request: Request, day: int, second: int) -> str:
    return midnight(request.day(day), second).isoformat()


def _list_members(request: Request, list_id: str) -> Iterator[dict[str, object]]:
    panel = request.world.klaviyo
    if list_id not in panel.list_ids:
        raise _refuse(404, "not_found", f"A list with id {list_id} does not exist.")
    unit = int(np.flatnonzero(panel.list_ids == list_id)[0])
    for person in np.flatnonzero((panel.people_list == unit) & (panel.joined <= request.last_day)).tolist():
        at = midnight(request.day(int(panel.joined[person])), int(events.joined_second(person)))
        if at < request.clock:
            attributes = {"joined_group_at": at.isoformat()}
            yield {"type": "profile", "id": events.profile_id(person), "attributes": attributes}


def _profiles(request: Request) -> Iterator[dict[str, object]]:
    """Profiles that were made or changed in the bounds asked for, oldest change first."""
    panel = request.world.klaviyo
    people = np.arange(len(panel.joined))
    start = int(midnight(request.world.start).timestamp())
    clock = math.ceil(request.clock.timestamp())
    made = start + 86_400 * panel.joined + events.joined_second(people)
    left = start + 86_400 * panel.left + events.left_second(people)
    updated = np.where(left < clock, left, made)
    geo = request.world.geo
    residents = 0 if geo is None else len(geo.geo_ids) * SHOPPERS_PER_GEO
    shoppers = np.full(events.SHOPPERS + residents, start - 86_400)
    bounds = _bounds(request, _PROFILE_BOUNDS)
    wanted = np.ones(len(people) + len(shoppers), dtype=bool)
    for field, seconds in (("created", [made, shoppers]), ("updated", [updated, shoppers])):
        low, high = _span([bound for bound in bounds if bound[1] == field], 0, clock)
        times = np.concatenate(seconds)
        wanted &= (times >= low) & (times < high)
    order = np.argsort(np.concatenate([updated, shoppers]), kind="stable")
    for number in order[wanted[order]].tolist():
        if number < len(people):
            yield _subscriber(request, number, int(updated[number]), bool(left[number] < clock))
        else:
            yield _shopper(request, number - len(people))


def _subscriber(request: Request, person: int, updated: int, gone: bool) -> dict[str, object]:
    panel = request.world.klaviyo
    second = int(events.joined_second(person))
    changed = datetime.fromtimestamp(updated, UTC).isoformat()
    marketing: dict[str, object] = {
        "can_receive_email_marketing": not gone,
        "consent": "UNSUBSCRIBED" if gone else "SUBSCRIBED",
        "consent_timestamp": _instant(request, int(panel.consented[person]), second),
        "method": "FORM",
        "double_optin": person % 3 == 0,
        "suppression": [{"reason": "USER_SUPPRESSED", "timestamp": changed}] if gone else [],
        "list_suppressions": [],
    }
    made = _instant(request, int(panel.joined[person]), second)
    region = _region(request, person)
    return _profile(events.profile_id(person), region, made, changed, marketing)


def _region(request: Request, number: int) -> str | None:
    """Where someone lives; in a geo experiment only its residents tell."""
    return _REGIONS[number % len(_REGIONS)] if request.world.geo is None else None


def _shopper(request: Request, shopper: int) -> dict[str, object]:
    """A person on no list: first those of nowhere in particular, then the residents of the regions."""
    profile, region, made = events.shopper_id(shopper), _region(request, shopper), _instant(request, -1, 0)
    if request.world.geo is not None and shopper >= events.SHOPPERS:
        place, number = divmod(shopper - events.SHOPPERS, SHOPPERS_PER_GEO)
        profile, region = events.resident_id(place, number), str(request.world.geo.geo_ids[place])
    marketing: dict[str, object] = {
        "can_receive_email_marketing": False,
        "consent": "NEVER_SUBSCRIBED",
        "consent_timestamp": None,
        "method": None,
        "double_optin": False,
        "suppression": [],
        "list_suppressions": [],
    }
    return _profile(profile, region, made, made, marketing)


def _profile(
    profile: str, region: str | None, created: str, updated: str, marketing: dict[str, object]
) -> dict[str, object]:
    attributes = {
        "email": f"{profile.lower()}@example.com",
        "first_name": f"Name{profile}",
        "created": created,
        "updated": updated,
        "last_event_date": None,
        "location": {"country": "United States", "region": region},
        "subscriptions": {"email": {"marketing": marketing}},
    }
    return {"type": "profile", "id": profile, "attributes": attributes}


def _campaigns(request: Request) -> Response:
    asked = request.query.get("filter", "")
    if "equals(messages.channel," not in asked:
        raise _refuse(400, "invalid", "A channel filter is required to list campaigns.", "filter")
    has_any = "'email'" in asked and "equals(archived,true)" not in asked.replace(" ", "")
    pairs = listing(request, lambda: _campaign_pairs(request) if has_any else [])
    first, size = _page(request, OTHER_PAGE, OTHER_PAGE)
    shown = [pair.split("\n") for pair in pairs[first : first + size]]
    included = ",".join(message for _, message in shown) if "include" in request.query else None
    following = first + size if first + size < len(pairs) else None
    return _answer(request, [campaign for campaign, _ in shown], following, included)


def _campaign_pairs(request: Request) -> list[str]:
    """Each campaign and its message, parted by a line end, oldest send first."""
    panel = request.world.klaviyo
    pairs = []
    for day in range(request.last_day + 1):
        if midnight(request.day(day), events.SEND_SECOND) < request.clock:
            pairs += [
                "\n".join(texts(_campaign(request, day, unit)))
                for unit in np.flatnonzero(panel.sends[day]).tolist()
            ]
    return pairs


def _campaign(request: Request, day: int, unit: int) -> tuple[dict[str, object], dict[str, object]]:
    panel = request.world.klaviyo
    list_id = str(panel.list_ids[unit])
    has_segment, has_template = (
        0 <= int(panel.starts[kind][unit]) <= day and not 0 <= int(panel.stops[kind][unit]) <= day
        for kind in ("targeting_change", "creative_change")
    )
    sent = _instant(request, day, events.SEND_SECOND)
    message = events.message_id(list_id, day)
    attributes: dict[str, object] = {
        "name": f"{list_id} {request.day(day)}",
        "status": "Sent",
        "archived": False,
        "audiences": {"included": [list_id], "excluded": [f"SEG{list_id}"] if has_segment else []},
        "send_time": sent,
        "created_at": sent,
        "updated_at": sent,
    }
    link = {"campaign-messages": {"data": [{"type": "campaign-message", "id": message}]}}
    campaign: dict[str, object] = {
        "type": "campaign",
        "id": f"C{list_id}{day:04d}",
        "attributes": attributes,
        "relationships": link,
    }
    content = {"subject": f"News {request.day(day)}", "preview_text": "", "from_email": "shop@example.com"}
    template = f"T{list_id}{'B' if has_template else 'A'}"
    return campaign, {
        "type": "campaign-message",
        "id": message,
        "attributes": {"definition": {"channel": "email", "label": "", "content": content}},
        "relationships": {"template": {"data": {"type": "template", "id": template}}},
    }


def _events(request: Request) -> Response:
    if request.query.get("sort", "datetime") != "datetime":
        raise _refuse(400, "invalid", "This server sorts events by datetime only.", "sort")
    start = int(midnight(request.world.start).timestamp())
    place, size = _page(request, _DEFAULT_EVENT_PAGE, EVENT_PAGE)
    low, high = _span(_bounds(request, _EVENT_BOUNDS), start, math.ceil(request.clock.timestamp()))
    last = min(request.last_day, (high - 1 - start) // 86_400)
    day, reached = divmod(place or (low - start) // 86_400 * _DAY_STEP, _DAY_STEP)
    rows: list[str] = []
    while day <= last and len(rows) < size:
        today = events.day_events(request.world, day)
        inside = today.rows[bisect_left(today.seconds, low) : bisect_left(today.seconds, high)]
        taken = inside[reached : reached + size - len(rows)]
        rows += taken
        reached += len(taken)
        if reached >= len(inside):
            day, reached = day + 1, 0
    following = day * _DAY_STEP + reached if day <= last else None
    included = ",".join(texts(_metrics(request))) if "metric" in request.query.get("include", "") else None
    return _answer(request, rows, following, included)


_STREAMS: dict[str, Callable[[Request], Iterator[dict[str, object]]]] = {
    "/api/accounts": _account,
    "/api/metrics": _metrics,
    "/api/lists": _lists,
    "/api/profiles": _profiles,
}
