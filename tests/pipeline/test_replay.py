"""Whatever way a home came to hold its days, it holds the same: range or single runs, side by side, killed and run again,
and replayed after later pulls have restated what it knew."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from datetime import date
from pathlib import Path

import duckdb
import pytest

from liftos_pipeline.ingest import open_home, pull_stream
from liftos_pipeline.settings import Settings
from liftos_pipeline.sources import SOURCES
from tests.pipeline.conftest import FIRST, LAST
from tests.pipeline.homes import SCENARIO, differences, liftos, start_run

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


PARTS = ("code", "seed", "data_maturity", "data_corrections", "new_days")


def test_a_past_day_is_given_again_bit_for_bit_after_later_pulls(quiet_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(quiet_home, home, ignore=shutil.ignore_patterns("dagster", "logs", "dbt"))
    later = [date(2026, 6, 20)]
    opened = open_home(Settings(liftos_home=home, **{name.lower(): value for name, value in SCENARIO.items()}))  # type: ignore[arg-type]
    restated = 0
    for source in SOURCES.values():
        for stream in source.streams:
            restated += pull_stream(opened, source.name, stream.name, later, "later").rows_restated
    assert restated > 300
    done = liftos(home, "run", "--as-of", FIRST)
    assert done.returncode == 0, done.stderr
    assert "raw__" not in done.stderr
    assert differences(quiet_home, home, as_of=FIRST) == {}
    with duckdb.connect(str(home / "liftos.duckdb"), read_only=True) as public:
        runs = public.execute(
            "SELECT count(DISTINCT run_id), count(DISTINCT (estimate, std_error)) / count(DISTINCT (platform, "
            "treatment_type, outcome, method)) FROM causal.effect_history WHERE as_of = ? AND estimate IS NOT NULL",
            [FIRST],
        ).fetchall()
    assert runs == [(2, 1.0)]


def test_the_parts_of_a_change_add_up(quiet_home: Path) -> None:
    done = liftos(quiet_home, "explain", "--from", FIRST, "--to", LAST, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["from"]["as_of"], told["to"]["as_of"], told["notes"]) == (FIRST, LAST, [])
    explained = [row for row in told["effects"] if row["undefined"] is None]
    assert len(explained) > 30
    for row in explained:
        change = row["to_estimate"] - row["from_estimate"]
        assert sum(row[part] for part in PARTS) == pytest.approx(change, rel=1e-9, abs=1e-12)
        assert (row["code"], row["seed"]) == (0.0, 0.0)
    assert any(row["new_days"] != 0.0 for row in explained)


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
