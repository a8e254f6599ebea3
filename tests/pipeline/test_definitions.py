"""Dagster loads the project, and a backfill that is launched as the user interface does it succeeds."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

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
