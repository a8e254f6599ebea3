"""The command that measures speed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from liftos_pipeline.cli.console import err, out

if TYPE_CHECKING:
    from liftos_pipeline.benchmarks.estimators import Measured
    from liftos_pipeline.benchmarks.transformation import TransformationTimes


def benchmark(
    records: Annotated[int, typer.Option(help="Raw rows.")] = 5_000_000,
    quick: Annotated[bool, typer.Option(help="A million rows at most.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Time raw rows to panel, and the estimators beside a scan of the same columns and the peers that are installed."""
    from liftos_pipeline.benchmarks import transformation
    from liftos_pipeline.benchmarks.estimators import measure, surroundings
    from liftos_pipeline.benchmarks.tables import plain, tables

    about = surroundings()
    times = transformation.measure(min(records, 1_000_000) if quick else records)
    found = _told(measure(quick))
    if as_json:
        facts = {"surroundings": about, "transformation": vars(times), "estimators": [plain(row) for row in found]}
        print(json.dumps(facts))  # noqa: T201
        return
    out.print(", ".join(f"{name} {value}" for name, value in about.items()), highlight=False)
    out.print(_transformation_table(times))
    for table in tables(found):
        out.print(table)
        out.print()


def _told(found: Iterator[Measured]) -> Iterator[Measured]:
    """The same, with a line for each as it ends."""
    for row in found:
        state = f"[red]failed[/]  {escape(row.failed)}" if row.failed else f"[green]done[/]  {row.seconds:8.3f} s"
        err.print(f"  {state}  {row.method}: {row.label}, {row.runner}", highlight=False)
        yield row


def _transformation_table(times: TransformationTimes) -> Table:
    table = Table("raw rows", "panel", "records/s", "scan", "dbt start", "dbt run", box=box.SIMPLE_HEAD)
    cells = (f"{times.panel_s:.2f} s", f"{times.records_per_s:,.0f}", f"{times.scan_s:.2f} s")
    table.add_row(f"{times.records:,}", *cells, f"{times.dbt_start_s:.1f} s", f"{times.dbt_run_s:.1f} s")
    return table
