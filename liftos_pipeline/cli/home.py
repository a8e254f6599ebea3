"""Commands of a home: pull, estimate, publish, look at it."""

from __future__ import annotations

import os
import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from liftos_pipeline.cli.console import as_date, clear_errors, err, out
from liftos_pipeline.cli.report import show_report
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.settings import CREDENTIALS, OPTIONAL_CREDENTIALS, Settings, last_ended_day, load_settings

if TYPE_CHECKING:
    from liftos_pipeline.run import RunOutcome

DEMO_DAYS = 180


class Steps:
    """Prints each step of a run as it ends, with its seconds."""

    def __init__(self) -> None:
        self._started: dict[str, float] = {}

    def __call__(self, step: str, state: str) -> None:
        if state == "started":
            self._started[step] = time.monotonic()
            return
        seconds = time.monotonic() - self._started.get(step, time.monotonic())
        mark = "[green]done[/]" if state == "done" else "[red]failed[/]"
        err.print(f"  {mark}  {seconds:6.1f} s  {step}", highlight=False)


def _run(settings: Settings, first: date, last: date) -> None:
    from liftos_pipeline.run import run_daily

    _finish(run_daily(settings, first, last, Steps()))


def _finish(outcome: RunOutcome) -> None:
    for message in outcome.messages:
        err.print(f"liftos: {message}", style="red", highlight=False, soft_wrap=True, markup=False)
    if outcome.exit_code:
        raise typer.Exit(outcome.exit_code)


def run(
    date_: Annotated[str | None, typer.Option("--date", help="As-of day; yesterday if not given.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="First as-of day of a range.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Last as-of day of a range.")] = None,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", help="Past as-of day to compute once more, from what was stored by then."),
    ] = None,
) -> None:
    """Do what the schedule does: pull, load, transform, estimate, publish.

    With --as-of a past day is replayed instead: nothing is pulled, and what was given then is given again.

    Examples: liftos run --from 2026-06-01 --to 2026-06-29

    liftos run --as-of 2026-06-15
    """
    with clear_errors():
        settings = load_settings()
        if as_of is not None:
            if any(given is not None for given in (date_, from_, to)):
                raise LiftosError("--as-of alone", "another day beside it", "Give one of them.")
            _replay(settings, as_date(as_of))
            return
        if date_ is not None and (from_ is not None or to is not None):
            raise LiftosError("--date, or --from and --to", "both", "Give one of them.")
        if (from_ is None) != (to is None):
            raise LiftosError("--from and --to together", "one of them", "Give the other one too.")
        yesterday = last_ended_day(datetime.now(UTC)).isoformat()
        first, last = as_date(from_ or date_ or yesterday), as_date(to or date_ or yesterday)
        err.print(f"as of {first} to {last}, {settings.source_mode} home {settings.home}", highlight=False)
        _run(settings, first, last)
        out.print(f"published {settings.home / 'liftos.duckdb'}", highlight=False, soft_wrap=True)


def _replay(settings: Settings, as_of: date) -> None:
    from liftos_pipeline.run import replay_day
    from liftos_pipeline.warehouse import warehouse_of
    from liftos_pipeline.warehouse.ledger import first_captured, vintage_of

    err.print(f"replay as of {as_of}, {settings.source_mode} home {settings.home}", highlight=False)
    _finish(replay_day(settings, as_of, Steps()))
    with warehouse_of(settings).read() as connection:
        vintage, first = vintage_of(connection, as_of), first_captured(connection)
    if vintage != "captured":
        err.print(f"{as_of} is {vintage}: the first day captured in time is {first}", highlight=False)
    out.print(f"published {settings.home / 'liftos.duckdb'}", highlight=False, soft_wrap=True)


def demo() -> None:
    """Build a home with 180 simulated days and show what its marketing caused, beside the truth."""
    with clear_errors():
        for names in (*CREDENTIALS.values(), *OPTIONAL_CREDENTIALS.values()):
            for name in names:
                os.environ.pop(name, None)
        settings = load_settings()
        if settings.source_mode != "simulated":
            raise LiftosError(
                "a home without credentials",
                f"some in {settings.home / 'liftos.toml'}",
                "Set LIFTOS_HOME elsewhere.",
            )
        as_of = settings.liftos_start_date + timedelta(days=DEMO_DAYS - 1)
        started = time.monotonic()
        err.print(f"SIMULATED home {settings.home}, as of {as_of}", highlight=False)
        _run(settings, as_of, as_of)
        show_report(settings, as_of)
        out.print(
            "Sums over the same treated unit-days. Caused and truth are in the row's outcome; true orders are what shops got."
        )
        for name, value in (("database", settings.home / "liftos.duckdb"), ("user interface", "make dev")):
            out.print(f"{name:15s}{value}", highlight=False, soft_wrap=True)
        err.print(f"{time.monotonic() - started:.0f} s in all", highlight=False)
