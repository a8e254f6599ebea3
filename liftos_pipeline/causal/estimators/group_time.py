"""Group-time effects: every cohort in every period against its base period and its controls.

How they are computed stands in ``group_time_cells`` and ``group_time_pairs``, how they are combined in
``group_time_averages``.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.estimators.group_time_plan import Plan

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class UnitInfluence:
    """Influence of units.

    Attributes
    ----------
    values : ndarray, shape (N, k)
        On k weighted sums of comparisons.
    squares : ndarray, shape (C,), or None
        Sum of the clusters' squared influences on each comparison alone; None where only ``values`` tells them.
    """

    values: Floats
    squares: Floats | None


@dataclass(frozen=True, eq=False)
class GroupTimes:
    """Estimated comparisons.

    Attributes
    ----------
    plan : Plan
    estimate : ndarray, shape (C,)
        NaN where a comparison cannot be made.
    influence : callable
        From weights, sparse of shape (C, k), and what is added to the influence of each cohort's units, shape (H, k),
        to ``UnitInfluence``. Weights of comparisons that cannot be made are zero.
    treated_clusters, control_clusters : ndarray, shape (C,)
        Clusters on each side.
    why_not : tuple of str, length C
        Why a comparison cannot be made; empty where it was.
    """

    plan: Plan
    estimate: Floats
    influence: Callable[[Any, Floats], UnitInfluence]
    treated_clusters: Integers
    control_clusters: Integers
    why_not: tuple[str, ...]

    @property
    def known(self) -> Booleans:
        """Comparisons that could be made, shape (C,)."""
        return np.isfinite(self.estimate)

    def of(self, chosen: Booleans) -> GroupTimes:
        """The chosen comparisons; ``influence`` is still that of all."""
        return dataclasses.replace(
            self,
            plan=self.plan.of(chosen),
            estimate=self.estimate[chosen],
            treated_clusters=self.treated_clusters[chosen],
            control_clusters=self.control_clusters[chosen],
            why_not=tuple(itertools.compress(self.why_not, chosen)),
        )

    @property
    def told(self) -> Booleans:
        """Comparisons with clusters enough for a standard error, shape (C,)."""
        return self.known & (self.treated_clusters > 1) & (self.control_clusters > 1)
