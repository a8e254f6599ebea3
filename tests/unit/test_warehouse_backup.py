"""A home goes to another place and comes back: beside a writer, checked, and never over data."""

from __future__ import annotations

import json
import sqlite3
import threading
from pathlib import Path

import pytest

from liftos_pipeline.errors import LiftosError, WarehouseError
from liftos_pipeline.schema import SCHEMA_VERSION
from liftos_pipeline.warehouse import Warehouse
from liftos_pipeline.warehouse.archive import keep_body, read_body
from liftos_pipeline.warehouse.backup import MANIFEST, back_up, restore
from liftos_pipeline.warehouse.lake import Lake


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """A home with one page and one run's file."""
    home = Warehouse(tmp_path / "home", "simulated")
    with home.write() as connection:
        connection.execute("CREATE TABLE main.probe AS SELECT range AS number FROM range(1000)")
    keep_body(home.archive_file, b"a page")
    runs = home.home / "dagster" / "history" / "runs.db"
    runs.parent.mkdir(parents=True)
    with sqlite3.connect(runs) as connection:
        connection.execute("CREATE TABLE runs AS SELECT 1 AS run")
    (home.home / "hash.key").write_bytes(b"key")
    (home.home / "hash.key").chmod(0o600)
    (home.home / "liftos.toml").write_text("META_ACCESS_TOKEN = 'secret'")
    return home


def total(home: Path) -> int:
    with Warehouse(home, "simulated").read() as connection:
        return connection.execute("SELECT sum(number)::BIGINT FROM main.probe").fetchall()[0][0]


def test_what_is_restored_is_what_was_there(warehouse: Warehouse, tmp_path: Path) -> None:
    done = back_up(warehouse, tmp_path / "copy")
    new = tmp_path / "new"
    assert restore(done.folder, new).made_at == done.made_at
    assert total(new) == total(warehouse.home) == 499_500
    (sha256,) = [row[0] for row in sqlite3.connect(warehouse.archive_file).execute("SELECT sha256 FROM page_body")]
    assert read_body(new / "archive" / "pages.sqlite", sha256) == b"a page"
    assert sqlite3.connect(new / "dagster" / "history" / "runs.db").execute("SELECT run FROM runs").fetchall() == [
        (1,)
    ]
    assert ((new / "hash.key").read_bytes(), (new / "hash.key").stat().st_mode & 0o777) == (b"key", 0o600)
    assert not any("liftos.toml" in path.name for path in [*done.folder.rglob("*"), *new.rglob("*")])


def test_it_waits_for_a_writer_and_has_all_that_it_wrote(warehouse: Warehouse, tmp_path: Path) -> None:
    with warehouse.write() as connection:
        beside = threading.Thread(target=back_up, args=(Warehouse(warehouse.home, "simulated"), tmp_path / "copy"))
        beside.start()
        beside.join(timeout=0.5)
        assert beside.is_alive()
        connection.execute("INSERT INTO main.probe VALUES (1000)")
    beside.join(timeout=30)
    restore(tmp_path / "copy", tmp_path / "new")
    assert total(tmp_path / "new") == 500_500


def test_a_damaged_file_is_named_and_nothing_is_restored(warehouse: Warehouse, tmp_path: Path) -> None:
    copy = back_up(warehouse, tmp_path / "copy").folder
    file = copy / "warehouse" / "liftos.duckdb"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(
        WarehouseError, match=r"every file as it was backed up; found others: warehouse/liftos\.duckdb"
    ):
        restore(copy, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_restore_that_was_broken_off_is_completed(warehouse: Warehouse, tmp_path: Path) -> None:
    copy, new = back_up(warehouse, tmp_path / "copy").folder, tmp_path / "new"
    (new / "archive").mkdir(parents=True)
    (new / "archive" / "pages.sqlite").write_bytes(b"half of it")
    restore(copy, new)
    assert total(new) == 499_500
    with pytest.raises(LiftosError, match="expected a home without data; found some in"):
        restore(copy, new)


def test_wrong_calls(warehouse: Warehouse, tmp_path: Path) -> None:
    copy = back_up(warehouse, tmp_path / "copy").folder
    with pytest.raises(LiftosError, match="expected a folder that is not there yet"):
        back_up(warehouse, copy)
    with pytest.raises(LiftosError, match="expected a home with data"):
        back_up(Warehouse(tmp_path / "empty", "simulated"), tmp_path / "other")
    with pytest.raises(LiftosError, match=r"expected a back-up with its backup\.json"):
        restore(warehouse.home, tmp_path / "new")
    manifest = json.loads((copy / MANIFEST).read_text())
    (copy / MANIFEST).write_text(json.dumps({**manifest, "schema_version": SCHEMA_VERSION + 1}))
    with pytest.raises(
        WarehouseError, match=f"version {SCHEMA_VERSION} or older; found version {SCHEMA_VERSION + 1}"
    ):
        restore(copy, tmp_path / "new")


def test_a_lake_is_backed_up_by_its_own_tools(tmp_path: Path) -> None:
    lake = Lake("postgresql://liftos:secret@127.0.0.1:5999/catalog", str(tmp_path / "data"))
    with pytest.raises(
        LiftosError, match=r"127\.0\.0\.1:5999/catalog\. Back up the catalog's database"
    ) as refused:
        back_up(Warehouse(tmp_path / "home", "simulated", lake), tmp_path / "copy")
    assert "secret" not in str(refused.value) and not (tmp_path / "copy").exists()
