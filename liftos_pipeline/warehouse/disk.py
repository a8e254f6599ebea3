"""A full disk, said clearly. What DuckDB, SQLite and the system make of it differs; what to do about it does not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from liftos_pipeline.errors import WarehouseError

_FULL = ("no space left", "could not write file", "disk is full", "disk i/o error", "file too large")


@contextmanager
def room_on_disk(folder: Path) -> Iterator[None]:
    """Say clearly that the disk is full.

    Raises
    ------
    WarehouseError
    """
    try:
        yield
    except (duckdb.Error, sqlite3.Error, OSError) as error:
        if not any(mark in str(error).lower() for mark in _FULL):
            raise
        raise WarehouseError(
            f"room on the disk of {folder}",
            str(error).splitlines()[0],
            "Free some space, then re-run: what was committed stays, nothing of the rest was written.",
        ) from error
