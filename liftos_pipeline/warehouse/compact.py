"""Writes the working file anew, so that nothing of deleted rows stays in its free blocks."""

from __future__ import annotations

import os

from liftos_pipeline.warehouse.lake import NAME
from liftos_pipeline.warehouse.publish import copy_database
from liftos_pipeline.warehouse.store import Warehouse

_LAKE_STEPS = (
    f"CALL ducklake_flush_inlined_data('{NAME}')",
    f"CALL ducklake_rewrite_data_files('{NAME}', delete_threshold => 0)",
    f"CALL ducklake_merge_adjacent_files('{NAME}')",
    f"CALL ducklake_expire_snapshots('{NAME}', older_than => now()::TIMESTAMPTZ)",
    f"CALL ducklake_cleanup_old_files('{NAME}', cleanup_all => true)",
)
"""A lake keeps what was deleted for its old snapshots: files are written anew, old snapshots and their files dropped."""


def compact(warehouse: Warehouse) -> None:
    """Copy all that stands into a new file, sync, rename. A kill at any moment leaves the old file or the new.

    Raises
    ------
    WarehouseError
        The disk is full.
    """
    fresh = warehouse.working_file.with_name(".compact.duckdb")
    if warehouse.lake is not None:
        with warehouse.write() as connection:
            for step in _LAKE_STEPS:
                connection.execute(step)
        return
    with warehouse.write() as connection:
        for stale in (fresh, fresh.with_name(fresh.name + ".wal")):
            stale.unlink(missing_ok=True)
        copy_database(connection, fresh)
        connection.execute("CHECKPOINT")
        connection.close()
        descriptor = os.open(fresh, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        fresh.replace(warehouse.working_file)
