"""Reads the needed columns of a Parquet file or a DuckDB table into Arrow. No statistics, no roles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from liftos_pipeline.errors import LiftosError

if TYPE_CHECKING:
    import pyarrow as pa


def read_parquet(path: str | Path, names: Sequence[str]) -> pa.Table:
    """The named columns of a Parquet file or folder.

    Raises
    ------
    LiftosError
        No such file, no Parquet, or no such column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    require_existing(path)
    try:
        present = pq.ParquetDataset(path).schema.names
    except (pa.ArrowInvalid, OSError) as error:
        raise LiftosError("a Parquet file", f"{path}: {error}", "Check the path and the format.") from error
    require_columns(str(path), names, present)
    return pq.read_table(path, columns=list(dict.fromkeys(names)))


def read_duckdb(path: str | Path, table: str, names: Sequence[str]) -> pa.Table:
    """The named columns of ``table`` or ``schema.table``; the database is opened read-only.

    Raises
    ------
    LiftosError
        No such database, table or column.
    """
    import duckdb

    require_existing(path)
    source = ".".join(quoted(part) for part in table.split("."))
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            present = [row[0] for row in connection.execute(f"describe {source}").fetchall()]
            require_columns(table, names, present)
            listed = ", ".join(quoted(name) for name in dict.fromkeys(names))
            return connection.sql(f"select {listed} from {source}").to_arrow_table()
    except duckdb.Error as error:
        first_line = str(error).splitlines()[0]
        raise LiftosError(
            f"a readable table {table} in {path}", first_line, "Check the database and the table name."
        ) from error


def require_existing(path: str | Path) -> None:
    """Refuse a path where nothing is."""
    if not Path(path).exists():
        raise LiftosError("a file that exists", str(path), "Check the path.")


def require_columns(source: str, names: Sequence[str], present: Sequence[str]) -> None:
    """Refuse names that the source does not have."""
    missing = [name for name in names if name not in present]
    if missing:
        raise LiftosError(
            f"the columns {', '.join(names)} in {source}",
            f"no {', '.join(missing)} among {', '.join(present)}",
            "Name columns that the table has.",
        )


def quoted(name: str) -> str:
    """A name as SQL reads it, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'
