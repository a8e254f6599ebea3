"""Which days were pulled, and when. State is receipts, not cursors."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime

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
