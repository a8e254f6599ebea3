"""Result partitions: one transaction each (delete, insert, receipt), several under one lock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

import duckdb
import pandas as pd
import pyarrow as pa

from liftos_pipeline.errors import LiftosError
from liftos_pipeline.schema import Table
from liftos_pipeline.schema.results import EFFECT_ESTIMATES, EFFECT_HISTORY, TREATMENTS, TREATMENTS_REPLACED
from liftos_pipeline.warehouse.ledger import vintage_of
from liftos_pipeline.warehouse.store import Warehouse


def replace_partitions(
    warehouse: Warehouse, table: Table, partitions: Mapping[date, pd.DataFrame], run_id: str
) -> dict[date, int]:
    """Replace the partitions of a result table.

    Parameters
    ----------
    partitions : mapping of as-of day to DataFrame
        Rows without ``as_of``; an empty frame is an empty result and gets its receipt.

    Returns
    -------
    dict
        Rows written by as-of day.

    Raises
    ------
    LiftosError
        Columns are missing or unexpected, or a key occurs twice.
    """
    prepared = {as_of: _typed(table, as_of, rows) for as_of, rows in partitions.items()}
    with warehouse.write() as connection:
        for as_of, rows in sorted(prepared.items()):
            _replace(connection, table, as_of, rows, run_id)
    return {as_of: len(rows) for as_of, rows in prepared.items()}


def replace_table(warehouse: Warehouse, table: Table, rows: pd.DataFrame) -> int:
    """Replace a whole table that has no partitions, with its columns."""
    typed = _arrow(table, rows)
    with warehouse.write() as connection:
        connection.execute("BEGIN")
        connection.execute(f"DROP TABLE IF EXISTS {table.full_name}")
        connection.execute(table.ddl())
        _insert(connection, table, typed)
        connection.execute("COMMIT")
    return len(typed)


def _typed(table: Table, as_of: date, rows: pd.DataFrame) -> pa.Table:
    if len(rows) == 0:
        return table.arrow().empty_table()
    framed = rows.assign(as_of=as_of)
    doubled = framed.duplicated(list(table.key))
    if doubled.any():
        first = framed.loc[doubled, list(table.key)].iloc[0].to_dict()
        raise LiftosError(
            f"one row per {', '.join(table.key)} in {table.full_name}",
            f"{int(doubled.sum())} more, the first {first}",
            "This is a fault of the stage that made the rows; report it.",
        )
    return _arrow(table, framed)


def _arrow(table: Table, rows: pd.DataFrame) -> pa.Table:
    schema = table.arrow()
    missing = sorted(set(schema.names) - set(rows.columns))
    unexpected = sorted(set(rows.columns) - set(schema.names))
    if missing or unexpected:
        raise LiftosError(
            f"the columns of {table.full_name}",
            f"missing {missing or 'none'}, unexpected {unexpected or 'none'}",
            "This is a fault of the stage that made the rows; report it.",
        )
    ordered = rows[schema.names].sort_values(list(table.key), kind="stable")
    return pa.Table.from_pandas(ordered, schema=schema, preserve_index=False)


def _replace(
    connection: duckdb.DuckDBPyConnection, table: Table, as_of: date, rows: pa.Table, run_id: str
) -> None:
    connection.execute("BEGIN")
    if table is TREATMENTS:
        _keep_replaced(connection, as_of, run_id)
    connection.execute(f"DELETE FROM {table.full_name} WHERE as_of = ?", [as_of])
    _insert(connection, table, rows)
    if table is EFFECT_ESTIMATES:
        _keep_effects(connection, as_of, run_id)
    connection.execute(
        "DELETE FROM ops.result_receipt WHERE table_name = ? AND as_of = ?", [table.full_name, as_of]
    )
    connection.execute(
        "INSERT INTO ops.result_receipt VALUES (?, ?, ?, ?, ?)",
        [table.full_name, as_of, len(rows), run_id, datetime.now(UTC).replace(tzinfo=None)],
    )
    connection.execute("COMMIT")


def _keep_replaced(connection: duckdb.DuckDBPyConnection, as_of: date, run_id: str) -> None:
    """Treatments of other runs stay readable: later days remembered them."""
    connection.execute(
        f"INSERT INTO {TREATMENTS_REPLACED.full_name} BY NAME "
        f"SELECT * FROM {TREATMENTS.full_name} t WHERE as_of = ? AND run_id <> ? AND NOT EXISTS ("
        f"FROM {TREATMENTS_REPLACED.full_name} r WHERE r.as_of = t.as_of AND r.run_id = t.run_id)",
        [as_of, run_id],
    )


def _keep_effects(connection: duckdb.DuckDBPyConnection, as_of: date, run_id: str) -> None:
    """The effects that a run gave stay, whatever later runs of the same day give."""
    names = [column.name for column in EFFECT_HISTORY.columns if column in EFFECT_ESTIMATES.columns]
    connection.execute(f"DELETE FROM {EFFECT_HISTORY.full_name} WHERE run_id = ? AND as_of = ?", [run_id, as_of])
    connection.execute(
        f"INSERT INTO {EFFECT_HISTORY.full_name} BY NAME SELECT {', '.join(names)}, $vintage AS vintage, "
        f"$now AS finished_at FROM {EFFECT_ESTIMATES.full_name} WHERE as_of = $as_of ORDER BY ALL",
        {
            "vintage": vintage_of(connection, as_of),
            "now": datetime.now(UTC).replace(tzinfo=None),
            "as_of": as_of,
        },
    )


def _insert(connection: duckdb.DuckDBPyConnection, table: Table, rows: pa.Table) -> None:
    connection.register("result_rows", rows)
    connection.execute(f"INSERT INTO {table.full_name} BY NAME SELECT * FROM result_rows")
    connection.unregister("result_rows")
