"""Faults that only a real socket shows: silence, resets, bodies cut short. Afterwards the rows are those of a
platform without faults."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import orjson
import pytest

from liftos_pipeline.errors import MalformedPage, PlatformError
from liftos_pipeline.platforms import serve
from liftos_pipeline.schema import Page
from liftos_pipeline.sources import SOURCES
from liftos_pipeline.sources.client import Client, Limits, Request
from liftos_pipeline.sources.klaviyo import classify
from liftos_pipeline.sources.redact import Redactor
from tests.replies import FIRST, HASH_KEY, NOW, settings

BODY = orjson.dumps({"data": [{"type": "list", "id": f"L{n}", "attributes": {}} for n in range(50)]})
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    % len(BODY)
)
QUICK = Limits(read_timeout_s=0.2, connect_timeout_s=0.2, first_wait_s=0.001)
Fault = Callable[[socket.socket], None]


def whole(peer: socket.socket) -> None:
    peer.sendall(HEAD + BODY)


def silence(peer: socket.socket) -> None:
    peer.recv(1)


def silence_in_the_middle(peer: socket.socket) -> None:
    peer.sendall(HEAD + BODY[:100])
    peer.recv(1)


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def reset_in_the_middle(peer: socket.socket) -> None:
    peer.sendall(HEAD + BODY[:100])
    reset(peer)


def hang_up(peer: socket.socket) -> None:
    peer.shutdown(socket.SHUT_RDWR)


def cut_short(peer: socket.socket) -> None:
    peer.sendall(HEAD + BODY[:-10])


def cut_short_without_length(peer: socket.socket) -> None:
    peer.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + BODY[:-10])


def broken_gzip(peer: socket.socket) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\nConnection: close\r\n\r\n"
    peer.sendall(head + b"not gzip!")


def no_http(peer: socket.socket) -> None:
    peer.sendall(b"220 smtp.test ESMTP\r\n")


FAULTS: tuple[Fault, ...] = (
    silence,
    silence_in_the_middle,
    reset,
    reset_in_the_middle,
    hang_up,
    cut_short,
    cut_short_without_length,
    broken_gzip,
    no_http,
)


@contextmanager
def serving(behaviours: list[Fault]) -> Iterator[tuple[str, list[int]]]:
    """Loopback server that behaves so for one connection after the other, the last way for ever."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen: list[int] = []

    def run() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(2.0)
                try:
                    peer.recv(65536)
                    seen.append(len(seen))
                    behaviours[min(len(seen), len(behaviours)) - 1](peer)
                except OSError:
                    continue

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=5)


def client(url: str) -> Client:
    return Client("klaviyo", url, dict, classify, redactor=Redactor(HASH_KEY, "klaviyo"), limits=QUICK)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_one_fault_is_survived(fault: Fault) -> None:
    with serving([fault, whole]) as (url, seen):
        pages: list[Page] = []
        opened = client(url)
        assert opened.send(Request("GET", opened.url("api/lists")), pages) == orjson.loads(BODY)
        opened.close()
    assert len(seen) == 2
    assert pages[-1].body == BODY
    assert all(page.body is None for page in pages[:-1])
    assert opened.effort.retries == 1


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(reset, PlatformError), (cut_short, PlatformError), (cut_short_without_length, MalformedPage)],
)
def test_a_fault_that_stays_ends_after_six_tries(fault: Fault, kind: type) -> None:
    with serving([fault]) as (url, seen), pytest.raises(kind) as caught:
        opened = client(url)
        opened.send(Request("GET", opened.url("api/lists")), [])
    assert type(caught.value) is kind
    assert len(seen) == 6


def test_a_server_that_is_not_there_is_said_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    opened = client(f"http://127.0.0.1:{port}")
    with pytest.raises(PlatformError, match=r"ConnectError.*Re-run"):
        opened.send(Request("GET", opened.url("api/lists")), [])
    assert opened.effort.retries == 5


def google_that_cuts_long_spans(environ: dict, start_response: Callable) -> list[bytes]:
    """Google Ads whose stream breaks off whenever more than one day is asked for."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length).decode()
    if environ["PATH_INFO"] == "/token":
        answer: object = {"access_token": "ya29.x", "expires_in": 3599}
    elif "FROM customer" in body:
        answer = [{"results": [{"customer": {"currencyCode": "USD", "timeZone": "Etc/UTC"}}]}]
    else:
        since = body.split("BETWEEN '")[1][:10]
        delivered = {"segments": {"date": since}, "metrics": {"costMicros": "1", "impressions": "1"}}
        answer = [{"results": [{"campaign": {"id": "1"}, "adGroup": {"id": "2"}, **delivered}]}]
    sent = orjson.dumps(answer)
    is_long = "BETWEEN" in body and body.split("BETWEEN '")[1][:10] != body.split("AND '")[1][:10]
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(sent)))])
    return [sent[:-20] if is_long else sent]


def test_a_stream_that_breaks_off_is_asked_for_in_halves() -> None:
    with serve(google_that_cuts_long_spans) as url:
        opened = SOURCES["google_ads"].connect(
            settings(url), clock=None, transport=None, hash_key=HASH_KEY, sleep=lambda _: None
        )
        days = (FIRST, FIRST.replace(day=FIRST.day + 2))
        rows = SOURCES["google_ads"].stream("daily").fetch(opened, "1", *days, NOW).rows.to_pylist()
        opened.close()
    assert [(row["level"], row["date_day"].day) for row in rows] == [
        (level, day) for day in (1, 2, 3) for level in ("campaign", "ad_group")
    ]
