"""A warehouse that cannot be used says what was expected, what was found, and the way out."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from liftos_pipeline.errors import WarehouseError
from liftos_pipeline.schema import SCHEMA_VERSION, TABLES
from liftos_pipeline.warehouse import Warehouse


def created(home: Path, mode: str = "simulated") -> Warehouse:
    warehouse = Warehouse(home, mode)
    with warehouse.write():
        pass
    return warehouse


def test_first_opening_creates_every_table_of_the_schema(tmp_path: Path) -> None:
    with created(tmp_path).read() as connection:
        rows = connection.execute(
            "SELECT table_schema || '.' || table_name, list(column_name ORDER BY ordinal_position) "
            "FROM information_schema.columns GROUP BY 1"
        ).fetchall()
        zone = connection.execute("SELECT current_setting('TimeZone')").fetchall()
    assert dict(rows) == {name: [column.name for column in table.columns] for name, table in TABLES.items()}
    assert zone == [("UTC",)]


def test_a_home_from_before_a_table_gets_it_and_keeps_the_rest(tmp_path: Path) -> None:
    with created(tmp_path).write() as connection:
        before = connection.execute("SELECT * FROM ops.home").fetchall()
        connection.execute("DROP TABLE raw.meta_ad_studies")
    with Warehouse(tmp_path, "simulated").read() as connection:
        assert connection.execute("SELECT count(*) FROM raw.meta_ad_studies").fetchall() == [(0,)]
        assert connection.execute("SELECT * FROM ops.home").fetchall() == before


def test_reader_cannot_write(tmp_path: Path) -> None:
    with created(tmp_path).read() as connection, pytest.raises(Exception, match="read-only"):
        connection.execute("DELETE FROM ops.home")


def test_newer_warehouse_is_refused_and_left_alone(tmp_path: Path) -> None:
    warehouse = created(tmp_path)
    with warehouse.write() as connection:
        connection.execute("UPDATE ops.home SET schema_version = schema_version + 1")
    before = warehouse.working_file.read_bytes()
    words = rf"version {SCHEMA_VERSION} or older; found version {SCHEMA_VERSION + 1}. Update liftos-pipeline"
    for opening in ("read", "write"):
        with pytest.raises(WarehouseError, match=words), getattr(Warehouse(tmp_path, "simulated"), opening)():
            pass
    assert warehouse.working_file.read_bytes() == before


def test_an_older_warehouse_gets_what_it_lacks_and_keeps_its_rows(tmp_path: Path) -> None:
    warehouse = created(tmp_path)
    with warehouse.write() as connection:
        connection.execute("DROP TABLE causal.effect_history")
        connection.execute("ALTER TABLE causal.external_factors DROP COLUMN overdue_after")
        connection.execute(
            "INSERT INTO causal.external_factors BY NAME SELECT DATE '2026-02-01' AS as_of, 'unrate' AS factor, "
            "'UNRATE' AS series_id, 'percent' AS unit, false AS is_stale, 'r' AS run_id, '0' AS code_version, 0 AS seed, "
            "'simulated' AS source_mode"
        )
        connection.execute("UPDATE ops.home SET schema_version = 1")
    with Warehouse(tmp_path, "simulated").read() as connection:
        assert connection.execute("SELECT factor, overdue_after FROM causal.external_factors").fetchall() == [
            ("unrate", None)
        ]
        assert connection.execute("SELECT count(*) FROM causal.effect_history").fetchall() == [(0,)]
        assert connection.execute("SELECT schema_version FROM ops.home").fetchall() == [(SCHEMA_VERSION,)]


@pytest.mark.parametrize(("first", "second"), [("simulated", "live"), ("live", "simulated")])
def test_home_of_the_other_mode_is_refused(tmp_path: Path, first: str, second: str) -> None:
    created(tmp_path, first)
    words = rf"expected a {second} home; found .*, which holds {first} data. Set LIFTOS_HOME"
    for opening in ("read", "write"):
        with pytest.raises(WarehouseError, match=words), getattr(Warehouse(tmp_path, second), opening)():
            pass


def test_damaged_file_is_named(tmp_path: Path) -> None:
    warehouse = created(tmp_path)
    warehouse.working_file.write_bytes(b"no database " * 1000)
    with pytest.raises(WarehouseError, match=r"opens at .*liftos\.duckdb.*restore it"), warehouse.write():
        pass


def test_lock_is_free_after_a_failure_inside(tmp_path: Path) -> None:
    warehouse = created(tmp_path)
    with pytest.raises(ZeroDivisionError), warehouse.write():
        _ = 1 / 0
    with warehouse.write() as connection:
        assert connection.execute("SELECT source_mode FROM ops.home").fetchall() == [("simulated",)]


def test_a_load_that_closes_does_not_write_full_row_groups_again(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path, "simulated")
    for first in (0, 40_000):
        with warehouse.write() as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS main.probe (number BIGINT)")
            connection.execute(f"INSERT INTO main.probe SELECT range + {first} FROM range(40_000)")
    with warehouse.read() as connection:
        groups = connection.execute(
            "SELECT sum(count)::INTEGER FROM pragma_storage_info('main.probe') WHERE segment_type <> 'VALIDITY' "
            "GROUP BY row_group_id ORDER BY row_group_id"
        ).fetchall()
    assert groups == [(36_864,), (36_864,), (80_000 - 2 * 36_864,)]


_CUT = 0.2
"""DuckDB cuts what it tells to one digit, twice here."""


def test_a_database_takes_a_quarter_of_its_own_choice_of_memory_however_many_are_open(tmp_path: Path) -> None:
    """By itself DuckDB takes four fifths; from 5 GiB on a quarter of that is more than 1 GiB."""
    warehouse = Warehouse(tmp_path, "simulated")
    with warehouse.write():
        pass
    query = "SELECT current_setting('memory_limit')"
    with warehouse.read() as one, warehouse.read() as other:
        limits = {connection.execute(query).fetchone() for connection in (one, other)}
    with duckdb.connect() as connection:
        own = connection.execute(query).fetchone()
    ((limit,),), (most,) = limits, own or ("",)
    gib = float(str(limit).removesuffix(" GiB"))
    assert gib == pytest.approx(
        max(float(str(most).removesuffix(" GiB")) / 4, 1.0), abs=0.2
    )  # DuckDB cuts what it tells to one digit
