"""Group-time effects from the units seen in both periods of each comparison, with or without covariates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.estimators.adoption import Adoption
from liftos_pipeline.causal.estimators.group_time import GroupTimes, UnitInfluence
from liftos_pipeline.causal.estimators.group_time_plan import Plan
from liftos_pipeline.causal.kernels.difference import Comparison, comparison

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

_NO_TREATED = "no unit of the cohort is seen in both periods"
_NO_CONTROL = "no control unit is seen in both periods"


def from_pairs(adoption: Adoption, weights: Floats, plan: Plan) -> GroupTimes:
    """Comparisons of the units seen in both periods, doubly robust where there are covariates."""
    pairs = _Pairs(adoption, weights)
    found = [pairs.compare(plan, place) for place in range(len(plan.cohort))]
    estimate = np.array([np.nan if isinstance(entry, str) else entry.estimate for entry in found])
    sides = np.array([(0, 0) if isinstance(entry, str) else entry.clusters for entry in found], dtype=np.int64)
    squares = np.array([0.0 if isinstance(entry, str) else entry.squares for entry in found])

    def influence(combined: Any, added: Floats) -> UnitInfluence:
        result = weights[:, None] * added[adoption.cohort]
        for place in np.flatnonzero(np.diff(combined.indptr)):
            entry = found[place]
            if isinstance(entry, str):
                continue
            share = slice(combined.indptr[place], combined.indptr[place + 1])
            columns = np.ix_(entry.units, combined.indices[share])
            result[columns] += np.outer(entry.influence, combined.data[share])
        return UnitInfluence(result, squares)

    why_not = tuple(entry if isinstance(entry, str) else "" for entry in found)
    treated, control = sides.reshape(-1, 2).T
    return GroupTimes(plan, estimate, influence, treated, control, why_not)


@dataclass(frozen=True, eq=False)
class _Pair:
    """One comparison: units, shape (m,), their influences, sum of the clusters' squared ones, and treated and control
    clusters."""

    estimate: float
    units: Integers
    influence: Floats
    squares: float
    clusters: tuple[int, int]


class _Pairs:
    """Changes between two periods, and the last comparison of covariates: neighbours often share it."""

    def __init__(self, adoption: Adoption, weights: Floats) -> None:
        self.adoption, self.weights = adoption, weights
        order = np.argsort(adoption.period, kind="stable")
        ends = np.cumsum(np.bincount(adoption.period, minlength=adoption.n_periods))
        self.rows = np.split(order, ends[:-1])
        self.row_of = np.full(adoption.n_units, -1)
        self.last: tuple[tuple[int, int], Integers, Comparison | str] | None = None

    def compare(self, plan: Plan, place: int) -> _Pair | str:
        """One comparison, or why there is none."""
        if self.adoption.cell_rows[plan.cohort[place], plan.period[place]] == 0:
            return _NO_TREATED
        now, before = self._seen_in_both(int(plan.period[place]), int(plan.base[place]))
        units = self.adoption.panel.unit[now]
        cohort = self.adoption.cohort[units]
        chosen = (cohort == plan.cohort[place]) | plan.controls[place][cohort]
        now, before, units = now[chosen], before[chosen], units[chosen]
        treated = cohort[chosen] == plan.cohort[place]
        if not treated.any():
            return _NO_TREATED
        if treated.all():
            return _NO_CONTROL
        earlier = min(int(plan.period[place]), int(plan.base[place]))
        first = now if earlier == plan.period[place] else before
        compared = self._comparison((int(plan.cohort[place]), earlier), first, units, treated)
        if isinstance(compared, str):
            return compared
        estimate, influence = compared.difference(self.adoption.y[now] - self.adoption.y[before])
        cluster = self.adoption.cluster[units]
        sides = [int(np.count_nonzero(np.bincount(cluster[side]))) for side in (treated, ~treated)]
        by_cluster = np.bincount(cluster, weights=influence)
        return _Pair(estimate, units, influence, float(by_cluster @ by_cluster), (sides[0], sides[1]))

    def _seen_in_both(self, period: int, base: int) -> tuple[Integers, Integers]:
        """Rows of the units that both periods hold, in each, in the order of the units."""
        unit = self.adoption.panel.unit
        self.row_of[unit[self.rows[base]]] = self.rows[base]
        before = self.row_of[unit[self.rows[period]]]
        self.row_of[unit[self.rows[base]]] = -1
        return self.rows[period][before >= 0], before[before >= 0]

    def _comparison(
        self, key: tuple[int, int], rows: Integers, units: Integers, treated: Booleans
    ) -> Comparison | str:
        """Comparison of a cohort with the covariates of rows: the last one, where the units are the same."""
        if self.last is None or self.last[0] != key or not np.array_equal(self.last[1], units):
            found = comparison(self.adoption.panel.X[rows], treated, self.weights[units])
            self.last = key, units, found
        return self.last[2]
