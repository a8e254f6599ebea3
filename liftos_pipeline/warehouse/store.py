"""The working file: opening it under the lock, its tables, its identity. Loading and publishing stand beside it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from liftos_pipeline.errors import WarehouseError
from liftos_pipeline.schema import SCHEMA_VERSION, TABLES
from liftos_pipeline.settings import Settings
from liftos_pipeline.warehouse.disk import memory_limit, room_on_disk
from liftos_pipeline.warehouse.lake import Lake, lake_of
from liftos_pipeline.warehouse.locks import file_lock

STORAGE_VERSION = "v1.2.0"
"""Oldest DuckDB that can read our files."""

_ROW_GROUP_ROWS = 36_864
"""Closing writes the last row group anew: with DuckDB's own size a load of tens of thousands of rows writes about three
times what it brought, and holds that in memory."""
_OPEN_SECONDS = 30.0
_OPEN_PAUSE_S = 0.2


class Warehouse:
    """One home's warehouse.

    Parameters
    ----------
    home : Path
        Folder of the installation.
    source_mode : {"live", "simulated"}
        What the home is filled with; a home never changes it.
    lake : Lake, optional
        Where the tables lie that several machines share; the home's own working file by default.
    """

    def __init__(self, home: Path, source_mode: str, lake: Lake | None = None) -> None:
        self.home = home
        self.source_mode = source_mode
        self.lake = lake
        self.folder = home / "warehouse"
        self.working_file = self.folder / "liftos.duckdb"
        self.public_file = home / "liftos.duckdb"
        self.archive_file = home / "archive" / "pages.sqlite"
        self._is_checked = False

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Exclusive connection to the working file. Keep computing out of it.

        Raises
        ------
        WarehouseError
            The file cannot be opened, is of a newer version, or belongs to a home of the other mode; or the disk is
            full, and nothing of the open transaction was written.
        """
        with self.lock(), room_on_disk(self.home):
            connection = self._open(read_only=False)
            try:
                self._check(connection)
                yield connection
            finally:
                connection.close()

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Read-only connection to the working file, beside other readers."""
        if not self._is_checked or self._log_file.exists():
            with self.write():
                pass
        if self.lake is not None:
            connection = self._open(read_only=True)
            try:
                yield connection
            finally:
                connection.close()
            return
        with file_lock(self.folder, exclusive=False):
            connection = self._open(read_only=True)
            try:
                yield connection
            finally:
                connection.close()

    def lock(self) -> AbstractContextManager[object]:
        """The writers' lock: one writer at a time."""
        return file_lock(self.folder, exclusive=True) if self.lake is None else self.lake.lock()

    @property
    def is_there(self) -> bool:
        """Whether anything was ever written here; that a lake answers says so of it."""
        return self.lake is not None or self.working_file.exists()

    @property
    def _log_file(self) -> Path:
        return self.working_file.with_name(self.working_file.name + ".wal")

    def _open(self, read_only: bool) -> duckdb.DuckDBPyConnection:
        if self.lake is not None:
            connection = self.lake.connect(f"{self.working_file}.tmp", read_only)
            return _configured(connection)
        deadline = time.monotonic() + _OPEN_SECONDS
        while True:
            try:
                connection = (
                    duckdb.connect(str(self.working_file), read_only=True)
                    if read_only
                    else _for_writing(self.working_file)
                )
            except duckdb.IOException as error:
                if "could not set lock" not in str(error).lower() or time.monotonic() > deadline:
                    raise self._unreadable(error) from error
                time.sleep(_OPEN_PAUSE_S)
            except duckdb.Error as error:
                raise self._unreadable(error) from error
            else:
                return _configured(connection)

    def _unreadable(self, error: duckdb.Error) -> WarehouseError:
        return WarehouseError(
            f"a warehouse that opens at {self.working_file}",
            str(error).splitlines()[0],
            "Close other programs that hold this file; read liftos.duckdb in the home instead. "
            "If it is damaged, restore it from a copy.",
        )

    def _check(self, connection: duckdb.DuckDBPyConnection) -> None:
        if self._is_checked:
            return
        known = connection.execute(
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'ops' AND table_name = 'home'"
        ).fetchone()
        if known == (0,):
            self._create(connection)
        version, mode = connection.execute("SELECT schema_version, source_mode FROM ops.home").fetchall()[0]
        if version > SCHEMA_VERSION:
            raise WarehouseError(
                f"a warehouse of version {SCHEMA_VERSION} or older",
                f"version {version}",
                "Update liftos-pipeline, or restore a back-up of before: liftos restore.",
            )
        if version < SCHEMA_VERSION:
            self._update(connection)
        if mode != self.source_mode:
            raise WarehouseError(
                f"a {self.source_mode} home",
                f"{self.home}, which holds {mode} data",
                "Set LIFTOS_HOME to another folder: live and simulated data are never mixed.",
            )
        self._update(connection)
        self._is_checked = True

    def _update(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Bring a home of an older version up to date. Nothing is dropped; a new column is NULL in old rows."""
        query = "SELECT schema_name || '.' || table_name, column_name, is_nullable FROM duckdb_columns()"
        known = {(table, column): nullable for table, column, nullable in connection.execute(query).fetchall()}
        tables = {table for table, _ in known}
        changes = [table.ddl() for name, table in TABLES.items() if name not in tables]
        for name, table in TABLES.items():
            for column in table.columns if name in tables else ():
                if (name, column.name) not in known:
                    changes.append(f"ALTER TABLE {name} ADD COLUMN {column.name} {column.type}")
                elif column.nullable and not known[name, column.name]:
                    changes.append(f"ALTER TABLE {name} ALTER COLUMN {column.name} DROP NOT NULL")
        if changes:
            connection.execute("BEGIN")
            for schema in sorted({table.schema for table in TABLES.values()}):
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            for change in changes:
                connection.execute(change)
            connection.execute("UPDATE ops.home SET schema_version = ?", [SCHEMA_VERSION])
            connection.execute("COMMIT")

    def _create(self, connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("BEGIN")
        for schema in sorted({table.schema for table in TABLES.values()} | {"staging", "intermediate", "mart"}):
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        for table in TABLES.values():
            connection.execute(table.ddl())
        connection.execute(
            "INSERT INTO ops.home VALUES (?, ?, ?)",
            [SCHEMA_VERSION, self.source_mode, datetime.now(UTC).replace(tzinfo=None)],
        )
        connection.execute("COMMIT")


def warehouse_of(settings: Settings) -> Warehouse:
    """The warehouse of the home that the settings name.

    Raises
    ------
    LiftosError
        ``LIFTOS_WAREHOUSE`` names no lake.
    """
    if settings.liftos_warehouse is None:
        return Warehouse(settings.home, settings.source_mode)
    data = settings.liftos_warehouse_data or str(settings.home / "warehouse" / "data")
    return Warehouse(
        settings.home, settings.source_mode, lake_of(settings.liftos_warehouse.get_secret_value(), data)
    )


def _configured(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"SET memory_limit = '{memory_limit()}'")
    return connection


def _for_writing(file: Path) -> duckdb.DuckDBPyConnection:
    """A file is attached, not opened: the size of row groups is an option of attaching only."""
    connection = duckdb.connect(config={"temp_directory": f"{file}.tmp"})
    path = str(file).replace("'", "''")
    try:
        connection.execute(
            f"ATTACH '{path}' AS {file.stem} "
            f"(ROW_GROUP_SIZE {_ROW_GROUP_ROWS}, STORAGE_VERSION '{STORAGE_VERSION}')"
        )
        connection.execute(f"USE {file.stem}")
    except duckdb.Error:
        connection.close()
        raise
    return connection
