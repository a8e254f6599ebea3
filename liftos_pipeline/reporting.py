"""Reads one as-of day of a home's published database and has its report made. Computes no result and pulls nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

from liftos_pipeline.errors import LiftosError
from liftos_pipeline.report.contents import contents
from liftos_pipeline.report.formats import as_csv, as_json
from liftos_pipeline.report.inputs import EARLIER_TABLES, TABLES, Earlier, Record, ReportInput
from liftos_pipeline.report.page import as_html
from liftos_pipeline.warehouse import result_days
from liftos_pipeline.warehouse.public import PublicDatabase

FORMATS: dict[str, Callable[[ReportInput, Record], str]] = {
    "html": as_html,
    "json": lambda _given, report: as_json(report),
    "csv": lambda given, _report: as_csv(given),
}


def read_day(home: Path, as_of: date | None = None) -> ReportInput:
    """What a home has published of an as-of day, the newest if none is given.

    Raises
    ------
    LiftosError
        The day has no results.
    NotPublished
        Nothing was published.
    WarehouseError
        The database cannot be read.
    """
    published = PublicDatabase(home / "liftos.duckdb", follows=False)
    days = result_days.result_days(published)
    day = as_of or (days[-1] if days else None)
    if day is None or day not in days:
        newest = ", ".join(map(str, days[-3:])) or "none"
        raise LiftosError(
            "an as-of day that has results",
            f"{day or 'a home without any'}; the newest: {newest}",
            f"`liftos run{'' if day is None else f' --date {day}'}` computes one.",
        )
    before = [other for other in days if other < day]
    mode = result_days.home_mode(published)
    earlier = None
    if before:
        last, rows = before[-1], result_days.rows_of_day(published, EARLIER_TABLES, before[-1])
        earlier = Earlier(last, rows, result_days.effects_given(published, last))
    return ReportInput(
        as_of=day,
        source_mode=mode,
        tables=result_days.rows_of_day(published, TABLES, day),
        given=result_days.effects_given(published, day),
        vintages=result_days.vintages(published, day),
        settings=result_days.run_settings(published, day),
        earlier=earlier,
        truth=result_days.true_effects(published, day) if mode == "simulated" else None,
    )


def write_report(given: ReportInput, report: Record, kind: str, file: Path) -> Path:
    """Write the report of a day as ``kind`` of ``FORMATS``; the folder is made."""
    text = FORMATS[kind](given, report)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def page_of(home: Path, as_of: date, kind: str = "html") -> Path:
    """Where a home keeps the report of a day."""
    return home / "reports" / f"{as_of}.{kind}"


__all__ = ["FORMATS", "contents", "page_of", "read_day", "write_report"]
