"""Runs that are killed with -9 at many moments, in a home of their own."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from tests.pipeline.homes import liftos, start_run

LAST_RAW_STEP = "raw__meta_insights_daily"


def kill_and_run_again(home: Path, seeds: Sequence[int], first: str, last: str) -> Path:
    """Every other kill falls in the middle of dbt; then two undisturbed single runs."""
    for number, seed in enumerate(seeds):
        _run_and_kill(home, first, seed, in_dbt=number % 2 == 0)
    for day in (first, last):
        done = liftos(home, "run", "--date", day)
        assert done.returncode == 0, done.stderr
    return home


def _run_and_kill(home: Path, day: str, seed: int, in_dbt: bool) -> None:
    """Kill a run with -9: its own process only in the middle of dbt, which then goes on alone; else its whole group."""
    rng = random.Random(seed)
    run = start_run(home, day)
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
