"""What the handlers share: the request as they see it, answers, cursors, kept listings. No platform here."""

from __future__ import annotations

import base64
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from threading import Lock
from urllib.parse import parse_qs, urlencode

import orjson

from liftos_pipeline.simulator import World

SIMULATED = "simulated"
"""Every token, key and secret that the server accepts."""

_CURSORS = ("after", "page[cursor]")
_KEPT_LISTINGS = 8
_listings: OrderedDict[tuple[object, ...], Sequence[str]] = OrderedDict()
_listings_lock = Lock()


class Refusal(Exception):
    """A request that the platform refuses; carries the answer in the platform's own words."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


@dataclass(frozen=True)
class Request:
    """One HTTP request and the moment at which it is answered."""

    method: str
    origin: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    clock: datetime
    world: World

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode(errors="replace")).items()}

    @property
    def today(self) -> date:
        """Newest day that has begun by the clock."""
        return (self.clock - timedelta(microseconds=1)).date()

    @property
    def last_day(self) -> int:
        """Index of the newest day of the world that has begun by the clock; negative before the world starts."""
        return min(self.world.n_days - 1, self.today.toordinal() - self._first)

    @property
    def _first(self) -> int:
        return self.world.start.toordinal()

    def day_range(self, since: date, until: date) -> range:
        """Indices of the world's days in ``since``..``until`` that have begun."""
        low = max(0, since.toordinal() - self._first)
        return range(low, max(low, min(until.toordinal() - self._first, self.last_day) + 1))

    def day(self, index: int) -> date:
        return self.world.start + timedelta(days=int(index))

    def age_days(self, index: int) -> int:
        """Whole days between a day's end and the clock."""
        return self.today.toordinal() - self._first - index

    def link(self, **changed: str) -> str:
        """Absolute address of the same query with some parameters changed."""
        return f"{self.origin}{self.path}?{urlencode({**self.query, **changed})}"


@dataclass(frozen=True)
class Response:
    """Status, content type and bytes of an answer."""

    status: int
    body: bytes
    content_type: str = "application/json; charset=UTF-8"


def as_json(payload: object, status: int = 200) -> Response:
    return Response(status, orjson.dumps(payload))


def texts(rows: Iterable[object]) -> list[str]:
    """Rows as JSON texts: a page is their join, and no row is rendered twice."""
    return [orjson.dumps(row).decode() for row in rows]


def midnight(day: date, seconds: int = 0) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC) + timedelta(seconds=seconds)


def to_cursor(position: int) -> str:
    return base64.urlsafe_b64encode(f"at:{position}".encode()).decode().rstrip("=")


def from_cursor(cursor: str) -> int | None:
    """Position of a cursor; None if it is not one of ours."""
    try:
        kind, _, number = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(":")
    except (ValueError, UnicodeDecodeError):
        return None
    return int(number) if kind == "at" and number.isdecimal() else None


def listing(request: Request, build: Callable[[], Sequence[str]]) -> Sequence[str]:
    """All rows of a query, rendered at its first page and kept for the pages that follow."""
    kept = {**request.query, "access_token": ""}
    query = tuple(sorted(entry for entry in kept.items() if entry[0] not in _CURSORS))
    key = (request.world, request.path, query, request.clock)
    with _listings_lock:
        rows = _listings.pop(key, None)
    if rows is None:
        rows = build()
    with _listings_lock:
        _listings[key] = rows
        while len(_listings) > _KEPT_LISTINGS:
            _listings.popitem(last=False)
    return rows
