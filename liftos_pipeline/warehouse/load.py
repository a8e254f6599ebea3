"""Loads what platforms said. Every window is one assertion in one transaction:
"at ``observed_at`` the platform said exactly these rows for these days of this account".

The result does not depend on the order in which assertions arrive, nor on repeats: each holds from its own clock to
the next one of the same account-day, and neighbours that say the same are one version.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb
import orjson

from liftos_pipeline.errors import WarehouseError
from liftos_pipeline.schema import FOREVER, Table, Window, source_columns
from liftos_pipeline.warehouse.archive import keep_bodies
from liftos_pipeline.warehouse.store import Warehouse


@dataclass(frozen=True)
class LoadSummary:
    """What one batch of windows changed, in rows."""

    rows_in: int
    rows_restated: int
    rows_vanished: int
    pages: int


def load_windows(warehouse: Warehouse, windows: Iterable[Window], run_id: str) -> LoadSummary:
    """Load a batch under one lock, one transaction per window.

    Raises
    ------
    WarehouseError
        One key came with two contents. Both rows are in ``ops.rejected_row``; the window is not loaded, those
        before it are.
    """
    batch = list(windows)
    keep_bodies(warehouse.archive_file, (page for window in batch for page in window.pages))
    totals = [0, 0, 0]
    with warehouse.write() as connection:
        for window in batch:
            for position, count in enumerate(_load(connection, window, run_id)):
                totals[position] += count
    return LoadSummary(totals[0], totals[1], totals[2], pages=sum(len(window.pages) for window in batch))


def _load(connection: duckdb.DuckDBPyConnection, window: Window, run_id: str) -> tuple[int, int, int]:
    """One transaction. An error ends the batch, and closing the connection rolls the transaction back."""
    connection.execute("BEGIN")
    _prepare(connection, window)
    conflict = _reject_conflicts(connection, window, run_id)
    counts = (0, 0, 0)
    if conflict is None:
        _mark_affected(connection, window)
        counts = _write_receipts(connection, window, run_id)
        _rewrite(connection, window, run_id)
    _write_pages(connection, window, run_id)
    connection.execute("COMMIT")
    connection.unregister("incoming_rows")
    if conflict is not None:
        raise conflict
    return counts


def _names(table: Table) -> str:
    return ", ".join(source_columns(table))


def _prepare(connection: duckdb.DuckDBPyConnection, window: Window) -> None:
    """``incoming``: the rows once each with their hash; ``span``: until when this assertion holds."""
    table = window.table
    connection.register("incoming_rows", window.rows)
    content = ", ".join(f"coalesce({name}::VARCHAR, '\\N')" for name in source_columns(table))
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE incoming AS SELECT DISTINCT {_names(table)}, "
        f"md5(concat_ws(chr(31), {content})) AS row_hash FROM incoming_rows"
    )
    later = [window.source, window.stream, window.account_id, window.observed_at]
    if window.mode == "window":
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE span AS SELECT d.day::DATE AS day, "
            "coalesce(min(r.observed_at), ?) AS next_at FROM range(?::DATE, ?::DATE + 1, INTERVAL 1 DAY) d(day) "
            "LEFT JOIN ops.load_receipt r ON r.date_day = d.day AND r.source = ? AND r.stream = ? "
            "AND r.account_id = ? AND r.observed_at > ? GROUP BY 1",
            [FOREVER, window.start, window.end, *later],
        )
    elif window.mode == "snapshot":
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE span AS SELECT coalesce(min(observed_at), ?) AS next_at "
            "FROM ops.load_receipt WHERE source = ? AND stream = ? AND account_id = ? AND observed_at > ?",
            [FOREVER, *later],
        )
    else:
        keys = ", ".join(f"i.{key}" for key in table.key)
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE span AS SELECT {keys}, coalesce(min(f.observed_from), ?) AS next_at "
            f"FROM incoming i LEFT JOIN {table.full_name} f ON {_same(table, 'i', 'f')} AND f.observed_from > ? "
            "GROUP BY ALL",
            [FOREVER, window.observed_at],
        )


def _same(table: Table, left: str, right: str) -> str:
    return " AND ".join(f"{left}.{key} = {right}.{key}" for key in table.key)


def _span_join(window: Window, alias: str) -> str:
    if window.mode == "window":
        return f"JOIN span s ON s.day = {alias}.{window.table.day}"
    if window.mode == "snapshot":
        return "CROSS JOIN span s"
    return f"JOIN span s ON {_same(window.table, 's', alias)}"


def _reject_conflicts(connection: duckdb.DuckDBPyConnection, window: Window, run_id: str) -> WarehouseError | None:
    keys = ", ".join(window.table.key)
    doubled = connection.execute(
        f"SELECT {_names(window.table)} FROM incoming QUALIFY count(*) OVER (PARTITION BY {keys}) > 1 ORDER BY {keys}"
    ).fetchall()
    stray = 0
    if window.mode == "window":
        found = connection.execute(
            f"SELECT count(*) FROM incoming WHERE {window.table.day} NOT BETWEEN ? AND ?",
            [window.start, window.end],
        ).fetchone()
        stray = found[0] if found else 0
    if len(doubled) == 0 and stray == 0:
        return None
    place = f"{window.source}.{window.stream} of {window.account_id}, {window.start} to {window.end}"
    if stray:
        return WarehouseError(
            f"only rows of the days asked for from {place}",
            f"{stray} rows of other days",
            "Re-run; report if it stays.",
        )
    rows = [dict(zip(source_columns(window.table), row, strict=True)) for row in doubled]
    where = [window.source, window.stream, window.account_id, window.observed_at]
    connection.execute(
        "DELETE FROM ops.rejected_row WHERE source = ? AND stream = ? AND account_id = ? AND observed_at = ?",
        where,
    )
    connection.executemany(
        "INSERT INTO ops.rejected_row VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            [*where, number, "one key, two contents", orjson.dumps(row, default=str).decode(), run_id]
            for number, row in enumerate(rows)
        ],
    )
    return WarehouseError(
        f"one content per key from {place}",
        f"{len(rows)} rows that share a key and differ",
        "Both are in ops.rejected_row; the old data stands. Re-run; report to the platform if it stays.",
    )


def _mark_affected(connection: duckdb.DuckDBPyConnection, window: Window) -> None:
    """``affected``: versions that touch the assertion's interval and are not already exactly what it says."""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE affected AS SELECT f.rowid AS version, f.*, s.next_at, "
        f"i.row_hash IS NOT DISTINCT FROM f.row_hash AND f.observed_from <= $at AND f.observed_to >= s.next_at AS holds "
        f"FROM {window.table.full_name} f {_span_join(window, 'f')} "
        f"LEFT JOIN incoming i ON {_same(window.table, 'i', 'f')} AND i.row_hash = f.row_hash "
        f"WHERE f.account_id = $account AND f.observed_to >= $at AND f.observed_from <= s.next_at",
        {"at": window.observed_at, "account": window.account_id},
    )


