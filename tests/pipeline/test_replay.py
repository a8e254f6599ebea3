"""Whatever way a home came to hold its days, it holds the same: range or single runs, side by side, killed and run again."""

from __future__ import annotations

import time
from concurrent.futures import Future
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from liftos_pipeline.stages.lanes import MANY_DAYS
from tests.pipeline.conftest import FIRST, LAST
from tests.pipeline.homes import differences, liftos, start_run
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
