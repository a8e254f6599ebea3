"""The benchmark's numbers as tables for a terminal or a file of 80 columns. Nothing is measured here."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator

from rich import box
from rich.markup import escape
from rich.table import Table

from liftos_pipeline.benchmarks.estimators import Measured
from liftos_pipeline.benchmarks.runners import OURS, SCAN
from liftos_pipeline.benchmarks.weights import Judged, Weighed

NUMBERS = ("seconds", "x scan", "x liftos", "peak MB", "estimate", "std. error")
_WIDTH = 78


def tables(found: Iterable[Measured]) -> Iterator[Table]:
    """One table per case, as soon as the case is measured.

    ``x scan`` and ``x liftos`` are the runner's seconds over those of the scan and over ours.
    """
    for (method, label), rows in itertools.groupby(found, key=lambda row: (row.method, row.label)):
        yield _table(f"{method}: {label}", list(rows))


def _table(title: str, rows: list[Measured]) -> Table:
    seconds = {row.runner: row.seconds for row in rows}
    failed = "\n".join(f"{row.runner} failed: {row.failed}" for row in rows if row.failed)
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        caption=escape(failed) or None,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
        min_width=_WIDTH,
    )
    table.add_column("", min_width=12, no_wrap=True)
    for name in NUMBERS:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        if row.failed:
            continue
        ratios = [_ratio(row.seconds, seconds.get(basis, math.nan)) for basis in (SCAN, OURS)]
        cells = (_shown(row.seconds, ".3f"), *ratios, _shown(row.peak_mb, ".0f"))
        numbers = (_shown(row.estimate, ".8g"), _shown(row.std_error, ".5g"))
        table.add_row(row.runner, *cells, *numbers)
    return table


def _shown(value: float, form: str) -> str:
    return "" if math.isnan(value) else format(value, form)


def _ratio(seconds: float, basis: float) -> str:
    return _shown(seconds / basis, ".2f" if seconds < 10 * basis else ".0f")


def plain(found: Measured | Weighed | Judged) -> dict[str, object]:
    """Fields as JSON types: what is not a number is null."""
    fields = dataclasses.asdict(found)
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value for name, value in fields.items()
    }
