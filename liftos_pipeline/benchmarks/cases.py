"""What the benchmark measures: the one table of its cases. Data are made in ``panels``, runs stand in ``runners``."""

from __future__ import annotations

from dataclasses import dataclass

from liftos_pipeline.benchmarks.panels import Design

WINDOW = 20
"""Leads and lags of event studies."""


@dataclass(frozen=True)
class Case:
    """A method on a table; ``label`` says its rows and covariates, ``quick`` whether it is part of a short run.

    ``peers`` are runners of other libraries; a case without them is too large for those, in time or in memory.
    """

    method: str
    label: str
    design: Design
    peers: tuple[str, ...] = ()
    quick: bool = False

    @property
    def name(self) -> str:
        return f"{self.method}: {self.label}"


_STAGGERED = ("csdid", "differences")
_ROBUST = ("econml", "doubleml")

CASES = {
    case.name: case
    for case in (
        Case("did", "1 M x 10", Design("two_way", 10_000, 100, 10), ("pyfixest",), quick=True),
        Case("did", "0.8 M x 10, unbalanced", Design("two_way", 10_000, 100, 10, 0.2), ("pyfixest",), quick=True),
        Case("did", "0.1 M x 10", Design("two_way", 1_000, 100, 10), ("pyfixest",), quick=True),
        Case("did", "10 M x 10, 100,000 units", Design("two_way", 100_000, 100, 10)),
        Case("did", "10 M x 0", Design("two_way", 10_000, 1_000), ("pyfixest",)),
        Case("did", "10 M x 10", Design("two_way", 10_000, 1_000, 10)),
        Case("did", "8 M x 10, unbalanced", Design("two_way", 10_000, 1_000, 10, 0.2)),
        Case("did", "10 M x 50", Design("two_way", 10_000, 1_000, 50)),
        Case("event_study", "1 M", Design("staggered", 10_000, 100), ("pyfixest",), quick=True),
        Case("event_study", "10 M", Design("staggered", 10_000, 1_000)),
        Case("staggered_did", "1 M", Design("staggered", 10_000, 100), _STAGGERED, quick=True),
        Case("staggered_did", "10 M", Design("staggered", 10_000, 1_000)),
        Case("doubly_robust", "0.1 M x 10", Design("confounded", 100_000, 1, 10), _ROBUST, quick=True),
        Case("doubly_robust", "1 M x 50, 10 rows a unit", Design("confounded", 100_000, 10, 50), _ROBUST),
        Case("ipw", "0.1 M x 10", Design("confounded", 100_000, 1, 10), ("statsmodels",), quick=True),
        Case("iv", "1 M x 10", Design("lottery", 1_000_000, 1, 10), ("linearmodels", "pyfixest"), quick=True),
    )
}
