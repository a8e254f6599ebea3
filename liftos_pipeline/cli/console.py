"""What every command prints to, and how it ends on an error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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
