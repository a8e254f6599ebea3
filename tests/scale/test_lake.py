"""The warehouse on DuckLake with its catalog in Postgres: the tests of the working file, and the pipeline's tables."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from liftos_pipeline.errors import LiftosError, WarehouseError
from liftos_pipeline.schema import TABLES
from liftos_pipeline.warehouse import Warehouse
from liftos_pipeline.warehouse.compact import compact
from liftos_pipeline.warehouse.lake import Lake, lake_of
from liftos_pipeline.warehouse.publish import publish
from liftos_pipeline.warehouse.results import replace_partitions
from tests.faults.warehouse_worker import GATES, PARTITION, gate_rows
from tests.pipeline.homes import differences, liftos
from tests.scale.conftest import IS_SHORT, long_only
from tests.scale.postgres import Server, postgres

pytestmark = pytest.mark.scale

HEAD = Path(__file__).parents[2]
FIRST, LAST = "2026-05-30", "2026-05-31"
SAME_TESTS = {
    "results": ["tests/unit/test_warehouse_results.py"],
    "loads": ["tests/unit/test_warehouse_load.py", "tests/unit/test_warehouse_quarantine.py"],
    "days": ["tests/unit/test_warehouse_result_days.py", "tests/unit/test_warehouse_time.py"],
    "ledger": ["tests/unit/test_warehouse_ledger.py"],
    "4 writers x 30 partitions beside 2 readers": [
        "tests/faults/test_warehouse_processes.py",
        "-k",
        "four_writers",
    ],
    "20 kills of a partition replace": ["tests/faults/test_warehouse_kills.py", "-k", "replace and 20"],
    "20 kills of a publish": ["tests/faults/test_warehouse_kills.py", "-k", "publish and 20"],
    "3 kills of a load": ["tests/faults/test_warehouse_kills.py", "-k", "load and 3"],
}
OF_SHORT = ("results",)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as started:
        yield started


@pytest.mark.parametrize("name", [name for name in SAME_TESTS if not IS_SHORT or name in OF_SHORT])
def test_what_holds_of_the_working_file_holds_of_a_lake(
    name: str, server: Server, tell: Callable[[str], None]
) -> None:
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "", "-p", "tests.scale.lake_everywhere", *SAME_TESTS[name]],
        cwd=HEAD,
        env={
            **os.environ,
            "LIFTOS_TEST_LAKE": f"postgresql://liftos@127.0.0.1:{server.port}",
            "LIFTOS_TEST_LATEST_KILL_S": "4",
        },
        capture_output=True,
        text=True,
        timeout=1_800,
        check=False,
    )
    last = done.stdout.strip().splitlines()[-1]
    tell(f"lake, {name}: {last}, {time.perf_counter() - start:.0f} s, load {os.getloadavg()[0]:.1f}")
    assert done.returncode == 0, done.stdout[-3_000:]
    assert re.search(r"[1-9]\d* passed", last)


@long_only
def test_a_daily_run_makes_the_tables_of_the_embedded_default(
    server: Server, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    homes = {"own file": tmp_path / "plain", "lake": tmp_path / "lake"}
    more = {"own file": {}, "lake": {"LIFTOS_WAREHOUSE": "ducklake:" + server.create("daily")}}
    for name, home in homes.items():
        start = time.perf_counter()
        done = liftos(home, "run", "--from", FIRST, "--to", LAST, **more[name])
        assert done.returncode == 0, done.stderr[-2_000:]
        tell(f"two as-of days on {name}: {time.perf_counter() - start:.0f} s")
    found = differences(homes["own file"], homes["lake"])
    tell(f"tables that differ: {found or 'none'}")
    assert found == {}


def test_what_was_deleted_is_gone_from_the_files_and_published_is_what_stands(
    server: Server, tmp_path: Path
) -> None:
    warehouse = Warehouse(tmp_path, "simulated", Lake(server.create("compacted"), str(tmp_path / "data")))
    replace_partitions(warehouse, GATES, {PARTITION: gate_rows(11, 200)}, "run-11")
    replace_partitions(warehouse, GATES, {PARTITION: gate_rows(12, 200)}, "run-12")
    compact(warehouse)
    assert seeds_in(tmp_path / "data") == {12}
    publish(warehouse)
    import duckdb

    with duckdb.connect(str(warehouse.public_file), read_only=True) as connection:
        assert connection.execute("SELECT DISTINCT seed FROM quality.gates").fetchall() == [(12,)]
        query = "SELECT schema_name || '.' || table_name FROM duckdb_tables()"
        assert {row[0] for row in connection.execute(query).fetchall()} >= set(TABLES)


def seeds_in(data: Path) -> set[int]:
    """Versions that any file of the table still has."""
    import duckdb

    files = [str(path) for path in data.rglob("*.parquet") if path.parent.name == "gates"]
    return {row[0] for row in duckdb.sql(f"SELECT DISTINCT seed FROM read_parquet({files!r})").fetchall()}


def test_a_catalog_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    lake = lake_of("ducklake:postgresql://ada:s3cret@127.0.0.1:1/lake", str(tmp_path / "data"))
    for opening in ("write", "read"):
        with (
            pytest.raises(
                WarehouseError, match=r"a DuckLake catalog that answers at 127\.0\.0\.1:1/lake"
            ) as caught,
            getattr(Warehouse(tmp_path, "simulated", lake), opening)(),
        ):
            pass
        assert "s3cret" not in str(caught.value)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("setting", ["ducklake:", "postgresql://127.0.0.1/x", "ducklake:postgresql://127.0.0.1"])
def test_a_setting_that_names_no_lake_says_what_is_expected(setting: str) -> None:
    with pytest.raises(
        LiftosError, match="ducklake:postgresql://user:password@host:port/database in LIFTOS_WAREHOUSE"
    ):
        lake_of(setting, "data")
