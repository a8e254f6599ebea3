"""What a load does not take at face value: rejected rows, undocumented fields, windows that lost most of their rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

import duckdb
import pyarrow as pa

from liftos_pipeline.errors import WindowRefused
from liftos_pipeline.schema import Rejected, Window
from liftos_pipeline.schema.ops import REJECTED_ROW

_FEWEST_VANISHED = 20
"""Fewer rows may vanish from a window at once, even if they are most of it."""
_FEWEST_PERIODS = 3
"""Fewer periods of a series may be withdrawn at once, even if they are half of it."""


class Receipt(NamedTuple):
    """What one account-day's receipt says of its rows."""

    account_id: str
    date_day: date
    observed_at: datetime
    rows_in: int
    rows_restated: int
    rows_vanished: int
    rows_rejected: int
    rows_duplicate: int


def place_of(window: Window) -> str:
    """Name of a window for messages."""
    return f"{window.source}.{window.stream} of {window.account_id}, {window.start} to {window.end}"


def emptied_window(windows: Sequence[Window], receipts: Sequence[Receipt]) -> int | None:
    """Number of the first window from which most rows that stood are missing."""
    if windows[0].mode != "window":
        return None
    for number, window in enumerate(windows):
        own = [
            receipt
            for receipt in receipts
            if (receipt.account_id, receipt.observed_at) == (window.account_id, window.observed_at)
            and window.start <= receipt.date_day <= window.end
        ]
        vanished, came = sum(r.rows_vanished for r in own), sum(r.rows_in for r in own)
        if vanished >= _FEWEST_VANISHED and vanished > came:
            return number
    return None


def shrunk_series(connection: duckdb.DuckDBPyConnection, windows: Sequence[Window]) -> int | None:
    """Number of the first window that says a series anew and leaves out half of what stood, or more.

    Values go by their period: other vintages of it are no loss, and neither is a series that begins later.
    """
    period = windows[0].table.period
    if windows[0].mode != "snapshot" or period is None:
        return None
    number: int | None = connection.execute(
        f"WITH came AS (SELECT window_no, min({period}) AS first, count(DISTINCT {period}) AS n FROM said GROUP BY ALL), "
        f"ended AS (SELECT DISTINCT window_no, {period} FROM (SELECT account_id, {period}, observed_to AS observed_at "
        f"  FROM versions) JOIN assertions USING (account_id, observed_at) ANTI JOIN said USING (window_no, {period})) "
        f"SELECT min(window_no) FROM (SELECT window_no FROM ended JOIN came USING (window_no) WHERE {period} > first "
        f"GROUP BY window_no, n HAVING count(*) >= greatest({_FEWEST_PERIODS}, n))"
    ).fetchall()[0][0]
    return number


def vanished(window: Window) -> WindowRefused:
    """Why a window is held."""
    return WindowRefused(
        f"most rows of {place_of(window)} to be there again",
        "most of them missing, as if a permission were lost",
        "The old data stands. Check the access of the credentials; if the platform did delete them, set "
        "LIFTOS_ACCEPT_VANISHED=true for one run.",
    )


def keep_quarantine(connection: duckdb.DuckDBPyConnection, windows: Sequence[Window], run_id: str) -> None:
    """What the windows had that cannot be true, and what nobody documented."""
    is_clean = connection.execute("SELECT count(*) = 0 FROM ops.rejected_row").fetchall()[0][0]
    for window in windows:
        if window.rejected or not is_clean:
            write_rejected(connection, window, window.rejected, run_id)
        for drift in window.drift:
            known = [window.source, window.stream, drift.kind, drift.name]
            at = window.observed_at
            n_changed = connection.execute(
                "UPDATE ops.schema_drift SET first_seen = least(first_seen, ?), last_seen = greatest(last_seen, ?) "
                "WHERE source = ? AND stream = ? AND kind = ? AND name = ?",
                [at, at, *known],
            ).fetchall()[0][0]
            if not n_changed:
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
