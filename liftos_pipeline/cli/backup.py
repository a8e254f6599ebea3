"""Commands that keep a home: back-up, restore, and what has grown too old."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from liftos_pipeline.cli.console import clear_errors, out
from liftos_pipeline.settings import load_settings

if TYPE_CHECKING:
    from liftos_pipeline.warehouse.backup import Copied

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


def backup(
    folder: Annotated[Path, typer.Argument(help="A folder that is not there yet.")], as_json: AsJson = False
) -> None:
    """Copy the home into a new folder, beside any run: tables, raw pages, keys of hashes, runs, reports. Credentials are not
    copied. It holds people who are forgotten later: make a new one then, and delete it.

    Examples: liftos backup /backups/2026-06-29
    """
    with clear_errors():
        from liftos_pipeline.warehouse import warehouse_of
        from liftos_pipeline.warehouse.backup import back_up

        _say(back_up(warehouse_of(load_settings()), folder), folder, as_json)


def restore(
    folder: Annotated[Path, typer.Argument(help="What liftos backup wrote.")], as_json: AsJson = False
) -> None:
    """Put a back-up into the home that LIFTOS_HOME names, which must be empty. Every file is checked first.

    Examples: LIFTOS_HOME=new liftos restore /backups/2026-06-29
    """
    with clear_errors():
        from liftos_pipeline.warehouse import backup

        home = load_settings().home
        _say(backup.restore(folder, home), home, as_json)


def tidy(
    days: Annotated[int, typer.Option(min=1, help="Logs, and runs that failed, are kept so many days.")] = 90,
    pages_days: Annotated[
        int | None,
        typer.Option(
            min=1, help="Raw pages are kept so many days; for ever if not given. liftos reparse needs them."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Delete logs and failed runs that are old, and raw pages if asked to. Tables, and runs that succeeded, stay.

    Examples: liftos tidy

    liftos tidy --days 30 --pages-days 400
    """
    with clear_errors():
        from liftos_pipeline.tidy import tidy_home

        done = tidy_home(load_settings(), days, pages_days)
        if as_json:
            print(json.dumps(done))  # noqa: T201
            return
        for name, count in done.items():
            out.print(f"{count:9,d}  {name}", highlight=False)


def _say(done: Copied, into: Path, as_json: bool) -> None:
    if as_json:
        facts = {
            "folder": str(into),
            "files": done.files,
            "bytes": done.size,
            "made_at": done.made_at.isoformat(),
        }
        print(json.dumps(facts))  # noqa: T201
        return
    out.print(
        f"{done.files:,} files, {done.size / 1e6:,.0f} MB, as of {done.made_at:%Y-%m-%d %H:%M} UTC, in {into}",
        highlight=False,
        soft_wrap=True,
    )
