"""Opens a DuckDB table or a Parquet file as ``Rows``, with its index, without holding its rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from liftos_pipeline.causal.engines.opening import Named, open_rows
from liftos_pipeline.causal.engines.reading import quoted, require_existing
from liftos_pipeline.causal.engines.tables import TableRows, row_ranges
from liftos_pipeline.causal.index import Index
from liftos_pipeline.errors import LiftosError

if TYPE_CHECKING:
    import duckdb

_THREADS = 2
_DENSE_KEY_BITS = 18
"""Whole numbers of a range up to this many bits are grouped in an array, without hashing."""


def open_duckdb(path: str | Path, table: str, named: Named) -> tuple[TableRows, Index]:
    """Rows and index of ``table`` or ``schema.table``; the database is opened read-only.

    Raises
    ------
    LiftosError
        No such database, table or column; a column of the wrong type; a key that is missing.
    """
    import duckdb

    require_existing(path)
    name = ".".join(quoted(part) for part in table.split("."))
    try:
        connection = duckdb.connect(str(path), read_only=True)
        return _open(connection, name, table, named)
    except duckdb.Error as error:
        raise LiftosError(
            f"a readable table {table} in {path}",
            str(error).splitlines()[0],
            "Check the database and the table name.",
        ) from error


def open_parquet(path: str | Path, named: Named) -> tuple[TableRows, Index]:
    """Rows and index of a Parquet file or folder. Raises as :func:`open_duckdb`."""
    import duckdb

    require_existing(path)
    place = str(path) if Path(path).is_file() else str(Path(path) / "**" / "*.parquet")
    try:
        connection = duckdb.connect()
        return _open(connection, f"read_parquet('{place.replace(chr(39), chr(39) * 2)}')", str(path), named)
    except duckdb.Error as error:
        raise LiftosError("a Parquet file", f"{path}: {error}", "Check the path and the format.") from error


def _open(connection: duckdb.DuckDBPyConnection, source: str, shown: str, named: Named) -> tuple[TableRows, Index]:
    connection.execute(f"SET threads = {_THREADS}; SET perfect_ht_threshold = {_DENSE_KEY_BITS}")
    types = {row[0]: row[1].split("(")[0] for row in connection.execute(f"DESCRIBE FROM {source}").fetchall()}
    splits = _splits(connection, source)
    return open_rows(
        source, shown, types, named, lambda relation, columns: TableRows(connection, relation, columns, splits)
    )


def _splits(connection: duckdb.DuckDBPyConnection, source: str) -> list[str]:
    """One range of rows per worker where the rows are numbered; a view or a Parquet file is one stream."""
    import duckdb

    try:
        last = connection.execute(f"SELECT max(rowid) FROM {source}").fetchall()[0][0]
    except duckdb.BinderException:
        return ["true"]
    return row_ranges(int(last))
