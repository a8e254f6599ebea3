"""``liftos serve`` as a process: what only a real server shows, and how it ends."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import httpx
import pytest
from typer.testing import CliRunner

from liftos_pipeline.cli import app
from tests import service
from tests.panels import NEVER, adoption_panel
from tests.pipeline.homes import LIFTOS, environment

FRAME = adoption_panel(3, n_units=20, n_periods=10, starts=(5, NEVER))
HUNDRED_MB = 100_000_000


@dataclass
class Server:
    """A running service; ``lines`` is what it has written to standard error."""

    process: subprocess.Popen[str]
    url: str
    lines: list[str] = field(default_factory=list)


def start(home: Path) -> Server:
    process = subprocess.Popen(
        [str(LIFTOS), "serve", "--port", "0"], env=environment(home), stderr=subprocess.PIPE, text=True
    )
    told = process.stderr
    (url,) = re.findall(r"http://\S+", told.readline())
    server = Server(process, url)
    Thread(target=lambda: server.lines.extend(told), daemon=True).start()
    return server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("served")
    service.published_home(home)
    found = start(home)
    yield found
    found.process.kill()
    found.process.wait()


def test_it_reads_and_analyses(server: Server) -> None:
    assert httpx.get(f"{server.url}/ready", timeout=30).json()["as_of"] == str(service.DAY)
    assert httpx.get(f"{server.url}/api/v1/effects").json()["total"] == 2
    body = {"rows": FRAME.to_dict("records"), "outcome": "y", "treatment": "d", "unit": "unit", "period": "t"}
    answer = httpx.post(f"{server.url}/api/v1/causal/analyze?method=did", json=body, timeout=60)
    assert answer.json()["status"] == "success"


def test_a_hundred_megabytes_are_refused_by_their_length(server: Server) -> None:
    """Not a byte of the body is sent before the answer is there."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        head = f"POST /api/v1/causal/analyze HTTP/1.1\r\nHost: {host}\r\nContent-Length: {HUNDRED_MB}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_a_hundred_megabytes_in_pieces_are_refused_on_the_way(server: Server) -> None:
    n_sent = 0

    def pieces() -> Iterator[bytes]:
        nonlocal n_sent
        for _ in range(HUNDRED_MB // 500_000):
            n_sent += 500_000
            yield b" " * 500_000

    answer = httpx.post(f"{server.url}/api/v1/causal/analyze", content=pieces(), timeout=60)
    service.problem(answer, 413)
    assert n_sent < HUNDRED_MB


def test_a_hundred_megabytes_sent_anyway_get_their_answer(server: Server) -> None:
    answer = httpx.post(f"{server.url}/api/v1/causal/analyze", content=b" " * HUNDRED_MB, timeout=60)
    service.problem(answer, 413)


def test_every_request_is_one_line(server: Server) -> None:
    n_before = len(server.lines)
    answer = httpx.get(f"{server.url}/api/v1/effects?platform=secret", headers={"X-API-Key": "secret"})
    deadline = time.monotonic() + 5
    while len(server.lines) == n_before and time.monotonic() < deadline:
        time.sleep(0.01)
    (line,) = server.lines[n_before:]
    assert json.loads(line)["request_id"] == answer.headers["x-request-id"]
    assert "secret" not in line
    assert "server" not in answer.headers


def _of(thread: Path) -> list[int]:
    try:
        return [int(text) for text in (thread / "children").read_text().split()]
    except OSError:
        return []


def _is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_workers_end_with_a_service_that_is_killed(server: Server) -> None:
    """The last test of this server."""
    workers = [pid for thread in Path(f"/proc/{server.process.pid}/task").iterdir() for pid in _of(thread)]
    assert workers
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    deadline = time.monotonic() + 30
    while any(map(_is_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_is_alive, workers))


def test_interrupted_it_ends_in_order(tmp_path: Path) -> None:
    """Also while its workers are starting."""
    found = start(tmp_path)
    try:
        assert httpx.get(f"{found.url}/health", timeout=30).status_code == 200
        found.process.send_signal(signal.SIGINT)
        assert found.process.wait(20) == 0
    finally:
        found.process.kill()
    assert len(found.lines) == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--host", "0.0.0.0"], "LIFTOS_API_KEYS"),
        (["--host", "::"], "LIFTOS_API_KEYS"),
        (["--port", "70000"], "65535"),
    ],
)
def test_a_wrong_call_ends_with_2(
    arguments: list[str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIFTOS_HOME", str(tmp_path))
    monkeypatch.delenv("LIFTOS_API_KEYS", raising=False)
    answer = CliRunner().invoke(app, ["serve", *arguments])
    assert answer.exit_code == 2
    assert text in answer.output


def test_a_port_that_is_taken_ends_with_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFTOS_HOME", str(tmp_path))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        answer = CliRunner().invoke(app, ["serve", "--port", str(taken.getsockname()[1])])
    assert answer.exit_code == 2
    assert "Choose another --host or --port" in answer.output
