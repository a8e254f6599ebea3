"""``kill -9`` at random moments of a load, a partition replace and a publish. What is left was committed whole,
and after the next run it equals an undisturbed run's."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from liftos_pipeline.warehouse import Warehouse
from liftos_pipeline.warehouse.load import load_windows
from liftos_pipeline.warehouse.publish import publish
from liftos_pipeline.warehouse.results import replace_partitions
from tests.faults.warehouse_worker import GATES, KILLED_ROWS, PARTITION, UNITS, gate_rows
from tests.worlds import FIRST_DAY, clock, restated_window

ROOT = Path(__file__).parents[2]
SIGKILLED = -9
LATEST_KILL_S = float(os.environ.get("LIFTOS_TEST_LATEST_KILL_S", "1.0"))
SEEDS = [
    pytest.param(range(101, 104), id="3 kills"),
    pytest.param(range(201, 221), id="20", marks=pytest.mark.faults),
]
FACTS = "SELECT * EXCLUDE (run_id) FROM raw.meta_insights_daily"
RECEIPTS = "SELECT source, stream, account_id, date_day, observed_at, rows_in, source_mode FROM ops.load_receipt"

pytestmark = pytest.mark.slow


def killed(seed: int, *job: object) -> None:
    """Run a job and kill it at a moment that the seed picks."""
    command = [sys.executable, "-m", "tests.faults.warehouse_worker", *map(str, job)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(random.Random(seed).uniform(0, LATEST_KILL_S))
        process.kill()
    assert process.returncode == SIGKILLED


def rows(warehouse: Warehouse, query: str) -> list[tuple]:
    with warehouse.read() as connection:
        return sorted(connection.execute(query).fetchall(), key=repr)


def load_first(warehouse: Warehouse, n_days: int) -> None:
    days = [FIRST_DAY + timedelta(days=offset) for offset in range(n_days)]
    load_windows(warehouse, [restated_window(day, units=UNITS) for day in days], "undisturbed")


def assert_last_window_is_whole(warehouse: Warehouse, n_loaded: int) -> None:
    """Every loaded window has all its receipts, and the newest stands as the platform said it."""
    last = FIRST_DAY + timedelta(days=n_loaded - 1)
    said = restated_window(last, units=UNITS)
    standing = rows(
        warehouse,
        "SELECT date_day, entity_id, conversions FROM raw.meta_insights_daily "
        f"WHERE observed_to = '9999-12-31' AND date_day >= '{said.start}'",
    )
    assert standing == sorted(
        ((row["date_day"], row["entity_id"], row["conversions"]) for row in said.rows.to_pylist()), key=repr
    )
    newest = rows(warehouse, f"SELECT date_day FROM ops.load_receipt WHERE observed_at = '{clock(last)}'")
    assert len(newest) == (said.end - said.start).days + 1
    assert rows(warehouse, f"SELECT 1 FROM raw.meta_insights_daily WHERE observed_from > '{clock(last)}'") == []


@pytest.mark.parametrize("seeds", SEEDS)
def test_load_killed(tmp_path: Path, seeds: range) -> None:
    for seed in seeds:
        warehouse = Warehouse(tmp_path / f"home-{seed}", "simulated")
        killed(seed, "load", warehouse.home)
        n_loaded = len(rows(warehouse, "SELECT DISTINCT observed_at FROM ops.load_receipt"))
        if n_loaded:
            assert_last_window_is_whole(warehouse, n_loaded)
        load_first(warehouse, n_loaded + 2)
        undisturbed = Warehouse(tmp_path / f"undisturbed-{seed}", "simulated")
        load_first(undisturbed, n_loaded + 2)
        assert rows(warehouse, FACTS) == rows(undisturbed, FACTS)
        assert rows(warehouse, RECEIPTS) == rows(undisturbed, RECEIPTS)


@pytest.mark.parametrize("seeds", SEEDS)
def test_partition_replace_killed(tmp_path: Path, seeds: range) -> None:
    warehouse = Warehouse(tmp_path, "simulated")
    replace_partitions(warehouse, GATES, {PARTITION: gate_rows(0, KILLED_ROWS)}, "run-0")
    for seed in seeds:
        killed(seed, "replace", tmp_path, 1000 * seed)
        assert_one_version(rows(warehouse, "SELECT seed, count(*) FROM quality.gates GROUP BY 1"))
        receipts = rows(warehouse, "SELECT run_id, rows_out FROM ops.result_receipt")
        written_by = rows(warehouse, "SELECT DISTINCT run_id FROM quality.gates")
        assert receipts == [(*written_by[0], KILLED_ROWS)]
    replace_partitions(warehouse, GATES, {PARTITION: gate_rows(7, KILLED_ROWS)}, "run-7")
    assert rows(warehouse, "SELECT seed, count(*) FROM quality.gates GROUP BY 1") == [(7, KILLED_ROWS)]


def assert_one_version(counts: list[tuple]) -> None:
    assert [n_rows for _, n_rows in counts] == [KILLED_ROWS]


@pytest.mark.parametrize("seeds", SEEDS)
def test_publish_killed(tmp_path: Path, seeds: range) -> None:
    warehouse = Warehouse(tmp_path, "simulated")
    replace_partitions(warehouse, GATES, {PARTITION: gate_rows(0, KILLED_ROWS)}, "run-0")
    publish(warehouse)
    (tmp_path / ".publish-killed.duckdb").write_bytes(b"half a copy")
    for seed in seeds:
        killed(seed, "publish", tmp_path, 1000 * seed)
        assert_one_version(public_versions(warehouse))
    replace_partitions(warehouse, GATES, {PARTITION: gate_rows(7, KILLED_ROWS)}, "run-7")
    publish(warehouse)
    assert public_versions(warehouse) == [(7, KILLED_ROWS)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["liftos.duckdb", "warehouse"]


def public_versions(warehouse: Warehouse) -> list[tuple]:
    with duckdb.connect(str(warehouse.public_file), read_only=True) as connection:
        return connection.execute("SELECT seed, count(*) FROM quality.gates GROUP BY 1").fetchall()
