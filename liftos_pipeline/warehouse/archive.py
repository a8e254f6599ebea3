"""Bodies of pulled pages, byte for byte, by their hash. An append-only SQLite file beside the warehouse."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from liftos_pipeline.schema import Page
from liftos_pipeline.warehouse.disk import room_on_disk


def keep_bodies(path: Path, pages: Iterable[Page]) -> None:
    """Store the bodies that are not there yet. A page without a body leaves no trace here.

    Raises
    ------
    WarehouseError
        The disk is full.
    """
    rows = [(page.sha256, page.body) for page in pages if page.body is not None]
    if not rows:
        return
    with room_on_disk(path.parent), closing(_connect(path)) as connection, connection:
        connection.executemany("INSERT OR IGNORE INTO page_body (sha256, body) VALUES (?, ?)", rows)


def read_body(path: Path, sha256: str) -> bytes | None:
    """Body of one page; None if it was never kept."""
    with closing(_connect(path)) as connection:
        row = connection.execute("SELECT body FROM page_body WHERE sha256 = ?", (sha256,)).fetchone()
    return None if row is None else bytes(row[0])


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=60)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE IF NOT EXISTS page_body (sha256 TEXT PRIMARY KEY, body BLOB NOT NULL)")
    return connection
