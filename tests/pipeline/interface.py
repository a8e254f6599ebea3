"""The user interface of a home, and a backfill through the daemon's queue: two result assets over one day."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.pipeline.homes import environment

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


class Interface:
    """`liftos start` on a free port of a home, daemon included. It takes some twenty seconds until it answers."""

    def __init__(self, home: Path) -> None:
        self.home = home
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        with (home / "logs" / "start.log").open("w") as log:
            self._process = subprocess.Popen(
                [str(BIN / "liftos"), "start", "--port", str(self._port)],
                env=environment(home),
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def address(self) -> str:
        """Where it answers; waits until it does."""
        address = f"http://127.0.0.1:{self._port}"
        _wait_until(lambda: _answers(address), 120)
        return address

    def stop(self) -> int:
        """As a service is ended: by a signal to the command alone, which ends what it started. Its exit code."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(timeout=60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


def backfill(interface: Interface, day: str) -> str:
    """Status at the end of a backfill that is asked for as the pages ask for it."""
    assets = [{"path": ["causal", "effect_estimates"]}, {"path": ["causal", "attribution"]}]
    params = {"assetSelection": assets, "partitionNames": [day], "title": "test"}
    address = interface.address
    launched = _ask(address, BACKFILL, {"params": params})["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    states: list[str] = []

    def ended() -> bool:
        answer = _ask(address, STATUS, {"id": launched["backfillId"]})
        states.append(answer["partitionBackfillOrError"]["status"])
        return states[-1] in {"COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "COMPLETED", "CANCELED"}

    _wait_until(ended, 240)
    return states[-1]


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
