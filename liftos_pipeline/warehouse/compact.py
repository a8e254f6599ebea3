"""Writes the working file anew, so that nothing of deleted rows stays in its free blocks."""

from __future__ import annotations

import os

from liftos_pipeline.warehouse.store import STORAGE_VERSION, Warehouse


def compact(warehouse: Warehouse) -> None:
    """Copy all that stands into a new file, sync, rename. A kill at any moment leaves the old file or the new.

    Raises
    ------
    WarehouseError
        The disk is full.
    """
    fresh = warehouse.working_file.with_name(".compact.duckdb")
    path = str(fresh).replace("'", "''")
    with warehouse.write() as connection:
        for stale in (fresh, fresh.with_name(fresh.name + ".wal")):
            stale.unlink(missing_ok=True)
        current = connection.execute("SELECT current_database()").fetchall()[0][0]
        connection.execute(f"ATTACH '{path}' AS fresh (STORAGE_VERSION '{STORAGE_VERSION}')")
        connection.execute(f'COPY FROM DATABASE "{current}" TO fresh')
        connection.execute("CHECKPOINT fresh")
        connection.execute("DETACH fresh")
        connection.execute("CHECKPOINT")
        connection.close()
        descriptor = os.open(fresh, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        fresh.replace(warehouse.working_file)
