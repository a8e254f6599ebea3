"""Publishes the working file as ``liftos.duckdb`` in the home. Readers keep the copy that they opened."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from liftos_pipeline.warehouse.disk import room_on_disk
from liftos_pipeline.warehouse.locks import file_lock
from liftos_pipeline.warehouse.store import Warehouse
from liftos_pipeline.warehouse.views import make_views


def publish(warehouse: Warehouse) -> int:
    """Copy, sync, rename. Returns the size in bytes. A kill at any moment leaves the old public file or the new.

    Raises
    ------
    WarehouseError
        The disk is full.
    """
    with warehouse.write() as connection:
        make_views(connection)
        connection.execute("CHECKPOINT")
    target = warehouse.public_file
    with file_lock(warehouse.folder, exclusive=True), room_on_disk(warehouse.home):
        for stale in target.parent.glob(".publish-*.duckdb"):
            stale.unlink()
        descriptor, name = tempfile.mkstemp(prefix=".publish-", suffix=".duckdb", dir=target.parent)
        os.close(descriptor)
        shutil.copyfile(warehouse.working_file, name)
        _sync(Path(name))
        Path(name).replace(target)
        _sync(target.parent)
    return target.stat().st_size


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
