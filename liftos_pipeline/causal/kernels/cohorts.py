"""Means of the outcome by adoption cohort and period. In a balanced panel they hold all that cohort methods need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.engines.rows import Block, Rows
from liftos_pipeline.causal.index import Index

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class CohortMeans:
    """Means of cohorts, in the order of their first treated period; the never-treated, if any, come last.

    Attributes
    ----------
    first_treated : ndarray, shape (C,)
        Period code; ``NEVER`` for the never-treated.
    n_units : ndarray, shape (C,)
    means : ndarray, shape (C, T)
        Mean outcome over the cohort's rows of each period; NaN without one.
    """

    first_treated: Integers
    n_units: Integers
    means: Floats


def cohort_means(rows: Rows, index: Index) -> CohortMeans:
    """Means of the outcome by cohort and period, in one walk over the rows."""
    first, cohort = np.unique(index.first_treated, return_inverse=True)
    n_cells = len(first) * index.n_periods

    def make() -> tuple[Floats, Floats]:
        return np.zeros(n_cells), np.zeros(n_cells)

    def visit(part: tuple[Floats, Floats], block: Block) -> None:
        cell = cohort[block["unit"]] * index.n_periods + block["period"]
        part[0][:] += np.bincount(cell, minlength=n_cells)
        part[1][:] += np.bincount(cell, weights=block["y"], minlength=n_cells)

    parts = rows.map_blocks(["unit", "period", "y"], make, visit)
    counts = np.sum([part[0] for part in parts], axis=0)
    sums = np.sum([part[1] for part in parts], axis=0)
    with np.errstate(invalid="ignore"):
        means = (sums / counts).reshape(len(first), index.n_periods)
    return CohortMeans(first, np.bincount(cohort), means)