def _rewrite(connection: duckdb.DuckDBPyConnection, window: Window, run_id: str) -> None:
    table = window.table
    names = _names(table)
    keys = ", ".join(table.key)
    kept = f"{names}, row_hash, run_id, source_mode, api_version"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE pieces AS "
        f"SELECT {kept}, observed_from, least(observed_to, $at) AS observed_to "
        f"FROM affected WHERE NOT holds AND observed_from < $at "
        f"UNION ALL SELECT {kept}, greatest(observed_from, next_at), observed_to "
        f"FROM affected WHERE NOT holds AND observed_to > next_at "
        f"UNION ALL SELECT {', '.join('i.' + n for n in source_columns(table))}, i.row_hash, $run, $mode, $version, "
        f"$at, s.next_at FROM incoming i {_span_join(window, 'i')} "
        f"ANTI JOIN affected a ON a.holds AND {_same(table, 'a', 'i')}",
        {"at": window.observed_at, "run": run_id, "mode": window.source_mode, "version": window.api_version},
    )
    connection.execute(
        f"DELETE FROM {table.full_name} WHERE rowid IN (SELECT version FROM affected WHERE NOT holds)"
    )
    values = ", ".join(f"arg_min({name}, p.observed_from) AS {name}" for name in _carried(table))
    connection.execute(
        f"INSERT INTO {table.full_name} BY NAME "
        f"WITH edges AS (SELECT *, observed_from IS DISTINCT FROM lag(observed_to) OVER same AS opens "
        f"  FROM pieces WINDOW same AS (PARTITION BY {keys}, row_hash ORDER BY observed_from)), "
        f"p AS (SELECT *, count_if(opens) OVER (PARTITION BY {keys}, row_hash ORDER BY observed_from) AS run_no FROM edges) "
        f"SELECT {keys}, row_hash, {values}, min(p.observed_from) AS observed_from, max(p.observed_to) AS observed_to "
        f"FROM p GROUP BY {keys}, row_hash, run_no ORDER BY {keys}, observed_from"
    )


