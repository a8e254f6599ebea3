"""Which days were pulled, and when. State is receipts, not cursors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from liftos_pipeline.errors import WarehouseError
from liftos_pipeline.warehouse.store import Warehouse

Receipts = dict[str, dict[date, list[datetime]]]


def receipts(warehouse: Warehouse, source: str, stream: str) -> Receipts:
    """Clocks of all pulls of one stream, by account and day."""
    with warehouse.read() as connection:
        rows = connection.execute(
            "SELECT account_id, date_day, observed_at FROM ops.load_receipt WHERE source = ? AND stream = ? "
            "ORDER BY ALL",
            [source, stream],
        ).fetchall()
    found: Receipts = defaultdict(lambda: defaultdict(list))
    for account, day, observed_at in rows:
        found[account][day].append(observed_at)
    return found


def most_rows_a_day(warehouse: Warehouse, source: str, stream: str) -> dict[str, int]:
    """By account, the most rows that any of its days ever had."""
    with warehouse.read() as connection:
        rows = connection.execute(
            "SELECT account_id, max(rows_in) FROM ops.load_receipt WHERE source = ? AND stream = ? GROUP BY ALL",
            [source, stream],
        ).fetchall()
    return dict(rows)


def record_gaps(
    warehouse: Warehouse,
    stream: tuple[str, str],
    gaps: Mapping[str, Sequence[tuple[date, date]]],
    now: datetime,
    run_id: str,
) -> None:
    """Remember days that can never be pulled any more: each once, by the run that found them gone.

    Parameters
    ----------
    stream : tuple of str
        Platform and stream.
    gaps : mapping of account to stretches of days
    """
    if not any(gaps.values()):
        return
    with warehouse.write() as connection:
        for account, stretches in gaps.items():
            for first, last in stretches:
                where = [*stream, account]
                known = connection.execute(
                    "SELECT max(last_day) FROM ops.history_gap WHERE source = ? AND stream = ? AND account_id = ? "
                    "AND last_day >= ?",
                    [*where, first],
                ).fetchall()[0][0]
                begins = first if known is None else known + timedelta(days=1)
                if begins <= last:
                    connection.execute(
                        "INSERT INTO ops.history_gap VALUES (?, ?, ?, ?, ?, ?, ?)",
                        [*where, begins, last, now, run_id],
                    )


def newest_as_of(warehouse: Warehouse) -> date:
    """Newest as-of day that any receipt knows.

    Raises
    ------
    WarehouseError
        Nothing was pulled yet.
    """
    with warehouse.read() as connection:
        row = connection.execute("SELECT max(observed_at)::DATE - 1 FROM ops.load_receipt").fetchone()
    if row is None or row[0] is None:
        raise WarehouseError("a home that was filled", "no receipt", "Run `liftos run` first.")
    newest: date = row[0]
    return newest
