"""``liftos doctor``: how the home is configured, what it holds, what it lacks."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from liftos_pipeline.cli.console import clear_errors, out
from liftos_pipeline.settings import load_settings

_HEAD = ("version", "python", "home", "source_mode", "pulled", "absent", "needs", "newest_as_of")
_SECTIONS = {
    "apis": ("interfaces", ("platform", "version", "last_day", "days_left", "state")),
    "accounts": ("accounts", ("platform", "account_id", "account_name", "account_timezone", "currency_code")),
    "streams": ("streams", ("source", "stream", "windows", "newest_day", "age_hours", "n_missing")),
    "missing": ("missing days", ("source", "stream", "account_id", "first_day", "last_day", "n_days")),
    "gaps": ("lost for ever", ("source", "stream", "account_id", "first_day", "last_day")),
    "drift": ("undocumented fields", ("source", "stream", "kind", "name", "last_seen")),
    "rejected": ("rejected rows", ("source", "stream", "account_id", "n_rows", "first_day", "last_day")),
    "live": ("asked now", ("platform", "account_id", "is_ok", "error", "message")),
}
_MOST_LINES = 40
_WIDTH = 118


def doctor(
    live: Annotated[
        bool, typer.Option("--live", help="Ask every platform one cheap request per account.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say how this home is configured, what it holds, what it lacks and which command fills it.

    Ends with 1 if something needs action, with 3 if a platform that was asked refuses.
    """
    with clear_errors():
        from liftos_pipeline.doctor import ask_platforms, examine

        settings = load_settings()
        now = datetime.now(UTC)
        facts = examine(settings, now)
        answers = ask_platforms(settings, now) if live else []
        if live:
            facts["live"] = answers
        if as_json:
            print(json.dumps(facts))  # noqa: T201
        else:
            _show(facts)
        if any(not answer["is_ok"] for answer in answers):
            raise typer.Exit(3)
        if facts["needs_action"]:
            raise typer.Exit(1)


def _show(facts: dict[str, object]) -> None:
    for name in _HEAD:
        out.print(f"{name:14s}{facts[name]}", highlight=False, soft_wrap=True, markup=False)
    for name, (title, columns) in _SECTIONS.items():
        rows = facts.get(name)
        if isinstance(rows, list) and rows:
            Console(width=max(out.width, _WIDTH)).print(_table(title, columns, rows[:_MOST_LINES]))
            if len(rows) > _MOST_LINES:
                out.print(f"and {len(rows) - _MOST_LINES} more: --json has all", highlight=False)
    _lines("warning", "yellow", facts["warnings"])
    _lines("to do", "red", facts["needs_action"])
    if not facts["needs_action"]:
        out.print("nothing needs action", style="green")


def _table(title: str, columns: Iterable[str], rows: Iterable[dict[str, object]]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*("-" if row[column] is None else escape(str(row[column])) for column in columns))
    return table


def _lines(mark: str, style: str, lines: object) -> None:
    for line in lines if isinstance(lines, list) else []:
        out.print(f"{mark}: {line}", style=style, highlight=False, soft_wrap=True, markup=False)
