"""Bodies of pulled pages, byte for byte, by their hash. A SQLite file beside the warehouse, to which is only
added; bodies leave it only when a person is erased."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
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


class Archivist:
    """Stores bodies beside what the caller does. At most one batch is being stored: the next one waits for it.

    Parameters
    ----------
    path : Path
        The archive.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = ThreadPoolExecutor(1, "archive")
        self._last: Future[None] | None = None

    def keep(self, pages: Iterable[Page]) -> None:
        """Store bodies soon.

        Raises
        ------
        WarehouseError
            Bodies of an earlier call could not be stored: the disk is full.
        """
        self.settle()
        self._last = self._writer.submit(keep_bodies, self._path, tuple(pages))

    def settle(self) -> None:
        """Return once everything that was handed over is stored.

        Raises
        ------
        WarehouseError
            It could not be: the disk is full. Everything later is refused too.
        """
        if self._last is not None:
            self._last.result()

    def close(self) -> None:
        """Wait for the last batch; ``settle`` says whether it was stored."""
        self._writer.shutdown()


def read_body(path: Path, sha256: str) -> bytes | None:
    """Body of one page; None if it was never kept."""
    with closing(_connect(path)) as connection:
        row = connection.execute("SELECT body FROM page_body WHERE sha256 = ?", (sha256,)).fetchone()
    return None if row is None else bytes(row[0])


def bodies_where(path: Path, is_wanted: Callable[[bytes], bool]) -> Iterator[tuple[str, bytes]]:
    """Hash and body of the pages that are wanted; nothing where there is no archive yet."""
    if not path.exists():
        return
    with closing(_connect(path)) as connection:
        for sha256, body in connection.execute("SELECT sha256, body FROM page_body ORDER BY sha256"):
            if is_wanted(body):
                yield sha256, body


def keep_body(path: Path, body: bytes) -> str:
    """Store one body that came about here; its hash."""
    sha256 = hashlib.sha256(body).hexdigest()
    with room_on_disk(path.parent), closing(_connect(path)) as connection, connection:
        connection.execute("INSERT OR IGNORE INTO page_body (sha256, body) VALUES (?, ?)", (sha256, body))
    return sha256


def drop_bodies(path: Path, hashes: Iterable[str]) -> int:
    """Delete bodies and write the file anew: nothing of them stays in it, nor in its log. How many there were.

    Raises
    ------
    WarehouseError
        The disk is full.
    """
    if not path.exists():
        return 0
    with room_on_disk(path.parent), closing(_connect(path)) as connection:
        connection.execute("PRAGMA secure_delete = ON")
        with connection:
            deleted = connection.executemany(
                "DELETE FROM page_body WHERE sha256 = ?", [(sha256,) for sha256 in hashes]
            ).rowcount
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return max(deleted, 0)


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=60)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE IF NOT EXISTS page_body (sha256 TEXT PRIMARY KEY, body BLOB NOT NULL)")
    return connection
