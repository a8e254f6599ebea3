"""What every command prints to, and how it ends on an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date

import typer
from rich.console import Console

from liftos_pipeline.errors import LiftosError

out = Console()
err = Console(stderr=True)


@contextmanager
def clear_errors() -> Iterator[None]:
    """End with one clear line and the error's exit code."""
    try:
        yield
    except LiftosError as error:
        err.print(f"liftos: {error}", style="red", highlight=False, soft_wrap=True, markup=False)
        raise typer.Exit(error.exit_code) from error


def as_date(text: str) -> date:
    """A day as a user writes it."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise LiftosError("a date as YYYY-MM-DD", repr(text), "For example --date 2026-06-29.") from error


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """What is told how many are done of how many: a bar on a terminal, nothing elsewhere."""
    if not err.is_terminal:
        yield None
        return
    from rich.progress import Progress

    with Progress(console=err, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
