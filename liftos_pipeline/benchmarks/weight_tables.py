"""The benchmark's weights as tables for a terminal or a file of 80 columns. Nothing is measured here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from rich import box
from rich.markup import escape
from rich.table import Table

from liftos_pipeline.benchmarks.weights import Judged, Weighed

COLUMNS = ("ms", "x", "excess", "gap", "off", "all s", "effect")


def weight_tables(found: Iterable[Weighed], lines: Iterable[Judged]) -> Iterator[Table]:
    """One table per case, then what was asked of us.

    ``x`` is a solver's processor time over ours; ``off`` the larger of the error of the sum and the most negative
    weight; ``all s`` the seconds of all in-space placebos, with ``~`` a single fit times the number of units.
    """
    rows = list(found)
    for name in dict.fromkeys(row.case for row in rows):
        yield _table(name, [row for row in rows if row.case == name])
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for column in ("", "asked", "found", ""):
        table.add_column(column, justify="left" if column == "" else "right")
    for line in lines:
        case = line.case.split(",")[0].replace(" donors", "")
        table.add_row(f"{case}: {line.what}", f"{line.asked:g}", f"{line.found:.3g}", line.verdict)
    yield table


def _table(title: str, rows: list[Weighed]) -> Table:
    failed = "\n".join(f"{row.solver} failed: {row.failed}" for row in rows if row.failed)
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        caption=escape(failed) or None,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
    )
    table.add_column("", no_wrap=True)
    for name in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in rows:
        if not row.failed:
            table.add_row(row.solver, *_cells(row, rows[0].cpu_seconds), row.verdict)
    return table


def _cells(row: Weighed, basis: float) -> tuple[str, ...]:
    ratio = row.cpu_seconds / basis if basis > 0 else math.nan
    off = max(abs(row.sum_error), -row.least)
    residuals = ("0" if value == 0 else f"{value:.0e}" for value in (row.excess, row.gap, off))
    placebos = (
        "" if math.isnan(row.placebos_s) else f"{'~' if row.is_extrapolated else ''}{_short(row.placebos_s)}"
    )
    return _short(1e3 * row.seconds), _short(ratio), *residuals, placebos, f"{row.estimate:.4f}"


def _short(value: float) -> str:
    """Three digits, never an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
