"""Homes that several modules look into, and which tests share a process when they run in several.

The long homes fill beside the tests that do not need them: there are two cores. Tests that share homes run in one process,
all others file by file.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.pipeline.homes import FIRST, LAST, liftos
from tests.pipeline.interface import Interface, backfill
from tests.pipeline.kills import kill_and_run_again

HOMES = "homes"
_SHARE_HOMES = {Path(__file__).parent / "pipeline", Path(__file__).parent / "browser"}
KILLS = (101, 102, 103)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Homes take longest and begin first; what a browser looks at stands behind them, ready by then."""
    items.sort(key=lambda item: (item.path.parent not in _SHARE_HOMES, item.path.parent.name == "browser"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Hands tests to the processes."""
    from xdist.scheduler import LoadScopeScheduling

    class ByHomes(LoadScopeScheduling):
        """All tests of homes are one piece of work, and every other file is one."""

        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::", 1)[0]
            return HOMES if Path(__file__).parents[1] / Path(file).parent in _SHARE_HOMES else file

    return ByHomes(config, log)


@pytest.fixture(scope="session")
def beside() -> Iterator[ThreadPoolExecutor]:
    """Threads that only wait for processes."""
    with ThreadPoolExecutor(3) as threads:
        yield threads


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
def user_interface(quiet_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Interface]:
    """The user interface of a copy of a ready home."""
    home = tmp_path_factory.mktemp("interface")
    shutil.copytree(quiet_home, home, dirs_exist_ok=True)
    interface = Interface(home)
    yield interface
    assert interface.stop() == 0


@pytest.fixture(scope="session")
def backfill_status(beside: ThreadPoolExecutor, user_interface: Interface) -> Future[str]:
    """How a backfill ends that is asked for over the last day of a ready home."""
    return beside.submit(backfill, user_interface, LAST)


@pytest.fixture(scope="session")
def clicked_backfill(beside: ThreadPoolExecutor, user_interface: Interface) -> Future[tuple[set[str], set[str]]]:
    """A backfill over both days by clicks in a browser: runs of its rows before and after."""
    from tests.browser.driver import backfill_by_clicks

    return beside.submit(backfill_by_clicks, user_interface)
