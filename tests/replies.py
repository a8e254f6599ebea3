"""A platform of a few lines: a WSGI application that answers with a function of the request and remembers it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from urllib.parse import parse_qsl

import httpx
import orjson
from pydantic import SecretStr

from liftos_pipeline.settings import Settings
from liftos_pipeline.sources import SOURCES, Connection

HOST = "http://platform.test"
TOKEN = "EAAB-secret-token-0001"
HASH_KEY = b"0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 3, 11)
FIRST, LAST = date(2026, 3, 1), date(2026, 3, 10)


@dataclass(frozen=True)
class Asked:
    """One request as the platform saw it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """One answer; ``body`` is sent as it is if it is bytes, else as JSON."""

    body: object
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def sent(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else orjson.dumps(self.body)


class Platform:
    """WSGI application around ``answer``; ``asked`` are the requests in order."""

    def __init__(self, answer: Callable[[Asked], Reply]) -> None:
        self._answer = answer
        self.asked: list[Asked] = []

    def __call__(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        asked = Asked(
            environ["REQUEST_METHOD"],
            environ["PATH_INFO"],
            dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)),
            {k[5:].replace("_", "-").lower(): v for k, v in environ.items() if k.startswith("HTTP_")},
            environ["wsgi.input"].read(length) if length else b"",
        )
        self.asked.append(asked)
        reply = self._answer(asked)
        headers = {"Content-Type": "application/json", **reply.headers}
        start_response(f"{reply.status} X", list(headers.items()))
        return [reply.sent]


def in_turn(*replies: Reply) -> Platform:
    """Platform that gives these answers one after the other, the last one for ever."""
    waiting = list(replies)
    return Platform(lambda asked: waiting.pop(0) if len(waiting) > 1 else waiting[0])


def settings(host: str = HOST, **changes: object) -> Settings:
    """Live settings of all four platforms at one host."""
    values: dict[str, object] = {
        "liftos_meta_base_url": host,
        "liftos_google_ads_base_url": host,
        "liftos_google_oauth_base_url": host,
        "liftos_klaviyo_base_url": host,
        "liftos_fred_base_url": host,
        "meta_access_token": SecretStr(TOKEN),
        "meta_ad_account_ids": "act_1001",
        "google_ads_developer_token": SecretStr("developer-0001"),
        "google_ads_client_id": "client-0001",
        "google_ads_client_secret": SecretStr("client-secret-0001"),
        "google_ads_refresh_token": SecretStr("refresh-0001"),
        "google_ads_customer_ids": "441-000-0001",
        "klaviyo_private_api_key": SecretStr("pk_0001"),
        "fred_api_key": SecretStr("fredkey0001"),
        **changes,
    }
    return Settings().model_copy(update=values)


def connect(
    source: str,
    platform: Callable,
    waits: list[float] | None = None,
    clock: datetime | None = None,
    **changes: object,
) -> Connection:
    """Connection of a source to an application in this process; waits are noted, not waited."""
    noted = [] if waits is None else waits
    transport = httpx.WSGITransport(platform)
    return SOURCES[source].connect(
        settings(**changes), clock=clock, transport=transport, hash_key=HASH_KEY, sleep=noted.append
    )


META_ACCOUNT = Reply({"id": "act_1001", "name": "Shop", "currency": "USD", "timezone_name": "America/New_York"})


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)
