"""Which days were pulled, and when. State is receipts, not cursors."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime

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
