"""Reads the published database: read-only, and nothing else of the machine in reach. Notices when it is published anew."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import duckdb

from liftos_pipeline.errors import NotPublished, WarehouseError

if TYPE_CHECKING:
    import pandas as pd

RUN_FIRST = "Fill the home with `liftos demo` or `liftos run`; both publish what they made. LIFTOS_HOME names another home."
_HOME = "liftos"
"""Name under which the published file is attached: that of its own views, which name their database."""


class PublicDatabase:
    """The published file of one home, for any number of threads.

    The file is replaced by a rename whenever something is published. A reader keeps the file that it began with, the next
    one gets the newest.

    Parameters
    ----------
    path : Path
        ``liftos.duckdb`` of the home; it need not be there yet.
    follows : bool
        Whether later readings get what was published later. Without, all readings are of one file.
    """

    def __init__(self, path: Path, follows: bool = True) -> None:
        self._path = path
        self._follows = follows
        self._lock = Lock()
        self._opened: tuple[str, duckdb.DuckDBPyConnection] | None = None

    def version(self) -> str:
        """What tells one published file from the next.

        Raises
        ------
        NotPublished
            There is none.
        """
        try:
            found = self._path.stat()
        except OSError:
            raise NotPublished("a published database", "none in the home yet", RUN_FIRST) from None
        return f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}"

    def rows(self, query: str, parameters: Mapping[str, object] | None = None) -> list[dict[str, object]]:
        """Rows of a query over ``{home}``-qualified tables, by column name.

        Raises
        ------
        WarehouseError
            There is no published file, it cannot be opened, or it lacks what is asked for.
        """
        cursor = self._run(query, parameters)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def frame(self, query: str, parameters: Mapping[str, object] | None = None) -> pd.DataFrame:
        """The same as a table."""
        return self._run(query, parameters).df()

    def columns(self, table: str) -> dict[str, str]:
        """Columns of a table or view with their types; empty where there is no such table."""
        schema, _, name = table.partition(".")
        found = self.rows(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = $database "
            "AND schema_name = $schema AND table_name = $name ORDER BY column_index",
            {"database": _HOME, "schema": schema, "name": name},
        )
        return {str(row["column_name"]): str(row["data_type"]) for row in found}

    def newest(self, table: str) -> date | None:
        """Newest as-of day of a table; None where it has no rows."""
        day = self.rows(f"SELECT max(as_of) AS as_of FROM {{home}}.{table}")[0]["as_of"]
        return day if isinstance(day, date) else None

    def _run(self, query: str, parameters: Mapping[str, object] | None) -> duckdb.DuckDBPyConnection:
        cursor = self._connection().cursor()
        try:
            return cursor.execute(query.replace("{home}", _HOME), dict(parameters or {}))
        except duckdb.CatalogException:
            raise NotPublished(
                "a home that has this table",
                "none yet, or one of an older version",
                "`liftos run` brings the home up to date and publishes it anew.",
            ) from None

    def _connection(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._opened is not None and not self._follows:
                return self._opened[1]
            version = self.version()
            if self._opened is None or self._opened[0] != version:
                self._opened = (version, self._open())
            return self._opened[1]

    def _open(self) -> duckdb.DuckDBPyConnection:
        """An instance of its own per file: within one, a path that was opened once would go on to mean the old file."""
        connection = duckdb.connect(":memory:", config={"threads": 2, "autoinstall_known_extensions": "false"})
        path = str(self._path).replace("'", "''")
        try:
            connection.execute(f"ATTACH '{path}' AS {_HOME} (READ_ONLY)")
        except duckdb.Error as error:
            connection.close()
            raise WarehouseError(
                "a published database that opens",
                "one that does not",
                "`liftos run` publishes it anew as liftos.duckdb in the home.",
            ) from error
        for setting in ("TimeZone = 'UTC'", "enable_external_access = false", "lock_configuration = true"):
            connection.execute(f"SET {setting}")
        return connection