def _carried(table: Table) -> list[str]:
    """Columns that are the same over all pieces of one version, or taken from its first."""
    content = [name for name in source_columns(table) if name not in table.key]
    return [*content, "run_id", "source_mode", "api_version"]


def _write_receipts(connection: duckdb.DuckDBPyConnection, window: Window, run_id: str) -> tuple[int, int, int]:
    """One receipt per day of a window; one at the last day of a snapshot or an upsert.

    Restated and vanished rows are counted against what stood just before, so a repeat counts the same.
    """
    by_day = window.mode == "window"
    day = window.table.day if by_day else "$end::DATE"
    same_key = _same(window.table, "i", "a")
    days = "SELECT day FROM span" if by_day else "SELECT $end::DATE AS day"
    vanished = (
        "0" if window.mode == "upsert" else f"count_if(NOT EXISTS (SELECT 1 FROM incoming i WHERE {same_key}))"
    )
    where = {
        "source": window.source,
        "stream": window.stream,
        "account": window.account_id,
        "at": window.observed_at,
    }
    connection.execute(
        "DELETE FROM ops.load_receipt WHERE source = $source AND stream = $stream AND account_id = $account "
        "AND observed_at = $at AND date_day BETWEEN $start AND $end",
        {**where, "start": window.start if by_day else window.end, "end": window.end},
    )
    connection.execute(
        f"INSERT INTO ops.load_receipt "
        f"WITH days AS ({days}), "
        f"came AS (SELECT {day} AS day, count(*) AS n FROM incoming GROUP BY 1), "
        f"gone AS (SELECT {day} AS day, count(*) AS n, {vanished} AS n_vanished FROM affected a "
        f"  WHERE observed_from < $at AND observed_to >= $at "
        f"  AND NOT EXISTS (SELECT 1 FROM incoming i WHERE {same_key} AND i.row_hash = a.row_hash) GROUP BY 1) "
        f"SELECT $source, $stream, $account, d.day, $at, coalesce(c.n, 0), "
        f"  coalesce(g.n - g.n_vanished, 0), coalesce(g.n_vanished, 0), $run, $mode, $now "
        f"FROM days d LEFT JOIN came c USING (day) LEFT JOIN gone g USING (day) WHERE $end::DATE IS NOT NULL",
        {
            **where,
            "end": window.end,
            "run": run_id,
            "mode": window.source_mode,
            "now": datetime.now(UTC).replace(tzinfo=None),
        },
    )
    counts = connection.execute(
        "SELECT sum(rows_in)::BIGINT, sum(rows_restated)::BIGINT, sum(rows_vanished)::BIGINT FROM ops.load_receipt "
        "WHERE source = $source AND stream = $stream AND account_id = $account AND observed_at = $at "
        "AND date_day BETWEEN $start AND $end",
        {**where, "start": window.start, "end": window.end},
    ).fetchone()
    return counts if counts else (0, 0, 0)


def _write_pages(connection: duckdb.DuckDBPyConnection, window: Window, run_id: str) -> None:
    head = [run_id, window.source, window.stream, window.account_id, window.start, window.end, window.observed_at]
    connection.execute(
        "DELETE FROM raw.api_page WHERE run_id = ? AND source = ? AND stream = ? AND account_id = ? "
        "AND window_start = ? AND window_end = ? AND observed_at = ?",
        head,
    )
    rows = [
        [
            *head,
            page.page_no,
            page.url,
            page.request_hash,
            page.http_status,
            page.fetched_at,
            page.sha256,
            page.body_bytes,
            page.error,
        ]
        for page in window.pages
    ]
    if rows:
        connection.executemany(f"INSERT INTO raw.api_page VALUES ({', '.join('?' * 15)})", rows)
