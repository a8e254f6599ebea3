"""Room on the disk and in memory. What DuckDB, SQLite and the system make of a full disk differs; what to do does not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import duckdb

from liftos_pipeline.errors import WarehouseError

_MEMORY_SHARE = 0.25
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


@cache
def memory_limit() -> str:
    """How much memory a database may take before it spills to the disk: a quarter of DuckDB's own choice, or 1 GiB.

    That choice is four fifths of the machine, which frames and other processes need too.
    """
    with duckdb.connect() as connection:
        (told,) = connection.execute("SELECT current_setting('memory_limit')").fetchall()[0]
    value, unit = str(told).split()
    return f"{max(float(value) * _MEMORY_SHARE, 1.0):.1f} GiB" if unit == "GiB" else str(told)
