"""Verdicts on measured rates: what passes, falls short or stays undecided."""

from __future__ import annotations

import math

import pytest
from scipy.stats import norm

from liftos_pipeline.benchmarks.operating_points import Cell, judge, proportion, table


def one(sense: str, asked: float, hits: int, draws: int) -> str:
    return judge([proportion("d", "w", sense, asked, hits, draws)])[0].verdict


@pytest.mark.parametrize(
    ("sense", "asked", "hits", "draws", "verdict"),
    [
        ("at most", 0.05, 250, 5_000, "pass"),
        ("at most", 0.05, 254, 5_000, "pass"),  # above, within the error
        ("at most", 0.05, 300, 5_000, "fall short"),
        ("at most", 0.05, 26, 500, "undecided"),  # too few draws to say
        ("at most", 0.05, 5, 500, "pass"),
        ("at most", 0.05, 60, 500, "fall short"),
        ("at least", 0.8, 500, 500, "pass"),
        ("at least", 0.8, 405, 500, "undecided"),
        ("at least", 0.8, 330, 500, "fall short"),
        ("at least", 0.8, 0, 0, "undecided"),
        ("shown", math.nan, 3, 5, ""),
    ],
)
def test_verdicts(sense, asked, hits, draws, verdict):
    assert one(sense, asked, hits, draws) == verdict


def test_errors_are_shared_by_the_cells_that_are_asked_for():
    cells = [proportion("d", str(n), "at most", 0.05, 270, 5_000) for n in range(20)]
    cells.append(Cell("d", "shown", "shown", math.nan, 10, 0.5, 0.1))
    found = judge(cells)
    assert found[0].error == pytest.approx(norm.isf(0.05 / 20) * math.sqrt(0.054 * 0.946 / 5_000), rel=1e-3)
    assert found[0].cell.rate == 0.054
    assert table(found).row_count == 21
