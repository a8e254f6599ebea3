"""The command that writes what marketing caused, for people and for machines."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from liftos_pipeline.cli.console import as_date, clear_errors, out
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from liftos_pipeline.report.inputs import Record

_WIDTH = 118


def report(
    as_of: Annotated[str | None, typer.Option("--as-of", help="As-of day; the newest if not given.")] = None,
    out_: Annotated[
        Path | None, typer.Option("--out", help="File; reports/<as-of day> in the home if not given.")
    ] = None,
    kind: Annotated[
        str,
        typer.Option("--format", help="html: the page; json: all that it says; csv: the attribution table."),
    ] = "html",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as one JSON object; write nothing.")
    ] = False,
) -> None:
    """Write the report of a day: what each channel really added, how sure that is, and what to do.

    The page needs no network and is made from the published database alone.

    Examples: liftos report

    liftos report --as-of 2026-06-29 --format csv --out attribution.csv
    """
    with clear_errors():
        from liftos_pipeline.reporting import FORMATS

        if kind not in FORMATS:
            raise LiftosError(f"--format {', '.join(FORMATS)}", repr(kind), "For example --format html.")
        if as_json and (out_ is not None or kind != "html"):
            raise LiftosError(
                "--json alone", "a file or a format beside it", "--format json --out FILE writes the same object."
            )
        day = None if as_of is None else as_date(as_of)
        if as_json:
            _print_json(load_settings(), day)
        else:
            show_report(load_settings(), day, kind, out_)


def show_report(settings: Settings, as_of: date | None, kind: str = "html", file: Path | None = None) -> Path:
    """Write the report of a day and print its headlines and where it is."""
    from liftos_pipeline.report.contents import contents
    from liftos_pipeline.report.summary import summary
    from liftos_pipeline.reporting import page_of, read_day, write_report

    given = read_day(settings.home, as_of)
    made = contents(given)
    written = write_report(given, made, kind, file or page_of(settings.home, given.as_of, kind))
    simulated = "SIMULATED: " if made["simulated"] else ""
    head, cells = summary(made)
    _print_table(f"{simulated}what each change caused, first 28 days, as of {given.as_of}", head, cells)
    for lead in _leads(made):
        out.print(lead, highlight=False, markup=False)
    out.print(f"report         {written}", highlight=False, soft_wrap=True, markup=False)
    return written


def _print_json(settings: Settings, as_of: date | None) -> None:
    from liftos_pipeline.report.contents import contents
    from liftos_pipeline.report.formats import as_json
    from liftos_pipeline.reporting import read_day

    print(as_json(contents(read_day(settings.home, as_of))))  # noqa: T201


def _print_table(title: str, head: tuple[str, ...], rows: list[list[str]]) -> None:
    table = Table(title=title, box=None, title_justify="left", pad_edge=False)
    for name in head:
        table.add_column(name, justify="left" if name in head[:3] else "right")
    for cells in rows:
        table.add_row(*map(escape, cells))
    Console(width=max(out.width, _WIDTH)).print(table)


def _leads(made: Record) -> list[str]:
    channels = made["channels"]
    return [str(channel["lead"]) for channel in channels] if isinstance(channels, list) else []
