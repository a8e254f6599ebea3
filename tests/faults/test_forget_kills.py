"""``kill -9`` at random moments of an erasure, up to three times in a row. The same call then completes it: nothing in
the home names the person, and nobody else has lost a row."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from liftos_pipeline.forget import forget_person
from tests.people import PAGES, TABLES, check_pages, fill, opened, places, rows, someone

ROOT = Path(__file__).parents[2]
SIGKILLED = -9
LATEST_KILL_S = 0.8
"""An erasure takes about as long."""
MOST_KILLS = 3
SEEDS = [
    pytest.param(range(301, 302), id="1 schedule"),
    pytest.param(range(311, 331), id="20", marks=pytest.mark.faults),
]
TICKET = "ticket 4711"


def kill_while_erasing(person: str, after_s: float) -> bool:
    """Begin an erasure in a process of its own and kill it; whether it was still at work."""
    command = [sys.executable, "-m", "tests.faults.forget_worker", person, TICKET]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(after_s)
        process.kill()
    assert process.returncode in (0, SIGKILLED)
    return process.returncode == SIGKILLED


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    fill(folder)
    return folder


@pytest.mark.parametrize("seeds", SEEDS)
def test_an_erasure_killed_at_any_moment_is_completed(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeds: range
) -> None:
    n_killed = 0
    for seed in seeds:
        draw = random.Random(seed)
        shutil.copytree(filled, tmp_path / f"{seed}")
        home = opened(tmp_path / f"{seed}", monkeypatch)
        person, pages = someone(home), rows(home, PAGES)
        others = {table: f"SELECT count(*) FROM {table} WHERE profile_id <> '{person}'" for table in TABLES}
        before = {table: rows(home, query) for table, query in others.items()}
        for _ in range(draw.randint(1, MOST_KILLS if len(seeds) > 1 else 1)):
            n_killed += kill_while_erasing(person, draw.uniform(0, LATEST_KILL_S))
        forget_person(home, person, TICKET)
        assert list(places(home, person)) == [], seed
        check_pages(home, pages)
        assert {table: rows(home, query) for table, query in others.items()} == before, seed
        [(told, requester, is_open)] = rows(
            home, "SELECT rows_erased, requester, finished_at IS NULL FROM ops.erasure"
        )
        assert (requester, is_open) == (TICKET, False), seed
        assert orjson.loads(told).keys() >= set(TABLES), seed
    assert n_killed >= len(seeds) / 2
