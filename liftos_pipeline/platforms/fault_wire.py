"""What an injected fault sees and gives: one exchange with a platform, its rows, and errors in its own wire format.
Which faults there are stands in ``fault_answers`` and ``fault_rows``; when they come, in ``fault_plan``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

import orjson

PLATFORMS = ("meta", "google_ads", "klaviyo", "fred")
_PREFIXES = (
    ("/v26.0/", "meta"),
    ("/v26/", "google_ads"),
    ("/token", "google_ads"),
    ("/api/", "klaviyo"),
    ("/fred/", "fred"),
    ("/graph/", "fred"),
)
_ROWS = {"meta": "data", "klaviyo": "data", "fred": "observations"}

Row = dict[str, Any]
"""A row as it is sent. The faults break it on purpose, so its types are open."""


@dataclass(frozen=True)
class Exchange:
    """A request and the whole answer that the platform would give without a fault.

    ``ask`` counts from 0 how often this request got the fault before. ``has_socket``: the answer goes over a real
    connection, which can be cut.
    """

    platform: str
    method: str
    path: str
    query: Mapping[str, str]
    origin: str
    headers: Mapping[str, str]
    status: int
    content: bytes
    ask: int = 0
    has_socket: bool = False

    @property
    def is_insights(self) -> bool:
        return self.path.endswith("/insights")

    @property
    def is_token(self) -> bool:
        return self.path == "/token"

    def payload(self) -> Any:
        """Parsed answer, to be changed; None if it is no JSON or no success."""
        if self.status != 200 or self.path.startswith("/graph/"):
            return None
        return orjson.loads(self.content)


@dataclass(frozen=True)
class Answer:
    """An answer with a fault. ``breaks``: what happens to the connection after the bytes."""

    content: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json; charset=UTF-8"
    breaks: Literal["", "reset", "silence", "cut"] = ""


@dataclass(frozen=True)
class Injection:
    """One way in which an answer goes wrong.

    ``kind``: ``passing`` heals while the client tries again; ``standing`` ends the run and heals when new runs ask;
    ``harmless`` changes no row; ``content`` is taken for the truth until its day is pulled again. ``asks``: bounds of
    the number of times that it is given. ``change`` gives None where the answer cannot have the fault. ``is_rare``: few
    answers can have it; it is the first choice for half of those.
    """

    name: str
    kind: Literal["passing", "standing", "harmless", "content"]
    meaning: str
    change: Callable[[Exchange, Random], Answer | None]
    asks: tuple[int, int] = (1, 1)
    is_rare: bool = False


def platform_of(path: str) -> str | None:
    """Platform that answers at a path."""
    return next((name for prefix, name in _PREFIXES if path.startswith(prefix)), None)


def rows_of(exchange: Exchange, payload: Any) -> list[Row]:
    """The list of rows inside a parsed answer, to be changed in place; empty where it has none."""
    if exchange.platform == "google_ads":
        batches = payload if isinstance(payload, list) else []
        return next((batch["results"] for batch in batches if batch.get("results")), [])
    rows = payload.get(_ROWS[exchange.platform]) if isinstance(payload, dict) else None
    return rows if isinstance(rows, list) else []


def sent(payload: Any) -> Answer:
    """A success with another payload."""
    return Answer(orjson.dumps(payload))


def refusal(exchange: Exchange, status: int, reason: str, message: str, code: int, subcode: int = 0) -> Answer:
    """An error in the platform's own words. ``code`` and ``subcode`` are Meta's, ``reason`` is Google's."""
    body: Any
    if exchange.platform == "meta":
        body = {
            "error": {"message": message, "type": "OAuthException", "code": code, "error_subcode": subcode or None}
        }
    elif exchange.platform == "klaviyo":
        body = {"errors": [{"id": "e1", "status": status, "code": reason, "title": reason, "detail": message}]}
    elif exchange.platform == "fred":
        body = {"error_code": status, "error_message": message}
    else:
        failure = {"errors": [{"errorCode": {"error": reason}, "message": message}]}
        body = [{"error": {"code": status, "message": message, "status": reason, "details": [failure]}}]
    return Answer(orjson.dumps(body), status)
