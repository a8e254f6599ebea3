"""What is kept of every page that came: where, when and how it was asked for. Its bytes are in the archive."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

import duckdb
import pyarrow as pa

from liftos_pipeline.schema import Window
from liftos_pipeline.schema.ops import API_PAGE
from liftos_pipeline.warehouse.archive import keep_bodies
from liftos_pipeline.warehouse.store import Warehouse


def keep_failed(warehouse: Warehouse, window: Window, run_id: str) -> None:
    """Keep the pages of a pull that failed; nothing else of it is loaded."""
    keep_bodies(warehouse.archive_file, window.pages)
    with warehouse.write() as connection:
        write_pages(connection, [window], run_id)


def write_pages(connection: duckdb.DuckDBPyConnection, windows: Sequence[Window], run_id: str) -> None:
    """Pages of some windows, in place of those that the same pull had before."""
    entries = []
    for window in windows:
        head = {
            "run_id": run_id,
            "source": window.source,
            "stream": window.stream,
            "account_id": window.account_id,
            "window_start": window.start,
            "window_end": window.end,
            "observed_at": window.observed_at,
        }
        entries += [{**head, **{k: v for k, v in vars(page).items() if k != "body"}} for page in window.pages]
    connection.register("batch_pages", pa.Table.from_pylist(entries, schema=API_PAGE.arrow()))
    same = "run_id, source, stream, account_id, window_start, window_end, observed_at"
    connection.execute(
        f"DELETE FROM raw.api_page WHERE rowid IN (SELECT p.rowid FROM raw.api_page p SEMI JOIN batch_pages USING ({same}))"
    )
    connection.execute("INSERT INTO raw.api_page BY NAME FROM batch_pages")


class StoredPull(NamedTuple):
    """One pull whose pages were kept; days are the account's own, ``observed_at`` is its clock (UTC)."""

    run_id: str
    source: str
    stream: str
    account_id: str
    start: date
    end: date
    observed_at: datetime


class StoredPage(NamedTuple):
    """Status and hash of an answer that could be read."""

    http_status: int
    sha256: str


def stored_pulls(
    warehouse: Warehouse, source: str | None = None, first: date | None = None, last: date | None = None
) -> list[StoredPull]:
    """Pulls in the order in which they came: those whose receipts stand, and refused ones that none replaced.

    Parameters
    ----------
    source : str, optional
        Of this platform only.
    first, last : date, optional
        First and last as-of day: the day that had ended at a pull's clock.
    """
    same = "r.source = p.source AND r.stream = p.stream AND r.account_id = p.account_id"
    with warehouse.read() as connection:
        found = connection.execute(
            f"WITH p AS (SELECT run_id, source, stream, account_id, window_start, window_end, observed_at, "
            f"  min(fetched_at) AS began FROM raw.api_page GROUP BY ALL) "
            f"SELECT * EXCLUDE (began) FROM p WHERE source = coalesce($source, source) "
            f"AND observed_at::DATE - 1 BETWEEN coalesce($first::DATE, DATE '0001-01-01') "
            f"AND coalesce($last::DATE, DATE '9999-12-31') "
            f"AND (EXISTS (FROM ops.load_receipt r WHERE {same} AND r.run_id = p.run_id "
            f"  AND r.observed_at = p.observed_at AND r.date_day BETWEEN p.window_start AND p.window_end) "
            f"OR NOT EXISTS (FROM ops.load_receipt r WHERE {same} AND r.observed_at >= p.observed_at "
            f"  AND r.date_day = p.window_end)) ORDER BY began, run_id, source, stream, account_id, window_start",
            {"source": source, "first": first, "last": last},
        ).fetchall()
    return [StoredPull(*row) for row in found]


def pages_of(warehouse: Warehouse, pull: StoredPull) -> dict[str, list[StoredPage]]:
    """Answers of one pull in order, by the hash of what was asked."""
    with warehouse.read() as connection:
        found = connection.execute(
            "SELECT request_hash, http_status, sha256 FROM raw.api_page WHERE (run_id, source, stream, account_id, "
            "window_start, window_end, observed_at) = (?, ?, ?, ?, ?, ?, ?) AND error IS NULL ORDER BY page_no",
            list(pull),
        ).fetchall()
    pages = defaultdict(list)
    for request_hash, *page in found:
        pages[request_hash].append(StoredPage(*page))
    return dict(pages)


def page_elsewhere(warehouse: Warehouse, pull: StoredPull, request_hash: str) -> StoredPage | None:
    """Answer to the same question in another pull, by the nearest clock: accounts and names are asked once a run."""
    with warehouse.read() as connection:
        found = connection.execute(
            "SELECT http_status, sha256 FROM raw.api_page WHERE source = ? AND request_hash = ? AND error IS NULL "
            "AND http_status < 300 ORDER BY abs(epoch_us(observed_at) - epoch_us(?::TIMESTAMP)), fetched_at DESC LIMIT 1",
            [pull.source, request_hash, pull.observed_at],
        ).fetchone()
    return None if found is None else StoredPage(*found)
