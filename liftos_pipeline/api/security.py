"""Who is served: holders of a key, or, where no keys are set, this machine alone."""

from __future__ import annotations

import hmac
import re
from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from liftos_pipeline.api.problems import Problem

OPEN_PATHS = frozenset({"/health", "/ready"})
"""Answered to everybody: a load balancer has no key."""
_PORT = re.compile(r"(?<=[^:]):\d*$")
_IN_PROCESS = frozenset({"testclient"})
"""Names under which a client that calls the application in its own process is known."""


def is_loopback(host: str | None) -> bool:
    """Whether an address, or ``localhost``, is this machine."""
    if host is None:
        return False
    if host == "localhost" or host in _IN_PROCESS:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """Refuses who has no key (401), or, without keys, who is not on this machine (403)."""

    def __init__(self, app: ASGIApp, keys: tuple[str, ...]) -> None:
        self._app = app
        self._keys = tuple(key.encode() for key in keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            problem = self._refusal(scope)
            if problem is not None:
                await problem.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> Problem | None:
        headers = dict(scope["headers"])
        if self._keys:
            return None if self._is_known(_key(headers)) else _unauthorised()
        client = scope.get("client")
        if is_loopback(client[0] if client else None) and _is_asked_as_local(headers.get(b"host", b"")):
            return None
        return Problem(
            403,
            "loopback-only",
            "Without keys only this machine is served",
            "Set LIFTOS_API_KEYS on the server, and send a key.",
        )

    def _is_known(self, key: bytes) -> bool:
        """Compared with every key, in a time that tells nothing of them."""
        return any([hmac.compare_digest(key, known) for known in self._keys])


def _key(headers: dict[bytes, bytes]) -> bytes:
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else headers.get(b"x-api-key", b"").strip()


def _is_asked_as_local(host: bytes) -> bool:
    """A page of the web that has its name point at this machine (DNS rebinding) calls it by a name with a dot."""
    name = _PORT.sub("", host.decode("latin-1")).strip("[]")
    return "." not in name or is_loopback(name)


def _unauthorised() -> Problem:
    return Problem(
        401,
        "key-needed",
        "A key is needed",
        "Send a key of LIFTOS_API_KEYS as Authorization: Bearer KEY, or as X-API-Key: KEY.",
        headers={"WWW-Authenticate": "Bearer"},
    )
