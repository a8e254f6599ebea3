"""Faults inside an answer that looks well: pages and their links, rows and their fields. Refusals are not here."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import date, timedelta
from random import Random
from typing import Any
from urllib.parse import urlencode

from liftos_pipeline.platforms.fault_wire import Answer, Exchange, Injection, Row, rows_of, sent

_RUNS = (1, 2)
_AMOUNTS = ("spend", "daily_budget", "costMicros", "amountMicros", "value")
_REQUIRED = {"meta": ("date_start", "event_time", "id"), "klaviyo": ("id",), "fred": ("value",)}
_FAR_AHEAD = timedelta(days=400)

Change = Callable[[Exchange, Random], Answer | None]
InPlace = Callable[[Exchange, list[Row], Random], bool]


def _in_rows(change: InPlace) -> Change:
    """A fault that changes the rows of an answer in place; it says whether it could."""

    def changed(exchange: Exchange, rng: Random) -> Answer | None:
        payload = exchange.payload()
        rows = rows_of(exchange, payload)
        if not rows or not all(isinstance(row, dict) for row in rows) or not change(exchange, rows, rng):
            return None
        if exchange.platform == "fred":
            payload["count"] += len(rows) - len(exchange.payload()["observations"])
        return sent(payload)

    return changed


def _parts(row: Row) -> list[Row]:
    """The row and the objects inside it, outermost first."""
    inner = [value for value in row.values() if isinstance(value, dict)]
    return [row, *inner, *(deep for part in inner for deep in part.values() if isinstance(deep, dict))]


def _holder(row: Row, names: tuple[str, ...]) -> tuple[Row, str] | None:
    return next(((part, name) for part in _parts(row) for name in names if name in part), None)


def _required(exchange: Exchange, row: Row) -> tuple[Row, str] | None:
    """A field without which the row cannot be read."""
    if exchange.platform == "google_ads":
        part: Row = next((row[name] for name in ("changeEvent", "campaignBudget", "segments") if name in row), {})
        return _holder(part, ("resourceName", "date") if "id" not in part else ("id",))
    return _holder(row, _REQUIRED[exchange.platform])


# Pages and links -----------------------------------------------------------------------------------------------


def _relinked(exchange: Exchange, link: str) -> Answer | None:
    """The answer with another link to the next page; only where there are pages."""
    payload = exchange.payload()
    if exchange.platform not in ("meta", "klaviyo") or exchange.path.endswith("/accounts"):
        return None
    if not isinstance(payload, dict) or not isinstance(payload.get("data"), list):
        return None
    place = "paging" if exchange.platform == "meta" else "links"
    payload[place] = {**(payload.get(place) or {}), "next": link}
    return sent(payload)


def _own_link(exchange: Exchange, **more: str) -> str:
    query = urlencode({**exchange.query, **more})
    return f"{exchange.origin}{exchange.path}" + (f"?{query}" if query else "")


def _empty_page(exchange: Exchange, rng: Random) -> Answer | None:
    """A page without rows before the page that was asked for."""
    answer = _relinked(exchange, _own_link(exchange, after_empty=str(rng.randrange(10**9))))
    if answer is None or "after_empty" in exchange.query:
        return None
    payload = exchange.payload()
    link = {"next": _own_link(exchange, after_empty=str(exchange.ask))}
    place = "paging" if exchange.platform == "meta" else "links"
    return sent({**payload, "data": [], place: link})


def _without_cursors(exchange: Exchange, rng: Random) -> Answer | None:  # noqa: ARG001
    payload = exchange.payload()
    if (
        exchange.platform != "meta"
        or not isinstance(payload, dict)
        or "cursors" not in (payload.get("paging") or {})
    ):
        return None
    del payload["paging"]["cursors"]
    return sent(payload)


def _loop(exchange: Exchange, rng: Random) -> Answer | None:  # noqa: ARG001
    return _relinked(exchange, _own_link(exchange))


def _foreign(exchange: Exchange, rng: Random) -> Answer | None:
    host = rng.choice(
        ("http://elsewhere.test", "https://platforms.local.elsewhere.test", f"{exchange.origin}@elsewhere.test")
    )
    return _relinked(exchange, f"{host}{exchange.path}?after=1")


# Rows ----------------------------------------------------------------------------------------------------------


def _repeated(exchange: Exchange, rows: list[Row], rng: Random) -> bool:
    if not _has_keys(exchange) or "customer" in rows[0]:
        return False
    rows.insert(rng.randrange(len(rows) + 1), rows[rng.randrange(len(rows))])
    return True


def _has_keys(exchange: Exchange) -> bool:
    """Whether a row that comes twice is known by its key. Accounts are one row; the others have ids."""
    return exchange.platform != "fred" and not exchange.path.endswith(("/accounts", "/activities"))


def _two_contents(exchange: Exchange, rows: list[Row], rng: Random) -> bool:
    """A row comes twice, with two values."""
    row = rows[rng.randrange(len(rows))]
    other = copy.deepcopy(row)
    found = _holder(other, ("spend", "costMicros", "amountMicros", "daily_budget", "creative", "clientType"))
    if found is None or not _has_keys(exchange):
        return False
    part, name = found
    part[name] = {"id": "1"} if isinstance(part[name], dict) else f"{part[name]}1"
    rows.append(other)
    return True


def _extra(exchange: Exchange, rows: list[Row], rng: Random) -> bool:
    inner = rows[0].get("metrics") or rows[0].get("attributes") or rows[0]
    inner["brand_new_field"] = rng.randrange(10)
    return exchange.platform != "fred"


def _missing(exchange: Exchange, rows: list[Row], rng: Random) -> bool:
    found = _required(exchange, rows[rng.randrange(len(rows))])
    if found is None:
        return False
    part, name = found
    del part[name]
    return True


def _renamed(exchange: Exchange, rows: list[Row], rng: Random) -> bool:  # noqa: ARG001
    pairs = [found for row in rows if (found := _required(exchange, row)) is not None]
    for part, name in pairs:
        part[f"{name}_v2"] = part.pop(name)
    return bool(pairs)


def _other_type(exchange: Exchange, rows: list[Row], rng: Random) -> bool:
    names = ("id",) if exchange.platform == "klaviyo" else _AMOUNTS
    found = _holder(rows[rng.randrange(len(rows))], names)
    if found is None:
        return False
    part, name = found
    part[name] = {"amount": part[name]}
    return True


def _unknown_word(exchange: Exchange, rows: list[Row], rng: Random) -> bool:
    names = (
        "effective_status",
        "quality_ranking",
        "status",
        "advertisingChannelType",
        "clientType",
        "consent",
        "method",
    )
    found = _holder(rows[rng.randrange(len(rows))], names)
    if found is None or exchange.platform == "fred":
        return False
    part, name = found
    part[name] = "SOMETHING_NEW"
    return True


def _impossible(exchange: Exchange, rows: list[Row], rng: Random) -> bool:  # noqa: ARG001
    found = _holder(rows[rng.randrange(len(rows))], _AMOUNTS)
    if found is None:
        return False
    part, name = found
    part[name] = rng.choice(("-5", "NaN", "1e400"))
    return True


def _fewer_conversions(exchange: Exchange, rows: list[Row], rng: Random) -> bool:  # noqa: ARG001
    """Conversions that have not arrived yet."""
    found = [
        (part, name)
        for row in rows
        for part, name in [_holder(row, ("actions", "conversions")) or (row, "")]
        if name
    ]
    for part, name in found:
        del part[name]
        for beside in ("action_values", "conversionsValue", "allConversions", "conversionsByConversionDate"):
            part.pop(beside, None)
    return bool(found)


def _vanished(exchange: Exchange, rows: list[Row], rng: Random) -> bool:
    if len(rows) < 2 or exchange.path.endswith("/accounts"):
        return False
    del rows[rng.randrange(len(rows))]
    return True


def _emptied(exchange: Exchange, rows: list[Row], rng: Random) -> bool:  # noqa: ARG001
    """A success without rows, as when a permission is gone."""
    if exchange.platform == "fred" or exchange.path.endswith("/accounts") or "customer" in rows[0]:
        return False
    rows.clear()
    return True


def _shrunk(exchange: Exchange, rows: list[Row], rng: Random) -> bool:  # noqa: ARG001
    if exchange.platform != "fred" or len(rows) < 4:
        return False
    del rows[len(rows) // 2 :]
    return True


def _other_series(exchange: Exchange, rows: list[Row], rng: Random) -> bool:  # noqa: ARG001
    """Values of another series: none of ours ever reaches them."""
    if exchange.platform != "fred":
        return False
    for row in rows:
        row["value"] = "987654.3"
    return True


def _ahead(exchange: Exchange, rows: list[Row], rng: Random) -> bool:
    """An event that the client's clock dates far ahead."""
    if not exchange.path.endswith("/api/events"):
        return False
    late: Any = copy.deepcopy(rows[rng.randrange(len(rows))])
    day = date.fromisoformat(str(late["attributes"]["datetime"])[:10]) + _FAR_AHEAD
    late["id"], late["attributes"]["datetime"] = f"{late['id']}-ahead", f"{day}T12:00:00+00:00"
    late["attributes"].pop("timestamp", None)
    rows.append(late)
    return True


