"""Group-time effects: every cohort in every period against its base period and its controls.

Which 2 x 2 comparisons there are, their estimates, and the influence of units on any combination of them. How
they are combined stands in ``group_time_averages``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.estimators.adoption import NEVER, Adoption
from liftos_pipeline.causal.kernels.cells import CohortPanel, cell_sums, unit_sums
from liftos_pipeline.causal.kernels.difference import Comparison, comparison

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
ControlGroup = Literal["never_treated", "not_yet_treated"]
BasePeriod = Literal["varying", "universal"]

_NO_TREATED = "no unit of the cohort is seen in both periods"
_NO_CONTROL = "no control unit is seen in both periods"


@dataclass(frozen=True, eq=False)
class Plan:
    """The 2 x 2 comparisons.

    Attributes
    ----------
    cohort, period, base : ndarray, shape (C,)
        Place of the cohort, period and base period of each comparison.
    controls : ndarray of bool, shape (C, H)
        Cohorts that it is compared with.
    """

    cohort: Integers
    period: Integers
    base: Integers
    controls: Booleans

    def of(self, chosen: Booleans) -> Plan:
        """The chosen comparisons."""
        return Plan(self.cohort[chosen], self.period[chosen], self.base[chosen], self.controls[chosen])


@dataclass(frozen=True, eq=False)
class GroupTimes:
    """Estimated comparisons.

    Attributes
    ----------
    plan : Plan
    estimate : ndarray, shape (C,)
        NaN where a comparison cannot be made.
    influence : callable
        From weights, shape (C, k), to the influence of units on the weighted sums, shape (N, k). Weights of
        comparisons that cannot be made are zero.
    treated_clusters, control_clusters : ndarray, shape (C,)
        Clusters on each side.
    reasons : mapping
        Why comparisons cannot be made, with their number.
    """

    plan: Plan
    estimate: Floats
    influence: Callable[[Floats], Floats]
    treated_clusters: Integers
    control_clusters: Integers
    reasons: Mapping[str, int]

    @property
    def known(self) -> Booleans:
        """Comparisons that could be made, shape (C,)."""
        return np.isfinite(self.estimate)

    @property
    def told(self) -> Booleans:
        """Comparisons with clusters enough for a standard error, shape (C,)."""
        return self.known & (self.treated_clusters > 1) & (self.control_clusters > 1)


def plan_of(adoption: Adoption, control_group: ControlGroup, anticipation: int, base_period: BasePeriod) -> Plan:
    """All comparisons of cohorts that have a period before adoption and anticipation.

    The base of a period from anticipation on is the last one before it; that of an earlier period is the same
    (``universal``) or the period before (``varying``). Comparisons without any control cohort are left out, and
    cohorts without a comparison from adoption on.
    """
    n_periods, starts = adoption.n_periods, adoption.cohorts
    parts = []
    for place, start in enumerate(adoption.adopting):
        reference = start - 1 - anticipation
        if reference < 0:
            continue
        period = np.arange(n_periods)
        base = np.where((period > reference) | (base_period == "universal"), reference, period - 1)
        usable = (base >= 0) & (base != period)
        parts.append(np.stack([np.full(n_periods, place), period, base])[:, usable])
    cohort, period, base = np.hstack(parts) if parts else np.empty((3, 0), dtype=np.int64)
    if control_group == "never_treated":
        controls = np.broadcast_to(starts == NEVER, (len(cohort), len(starts)))
    else:
        untreated_until = np.maximum(period, base) + anticipation
        controls = (starts > untreated_until[:, None]) & (np.arange(len(starts)) != cohort[:, None])
    compared = controls.any(axis=1)
    has_effect = np.isin(cohort, cohort[compared & (period >= starts[cohort])])
    return Plan(cohort, period, base, controls).of(compared & has_effect)


def from_cells(adoption: Adoption, weights: Floats, plan: Plan) -> GroupTimes:
    """Comparisons of mean changes in a balanced panel."""
    y = adoption.y.reshape(adoption.panel.n_units, adoption.n_periods)
    panel = CohortPanel(y, adoption.cohort, weights, len(adoption.cohorts))
    cells = cell_sums(panel)
    change = (cells.means[:, plan.period] - cells.means[:, plan.base]).T
    treated = np.arange(len(cells.sizes)) == plan.cohort[:, None]
    control_share = plan.controls * cells.sizes
    control_share /= control_share.sum(axis=1, keepdims=True)
    control_change = np.sum(control_share * change, axis=1)
    estimate = np.sum(treated * change, axis=1) - control_change
    per_unit = (treated - control_share) / cells.sizes
    level = np.where(plan.controls, per_unit * (change - control_change[:, None]), 0.0)

    def influence(combined: Floats) -> Floats:
        comparisons, column = np.nonzero(combined)
        table = np.zeros((len(cells.sizes), adoption.n_periods, combined.shape[1]))
        share = (per_unit[comparisons] * combined[comparisons, column][:, None]).T
        cohorts = np.arange(len(cells.sizes))[:, None]
        np.add.at(table, (cohorts, plan.period[comparisons], column), share)
        np.subtract.at(table, (cohorts, plan.base[comparisons], column), share)
        by_cohort = level.T @ combined
        return weights[:, None] * (unit_sums(panel, table, cells.means) + by_cohort[adoption.cohort])

    sides = adoption.clusters_in(treated), adoption.clusters_in(plan.controls)
    return GroupTimes(plan, estimate, influence, *sides, {})


def from_pairs(adoption: Adoption, weights: Floats, plan: Plan) -> GroupTimes:
    """Comparisons of the units seen in both periods, doubly robust where there are covariates."""
    pairs = _Pairs(adoption, weights)
    found = [pairs.compare(plan, place) for place in range(len(plan.cohort))]
    estimate = np.array([np.nan if isinstance(entry, str) else entry.estimate for entry in found])
    sides = np.array([(0, 0) if isinstance(entry, str) else entry.clusters for entry in found], dtype=np.int64)

    def influence(combined: Floats) -> Floats:
        result = np.zeros((adoption.panel.n_units, combined.shape[1]))
        for place in np.flatnonzero(combined.any(axis=1)):
            entry = found[place]
            assert not isinstance(entry, str)
            columns = np.flatnonzero(combined[place])
            result[np.ix_(entry.units, columns)] += np.outer(entry.influence, combined[place, columns])
        return result

    reasons = Counter(entry for entry in found if isinstance(entry, str))
    treated, control = sides.reshape(-1, 2).T
    return GroupTimes(plan, estimate, influence, treated, control, reasons)


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
