"""Balanced panels compressed to cohort x period cells, and the way back to one number per unit.

Regressors that depend on cohort and period alone need nothing else: ``cell_sums`` is one pass over the rows,
``unit_sums`` a second one. An engine that holds the rows elsewhere can stand behind the same two functions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CohortPanel:
    """Outcomes of a balanced panel.

    Attributes
    ----------
    y : ndarray, shape (N, T)
        Outcome of each unit and period.
    cohort : ndarray, shape (N,)
        Cohort of each unit, 0 .. H - 1.
    weights : ndarray, shape (N,)
        Sampling weight of each unit.
    n_cohorts : int
    """

    y: Floats
    cohort: Integers
    weights: Floats
    n_cohorts: int


@dataclass(frozen=True, eq=False)
class Cells:
    """Cohort x period cells.

    Attributes
    ----------
    sizes : ndarray, shape (H,)
        Weight of each cohort's units.
    sums : ndarray, shape (H, T)
        Weighted sum of outcomes.
    """

    sizes: Floats
    sums: Floats

    @property
    def means(self) -> Floats:
        """Mean outcome of each cell, shape (H, T)."""
        means: Floats = self.sums / self.sizes[:, None]
        return means


def cell_sums(panel: CohortPanel) -> Cells:
    """Sizes of the cohorts and sums of their outcomes in each period."""
    member = np.zeros((panel.n_cohorts, len(panel.cohort)))
    member[panel.cohort, np.arange(len(panel.cohort))] = panel.weights
    return Cells(member.sum(axis=1), member @ panel.y)


def unit_sums(panel: CohortPanel, table: Floats, fitted: Floats) -> Floats:
    """Sum over each unit's rows of ``table[cohort, period, k] * (y - fitted[cohort, period])``.

    Parameters
    ----------
    table : ndarray, shape (H, T, k)
    fitted : ndarray, shape (H, T)

    Returns
    -------
    ndarray, shape (N, k)
        Not weighted.
    """
    sums = np.zeros((len(panel.cohort), table.shape[2]))
    for cohort in range(panel.n_cohorts):
        members = np.flatnonzero(panel.cohort == cohort)
        sums[members] = (panel.y[members] - fitted[cohort]) @ table[cohort]
    return sums
