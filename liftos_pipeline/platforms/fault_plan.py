"""When a fault comes: a seeded plan around the bundled server. What a fault looks like is in ``fault_answers`` and
``fault_rows``.
"""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from random import Random
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from liftos_pipeline.platforms.fault_wire import Answer, Exchange, Injection, platform_of
from liftos_pipeline.platforms.faults import INJECTIONS

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_SECRETS = ("access_token", "api_key", "appsecret_proof")
_UNIT = float(2**64)
_SOCKET = "werkzeug.socket"
_RARE_FIRST = 0.5
_POLL, _POLLS = re.compile(r"/v26\.0/\d+"), 100
"""Questions after a job are rare: they get so many times more faults."""
_RESET = struct.pack("ii", 1, 0)


class FaultPlan:
    """Decides from the seed, the request and how often it was asked which fault an answer gets.

    A request is its method, address without secrets, body and clock: every page of every day has a fate of its own, and
    the same one whenever it is asked. A fault heals after the number of asks that its draw gives it.

    Parameters
    ----------
    seed : int
    rate : float
        Share of requests that get a fault, 0 to 1.
    record : Path, optional
        File to which every fault is appended as a line of JSON. A plan of a later process goes on from it: what had
        healed stays healed.
    injections : sequence of Injection
        Which faults there are; all by default.
    hold_s : float
        How long a silent connection is held, in seconds.
    """

    def __init__(
        self,
        seed: int,
        rate: float,
        record: Path | None = None,
        injections: Sequence[Injection] = tuple(INJECTIONS.values()),
        hold_s: float = 1.0,
    ) -> None:
        self.seed = seed
        self.rate = rate
        self.injected: Counter[str] = Counter()
        self._record = record
        self._injections = tuple(injections)
        self._hold_s = hold_s
        self._lock = Lock()
        self._asks: Counter[str] = Counter(_keys(record) if record is not None and record.exists() else ())

    def around(self, application: WSGIApplication) -> WSGIApplication:
        """The server with this plan's faults."""

        def faulty(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            platform = platform_of(environ["PATH_INFO"])
            key, rng = self._fate(environ)
            if platform is None or rng is None:
                return application(environ, start_response)
            status, headers, content = _asked(application, environ)
            with self._lock:
                exchange = _exchange(environ, platform, int(status[:3]), content, self._asks[key])
                answer = self._answer(exchange, key, rng)
            if answer is None:
                start_response(status, headers)
                return [content]
            return _give(answer, environ, start_response, self._hold_s, len(content))

        return faulty

    def _fate(self, environ: WSGIEnvironment) -> tuple[str, Random | None]:
        """Key of a request and the source of its draws; None if it gets no fault."""
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else b""
        if length:
            from io import BytesIO

            environ["wsgi.input"] = BytesIO(body)
        query = sorted(pair for pair in _query(environ).items() if pair[0] not in _SECRETS)
        clock = environ.get("HTTP_X_LIFTOS_CLOCK", "")
        identity = json.dumps([self.seed, environ["REQUEST_METHOD"], environ["PATH_INFO"], query, clock])
        digest = sha256(identity.encode() + body).digest()
        rate = self.rate * (_POLLS if _POLL.fullmatch(environ["PATH_INFO"]) else 1)
        has_fault = int.from_bytes(digest[:8]) / _UNIT < rate
        return digest.hex()[:24], Random(digest) if has_fault else None

    def _answer(self, exchange: Exchange, key: str, rng: Random) -> Answer | None:
        """The first fault of the request's own order that its answer can have, unless it has healed."""
        order = rng.sample(self._injections, len(self._injections))
        if rng.random() < _RARE_FIRST:
            order.sort(key=lambda injection: not injection.is_rare)
        for injection in order:
            fate = Random(f"{key}{injection.name}")
            asks = fate.randint(*injection.asks)
            answer = injection.change(exchange, fate)
            if answer is None:
                continue
            if exchange.ask >= asks:
                return None
            self._note(exchange, key, injection)
            return answer
        return None

    def _note(self, exchange: Exchange, key: str, injection: Injection) -> None:
        self._asks[key] += 1
        self.injected[injection.name] += 1
        if self._record is None:
            return
        entry = {
            "fault": injection.name,
            "kind": injection.kind,
            "platform": exchange.platform,
            "request": f"{exchange.method} {exchange.path}",
            "clock": exchange.headers.get("x-liftos-clock"),
            "ask": exchange.ask + 1,
            "key": key,
        }
        self._record.parent.mkdir(parents=True, exist_ok=True)
        with self._record.open("a") as stream:
            stream.write(json.dumps(entry) + "\n")


def _keys(record: Path) -> list[str]:
    """Keys of the faults that were given; a line that a kill cut short was no ask."""
    found = []
    for line in record.read_text().splitlines():
        try:
            found.append(json.loads(line)["key"])
        except ValueError:
            continue
    return found


def _query(environ: WSGIEnvironment) -> dict[str, str]:
    return dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))


def _asked(application: WSGIApplication, environ: WSGIEnvironment) -> tuple[str, list[tuple[str, str]], bytes]:
    """Status, headers and body that the server would send."""
    told: list[tuple[str, list[tuple[str, str]]]] = []

    def start(status: str, headers: list[tuple[str, str]], _: object = None) -> Callable[[bytes], object]:
        told.append((status, headers))
        return lambda _: None

    content = b"".join(application(environ, start))
    return *told[0], content


def _exchange(environ: WSGIEnvironment, platform: str, status: int, content: bytes, ask: int) -> Exchange:
    return Exchange(
        platform=platform,
        method=environ["REQUEST_METHOD"],
        path=environ["PATH_INFO"],
        query={name: value for name, value in _query(environ).items() if name not in _SECRETS},
        origin=f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', 'platforms.local')}",
        headers={k[5:].replace("_", "-").lower(): v for k, v in environ.items() if k.startswith("HTTP_")},
        status=status,
        content=content,
        ask=ask,
        has_socket=_SOCKET in environ,
    )


def _give(
    answer: Answer, environ: WSGIEnvironment, start_response: StartResponse, hold_s: float, whole: int
) -> list[bytes]:
    if answer.breaks in ("reset", "silence"):
        connection: socket.socket = environ[_SOCKET]
        if answer.breaks == "silence":
            time.sleep(hold_s)
        else:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        os.close(connection.detach())
        raise ConnectionError(answer.breaks)
    status = HTTPStatus(answer.status)
    length = whole if answer.breaks == "cut" else len(answer.content)
    headers = [("Content-Type", answer.content_type), ("Content-Length", str(length)), *answer.headers.items()]
    start_response(f"{status.value} {status.phrase}", headers)
    return [answer.content]
