"""Dagster loads the project, and a backfill that is launched as the user interface does it succeeds."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import httpx
import pytest

from tests.pipeline.conftest import LAST
from tests.pipeline.homes import environment, liftos

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
BACKFILL = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}"""
STATUS = (
    "query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }"
)


@pytest.mark.parametrize(
    "command",
    [("dagster", "definitions", "validate", "-w", "workspace.yaml"), ("dg", "check", "defs")],
    ids=lambda command: command[0],
)
def test_definitions_are_valid(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=ROOT,
        env={**environment(tmp_path), "PATH": f"{BIN}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def user_interface(quiet_home: Path) -> Iterator[str]:
    """The address of `liftos dev` on a free port, daemon included."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (quiet_home / "dev.log").open("w") as log:
        process = subprocess.Popen(
            [str(BIN / "liftos"), "dev", "--port", str(port)],
            env=environment(quiet_home),
            cwd=ROOT,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_until(lambda: _answers(address), 120)
            yield address
        finally:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/server_info", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def _wait_until(holds: object, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.5)


def _ask(address: str, query: str, variables: dict[str, object]) -> dict:
    answer = httpx.post(f"{address}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
    assert "errors" not in answer, answer
    return answer["data"]


def test_a_backfill_from_the_user_interface_succeeds(user_interface: str) -> None:
    """Two result assets over one past day, through the daemon's queue."""
    assets = [{"path": ["causal", "effect_estimates"]}, {"path": ["causal", "attribution"]}]
    params = {"assetSelection": assets, "partitionNames": [LAST], "title": "test"}
    launched = _ask(user_interface, BACKFILL, {"params": params})["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    states: list[str] = []

    def ended() -> bool:
        states.append(
            _ask(user_interface, STATUS, {"id": launched["backfillId"]})["partitionBackfillOrError"]["status"]
        )
        return states[-1] in {"COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "COMPLETED", "CANCELED"}

    _wait_until(ended, 240)
    assert states[-1] == "COMPLETED_SUCCESS"


def test_doctor_names_what_is_there(quiet_home: Path) -> None:
    done = liftos(quiet_home, "doctor", "--json")
    assert done.returncode == 0
    assert f'"newest_as_of": "{LAST}"' in done.stdout
    assert '"source_mode": "simulated"' in done.stdout
    assert '"late_releases": []' in done.stdout


@dg.op
def breaks() -> None:
    raise RuntimeError("the disk is full")


@dg.job
def broken() -> None:
    breaks()


@pytest.mark.parametrize("configured", [True, False])
def test_a_failed_run_is_posted_where_the_settings_say(monkeypatch: pytest.MonkeyPatch, configured: bool) -> None:
    from liftos_pipeline.defs.automation import failed_run_alarm

    posted: list[dict[str, str]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Receiver) as server, dg.DagsterInstance.ephemeral() as instance:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        if configured:
            monkeypatch.setenv("LIFTOS_ALERT_WEBHOOK_URL", f"http://127.0.0.1:{server.server_port}/alarm")
        failed = broken.execute_in_process(instance=instance, raise_on_error=False)
        context = dg.build_run_status_sensor_context(
            sensor_name="failed_run_alarm",
            dagster_event=failed.get_run_failure_event(),
            dagster_instance=instance,
            dagster_run=failed.dagster_run,
        )
        failed_run_alarm(context.for_run_failure())
        server.shutdown()
    assert len(posted) == int(configured)
    assert all(f"run {failed.run_id[:8]} of broken failed" in entry["text"] for entry in posted)
