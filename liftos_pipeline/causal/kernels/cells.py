"""Balanced panels compressed to cohort x period cells, and the way back to one number per unit.

Regressors that depend on cohort and period alone need nothing else: ``cell_sums`` is one pass over the outcomes,
``unit_sums`` or ``change_sums`` a second one. Passes go block by block in a fixed order, so that sums have the same
bits wherever the outcomes lie; outcomes on other machines are visited there, in blocks of whole units.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.engines.rows import Part
from liftos_pipeline.causal.kernels.outcome_table import OutcomeTable, RemoteOutcomes

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_BLOCK_ENTRIES = 1 << 17
"""Entries of a block: 1 MB, which stays in the cache."""


@dataclass(frozen=True, eq=False)
class CohortPanel:
    """Outcomes of a balanced panel.

    Attributes
    ----------
    y : ndarray, OutcomeTable or RemoteOutcomes, shape (N, T)
        Outcome of each unit and period.
    cohort : ndarray, shape (N,)
        Cohort of each unit, 0 .. H - 1; units of cohort -1 are left out.
    weights : ndarray, shape (N,)
        Sampling weight of each unit.
    n_cohorts : int
    origin : float
        Taken off every outcome: with the first of them, constant outcomes are exactly zero.
    """

    y: Floats | OutcomeTable | RemoteOutcomes
    cohort: Integers
    weights: Floats
    n_cohorts: int
    origin: float = 0.0

    def walk(self, make: Callable[[], Part], visit: Callable[[Part, Integers, Floats], None]) -> list[Part]:
        """Visit codes and outcomes less the origin, (m,) and (m, T), of all units in blocks. As ``Rows.map_blocks``."""
        origin = self.origin
        if isinstance(self.y, RemoteOutcomes):
            return self.y.walk(make, lambda part, units, y: visit(part, units, y - origin))
        n_units, n_periods = self.y.shape
        step = max(1, _BLOCK_ENTRIES // n_periods)
        part = make()
        for start in range(0, n_units, step):
            stop = min(start + step, n_units)
            visit(part, np.arange(start, stop), self.y[start:stop] - origin)
        return [part]

    @property
    def membership(self) -> Membership:
        """What blocks need of the panel."""
        return Membership(self.cohort, self.weights, self.n_cohorts)


@dataclass(frozen=True, eq=False)
class Membership:
    """Cohort and weight of each unit, as in :class:`CohortPanel`."""

    cohort: Integers
    weights: Floats
    n_cohorts: int

    def members(self, units: Integers) -> list[Integers]:
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


@dataclass
class _CellPart:
    sums: Floats
    scale: float = 0.0


def cell_sums(panel: CohortPanel) -> Cells:
    """Sizes of the cohorts and sums of their outcomes in each period."""
    cohort, all_weights, n_cohorts = panel.cohort, panel.weights, panel.n_cohorts
    used = cohort >= 0
    shape = (n_cohorts, panel.y.shape[1])

    def visit(part: _CellPart, units: Integers, y: Floats) -> None:
        y[~used[units]] = 0.0
        member = (cohort[units] == np.arange(n_cohorts)[:, None]) * all_weights[units]
        part.sums += member @ y
        part.scale = max(part.scale, float(y.max()), -float(y.min()))

    whole, *others = panel.walk(lambda: _CellPart(np.zeros(shape)), visit)
    for part in others:
        whole.sums += part.sums
        whole.scale = max(whole.scale, part.scale)
    sizes = np.bincount(cohort[used], weights=all_weights[used], minlength=n_cohorts)
    return Cells(sizes.astype(np.float64), whole.sums, whole.scale)


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
    membership = panel.membership
    shape = (len(panel.cohort), table.shape[2])

    def visit(sums: Floats, units: Integers, y: Floats) -> None:
        for h, members in enumerate(membership.members(units)):
            sums[units[members]] = (y[members] - fitted[h]) @ table[h]

    whole, *others = panel.walk(lambda: np.zeros(shape), visit)
    for sums in others:
        whole += sums
    return whole


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
    membership = panel.membership
    shape = (len(panel.cohort), len(changes[0].constants))

    def make() -> ChangeSums:
        squares, moments = (tuple(np.zeros(len(entry.later)) for entry in changes) for _ in range(2))
        return ChangeSums(np.zeros(shape), squares, moments)

    def visit(part: ChangeSums, units: Integers, y: Floats) -> None:
        for h, members in enumerate(membership.members(units)):
            entry, weights = changes[h], membership.weights[units[members]]
            left = np.ascontiguousarray(y[members].T)
            left -= means[h][:, None]
            moved = left[entry.later]
            moved -= left[entry.earlier]
            combined = entry.shares @ moved
            combined += entry.constants[:, None]
            combined *= weights
            part.sums[units[members]] = combined.T
            part.moments[h][:] += moved @ weights**2
            moved *= weights
            part.squares[h][:] += np.einsum("pn,pn->p", moved, moved)

    whole, *others = panel.walk(make, visit)
    for part in others:
        whole.sums[:] += part.sums
        for mine, other in zip((*whole.squares, *whole.moments), (*part.squares, *part.moments), strict=True):
            mine += other
    return whole
