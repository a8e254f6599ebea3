"""Rows that were rejected, and what platforms send beyond their documented format."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from liftos_pipeline.schema import Rejected, Window
from liftos_pipeline.schema.ops import REJECTED_ROW


def keep_quarantine(connection: duckdb.DuckDBPyConnection, windows: Sequence[Window], run_id: str) -> None:
    """What the windows had that cannot be true, and what nobody documented."""
    is_clean = connection.execute("SELECT count(*) = 0 FROM ops.rejected_row").fetchall()[0][0]
    for window in windows:
        if window.rejected or not is_clean:
            write_rejected(connection, window, window.rejected, run_id)
        for drift in window.drift:
            known = [window.source, window.stream, drift.kind, drift.name]
            at = window.observed_at
            changed = connection.execute(
                "UPDATE ops.schema_drift SET first_seen = least(first_seen, ?), last_seen = greatest(last_seen, ?) "
                "WHERE source = ? AND stream = ? AND kind = ? AND name = ? RETURNING name",
                [at, at, *known],
            ).fetchall()
            if not changed:
                connection.execute("INSERT INTO ops.schema_drift VALUES (?, ?, ?, ?, ?, ?)", [*known, at, at])


def write_rejected(
    connection: duckdb.DuckDBPyConnection, window: Window, rows: Sequence[Rejected], run_id: str
) -> None:
    """Rejected rows of one window, in place of those that an earlier pull with the same clock had."""
    where = {
        "source": window.source,
        "stream": window.stream,
        "account_id": window.account_id,
        "observed_at": window.observed_at,
        "window_start": window.start,
    }
    connection.execute(
        f"DELETE FROM ops.rejected_row WHERE {' AND '.join(f'{name} = ${name}' for name in where)}", where
    )
    if not rows:
        return
    entries = [{**where, **vars(row), "row_no": number, "run_id": run_id} for number, row in enumerate(rows)]
    connection.register("batch_rejected", pa.Table.from_pylist(entries, schema=REJECTED_ROW.arrow()))
    connection.execute("INSERT INTO ops.rejected_row BY NAME FROM batch_rejected")
