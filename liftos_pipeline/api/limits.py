"""How much at a time: bytes of a body, requests at once; and one line of log per request, without headers or bodies."""

from __future__ import annotations

import json
import logging
import time
import traceback
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from liftos_pipeline.api.problems import Problem, internal

logger = logging.getLogger("liftos_pipeline.api")
_LONGEST_PATH = 200
_CLOSE = {"Connection": "close"}


class Slots:
    """So many at once; one more is told to come again (429)."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._count = count
        self._lock = Lock()

    @contextmanager
    def taken(self) -> Iterator[None]:
        with self._lock:
            if self._free == 0:
                raise Problem(
                    429,
                    "busy",
                    "Too many requests at once",
                    f"{self._count} are being answered. Come again in a second.",
                    headers={"Retry-After": "1"},
                )
            self._free -= 1
        try:
            yield
        finally:
            with self._lock:
                self._free += 1


class BodyLimit:
    """Refuses a body that is too large: by its declared length before any of it is read, else once it has grown too large."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"")
        if declared.isdigit() and int(declared) > self._max_bytes:
            await self._too_large().response()(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max_bytes:
                raise self._too_large()
            return message

        await self._app(scope, counted, send)

    def _too_large(self) -> Problem:
        return Problem(
            413,
            "too-large",
            "The body is too large",
            f"At most {self._max_bytes:,} bytes. Send fewer rows, or name a published table.",
            headers=_CLOSE,
            max_bytes=self._max_bytes,
        )


class RequestLog:
    """The outermost layer: an id and a line of log per request, and a problem in place of an internal error."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        facts: dict[str, object] = {
            "method": scope["method"],
            "path": scope["path"][:_LONGEST_PATH],
            "status": 0,
            "ms": 0.0,
            "bytes": 0,
            "request_id": uuid.uuid4().hex,
        }
        scope.setdefault("state", {})["facts"] = facts
        started = time.perf_counter()

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                facts["status"] = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", str(facts["request_id"]).encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"cache-control", b"no-store"),
                ]
            else:
                facts["bytes"] = int(str(facts["bytes"])) + len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except (
            Exception
        ) as error:  # the outermost layer: whatever is left is logged by kind and place, and answered by 500
            facts |= cause(error)
            if facts["status"]:
                raise
            await internal(str(facts["request_id"])).response()(scope, receive, noted)
        finally:
            facts["ms"] = round(1e3 * (time.perf_counter() - started), 3)
            logger.info(json.dumps(facts))


def cause(error: BaseException) -> dict[str, str]:
    """Kind and place of an error. Its text may hold what was sent, and is left out."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown"
    return {"error": type(error).__name__, "at": place}
