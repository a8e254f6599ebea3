"""The command that says why a number changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from liftos_pipeline import __version__
from liftos_pipeline.cli.console import clear_errors, err, out
from liftos_pipeline.settings import load_settings

if TYPE_CHECKING:
    from liftos_pipeline.explain import Explanation
    from liftos_pipeline.warehouse.ledger import RunOfDay


def explain(
    from_: Annotated[str, typer.Option("--from", help="Run id, the beginning of one, or an as-of day.")],
    to: Annotated[str, typer.Option("--to", help="The same of the later run.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say why the effects of two runs differ: data maturity, data corrections, new days, code, seed. The parts add up.

    An as-of day means the newest run of it; RUN@DAY is one day of a run over several.

    Examples: liftos explain --from 2026-06-15 --to 2026-06-29

    liftos explain --from 3f2a --to 9c01 --json
    """
    with clear_errors():
        from liftos_pipeline.explain import explain_runs

        found = explain_runs(load_settings(), from_, to)
        if as_json:
            print(json.dumps(_facts(found)))  # noqa: T201
        else:
            _print(found)


def _facts(found: Explanation) -> dict[str, object]:
    effects = found.table.astype(object).where(found.table.notna(), None)
    return {
        "from": _run(found.start),
        "to": _run(found.end),
        "code_version_today": __version__,
        "notes": list(found.notes),
        "effects": effects.to_dict("records"),
    }


def _run(run: RunOfDay) -> dict[str, object]:
    until = run.vantage.known_until
    return {
        "run_id": run.run_id,
        "as_of": run.as_of.isoformat(),
        "known_until": None if until is None else until.isoformat(),
        "code_version": run.code_version,
        "seed": run.vantage.settings.liftos_seed,
    }


def _print(found: Explanation) -> None:
    from liftos_pipeline.explain import PARTS

    runs = [f"{run.run_id[:8]} as of {run.as_of}" for run in (found.start, found.end)]
    numbers = ("from_estimate", "to_estimate", "change", *PARTS)
    table = Table(title=f"From {runs[0]} to {runs[1]}, per treated unit-day", box=box.SIMPLE_HEAD)
    for name in ("effect", "method"):
        table.add_column(name)
    for name in numbers:
        table.add_column(name.replace("_estimate", "").replace("_", " "), justify="right")
    for row in found.table.to_dict("records"):
        name = f"{row['platform']} {row['treatment_type']}, {row['outcome']}"
        told = [f"{row[number]:.4g}" if row[number] == row[number] else "" for number in numbers]
        table.add_row(name, row["method"], *told)
    Console(width=max(out.width, 150)).print(table)
    for reason in sorted(set(found.table["undefined"].dropna())):
        count = int((found.table["undefined"] == reason).sum())
        out.print(f"{count} without parts: {reason}", highlight=False, soft_wrap=True)
    for note in found.notes:
        err.print(note, highlight=False, soft_wrap=True)
