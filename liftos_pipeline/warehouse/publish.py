"""Publishes the working file as ``liftos.duckdb`` in the home. Readers keep the copy that they opened."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import duckdb

from liftos_pipeline.warehouse.disk import room_on_disk
from liftos_pipeline.warehouse.lake import NAME
from liftos_pipeline.warehouse.locks import file_lock
from liftos_pipeline.warehouse.store import STORAGE_VERSION, Warehouse
from liftos_pipeline.warehouse.views import make_views

_LAKE_STEPS = (
    f"CALL ducklake_merge_adjacent_files('{NAME}')",
    f"CALL ducklake_expire_snapshots('{NAME}', older_than => now() - INTERVAL 1 DAY)",
    f"CALL ducklake_cleanup_old_files('{NAME}', older_than => now() - INTERVAL 1 DAY)",
)
"""Every transaction adds files; merged ones stay a day for readers that began before."""


def publish(warehouse: Warehouse) -> int:
    """Copy, sync, rename. Returns the size in bytes. A kill at any moment leaves the old public file or the new.

    Raises
    ------
    WarehouseError
        The disk is full.
    """
    target = warehouse.public_file
    with warehouse.write() as connection:
        make_views(connection)
        for step in ("CHECKPOINT",) if warehouse.lake is None else _LAKE_STEPS:
            connection.execute(step)
    if warehouse.lake is not None:
        return _publish_lake(warehouse, target)
    with file_lock(warehouse.folder, exclusive=True), room_on_disk(warehouse.home):
        name = _fresh(target)
        shutil.copyfile(warehouse.working_file, name)
        _swap(name, target)
    return target.stat().st_size


def _publish_lake(warehouse: Warehouse, target: Path) -> int:
    """Write all that the lake holds into a file of this home: one snapshot, while others go on writing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(warehouse.folder, exclusive=True), room_on_disk(warehouse.home):
        name = _fresh(target)
        name.unlink()
        with warehouse.read() as connection:
            copy_database(connection, name)
        _swap(name, target)
    return target.stat().st_size


def copy_database(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Copy tables, views and macros of the current database into a new file."""
    path = str(file).replace("'", "''")
    current = connection.execute("SELECT current_database()").fetchall()[0][0]
    connection.execute(f"ATTACH '{path}' AS fresh (STORAGE_VERSION '{STORAGE_VERSION}')")
    connection.execute(f'COPY FROM DATABASE "{current}" TO fresh')
    connection.execute("CHECKPOINT fresh")
    connection.execute("DETACH fresh")


def _fresh(target: Path) -> Path:
    for stale in target.parent.glob(".publish-*.duckdb"):
        stale.unlink()
    descriptor, name = tempfile.mkstemp(prefix=".publish-", suffix=".duckdb", dir=target.parent)
    os.close(descriptor)
    return Path(name)


def _swap(fresh: Path, target: Path) -> None:
    _sync(fresh)
    fresh.replace(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
