"""The command that holds the whole system against worlds whose truth is known."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from liftos_pipeline.cli.console import clear_errors, err, out
from liftos_pipeline.errors import LiftosError

if TYPE_CHECKING:
    from liftos_pipeline.benchmarks.operating_points import Cell


def validate(
    quick: Annotated[bool, typer.Option(help="A few worlds: minutes, and most lines undecided.")] = False,
    worlds: Annotated[int | None, typer.Option(help="Clean worlds to play; 4 if quick, else 64.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the unseen half; drawn if not given.")] = None,
    page: Annotated[
        Path | None,
        typer.Option(help="File for a page with a picture (.html) or a table (.md: between its marks, if any)."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Play simulated worlds to their verdicts and hold them against the truth: coverage, bias, decisions, attribution; then
    estimators where the effect is known, and splits by time.

    Every line has its Monte-Carlo error at the level of the whole table: pass, fall short, or undecided. Ends with 1 if one
    falls short.

    Example: liftos validate --quick --seed 7 --page validation.html
    """
    from dataclasses import replace

    from liftos_pipeline.benchmarks import validation
    from liftos_pipeline.benchmarks.operating_points import judge, plain, table

    with clear_errors():
        size = validation.QUICK if quick else validation.FULL
        if worlds is not None:
            if worlds < 2:
                raise LiftosError("at least 2 worlds", str(worlds), "Errors are those of worlds: use 60 or more.")
            size = replace(size, worlds=worlds)
        if page is not None and page.suffix not in (".html", ".md"):
            raise LiftosError("a file that ends with .html or .md in --page", str(page), "Name it so.")
        chosen = secrets.randbelow(validation.LARGEST_SEED) if seed is None else seed
        if not 0 <= chosen < validation.LARGEST_SEED:
            raise LiftosError(f"a seed from 0 to {validation.LARGEST_SEED - 1}", str(chosen), "Choose another.")
        told = f"seeds {validation.FIXED_SEED}.. (fixed) and {chosen}.. (unseen); {size.worlds} clean worlds"
        err.print(told, highlight=False)
        cells: list[Cell] = []
        for step in validation.validate(size, chosen):
            err.print(f"  [green]done[/]  {step.name}", highlight=False)
            cells += step.cells
        judged = judge(cells)
        lines = [{**plain(row), "claim": validation.CLAIMS.get(_name(row.cell))} for row in judged]
        if page is not None:
            _write(page, lines, told)
    if as_json:
        print(json.dumps({"seed": chosen, "fixed_seed": validation.FIXED_SEED, **vars(size), "lines": lines}))  # noqa: T201
    else:
        out.print(told, highlight=False)
        out.print(table(judged))
        for name, claim in validation.CLAIMS.items():
            out.print(f"{name}: the system measured against claims {claim}", highlight=False)
    if any(row.verdict == "fall short" for row in judged):
        raise typer.Exit(1)


def _write(page: Path, lines: list[dict[str, object]], told: str) -> None:
    from datetime import date

    from liftos_pipeline.report.validation_page import put_table, validation_page, validation_table

    made_at = date.today().isoformat()
    try:
        if page.suffix == ".md":
            before = page.read_text(encoding="utf-8") if page.exists() else ""
            text = put_table(before, validation_table(lines, told, made_at))
        else:
            text = validation_page(lines, told, made_at)
        page.write_text(text, encoding="utf-8")
    except OSError as error:
        raise LiftosError(
            "a file that can be written in --page", f"{page}: {error.strerror}", "Choose another."
        ) from None
    err.print(f"results in {page}", highlight=False)


def _name(cell: Cell) -> str:
    return f"{cell.detector}: {cell.name}"
