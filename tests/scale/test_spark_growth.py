"""What grows with the rows on Spark and what does not: time does, the driver does not. Executors that are lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.scale.conftest import long_only
from tests.scale.panels import write_panel

pytestmark = [pytest.mark.scale, long_only]

UNITS = 10_000
PERIODS = (100, 400, 1_600)
METHODS = ("did", "event_study", "doubly_robust")
DRIVER_GROWTH = 1.15
"""The driver's peak at 16 million rows over that at one million; the sums by unit and period are all that may grow."""
STEEPER = 1.5
"""Processor seconds per further row from 4 to 16 million over those from 1 to 4: one is linear."""
HEAD = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    place = tmp_path_factory.mktemp("growth")
    return {n_periods: write_panel(place / str(n_periods), UNITS, n_periods) for n_periods in PERIODS}


def measured(method: str, folder: Path, master: str = "local[2]", warm: Path | None = None) -> dict[str, Any]:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.scale.measure",
            "spark",
            method,
            str(folder),
            *([str(warm)] if warm else []),
        ],
        cwd=HEAD,
        env={**os.environ, "LIFTOS_SCALE_MASTER": master, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1_200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("method", METHODS)
def test_time_is_linear_and_the_driver_does_not_grow(
    method: str, folders: dict[int, Path], tell: Callable[[str], None]
) -> None:
    found = [measured(method, folders[n_periods], warm=folders[PERIODS[0]]) for n_periods in PERIODS]
    for row in found:
        tell(
            f"{method}: {row['n_rows']:>10,} rows, {row['estimate_s']:6.1f} s, "
            f"{row['cpu_s']:6.1f} processor s, driver {row['driver_mb']:.0f} MB, "
            f"load {os.getloadavg()[0]:.1f}"
        )
    seconds = [row["cpu_s"] for row in found]
    millions = [row["n_rows"] / 1e6 for row in found]
    first, then = ((seconds[k + 1] - seconds[k]) / (millions[k + 1] - millions[k]) for k in (0, 1))
    tell(f"{method}: slope {first:.2f} processor s a million rows from 1 to 4 million, {then:.2f} from 4 to 16")
    assert found[-1]["driver_mb"] <= DRIVER_GROWTH * found[0]["driver_mb"]
    assert then <= STEEPER * first


def test_the_java_half_of_the_driver_does_not_grow_either(
    folders: dict[int, Path], tell: Callable[[str], None]
) -> None:
    """With executors in processes of their own, what is left in the driver's Java is its own."""
    found = [
        measured("did", folders[n_periods], "local-cluster[2,1,1500]") for n_periods in (PERIODS[0], PERIODS[-1])
    ]
    for row in found:
        tell(f"did, executors apart: {row['n_rows']:>10,} rows, driver's Java {row['jvm_mb']:.0f} MB")
    assert found[1]["jvm_mb"] <= 1.5 * found[0]["jvm_mb"]


def test_an_executor_that_is_killed_changes_nothing(folders: dict[int, Path], tell: Callable[[str], None]) -> None:
    """Spark starts another and repeats its part of the walk."""
    killed: list[int] = []
    stop = threading.Event()

    def kill_once() -> None:
        while not stop.is_set() and not killed:
            for pid in executors():
                time.sleep(4.0)
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
                break
            time.sleep(0.2)

    calm = measured("did", folders[PERIODS[1]], "local-cluster[2,1,1500]")
    killer = threading.Thread(target=kill_once)
    killer.start()
    try:
        found = measured("did", folders[PERIODS[1]], "local-cluster[2,1,1500]")
    finally:
        stop.set()
        killer.join()
    tell(f"did with executor {killed} killed: {found['estimate']!r}, undisturbed {calm['estimate']!r}")
    assert killed
    assert found["estimate"] == pytest.approx(calm["estimate"], rel=1e-9)
    assert found["std_error"] == pytest.approx(calm["std_error"], rel=1e-9)


def executors() -> list[int]:
    """Executor processes that descend from this one."""
    parent, command = {}, {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent[int(place.name)] = int((place / "stat").read_text().rsplit(") ", 1)[1].split()[1])
            command[int(place.name)] = (place / "cmdline").read_text()
        except (OSError, IndexError):
            continue

    def is_ours(pid: int) -> bool:
        while pid > 1:
            if pid == os.getpid():
                return True
            pid = parent.get(pid, 0)
        return False

    return [pid for pid, text in command.items() if "CoarseGrainedExecutorBackend" in text and is_ours(pid)]
