"""What is kept of every page that came: where, when and how it was asked for. Its bytes are in the archive."""

from __future__ import annotations

from collections.abc import Sequence

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