def _merged(exchange: Exchange, rows: list[Row], rng: Random) -> bool:  # noqa: ARG001
    """Events that belong to another profile since two were merged."""
    if not exchange.path.endswith("/api/events"):
        return False
    link = rows[0].get("relationships", {}).get("profile", {}).get("data")
    if not link:
        return False
    link["id"] = f"{link['id']}-merged"
    return True


def _account_field(exchange: Exchange, names: tuple[str, ...], value: str) -> Answer | None:
    """An answer about an account, or rows that repeat its currency, with another value."""
    payload = exchange.payload()
    rows = rows_of(exchange, payload) or ([payload] if isinstance(payload, dict) else [])
    found = [pair for row in rows if isinstance(row, dict) for pair in [_holder(row, names)] if pair is not None]
    for part, name in found:
        part[name] = value
    return sent(payload) if found else None


def _currency(exchange: Exchange, rng: Random) -> Answer | None:  # noqa: ARG001
    return _account_field(exchange, ("currency", "account_currency", "currencyCode", "preferred_currency"), "EUR")


def _time_zone(exchange: Exchange, rng: Random) -> Answer | None:
    zone = rng.choice(("America/New_York", "Australia/Sydney"))
    return _account_field(exchange, ("timezone_name", "timeZone", "timezone"), zone)


