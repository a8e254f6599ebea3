"""Balanced panels compressed to cohort x period cells, and the way back to one number per unit.

Regressors that depend on cohort and period alone need nothing else: ``cell_sums`` is one pass over the outcomes,
``unit_sums`` or ``change_sums`` a second one. Passes go block by block in a fixed order, so that sums have the same
bits wherever the outcomes lie.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.kernels.outcome_table import OutcomeTable

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_BLOCK_ENTRIES = 1 << 17
"""Entries of a block: 1 MB, which stays in the cache."""


@dataclass(frozen=True, eq=False)
class CohortPanel:
    """Outcomes of a balanced panel.

    Attributes
    ----------
    y : ndarray or OutcomeTable, shape (N, T)
        Outcome of each unit and period.
    cohort : ndarray, shape (N,)
        Cohort of each unit, 0 .. H - 1; units of cohort -1 are left out.
    weights : ndarray, shape (N,)
        Sampling weight of each unit.
    n_cohorts : int
    origin : float
        Taken off every outcome: with the first of them, constant outcomes are exactly zero.
    """

    y: Floats | OutcomeTable
    cohort: Integers
    weights: Floats
    n_cohorts: int
    origin: float = 0.0

    def blocks(self) -> Iterator[tuple[slice, Floats]]:
        """Outcomes of consecutive units less the origin."""
        n_units, n_periods = self.y.shape
        step = max(1, _BLOCK_ENTRIES // n_periods)
        for start in range(0, n_units, step):
            units = slice(start, min(start + step, n_units))
            yield units, self.y[units] - self.origin

    def members(self, units: slice) -> list[Integers]:
        """Places of each cohort's units in a block."""
        cohort = self.cohort[units]
        return [np.flatnonzero(cohort == h) for h in range(self.n_cohorts)]


@dataclass(frozen=True, eq=False)
class Cells:
    """Cohort x period cells.

    Attributes
    ----------
    sizes : ndarray, shape (H,)
        Weight of each cohort's units.
    sums : ndarray, shape (H, T)
        Weighted sum of outcomes less the origin.
    scale : float
        Largest distance of an outcome from the origin.
    """

    sizes: Floats
    sums: Floats
    scale: float

    @property
    def means(self) -> Floats:
        """Mean outcome of each cell less the origin, shape (H, T)."""
        means: Floats = self.sums / self.sizes[:, None]
        return means


def cell_sums(panel: CohortPanel) -> Cells:
    """Sizes of the cohorts and sums of their outcomes in each period."""
    used = panel.cohort >= 0
    sums, scale = np.zeros((panel.n_cohorts, panel.y.shape[1])), 0.0
    for units, y in panel.blocks():
        y[~used[units]] = 0.0
        member = (panel.cohort[units] == np.arange(panel.n_cohorts)[:, None]) * panel.weights[units]
        sums += member @ y
        scale = max(scale, float(y.max()), -float(y.min()))
    sizes = np.bincount(panel.cohort[used], weights=panel.weights[used], minlength=panel.n_cohorts)
    return Cells(sizes.astype(np.float64), sums, scale)


def unit_sums(panel: CohortPanel, table: Floats, fitted: Floats) -> Floats:
    """Sum over each unit's rows of ``table[cohort, period, k] * (y - fitted[cohort, period])``.

    Parameters
    ----------
    table : ndarray, shape (H, T, k)
    fitted : ndarray, shape (H, T)
        Of outcomes less the origin.

    Returns
    -------
    ndarray, shape (N, k)
        Not weighted; zero for units that are left out.
    """
    sums = np.zeros((len(panel.cohort), table.shape[2]))
    for units, y in panel.blocks():
        for h, members in enumerate(panel.members(units)):
            sums[units.start + members] = (y[members] - fitted[h]) @ table[h]
    return sums


@dataclass(frozen=True, eq=False)
class Changes:
    """Changes between pairs of periods that count for one cohort.

    Attributes
    ----------
    later, earlier : ndarray, shape (p,)
        Periods of each pair.
    shares : sparse array, shape (k, p)
        Weight of each change in k sums.
    constants : ndarray, shape (k,)
        Added to the sums of each unit.
    """

    later: Integers
    earlier: Integers
    shares: Any
    constants: Floats


@dataclass(frozen=True, eq=False)
class ChangeSums:
    """Sums of changes about their cohort's mean.

    Attributes
    ----------
    sums : ndarray, shape (N, k)
        ``weight * (shares @ changes + constants)`` of each unit; zero for units that are left out.
    squares, moments : tuple of ndarray, shape (p,)
        By cohort, sums over its units of ``(weight * change) ** 2`` and of ``weight ** 2 * change``.
    """

    sums: Floats
    squares: tuple[Floats, ...]
    moments: tuple[Floats, ...]


def change_sums(panel: CohortPanel, means: Floats, changes: Sequence[Changes]) -> ChangeSums:
    """Combine the changes of each unit between pairs of periods.

    Parameters
    ----------
    means : ndarray, shape (H, T)
        Of the cells.
    changes : sequence of Changes
        One per cohort.
    """
    sums = np.zeros((len(panel.cohort), len(changes[0].constants)))
    squares = tuple(np.zeros(len(entry.later)) for entry in changes)
    moments = tuple(np.zeros(len(entry.later)) for entry in changes)
    for units, y in panel.blocks():
        for h, members in enumerate(panel.members(units)):
            entry, weights = changes[h], panel.weights[units][members]
            left = np.ascontiguousarray(y[members].T)
            left -= means[h][:, None]
            moved = left[entry.later]
            moved -= left[entry.earlier]
            combined = entry.shares @ moved
            combined += entry.constants[:, None]
            combined *= weights
            sums[units.start + members] = combined.T
            moments[h][:] += moved @ weights**2
            moved *= weights
            squares[h][:] += np.einsum("pn,pn->p", moved, moved)
    return ChangeSums(sums, squares, moments)
