"""Who is served, how much at a time, and what is logged of it."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest
from fastapi.testclient import TestClient

from liftos_pipeline.api.limits import Slots
from liftos_pipeline.api.problems import Problem
from liftos_pipeline.api.security import is_loopback
from liftos_pipeline.api.workers import WorkerEnded, Workers
from liftos_pipeline.errors import LiftosError
from tests import service
from tests.panels import NEVER, adoption_panel

KEYS = "first-key-of-two,second-key-of-two"
SLOW = {
    "rows": adoption_panel(1, n_units=200, n_periods=20, starts=(10, NEVER)).to_dict("records"),
    **{"outcome": "y", "treatment": "d", "unit": "unit", "covariates": ["x0", "x1"]},
    "options": {"learner": "forest", "repeats": 50},
}
QUICK = {"original_outcome": 10.0, "unit_days": 1, "effect": {"estimate": 1.0}}


@pytest.mark.parametrize(
    "headers", [{"Authorization": "Bearer first-key-of-two"}, {"authorization": "bearer second-key-of-two"},
                {"X-API-Key": "second-key-of-two"}]
)  # fmt: skip
def test_a_key_opens(tmp_path: Path, headers: dict[str, str]) -> None:
    client = TestClient(service.application(tmp_path, liftos_api_keys=KEYS), client=("203.0.113.9", 1))
    assert client.get("/openapi.json", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer first-key-of-tw"}, {"Authorization": "Basic first-key-of-two"},
                {"X-API-Key": KEYS}, {"X-API-Key": ""}, {"Authorization": "Bearer "}]
)  # fmt: skip
def test_without_a_key_nothing_but_the_state_is_told(tmp_path: Path, headers: dict[str, str]) -> None:
    client = service.client(tmp_path, liftos_api_keys=KEYS)
    for path in ("/api/v1/effects", "/openapi.json", "/nothing"):
        answer = client.get(path, headers=headers)
        assert "first" not in answer.text
        service.problem(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"
    service.problem(client.post("/api/v1/causal/analyze", headers=headers, content=b"[]"), 401)
    assert client.get("/health", headers=headers).status_code == 200


def test_keys_that_are_none_are_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(LiftosError, match="LIFTOS_API_KEYS"):
        service.application(tmp_path, liftos_api_keys=" , ")


@pytest.mark.parametrize(
    ("client", "host", "status"),
    [("127.0.0.1", "127.0.0.1:8000", 200), ("::1", "[::1]:8000", 200), ("testclient", "testserver", 200),
     ("127.0.0.1", "localhost", 200), ("192.0.2.1", "127.0.0.1", 403), ("2001:db8::1", "[::1]", 403),
     ("127.0.0.1", "rebound.example.com", 403), ("127.0.0.1", "rebound.example.com:8000", 403)],
)  # fmt: skip
def test_without_keys_this_machine_alone_is_served(tmp_path: Path, client: str, host: str, status: int) -> None:
    """A page of the web can have its name point here; it then asks by that name."""
    caller = TestClient(service.application(tmp_path), client=(client, 1))
    answer = caller.get("/openapi.json", headers={"Host": host})
    assert answer.status_code == status
    if status == 403:
        assert "LIFTOS_API_KEYS" in service.problem(answer, 403)["detail"]


def test_loopback_names() -> None:
    assert all(is_loopback(name) for name in ("127.0.0.1", "127.9.9.9", "::1", "localhost"))
    assert not any(is_loopback(name) for name in (None, "0.0.0.0", "::", "10.0.0.1", "localhost.example.com", ""))


def ask_raw(tmp_path: Path, chunks: Iterator[bytes], headers: list[tuple[bytes, bytes]]) -> tuple[list[dict], int]:
    """Messages that the application sent, and how many chunks of the body it read."""
    app = service.application(tmp_path, liftos_api_max_body_mb=0.01)
    sent: list[dict] = []
    n_read = 0

    async def receive() -> dict:
        nonlocal n_read
        n_read += 1
        chunk = next(chunks, b"")
        return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}

    async def send(message: dict) -> None:
        sent.append(message)

    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
             "path": "/api/v1/causal/analyze", "raw_path": b"/", "query_string": b"", "headers": headers,
             "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80)}  # fmt: skip
    asyncio.run(app(scope, receive, send))
    return sent, n_read


def test_a_large_body_is_refused_before_it_is_read(tmp_path: Path) -> None:
    sent, n_read = ask_raw(tmp_path, iter([]), [(b"content-length", b"100000000")])
    assert (sent[0]["status"], n_read) == (413, 0)
    assert orjson.loads(sent[1]["body"])["max_bytes"] == 10_000
    assert (b"connection", b"close") in sent[0]["headers"]


def test_a_body_that_grows_too_large_is_refused_where_it_does(tmp_path: Path) -> None:
    sent, n_read = ask_raw(
        tmp_path, iter([b"[" * 1000] * 50), [(b"content-length", b"5"), (b"transfer-encoding", b"chunked")]
    )
    assert (sent[0]["status"], n_read) == (413, 11)


@pytest.mark.parametrize(("size", "status"), [(10_000, 422), (10_001, 413)])
def test_the_limit_itself_is_allowed(tmp_path: Path, size: int, status: int) -> None:
    app = service.application(tmp_path, liftos_api_max_body_mb=0.01)
    client = TestClient(app)
    service.problem(client.post("/api/v1/causal/analyze?confidence_level=9", content=b" " * size), status)


def test_slots_are_given_back() -> None:
    slots = Slots(2)
    for _ in range(3):
        with slots.taken(), slots.taken():
            with pytest.raises(Problem) as refused, slots.taken():
                pass
            assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "1")
    with pytest.raises(ZeroDivisionError), slots.taken():
        raise ZeroDivisionError
    with slots.taken(), slots.taken():
        pass


def test_one_too_many_is_429_what_takes_too_long_504_and_then_it_goes_on(tmp_path: Path) -> None:
    app = service.application(tmp_path, liftos_api_time_limit_s=1.5, liftos_api_max_analyses=1)
    answers: list[httpx.Response] = []

    def ask() -> None:
        while not answers or answers[-1].status_code == 429:
            answers.append(TestClient(app).post("/api/v1/causal/analyze", json=SLOW))

    slow = threading.Thread(target=ask, daemon=True)
    slow.start()
    client = TestClient(app)
    refused = client.post("/api/v1/causal/counterfactual", json=QUICK)
    while slow.is_alive() and refused.status_code != 429:
        time.sleep(0.02)
        refused = client.post("/api/v1/causal/counterfactual", json=QUICK)
    slow.join(60)
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    service.problem(refused, 429)
    assert "LIFTOS_API_TIME_LIMIT_S" in service.problem(answers[-1], 504)["detail"]
    found = client.post("/api/v1/causal/counterfactual", json=QUICK)
    assert found.json()["counterfactual_outcome"] == 9.0


def test_an_error_in_a_worker_tells_its_kind_and_place_to_the_log_alone() -> None:
    workers = Workers(1)
    status, content = workers.ask({"task": "no such task", "database": "x"}, b"[]", 60)
    assert status == 500
    assert orjson.loads(content).keys() == {"error", "at"}
    assert orjson.loads(content)["error"] == "KeyError"
    call = {"task": "analyze", "database": "x", "method": "doubly_robust", "level": 0.9, "seed": 0}
    process = workers._all[0].start()
    begun = time.monotonic()
    with pytest.raises(Problem) as late:
        workers.ask(call, orjson.dumps(SLOW), 0.3)
    assert late.value.status == 504
    assert time.monotonic() - begun < 5
    assert process.poll() == -signal.SIGKILL
    assert workers.ask(call, b"[]", 60)[0] == 422
    workers.close()


def test_a_worker_that_ends_in_the_middle_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(WorkerEnded):
        Workers(1).ask({}, b"", 5)


def test_an_internal_error_keeps_its_text(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = service.application(tmp_path)

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("the password is hunter2")

    with caplog.at_level(logging.INFO, "liftos_pipeline.api"):
        answer = TestClient(app).get("/broken")
    found = service.problem(answer, 500)
    line = json.loads(caplog.records[-1].message)
    assert "hunter2" not in answer.text + caplog.text
    assert line["error"] == "RuntimeError"
    assert line["at"].startswith("test_api_limits.py:")
    assert found["request_id"] == line["request_id"] == answer.headers["x-request-id"]


def test_a_line_of_log_has_no_headers_queries_or_bodies(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    client = service.client(tmp_path, liftos_api_keys=KEYS)
    with caplog.at_level(logging.INFO, "liftos_pipeline.api"):
        headers = {"X-API-Key": "first-key-of-two"}
        answer = client.post("/api/v1/causal/analyze?method=mine", headers=headers, content=b'["secret"]')
    line = json.loads(caplog.records[-1].message)
    assert line.keys() == {"method", "path", "status", "ms", "bytes", "request_id"}
    assert (line["method"], line["path"], line["status"]) == ("POST", "/api/v1/causal/analyze", 400)
    assert line["bytes"] == len(answer.content)
    assert 0 < line["ms"] < 10_000
    assert not any(word in caplog.text for word in ("first-key", "secret", "mine"))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/api/v2/effects", 404), ("DELETE", "/api/v1/effects", 405), ("GET", "/api/v1/causal/analyze", 405)],
)
def test_what_is_not_there(tmp_path: Path, method: str, path: str, status: int) -> None:
    service.problem(service.client(tmp_path).request(method, path), status)
