"""Homes that several modules look into. The long ones fill beside the tests that do not need them: there are two cores."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.pipeline.backfill import backfill
from tests.pipeline.homes import liftos
from tests.pipeline.kills import kill_and_run_again

FIRST, LAST = "2026-05-30", "2026-05-31"
KILLS = (101, 102, 103)


@pytest.fixture(scope="session")
def beside() -> Iterator[ThreadPoolExecutor]:
    """Threads that only wait for processes."""
    with ThreadPoolExecutor(2) as threads:
        yield threads


@pytest.fixture(scope="session", autouse=True)
def _long_work_begins_first(request: pytest.FixtureRequest) -> None:
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    for name in ("killed_home", "backfill_status"):
        if name in wanted:
            request.getfixturevalue(name)


@pytest.fixture(scope="session")
def quiet_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Filled without disturbance: two as-of days in one range run."""
    home = tmp_path_factory.mktemp("quiet")
    done = liftos(home, "run", "--from", FIRST, "--to", LAST)
    assert done.returncode == 0, done.stderr
    return home


@pytest.fixture(scope="session")
def killed_home(beside: ThreadPoolExecutor, tmp_path_factory: pytest.TempPathFactory) -> Future[Path]:
    """Filled by two single runs after others were killed."""
    return beside.submit(kill_and_run_again, tmp_path_factory.mktemp("killed"), KILLS, FIRST, LAST)


@pytest.fixture(scope="session")
def backfill_status(
    beside: ThreadPoolExecutor, quiet_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Future[str]:
    """How a backfill ends that the user interface launches over the last day of a ready home."""
    home = tmp_path_factory.mktemp("backfill")
    shutil.copytree(quiet_home, home, dirs_exist_ok=True)
    return beside.submit(backfill, home, LAST)
