"""The command that reads stored pages again."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from liftos_pipeline.cli.console import as_date, clear_errors, err, out
from liftos_pipeline.errors import LiftosError, PlatformError
from liftos_pipeline.settings import load_settings

_NAMED = 5


def reparse(
    source: Annotated[str | None, typer.Argument(help="Platform; all of them if not given.")] = None,
    date_: Annotated[str | None, typer.Option("--date", help="Pages of one as-of day.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="First as-of day; all if not given.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Last as-of day.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Read the stored pages again, as after a mended parser. No platform is asked.

    Rows are loaded as if they had been read so at first: at the clock of their pages. Ends with 3 if a window's pages are
    not all stored; the others are loaded. Run `liftos run` for the results of the same days afterwards.

    Examples: liftos reparse

    liftos reparse meta --from 2026-05-01 --to 2026-05-31
    """
    with clear_errors():
        from liftos_pipeline.ingest import open_home
        from liftos_pipeline.reparse import reparse as read_again

        if date_ is not None and (from_ is not None or to is not None):
            raise LiftosError("--date, or --from and --to", "both", "Give one of them.")
        first, last = (None if day is None else as_date(day) for day in (date_ or from_, date_ or to))
        done = read_again(open_home(load_settings()), source, first, last)
        if as_json:
            print(json.dumps({"windows": done.windows, "rows": done.rows, "left": done.left}))  # noqa: T201
        else:
            out.print(f"{done.windows} windows, {done.rows} rows read again", highlight=False)
        if done.left:
            for place, reason in done.left[_NAMED:]:
                err.print(f"{place}: {reason}", highlight=False)
            raise PlatformError(
                "every window's pages to be stored and readable",
                f"{len(done.left)} that are not: "
                + "; ".join(f"{place}: {reason}" for place, reason in done.left[:_NAMED]),
                "The others are loaded. Pull the rest again, or set the interface version and the address of that time.",
            )
