"""Pages of pulls that failed: kept like those of windows that were loaded, so that what the platform said can be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime

import pyarrow as pa

from liftos_pipeline.schema import Page
from liftos_pipeline.schema.ops import API_PAGE
from liftos_pipeline.warehouse.archive import keep_bodies
from liftos_pipeline.warehouse.store import Warehouse


@dataclass(frozen=True)
class PageHead:
    """What the pages of one window have in common; names as in ``raw.api_page``."""

    run_id: str
    source: str
    stream: str
    account_id: str
    window_start: date
    window_end: date
    observed_at: datetime


def keep_pages(warehouse: Warehouse, head: PageHead, pages: Sequence[Page]) -> None:
    """Keep the pages of a window that was not loaded; those of an earlier try of the same run give way."""
    if not pages:
        return
    keep_bodies(warehouse.archive_file, pages)
    entries = [{**asdict(head), **{k: v for k, v in vars(page).items() if k != "body"}} for page in pages]
    with warehouse.write() as connection:
        connection.execute("BEGIN")
        connection.execute(
            "DELETE FROM raw.api_page WHERE run_id = $run_id AND source = $source AND stream = $stream "
            "AND account_id = $account_id AND window_start = $window_start AND window_end = $window_end "
            "AND observed_at = $observed_at",
            asdict(head),
        )
        connection.register("failed_pages", pa.Table.from_pylist(entries, schema=API_PAGE.arrow()))
        connection.execute("INSERT INTO raw.api_page BY NAME FROM failed_pages")
        connection.execute("COMMIT")
