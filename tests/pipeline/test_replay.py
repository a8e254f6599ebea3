"""Whatever way a home came to hold its days, it holds the same: range or single runs, side by side, killed and run again."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import duckdb
import pytest

from tests.pipeline.conftest import FIRST, LAST
from tests.pipeline.homes import differences, liftos, start_run

LAST_RAW_STEP = "raw__meta_insights_daily"
KILLS = [
    pytest.param([101, 102, 103], id="3 kills"),
    pytest.param(list(range(201, 221)), id="20", marks=pytest.mark.faults),
]


def test_two_runs_at_once_beside_a_reader_equal_the_range_run(quiet_home: Path, tmp_path: Path) -> None:
    runs = [start_run(tmp_path, FIRST), start_run(tmp_path, LAST)]
    reads = 0
    while any(run.poll() is None for run in runs):
        if (tmp_path / "liftos.duckdb").exists():
            with duckdb.connect(str(tmp_path / "liftos.duckdb"), read_only=True) as public:
                public.execute("SELECT count(*) FROM mart.marketing_panel").fetchall()
                reads += 1
        time.sleep(0.2)
    assert [(run.returncode, run.stderr.read()[-400:]) for run in runs if run.returncode] == []
    done = liftos(tmp_path, "run", "--from", FIRST, "--to", LAST)
    assert done.returncode == 0, done.stderr
    assert reads > 2
    assert differences(quiet_home, tmp_path) == {}


@pytest.mark.parametrize("seeds", KILLS)
def test_killed_runs_leave_nothing_behind(quiet_home: Path, tmp_path: Path, seeds: list[int]) -> None:
    """Every other kill falls in the middle of dbt; then two undisturbed single runs."""
    for number, seed in enumerate(seeds):
        _run_and_kill(tmp_path, seed, in_dbt=number % 2 == 0)
    for day in (FIRST, LAST):
        done = liftos(tmp_path, "run", "--date", day)
        assert done.returncode == 0, done.stderr
    assert differences(quiet_home, tmp_path) == {}


def _run_and_kill(home: Path, seed: int, in_dbt: bool) -> None:
    """Kill a run with -9: its own process only in the middle of dbt, which then goes on alone; else its whole group."""
    rng = random.Random(seed)
    run = start_run(home, FIRST)
    if in_dbt:
        for line in run.stderr:
            if LAST_RAW_STEP in line:
                break
        time.sleep(rng.uniform(3.0, 9.0))
        os.kill(run.pid, signal.SIGKILL)
    else:
        time.sleep(rng.uniform(6.0, 20.0))
        os.killpg(run.pid, signal.SIGKILL)
    run.wait(timeout=60)