PAGES = (
    Injection("empty_page", "harmless", "an empty page in the middle", _empty_page),
    Injection("without_cursors", "harmless", "a next page without cursors", _without_cursors, is_rare=True),
    Injection("loop", "standing", "pages that lead back", _loop, _RUNS),
    Injection("foreign_link", "standing", "a next page on another server", _foreign, _RUNS),
)
ADDITIONS = (Injection("extra_field", "content", "a field that is new", _in_rows(_extra)),)
SHAPES = (
    Injection("missing_field", "standing", "a required field is missing", _in_rows(_missing), _RUNS),
    Injection("renamed_field", "standing", "a required field has another name", _in_rows(_renamed), _RUNS),
    Injection("other_type", "standing", "an amount or id is an object", _in_rows(_other_type), _RUNS),
    Injection("unknown_word", "content", "a status that is new", _in_rows(_unknown_word)),
)
REPEATS = (Injection("repeated_row", "harmless", "a row comes twice", _in_rows(_repeated)),)
CONFLICTS = (Injection("two_contents", "standing", "one key with two contents", _in_rows(_two_contents), _RUNS),)
RESTATEMENTS = (
    Injection("fewer_conversions", "content", "conversions that come later", _in_rows(_fewer_conversions)),
)
LOSSES = (Injection("vanished_row", "content", "a row is gone", _in_rows(_vanished)),)
EMPTINESS = (Injection("emptied", "content", "no rows at all", _in_rows(_emptied)),)
CURRENCIES = (Injection("other_currency", "content", "another currency", _currency, is_rare=True),)
TIME_ZONES = (Injection("other_time_zone", "content", "another time zone", _time_zone, is_rare=True),)
NUMBERS = (Injection("impossible_number", "content", "a negative or infinite amount", _in_rows(_impossible)),)
EVENTS = (Injection("event_ahead", "harmless", "an event dated far ahead", _in_rows(_ahead), is_rare=True),)
SERIES = (
    Injection("other_series", "standing", "values of another series", _in_rows(_other_series), _RUNS),
    Injection("shrunk_series", "content", "half of the series is gone", _in_rows(_shrunk)),
)
PEOPLE = (
    Injection(
        "merged_profile", "content", "events that belong to another profile", _in_rows(_merged), is_rare=True
    ),
)
