"""A daily run in parts that several run workers take: runs in Postgres, tables on a lake, the same as one worker's."""

from __future__ import annotations

import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from liftos_pipeline.errors import WarehouseError
from liftos_pipeline.run import dagster_home, open_instance
from liftos_pipeline.settings import Settings
from tests.pipeline.homes import differences, environment, liftos
from tests.scale.conftest import long_only
from tests.scale.postgres import Server, postgres

pytestmark = pytest.mark.scale

HEAD = Path(__file__).parents[2]
DAYS = ("2026-05-30", "2026-05-31")
PULLS = ("pull_meta", "pull_google_ads", "pull_klaviyo", "pull_fred")
LONG_PULLS = ("pull_klaviyo", "pull_meta")
WORKERS = 4
LAUNCH = """
mutation($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}"""
RUNS = "{ runsOrError(limit: 200) { ... on Runs { results { runId jobName status tags { key value } } } } }"
EVENTS = """
query($id: ID!) {
  runOrError(runId: $id) { ... on Run { eventConnection { events { ... on MessageEvent { message } } } } }
}"""
OPEN = {"QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as started:
        yield started


@long_only
def test_four_workers_make_the_tables_of_one_though_one_of_them_is_killed(
    server: Server, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    one, many = tmp_path / "one", tmp_path / "many"
    start = time.perf_counter()
    done = liftos(one, "run", "--from", DAYS[0], "--to", DAYS[1])
    assert done.returncode == 0, done.stderr[-2_000:]
    tell(f"one worker: {time.perf_counter() - start:.0f} s")
    more = {
        "LIFTOS_WAREHOUSE": "ducklake:" + server.create("lake"),
        "LIFTOS_DAGSTER_POSTGRES_URL": server.create("runs"),
        "LIFTOS_DAGSTER_MAX_RUNS": str(WORKERS),
    }
    with user_interface(many, more) as address:
        start = time.perf_counter()
        for day, job in itertools.product(DAYS, PULLS):
            launch(address, job, day)
        seen = Watch(address)
        wait_until(seen.finished, 1_200)
        seconds = time.perf_counter() - start
    tell(
        f"{len(seen.pids)} run workers, {seen.most_at_once} at once, for {len(DAYS) * len(PULLS)} pulls and "
        f"{len(DAYS)} days of results: {seconds:.0f} s; killed: {seen.killed}, started again: {seen.n_retried}; "
        f"load {os.getloadavg()[0]:.1f}"
    )
    assert seen.most_at_once == WORKERS
    assert (isinstance(seen.killed, int), seen.n_retried) == (True, 1)
    found = differences(one, many)
    tell(f"tables that differ: {found or 'none'}")
    assert found == {}


class Watch:
    """Looks at the runs until all are done; once four workers are at work, kills the process of one."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.most_at_once = 0
        self.pids: set[int] = set()
        self.killed: int | None = None
        self.n_retried = 0

    def finished(self) -> bool:
        runs = ask(self._address, RUNS, {})["runsOrError"]["results"]
        at_work = [run for run in runs if run["status"] in ("STARTING", "STARTED")]
        self.most_at_once = max(self.most_at_once, len(at_work))
        for run in at_work:
            pid = self._pid(run["runId"])
            if pid is not None:
                self.pids.add(pid)
                if self.killed is None and self.most_at_once == WORKERS and run["jobName"] in LONG_PULLS:
                    os.kill(pid, signal.SIGKILL)
                    self.killed = pid
        retried = [run for run in runs if any(tag["key"] == "dagster/retry_number" for tag in run["tags"])]
        self.n_retried = len(retried)
        done = [run for run in runs if run["jobName"] == "results" and run["status"] == "SUCCESS"]
        failed = [run for run in runs if run["jobName"] == "results" and run["status"] == "FAILURE"]
        assert not failed, failed
        return len(done) == len(DAYS) and not any(run["status"] in OPEN for run in runs)

    def _pid(self, run_id: str) -> int | None:
        events = ask(self._address, EVENTS, {"id": run_id})["runOrError"]["eventConnection"]["events"]
        found = [re.search(r"\(pid: (\d+)\)", event.get("message") or "") for event in events]
        return next((int(match[1]) for match in found if match), None)


def launch(address: str, job: str, day: str) -> None:
    selector = {
        "repositoryLocationName": "liftos_pipeline.definitions",
        "repositoryName": "__repository__",
        "jobName": job,
    }
    params = {
        "selector": selector,
        "runConfigData": {},
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": day}]},
    }
    launched = ask(address, LAUNCH, {"params": params})["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched


@contextmanager
def user_interface(home: Path, more: dict[str, str]) -> Iterator[str]:
    """The address of ``liftos dev``, with its daemon, which owns the queue."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home.mkdir(parents=True)
    with (home / "dev.log").open("w") as log:
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / "liftos"), "dev", "--port", str(port)],
            env=environment(home, **more),
            cwd=HEAD,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            wait_until(lambda: answers(address), 180)
            yield address
        finally:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/server_info", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def wait_until(holds: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.5)


def ask(address: str, query: str, variables: dict[str, object]) -> dict[str, Any]:
    answer = httpx.post(f"{address}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
    assert "errors" not in answer, answer
    return dict(answer["data"])


def test_runs_are_kept_in_postgres_and_the_address_is_not_in_the_file(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setenv("LIFTOS_DAGSTER_STORAGE", "")
    settings = Settings(liftos_home=tmp_path, liftos_dagster_postgres_url=server.create("kept"))
    with open_instance(settings) as instance:
        assert "Postgres" in type(instance.run_storage).__name__
        assert instance.run_monitoring_enabled
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == WORKERS
    assert server.url("kept") not in (dagster_home(settings) / "dagster.yaml").read_text()


def test_a_postgres_that_does_not_answer_is_named(tmp_path: Path) -> None:
    settings = Settings(
        liftos_home=tmp_path, liftos_dagster_postgres_url="postgresql://ada:s3cret@127.0.0.1:1/runs"
    )
    with pytest.raises(WarehouseError, match=r"a Postgres that answers at 127\.0\.0\.1:1/runs") as caught:
        open_instance(settings)
    assert "s3cret" not in str(caught.value)
