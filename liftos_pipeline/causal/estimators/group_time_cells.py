"""Group-time effects of a balanced panel, from the means of cohorts and periods."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.estimators.adoption import Adoption
from liftos_pipeline.causal.estimators.group_time import GroupTimes, UnitInfluence
from liftos_pipeline.causal.estimators.group_time_plan import Plan
from liftos_pipeline.causal.kernels.cells import Cells, Changes, cell_sums, change_sums

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def from_cells(adoption: Adoption, weights: Floats, plan: Plan) -> GroupTimes:
    """Comparisons of mean changes in a balanced panel."""
    panel, cells = adoption.outcomes, adoption.cells
    if weights is not adoption.unit_weights:
        panel = dataclasses.replace(panel, weights=_of_source(adoption, weights))
        cells = cell_sums(panel)
    n_controls = np.zeros(len(plan.cohort))
    for h, size in enumerate(cells.sizes):
        n_controls += plan.controls[:, h] * size
    own = cells.means[plan.cohort, plan.period] - cells.means[plan.cohort, plan.base]
    control_change = np.zeros(len(plan.cohort))
    for h, size in enumerate(cells.sizes):
        control_change += plan.controls[:, h] * (size / n_controls) * _change(cells, plan, h)
    squared_weights = np.bincount(adoption.cohort, weights=weights**2)

    def influence(combined: Any, added: Floats) -> UnitInfluence:
        squares, taken = np.zeros(len(plan.cohort)), []
        for h, size in enumerate(cells.sizes):
            per_unit = (plan.cohort == h) / size - plan.controls[:, h] / n_controls
            level = np.where(plan.controls[:, h], per_unit * (_change(cells, plan, h) - control_change), 0.0)
            taken.append((_cohort_changes(plan, per_unit, combined, combined.T @ level + added[h]), level))
            squares += level**2 * squared_weights[h]
        found = change_sums(panel, cells.means, [changes.changes for changes, _ in taken])
        for h, (changes, level) in enumerate(taken):
            involved, share = changes.comparisons, changes.per_unit
            squares[involved] += share**2 * found.squares[h][changes.pair]
            squares[involved] += 2.0 * share * level[involved] * found.moments[h][changes.pair]
        values = found.sums if adoption.used.all() else found.sums[adoption.used]
        are_clusters = adoption.n_clusters == adoption.n_units
        return UnitInfluence(values, np.maximum(squares, 0.0) if are_clusters else None)

    one_cohort = np.eye(len(cells.sizes), dtype=np.bool_)
    sides = adoption.clusters_in(one_cohort)[plan.cohort], adoption.clusters_in(plan.controls)
    return GroupTimes(plan, own - control_change, influence, *sides, ("",) * len(own))


def _change(cells: Cells, plan: Plan, h: int) -> Floats:
    """Mean change of a cohort between the periods of each comparison, shape (C,)."""
    change: Floats = cells.means[h, plan.period] - cells.means[h, plan.base]
    return change


def _of_source(adoption: Adoption, weights: Floats) -> Floats:
    """Weights of all units of the source, zero for those that are not used."""
    by_unit = np.zeros(len(adoption.used))
    by_unit[adoption.used] = weights
    return by_unit


@dataclass(frozen=True, eq=False)
class _CohortChanges:
    """Changes of one cohort's units that matter; the comparisons, shape (m,), that these are part of, with the weight
    of a unit in each; and the place of the change in ``changes``."""

    changes: Changes
    comparisons: Integers
    per_unit: Floats
    pair: Integers


def _cohort_changes(plan: Plan, per_unit: Floats, combined: Any, constants: Floats) -> _CohortChanges:
    from scipy.sparse import csr_array

    involved = np.flatnonzero(per_unit)
    n_periods = int(np.maximum(plan.period, plan.base).max()) + 1
    codes, pair = np.unique(plan.period[involved] * n_periods + plan.base[involved], return_inverse=True)
    by_pair = csr_array((per_unit[involved], (pair, involved)), shape=(len(codes), len(per_unit)))
    changes = Changes(codes // n_periods, codes % n_periods, (by_pair @ combined).T.tocsr(), constants)
    return _CohortChanges(changes, involved, per_unit[involved], pair)
