"""Measured operating points of detectors beside what is asked of them: one cell per world, judged together.

Worlds stand in ``detect_*.py``, one file per detector; ``detectors`` lists them.
``python -m liftos_pipeline.benchmarks.operating_points [--draws N] [detector ...]`` prints the table.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table

from liftos_pipeline.benchmarks.side_by_side import side_by_side

Sense = Literal["at most", "at least", "shown"]
DRAWS = 5_000
"""Below this a rate near its limit is not judged."""
LEVEL = 0.05
"""Chance that any cell of a table is judged wrongly; shared equally by its cells (Bonferroni)."""


@dataclass(frozen=True)
class Cell:
    """One measured number.

    Attributes
    ----------
    detector, name : str
        Who was measured, and in which world.
    sense : "at most" or "at least"
        Whether ``asked`` is a ceiling (false positives) or a floor (power, accuracy). "shown": nothing is asked.
    asked : float
        NaN where nothing is asked.
    draws : int
        Independent series, lists or data sets behind the number.
    rate, std_error : float
        The number and its Monte-Carlo standard error.
    """

    detector: str
    name: str
    sense: Sense
    asked: float
    draws: int
    rate: float
    std_error: float


@dataclass(frozen=True)
class Judged:
    """A cell, its error at the level of the whole table, and ``pass``, ``fall short``, ``undecided`` or ""."""

    cell: Cell
    error: float
    verdict: str


Scenarios = Callable[[int], Iterator[Cell]]
"""Draws per cell to cells, as they are measured."""


def proportion(
    detector: str,
    name: str,
    sense: Sense,
    asked: float,
    hits: int,
    draws: int,
) -> Cell:
    """A cell that counts independent draws; no draws make NaN."""
    if draws == 0:
        return Cell(detector, name, sense, asked, 0, math.nan, math.nan)
    kept_off_zero = (hits + 0.5) / (draws + 1.0)
    return Cell(
        detector,
        name,
        sense,
        asked,
        draws,
        hits / draws,
        math.sqrt(kept_off_zero * (1.0 - kept_off_zero) / draws),
    )


def judge(cells: Sequence[Cell]) -> list[Judged]:
    """Verdicts that hold for the table as a whole.

    A ceiling is kept unless the rate exceeds it by more than its error, judged at ``DRAWS`` draws; with fewer the
    rate must be below it by its error. A floor is reached where the rate is above it by its error, missed where it
    is below it by its error.
    """
    from scipy.stats import norm

    n_asked = max(1, sum(cell.sense != "shown" for cell in cells))
    width = float(norm.isf(LEVEL / n_asked))
    return [Judged(cell, width * cell.std_error, _verdict(cell, width * cell.std_error)) for cell in cells]


def _verdict(cell: Cell, error: float) -> str:
    if cell.sense == "shown":
        return ""
    if math.isnan(cell.rate):
        return "undecided"
    beyond = cell.rate - cell.asked if cell.sense == "at most" else cell.asked - cell.rate
    if beyond > error:
        return "fall short"
    kept_at_full_draws = cell.sense == "at most" and cell.draws >= DRAWS
    return "pass" if beyond <= -error or kept_at_full_draws else "undecided"


def plain(row: Judged) -> dict[str, object]:
    """Fields as JSON types: what is not a number is null."""
    fields = {**vars(row.cell), "error": row.error, "verdict": row.verdict}
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in fields.items()}


def table(found: Sequence[Judged]) -> Table:
    """For a terminal of 80 columns."""
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    shown.add_column("detector, world", overflow="fold")
    for name in ("asked", "draws", "rate", "error", "verdict"):
        shown.add_column(name, justify="right", no_wrap=True)
    for row in found:
        cell = row.cell
        sign = {"at most": "<=", "at least": ">=", "shown": ""}[cell.sense]
        asked = f"{sign} {cell.asked:.3g}" if sign else ""
        shown.add_row(
            f"{cell.detector}: {cell.name}",
            asked,
            f"{cell.draws:,}",
            f"{cell.rate:.4f}",
            f"{row.error:.4f}",
            row.verdict,
        )
    return shown


def measure(quick: bool = False) -> Iterator[Cell]:
    """Cells of every detector, side by side; a tenth of the draws if quick."""
    from liftos_pipeline.benchmarks.detectors import SCENARIOS

    for cells in side_by_side(_cells, [(name, DRAWS // 10 if quick else DRAWS) for name in SCENARIOS]):
        yield from cells


def _cells(detector: str, draws: int) -> list[Cell]:
    from liftos_pipeline.benchmarks.detectors import SCENARIOS

    return list(SCENARIOS[detector](draws))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the named detectors, or all, and print the table; a line per cell as it ends goes to standard error."""
    from liftos_pipeline.benchmarks.detectors import SCENARIOS
    from liftos_pipeline.causal.specification import one_of

    parser = argparse.ArgumentParser(description="Operating points of detectors.")
    parser.add_argument("--draws", type=int, default=DRAWS, help="draws per cell")
    parser.add_argument("detector", nargs="*", help=f"{', '.join(SCENARIOS)}; default: all")
    asked = parser.parse_args(arguments)
    for name in asked.detector:
        one_of("detector", name, tuple(SCENARIOS))
    progress = Console(stderr=True)
    cells: list[Cell] = []
    for name in asked.detector or SCENARIOS:
        for cell in SCENARIOS[name](asked.draws):
            progress.print(f"  {cell.detector}: {cell.name}  {cell.rate:.4f} of {cell.draws:,}", highlight=False)
            cells.append(cell)
    Console().print(table(judge(cells)))


if __name__ == "__main__":
    main()
