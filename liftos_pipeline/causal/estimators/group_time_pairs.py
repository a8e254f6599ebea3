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
    squares = np.array([0.0 if isinstance(entry, str) else entry.influence @ entry.influence for entry in found])

    def influence(combined: Any, added: Floats) -> UnitInfluence:
        result = weights[:, None] * added[adoption.cohort]
        for place, entry in enumerate(found):
            share = combined[[place]].tocoo()
            if isinstance(entry, str) or share.nnz == 0:
                continue
            result[np.ix_(entry.units, share.col)] += np.outer(entry.influence, share.data)
        return UnitInfluence(result, squares)

    why_not = tuple(entry if isinstance(entry, str) else "" for entry in found)
    treated, control = sides.reshape(-1, 2).T
    return GroupTimes(plan, estimate, influence, treated, control, why_not)


@dataclass(frozen=True, eq=False)
class _Pair:
    """One comparison: units, shape (m,), their influences, and treated and control clusters."""

    estimate: float
    units: Integers
    influence: Floats
    clusters: tuple[int, int]


class _Pairs:
    """Changes between two periods, and the last comparison of covariates: neighbours often share it."""

    def __init__(self, adoption: Adoption, weights: Floats) -> None:
        panel = adoption.panel
        self.adoption, self.weights = adoption, weights
        self.rows = np.full((adoption.n_periods, panel.n_units), -1)
        self.rows[adoption.period, panel.unit] = np.arange(panel.n_rows)
        self.last: tuple[tuple[int, int], Integers, Comparison | str] | None = None

    def compare(self, plan: Plan, place: int) -> _Pair | str:
        """One comparison, or why there is none."""
        now, before = self.rows[plan.period[place]], self.rows[plan.base[place]]
        cohort = self.adoption.cohort
        is_treated = cohort == plan.cohort[place]
        units = np.flatnonzero((is_treated | plan.controls[place][cohort]) & (now >= 0) & (before >= 0))
        treated = is_treated[units]
        if not treated.any():
            return _NO_TREATED
        if treated.all():
            return _NO_CONTROL
        earlier = min(int(plan.period[place]), int(plan.base[place]))
        compared = self._comparison((int(plan.cohort[place]), earlier), units, treated)
        if isinstance(compared, str):
            return compared
        estimate, influence = compared.difference(self.adoption.y[now[units]] - self.adoption.y[before[units]])
        cluster = self.adoption.cluster[units]
        sides = [int(np.count_nonzero(np.bincount(cluster[side]))) for side in (treated, ~treated)]
        return _Pair(estimate, units, influence, (sides[0], sides[1]))

    def _comparison(self, key: tuple[int, int], units: Integers, treated: Booleans) -> Comparison | str:
        """Comparison of a cohort with covariates from a period: the last one, where the units are the same."""
        if self.last is None or self.last[0] != key or not np.array_equal(self.last[1], units):
            rows = self.rows[key[1], units]
            found = comparison(self.adoption.panel.X[rows], treated, self.weights[units])
            self.last = key, units, found
        return self.last[2]
