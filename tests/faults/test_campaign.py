"""60 days of four platforms under seeded faults and kills: every schedule ends, with the tables of an undisturbed load.
The driver is ``campaign``; seeds and the mix of faults are printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from liftos_pipeline.platforms import FAULTS, INJECTIONS
from tests.faults.campaign import N_DAYS, is_sound

ROOT = Path(__file__).parents[2]
FEW, FEW_DAYS = (7, 8), 14
"""Both of one world."""

ALL = tuple(range(1, 201))
NEEDS_A_PORT = {"reset", "silence"}
"""Given only on a real connection; see ``test_fault_plan``."""

pytestmark = pytest.mark.slow


def play(folder: Path, n_days: int, seeds: Sequence[int], n_workers: int) -> list[dict]:
    """Play the schedules of these seeds in so many processes."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    workers = []
    for number in range(n_workers):
        own = folder / str(number)
        own.mkdir()
        command = [
            sys.executable,
            "-m",
            "tests.faults.campaign",
            str(own),
            *map(str, [n_days, *seeds[number::n_workers]]),
        ]
        workers.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True))
    answers = [worker.communicate()[0] for worker in workers]
    return [json.loads(line) for answer in answers for line in answer.splitlines()]


def report(played: list[dict]) -> Counter[str]:
    """Print what happened; the mix of faults."""
    mix: Counter[str] = Counter()
    for one in played:
        mix.update(one["faults"])
    kills = sum(one["kills"] for one in played)
    runs = sum(one["runs"]["started"] for one in played)
    print(f"seeds {min(one['seed'] for one in played)} to {max(one['seed'] for one in played)}: ", end="")  # noqa: T201
    print(f"{sum(map(is_sound, played))} of {len(played)} as without faults; {runs} runs, {kills} kills")  # noqa: T201
    for fault in FAULTS:
        given = {one.name: mix[one.name] for one in fault.injections if mix[one.name]}
        print(f"{fault.number:3} {fault.name}: {given or fault.otherwise or 'none'}")  # noqa: T201
    return mix


def test_a_few_schedules_end_as_without_faults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    played = play(tmp_path, FEW_DAYS, FEW, 1)
    with capsys.disabled():
        mix = report(played)
    assert [one for one in played if not is_sound(one)] == []
    assert len(played) == len(FEW)
    assert sum(one["kills"] for one in played) >= len(FEW)
    assert len(mix) >= 8


@pytest.mark.faults
def test_200_schedules_end_as_without_faults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    played = play(tmp_path, N_DAYS, ALL, os.cpu_count() or 1)
    with capsys.disabled():
        mix = report(played)
    assert [one for one in played if not is_sound(one)] == []
    assert len(played) == len(ALL)
    assert set(mix) >= set(INJECTIONS) - NEEDS_A_PORT
