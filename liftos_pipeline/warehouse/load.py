"""Loads what platforms said. Every window is one assertion: "at ``observed_at`` the platform said exactly these rows
for these days of this account".

The result does not depend on the order in which assertions arrive, nor on repeats, nor on how they are batched: each
holds from its own clock to the next one of the same scope, and neighbours that say the same are one version. The scope
of an assertion is an account-day (mode ``window``), an account (``snapshot``) or a key (``upsert``).

The arithmetic of intervals runs on keys and hashes only; contents are copied once, for versions that are new.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

import duckdb
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from liftos_pipeline.errors import WindowRefused
from liftos_pipeline.schema import FOREVER, Rejected, Table, Window, source_columns
from liftos_pipeline.warehouse.archive import keep_bodies
from liftos_pipeline.warehouse.pages import write_pages
from liftos_pipeline.warehouse.quarantine import (
    Receipt,
    emptied_window,
    keep_quarantine,
    place_of,
    shrunk_series,
    vanished,
    write_rejected,
)
from liftos_pipeline.warehouse.store import Warehouse

_BEGINNING = datetime(1, 1, 1)


@dataclass(frozen=True)
class LoadSummary:
    """What one batch of windows changed, in rows."""

    rows_in: int
    rows_restated: int
    rows_vanished: int
    rows_rejected: int
    rows_duplicate: int
    pages: int


def load_windows(
    warehouse: Warehouse, windows: Iterable[Window], run_id: str, accept_vanished: bool = False
) -> LoadSummary:
    """Load a batch under one lock. Windows of one stream that follow each other are one transaction.

    Parameters
    ----------
    accept_vanished : bool
        Load a window even if most rows that stood are missing from it.

    Raises
    ------
    WindowRefused
        One key came with two contents (both rows are in ``ops.rejected_row``), or most rows vanished: an empty answer
        is what a lost permission looks like. The window is not loaded, those before it are.
    """
    batch = list(windows)
    keep_bodies(warehouse.archive_file, (page for window in batch for page in window.pages))
    done: list[Receipt] = []
    with warehouse.write() as connection:
        connection.execute("SET threads = 1")  # the other core pulls; memory is what threads take
        for _, group in itertools.groupby(batch, key=lambda window: (window.source, window.stream, window.mode)):
            done += _load(connection, list(group), run_id, accept_vanished)
    return LoadSummary(
        rows_in=sum(receipt.rows_in for receipt in done),
        rows_restated=sum(receipt.rows_restated for receipt in done),
        rows_vanished=sum(receipt.rows_vanished for receipt in done),
        rows_rejected=sum(receipt.rows_rejected for receipt in done),
        rows_duplicate=sum(receipt.rows_duplicate for receipt in done),
        pages=sum(len(window.pages) for window in batch),
    )


def _load(
    connection: duckdb.DuckDBPyConnection, windows: Sequence[Window], run_id: str, accept_vanished: bool
) -> list[Receipt]:
    """One transaction; its receipts. An error ends the batch, and closing the connection rolls the transaction back."""
    connection.execute("BEGIN")
    _read_in(connection, windows)
    refused, error = _refused(connection, windows, run_id)
    written: list[Receipt] = []
    accepted = windows[:refused]
    if accepted:
        _make_assertions(connection, accepted)
        _make_versions(connection, windows[0])
        written = _write_receipts(connection, windows[0], run_id)
        held = None if accept_vanished else emptied_window(accepted, written)
        if held is None and not accept_vanished:
            held = shrunk_series(connection, accepted)
        if held is not None:
            connection.execute("ROLLBACK")
            _hold(connection, windows, held, run_id)
        _write_versions(connection, windows[0].table, run_id)
        keep_quarantine(connection, accepted, run_id)
    write_pages(connection, windows[: refused + 1], run_id)
    connection.execute("COMMIT")
    if error is not None:
        raise error
    return written


def _hold(connection: duckdb.DuckDBPyConnection, windows: Sequence[Window], held: int, run_id: str) -> NoReturn:
    """Keep the pages of a window, load those before it and those of other accounts, and say why it is held."""
    window = windows[held]
    connection.execute("BEGIN")
    write_pages(connection, [window], run_id)
    connection.execute("COMMIT")
    others = [later for later in windows[held + 1 :] if later.account_id != window.account_id]
    rest = [*windows[:held], *others]
    if rest:
        _load(connection, rest, run_id, accept_vanished=False)
    raise vanished(window)


def _key(table: Table) -> str:
    return ", ".join(table.key)


def _scope(window: Window) -> tuple[str, ...]:
    """Columns that name what one assertion is about."""
    if window.mode == "window":
        return ("account_id", str(window.table.day))
    return ("account_id",) if window.mode == "snapshot" else window.table.key


def _narrow(window: Window) -> str:
    """Key and scope: what the arithmetic needs of a row beside its hash."""
    return ", ".join(dict.fromkeys((*window.table.key, *_scope(window))))


def _read_in(connection: duckdb.DuckDBPyConnection, windows: Sequence[Window]) -> None:
    """``batch_rows``: all rows as they came, numbered. ``said``: once each, as key, scope, hash and how often it came."""
    table = windows[0].table
    rows = pa.concat_tables([window.rows for window in windows])
    window_no = itertools.chain.from_iterable(
        [[number] * len(window.rows) for number, window in enumerate(windows)]
    )
    rows = rows.append_column("window_no", pa.array(window_no, pa.int32()))
    rows = rows.append_column("row_no", pa.array(range(len(rows)), pa.int64()))
    connection.register("batch_rows", rows)
    content = ", ".join(f"coalesce({name}::VARCHAR, '\\N')" for name in source_columns(table))
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE said AS SELECT window_no, {_narrow(windows[0])}, "
        f"md5(concat_ws(chr(31), {content})) AS row_hash, min(row_no) AS row_no, count(*) AS n_came "
        f"FROM batch_rows GROUP BY ALL"
    )


def _refused(
    connection: duckdb.DuckDBPyConnection, windows: Sequence[Window], run_id: str
) -> tuple[int, WindowRefused | None]:
    """Number of the first window that cannot be loaded, with the reason; their number if all can."""
    table = windows[0].table
    stray = [_rows_of_other_days(window) for window in windows]
    first_stray = next((number for number, count in enumerate(stray) if count), len(windows))
    doubled = connection.execute(
        f"SELECT min(window_no) FROM (SELECT window_no FROM said GROUP BY window_no, {_key(table)} HAVING count(*) > 1)"
    ).fetchall()[0][0]
    first_doubled = len(windows) if doubled is None else int(doubled)
    refused = min(first_stray, first_doubled)
    if refused == len(windows):
        return refused, None
    window = windows[refused]
    place = place_of(window)
    if refused == first_stray:
        return refused, WindowRefused(
            f"only rows of the days asked for from {place}",
            f"{stray[refused]} rows of other days",
            "Re-run; report if it stays.",
        )
    return refused, WindowRefused(
        f"one content per key from {place}",
        f"{_keep_rejected(connection, window, refused, run_id)} rows that share a key and differ",
        "Both are in ops.rejected_row; the old data stands. Re-run; report to the platform if it stays.",
    )


def _rows_of_other_days(window: Window) -> int:
    if window.mode != "window":
        return 0
    days = window.rows.column(str(window.table.day))
    inside = pc.and_(pc.greater_equal(days, pa.scalar(window.start)), pc.less_equal(days, pa.scalar(window.end)))
    return len(days) - int(pc.sum(inside).as_py() or 0)


def _keep_rejected(connection: duckdb.DuckDBPyConnection, window: Window, number: int, run_id: str) -> int:
    names = source_columns(window.table)
    found = connection.execute(
        f"SELECT {', '.join('r.' + name for name in names)} FROM batch_rows r JOIN said s USING (row_no) "
        f"WHERE s.window_no = ? QUALIFY count(*) OVER (PARTITION BY {', '.join('r.' + k for k in window.table.key)}) > 1 "
        "ORDER BY row_no",
        [number],
    ).fetchall()
    rows = [dict(zip(names, row, strict=True)) for row in found]
    day = window.table.day
    write_rejected(
        connection,
        window,
        [
            Rejected(
                None if day is None else row[day],
                "one key, two contents",
                orjson.dumps(row, default=str).decode(),
            )
            for row in rows
        ],
        run_id,
    )
    return len(found)


def _make_assertions(connection: duckdb.DuckDBPyConnection, windows: Sequence[Window]) -> None:
    """``assertions``: scope, clock and until when it holds. Of two with one clock the later window stands.

    ``receipt_days``: the days that get a receipt: each day of a window, the last day of a snapshot or an upsert.
    """
    window = windows[0]
    scope = ", ".join(_scope(window))
    connection.register("batch_windows", _as_table(windows))
    voided = [(number, row.date_day) for number, entry in enumerate(windows) for row in entry.rejected]
    numbers, row_days = zip(*voided, strict=True) if voided else ((), ())
    connection.register(
        "batch_voided",
        pa.table({"window_no": pa.array(numbers, pa.int32()), "day": pa.array(row_days, pa.date32())}),
    )
    days = "generate_series(first_day, last_day, INTERVAL 1 DAY)" if window.mode == "window" else "[last_day]"
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE receipt_days AS SELECT account_id, receipt_day, observed_at, "
        f"max(window_no) AS window_no FROM (SELECT * REPLACE (receipt_day::DATE AS receipt_day) FROM "
        f"(SELECT *, unnest({days}) AS receipt_day FROM batch_windows)) GROUP BY ALL"
    )
    receipts = "FROM ops.load_receipt WHERE source = $source AND stream = $stream"
    values = {"source": window.source, "stream": window.stream, "forever": FOREVER}
    if window.mode == "window":
        asserted = (
            f"SELECT account_id, receipt_day AS {window.table.day}, observed_at, window_no FROM receipt_days"
        )
        known = f"SELECT account_id, date_day AS {window.table.day}, observed_at {receipts}"
    elif window.mode == "snapshot":
        asserted = f"SELECT {scope}, observed_at, max(window_no) AS window_no FROM receipt_days GROUP BY ALL"
        known = f"SELECT DISTINCT {scope}, observed_at {receipts}"
    else:
        asserted = (
            f"SELECT {scope}, observed_at, max(window_no) AS window_no "
            "FROM said JOIN batch_windows USING (window_no, account_id) GROUP BY ALL"
        )
        known = f"SELECT {scope}, observed_from AS observed_at FROM {window.table.full_name}"
        values = {"forever": FOREVER}
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE assertions AS WITH asserted AS ({asserted}), clocks AS (FROM asserted "
        f"  UNION ALL BY NAME SELECT {scope}, observed_at FROM ({known}) "
        f"  SEMI JOIN asserted USING ({scope}) ANTI JOIN asserted USING ({scope}, observed_at)) "
        f"SELECT *, lead(observed_at, 1, $forever) OVER (PARTITION BY {scope} ORDER BY observed_at) AS next_at "
        "FROM clocks QUALIFY window_no IS NOT NULL",
        values,
    )


def _as_table(windows: Sequence[Window]) -> pa.Table:
    columns = ("account_id", "source_mode", "api_version", "observed_at")
    return pa.table(
        {
            "window_no": pa.array(range(len(windows)), pa.int32()),
            "first_day": pa.array([window.start for window in windows], pa.date32()),
            "last_day": pa.array([window.end for window in windows], pa.date32()),
            **{name: [getattr(window, name) for window in windows] for name in columns},
        }
    )


def _make_versions(connection: duckdb.DuckDBPyConnection, window: Window) -> None:
    """``standing``: versions in the scopes and times of the assertions. ``versions``: what shall stand instead.

    A standing version survives where no assertion of this batch speaks. ``origin`` is where the content comes from:
    a row of the table, or, below zero, a row of the batch.
    """
    table = window.table
    scope, narrow = ", ".join(_scope(window)), _narrow(window)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE standing AS "
        f"SELECT f.rowid AS version, {narrow}, row_hash, observed_from, observed_to FROM {table.full_name} f "
        f"JOIN (SELECT {scope}, min(observed_at) AS first_at, max(next_at) AS last_at FROM assertions GROUP BY ALL) "
        f"USING ({scope}) WHERE observed_to >= first_at AND observed_from <= last_at"
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE versions AS "
        f"WITH silences AS ("
        f"  SELECT {scope}, lag(next_at, 1, $beginning) OVER (PARTITION BY {scope} ORDER BY observed_at) AS since, "
        f"  observed_at AS until FROM assertions QUALIFY since < until "
        f"  UNION ALL SELECT {scope}, max(next_at), $forever FROM assertions GROUP BY ALL), "
        f"pieces AS ("
        f"  SELECT {narrow}, row_hash, version AS origin, greatest(observed_from, since) AS observed_from, "
        f"  least(observed_to, until) AS observed_to "
        f"  FROM standing JOIN silences USING ({scope}) WHERE observed_from < until AND observed_to > since "
        f"  UNION ALL SELECT {narrow}, row_hash, -1 - row_no, observed_at, next_at "
        f"  FROM said JOIN assertions USING (window_no, {scope})), "
        f"edges AS (SELECT *, observed_from IS DISTINCT FROM lag(observed_to) OVER same AS opens "
        f"  FROM pieces WINDOW same AS (PARTITION BY {_key(table)}, row_hash ORDER BY observed_from)), "
        f"runs AS (SELECT *, count_if(opens) OVER same AS run_no "
        f"  FROM edges WINDOW same AS (PARTITION BY {_key(table)}, row_hash ORDER BY observed_from)) "
        f"SELECT {narrow}, row_hash, arg_min(origin, observed_from) AS origin, "
        f"min(runs.observed_from) AS observed_from, max(runs.observed_to) AS observed_to "
        f"FROM runs GROUP BY {narrow}, row_hash, run_no",
        {"beginning": _BEGINNING, "forever": FOREVER},
    )


def _write_versions(connection: duckdb.DuckDBPyConnection, table: Table, run_id: str) -> None:
    """Bring the table from ``standing`` to ``versions``; a version whose beginning stands is not written again."""
    same = f"{_key(table)}, row_hash, observed_from"
    names = source_columns(table)
    connection.execute(
        f"UPDATE {table.full_name} SET observed_to = changed.observed_to FROM ("
        f"  SELECT s.version, v.observed_to FROM standing s JOIN versions v USING ({same}) "
        f"  WHERE s.observed_to <> v.observed_to) changed WHERE {table.full_name}.rowid = changed.version"
    )
    connection.execute(f"CREATE OR REPLACE TEMP TABLE opened AS FROM versions ANTI JOIN standing USING ({same})")
    connection.execute(
        f"INSERT INTO {table.full_name} BY NAME "
        f"SELECT {', '.join('r.' + name for name in names)}, $run AS run_id, w.source_mode, w.api_version, "
        f"o.row_hash, o.observed_from, o.observed_to "
        f"FROM opened o JOIN batch_rows r ON r.row_no = -1 - o.origin JOIN batch_windows w USING (window_no) "
        f"ORDER BY {', '.join('r.' + name for name in table.key)}, o.observed_from",
        {"run": run_id},
    )
    connection.execute(
        f"INSERT INTO {table.full_name} "
        f"SELECT f.* REPLACE (o.observed_from AS observed_from, o.observed_to AS observed_to) "
        f"FROM opened o JOIN {table.full_name} f ON f.rowid = o.origin"
    )
    connection.execute(
        f"DELETE FROM {table.full_name} WHERE rowid IN "
        f"(SELECT version FROM standing ANTI JOIN versions USING ({same}))"
    )


def _write_receipts(connection: duckdb.DuckDBPyConnection, window: Window, run_id: str) -> list[Receipt]:
    """What ended at an assertion's clock was restated by it if its key came again, and vanished otherwise."""
    key, scope = _key(window.table), ", ".join(_scope(window))
    day = window.table.day if window.mode == "window" else "NULL::DATE"
    where = {"source": window.source, "stream": window.stream}
    connection.execute(
        "DELETE FROM ops.load_receipt WHERE source = $source AND stream = $stream AND EXISTS (FROM receipt_days d "
        "WHERE d.account_id = load_receipt.account_id AND d.receipt_day = date_day "
        "AND d.observed_at = load_receipt.observed_at)",
        where,
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE written AS WITH "
        f"rejected AS (SELECT window_no, {'day' if window.mode == 'window' else 'NULL::DATE AS day'}, count(*) AS n "
        f"  FROM batch_voided GROUP BY ALL), "
        f"came AS (SELECT window_no, {day} AS day, count(*) AS n, sum(n_came)::BIGINT - count(*) AS n_again "
        f"  FROM said GROUP BY ALL), "
        f"ended AS (SELECT window_no, {day} AS day, count(k.came) AS n_restated, "
        f"  count(*) - count(k.came) AS n_vanished "
        f"  FROM (SELECT {_narrow(window)}, observed_to AS observed_at FROM versions) "
        f"  JOIN assertions USING ({scope}, observed_at) "
        f"  LEFT JOIN (SELECT DISTINCT window_no, {key}, true AS came FROM said) k USING (window_no, {key}) "
        f"  GROUP BY ALL) "
        f"SELECT $source AS source, $stream AS stream, d.account_id, d.receipt_day AS date_day, d.observed_at, "
        f"  coalesce(c.n, 0) AS rows_in, coalesce(e.n_restated, 0) AS rows_restated, "
        f"  coalesce(e.n_vanished, 0) AS rows_vanished, coalesce(j.n, 0) AS rows_rejected, "
        f"  coalesce(c.n_again, 0) AS rows_duplicate, $run AS run_id, w.source_mode, $now AS finished_at "
        f"FROM receipt_days d JOIN batch_windows w USING (window_no) "
        f"LEFT JOIN came c ON c.window_no = d.window_no AND coalesce(c.day, d.receipt_day) = d.receipt_day "
        f"LEFT JOIN rejected j ON j.window_no = d.window_no AND coalesce(j.day, d.receipt_day) = d.receipt_day "
        f"LEFT JOIN ended e ON e.window_no = d.window_no AND coalesce(e.day, d.receipt_day) = d.receipt_day "
        f"ORDER BY d.account_id, d.observed_at, d.receipt_day",
        {**where, "run": run_id, "now": datetime.now(UTC).replace(tzinfo=None)},
    )
    connection.execute("INSERT INTO ops.load_receipt BY NAME FROM written")
    written = connection.execute(f"SELECT {', '.join(Receipt._fields)} FROM written").fetchall()
    return [Receipt(*row) for row in written]
