"""Deletes from a home what has grown too old: logs, runs that failed, and raw pages if asked to. Touches no result."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from liftos_pipeline.run import delete_failed_runs
from liftos_pipeline.settings import Settings
from liftos_pipeline.warehouse import Warehouse
from liftos_pipeline.warehouse.archive import drop_bodies


def tidy_home(settings: Settings, days: int, pages_days: int | None = None) -> dict[str, int]:
    """How many of each were deleted.

    Parameters
    ----------
    days : int
        Age in days up to which logs and failed runs are kept. Runs that succeeded are kept: they are what the user
        interface knows of partitions.
    pages_days : int, optional
        Age in days up to which bodies of raw pages are kept; their rows in ``raw.api_page`` stay.
    """
    now = datetime.now(UTC)
    oldest = now - timedelta(days=days)
    return {
        "logs": _old_logs(settings.home, oldest),
        "failed runs": delete_failed_runs(settings, oldest),
        "raw pages": 0 if pages_days is None else _old_pages(settings, now - timedelta(days=pages_days)),
    }


def _old_logs(home: Path, oldest: datetime) -> int:
    """Of runs, and what their steps wrote."""
    found = [*(home / "logs").glob("*.log"), *(home / "dagster" / "storage").glob("*")]
    old = [path for path in found if path.stat().st_mtime < oldest.timestamp()]
    for path in old:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return len(old)


def _old_pages(settings: Settings, oldest: datetime) -> int:
    """A body that a younger page has too stays."""
    warehouse = Warehouse(settings.home, settings.source_mode)
    with warehouse.read() as connection:
        rows = connection.execute(
            "SELECT sha256 FROM raw.api_page WHERE sha256 IS NOT NULL GROUP BY 1 HAVING max(fetched_at) < ?",
            [oldest.replace(tzinfo=None)],
        ).fetchall()
    return drop_bodies(warehouse.archive_file, [row[0] for row in rows]) if rows else 0
