"""What the four handlers share: the request as they see it and the answers that they give. No platform here."""

from __future__ import annotations

import base64
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qs

import orjson

from liftos_pipeline.simulator import World

SIMULATED = "simulated"
_CURSORS = ("after", "page[cursor]")
_KEPT_LISTINGS = 8
_listings: OrderedDict[tuple, list] = OrderedDict()


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
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}

    @property
    def last_day(self) -> int:
        """Index of the newest day of the world that has begun by the clock."""
        return min(
            self.world.n_days - 1, (self.clock - timedelta(microseconds=1)).date().toordinal() - self._first
        )

    @property
    def _first(self) -> int:
        return self.world.start.toordinal()

    def day_range(self, since: date, until: date) -> range:
        """Indices of the world's days in ``since``..``until`` that have begun."""
        low = max(0, since.toordinal() - self._first)
        return range(low, min(until.toordinal() - self._first, self.last_day) + 1)

    def day(self, index: int) -> date:
        return self.world.start + timedelta(days=int(index))

    def age_days(self, index: int) -> int:
        """Whole days between a day's end and the clock."""
        return (self.clock - timedelta(microseconds=1)).date().toordinal() - self._first - index


@dataclass(frozen=True)
class Response:
    """Status, content type and bytes of an answer."""

    status: int
    body: bytes
    content_type: str = "application/json; charset=UTF-8"


def as_json(payload: object, status: int = 200) -> Response:
    return Response(status, orjson.dumps(payload))


def midnight(day: date, seconds: int = 0) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC) + timedelta(seconds=seconds)


def to_cursor(*position: int) -> str:
    return base64.urlsafe_b64encode(":".join(map(str, position)).encode()).decode().rstrip("=")


def from_cursor(cursor: str) -> tuple[int, ...] | None:
    """Position of a cursor; None if it is not one of ours."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        return tuple(int(part) for part in text.split(":"))
    except (ValueError, UnicodeDecodeError):
        return None


def listing(request: Request, build: Callable[[], list]) -> list:
    """All rows of a query, built at its first page and kept for the pages that follow."""
    query = tuple(sorted(entry for entry in request.query.items() if entry[0] not in _CURSORS))
    key = (request.world, request.path, query, request.clock)
    if key not in _listings:
        _listings[key] = build()
    _listings.move_to_end(key)
    while len(_listings) > _KEPT_LISTINGS:
        _listings.popitem(last=False)
    return _listings[key]
