"""Whatever way a home came to hold its days, it holds the same: range or single runs, side by side, killed and run again,
and replayed after later pulls have restated what it knew."""

from __future__ import annotations

import json
import shutil
import time
from concurrent.futures import Future
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from liftos_pipeline.ingest import open_home, pull_stream
from liftos_pipeline.settings import Settings
from liftos_pipeline.sources import SOURCES
from liftos_pipeline.stages.lanes import MANY_DAYS
from tests.pipeline.conftest import FIRST, LAST
from tests.pipeline.homes import SCENARIO, differences, liftos, start_run
from tests.pipeline.kills import kill_and_run_again


def test_two_runs_at_once_beside_a_reader_equal_the_range_run(quiet_home: Path, tmp_path: Path) -> None:
    """The second day is run once more: alone it may have begun before the first, whose treatments it remembers."""
    runs = [start_run(tmp_path, FIRST), start_run(tmp_path, LAST)]
    reads = 0
    while any(run.poll() is None for run in runs):
        if (tmp_path / "liftos.duckdb").exists():
            with duckdb.connect(str(tmp_path / "liftos.duckdb"), read_only=True) as public:
                public.execute("SELECT count(*) FROM mart.marketing_panel").fetchall()
                reads += 1
        time.sleep(0.2)
    assert [(run.returncode, run.stderr.read()[-400:]) for run in runs if run.returncode] == []
    done = liftos(tmp_path, "run", "--date", LAST)
    assert done.returncode == 0, done.stderr
    assert reads > 2
    assert differences(quiet_home, tmp_path) == {}


def test_killed_runs_leave_nothing_behind(quiet_home: Path, killed_home: Future[Path]) -> None:
    assert differences(quiet_home, killed_home.result()) == {}


@pytest.mark.faults
def test_twenty_killed_runs_leave_nothing_behind(quiet_home: Path, tmp_path: Path) -> None:
    assert differences(quiet_home, kill_and_run_again(tmp_path, range(201, 221), FIRST, LAST)) == {}


@pytest.mark.scale
def test_days_computed_side_by_side_equal_those_computed_one_by_one(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    together, apart = tmp_path_factory.mktemp("together"), tmp_path_factory.mktemp("apart")
    first = date.fromisoformat(LAST) - timedelta(days=MANY_DAYS - 1)
    middle = first + timedelta(days=MANY_DAYS // 2)
    spans = [(together, first, LAST), (apart, first, middle - timedelta(days=1)), (apart, middle, LAST)]
    for home, begin, end in spans:
        done = liftos(home, "run", "--from", str(begin), "--to", str(end))
        assert done.returncode == 0, done.stderr
    assert differences(together, apart) == {}


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
