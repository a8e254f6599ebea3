"""The few speeds that a validation reports; `liftos benchmark` has all of them, beside peers and a scan of the same columns.

Clocks have no Monte-Carlo error: a number is the median of its runs on this machine, and is judged as it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from liftos_pipeline.benchmarks import estimators, transformation, weights
from liftos_pipeline.benchmarks.operating_points import Cell, Sense
from liftos_pipeline.benchmarks.runners import OURS

DETECTOR = "speed"
SMALL = 1_000_000
LARGE = 5_000_000
"""Raw rows of the transformation."""
_FIT = "synthetic_control: 1000 donors, 700 of 1000 periods before"
SECONDS = {
    "did: 1 M x 10": ("did on 1 M rows x 10 covariates, s", 0.5),
    "doubly_robust: 0.1 M x 10": ("doubly_robust on 0.1 M rows x 10 covariates, s", 1.0),
}
"""Names of lines, and a tenth of what others claim."""
_WIDEST = "did: 10 M x 50"


def cells(with_largest: bool) -> Iterator[Cell]:
    """Transformation, estimators and, if ``with_largest``, the memory of 10,000 units x 1,000 periods x 50 covariates."""
    times = transformation.measure(LARGE if with_largest else SMALL)
    yield _line("raw rows to panel, million/s", "at least", 1.0, times.records_per_s / 1e6)
    for case, (name, most) in SECONDS.items():
        (found,) = estimators.measured(estimators.CASES[case], (OURS,))
        yield _line(name, "at most", most, found.seconds)
    fit = weights.measured(OURS, weights.CASES[_FIT])
    yield _line("synthetic_control of 1,000 donors x 1,000 periods, s", "at most", 3.0, fit.seconds)
    if with_largest:
        (found,) = estimators.measured(estimators.CASES[_WIDEST], (OURS,))
        yield _line("did on 10,000 x 1,000 x 50, GB of memory", "at most", 1.0, found.peak_mb / 1024)


def _line(name: str, sense: Sense, asked: float, value: float) -> Cell:
    return Cell(DETECTOR, name, sense, asked, estimators.REPEATS, value, 0.0)
