"""How cost grows: cases of one method that differ in a single size, put beside one another."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from rich import box
from rich.table import Table

from liftos_pipeline.benchmarks.cases import CASES
from liftos_pipeline.benchmarks.estimators import Measured
from liftos_pipeline.benchmarks.runners import OURS
from liftos_pipeline.benchmarks.weights import CASES as WEIGHT_CASES
from liftos_pipeline.benchmarks.weights import Weighed

SIZES = {"n_units": "units", "n_periods": "periods", "n_covariates": "covariates"}


@dataclass(frozen=True)
class Growth:
    """Ours on two cases. ``power``: of the size, with which seconds grew; NaN from zero. Memory in MB, NaN unknown."""

    method: str
    what: str
    small: int
    large: int
    seconds: tuple[float, float]
    memory: tuple[float, float]

    @property
    def power(self) -> float:
        return power(self.seconds, (self.small, self.large))


def power(cost: tuple[float, float], size: tuple[int, int]) -> float:
    """1 where cost grows as the size does, 2 where it grows as its square."""
    if min(*cost, *size) <= 0:
        return math.nan
    return math.log(cost[1] / cost[0]) / math.log(size[1] / size[0])


def of_estimators(found: Iterable[Measured]) -> Iterator[Growth]:
    """Every two cases of a method that differ in one of ``SIZES`` and in nothing else."""
    ours = [(CASES[f"{row.method}: {row.label}"], row) for row in found if row.runner == OURS and not row.failed]
    for (case, row), (other, later) in itertools.permutations(ours, 2):
        for size, name in SIZES.items():
            small, large = getattr(case.design, size), getattr(other.design, size)
            is_alone = replace(case.design, **{size: large}) == other.design and case.method == other.method
            if is_alone and small < large:
                seconds, memory = (row.seconds, later.seconds), (row.peak_mb, later.peak_mb)
                yield Growth(case.method, name, small, large, seconds, memory)


def of_weights(found: Iterable[Weighed]) -> Iterator[Growth]:
    """Neighbouring numbers of donors; periods grow too where donors pass their number."""
    ours = [(WEIGHT_CASES[row.case], row) for row in found if row.solver == OURS and not row.failed]
    for (case, row), (other, later) in itertools.pairwise(ours):
        if case.method == other.method:
            what = "donors" if case.n_periods == other.n_periods else f"donors, with {other.n_periods:,} periods"
            seconds = (row.seconds, later.seconds)
            yield Growth(case.method, what, case.n_donors, other.n_donors, seconds, (math.nan, math.nan))


def growth_table(found: Iterable[Growth]) -> Table:
    table = Table(
        "", "from", "to", "seconds", "power", "MB", title="growth", box=box.SIMPLE_HEAD, title_justify="left"
    )
    for row in found:
        power_of = "" if math.isnan(row.power) or row.small == 0 else f"{row.power:.2f}"
        memory = "" if math.isnan(row.memory[0]) else f"{row.memory[0]:,.0f}, {row.memory[1]:,.0f}"
        seconds = f"{row.seconds[0]:.3g}, {row.seconds[1]:.3g}"
        table.add_row(f"{row.method}: {row.what}", f"{row.small:,}", f"{row.large:,}", seconds, power_of, memory)
    return table
