"""Adoption of a treatment: cohorts, event time, clusters of both sides. What estimators of adoption share.

Reading it from a panel, and what is refused or dropped on the way, stands in ``adoption_rows``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.inference.bands import Clustering, WaldTest
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.results import UNDEFINED, EffectEstimate, Inference, effect_from

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

NEVER = 1 << 40
"""Adoption period of a unit that is never treated: later than any other."""
FEW_CLUSTERS = 10
"""Fewer treated, or fewer other, clusters than this bring a warning: their standard errors are too small."""


@dataclass(frozen=True, eq=False)
class Adoption:
    """Rows of units that can be compared before and after adoption.

    Attributes
    ----------
    panel : Panel
        Without units treated in every row and units seen once.
    period : ndarray, shape (n,)
        Codes into ``period_labels``.
    start : ndarray, shape (N,)
        Period code of each unit's first treated row, ``NEVER`` without one.
    cluster : ndarray, shape (N,)
        Cluster of each unit.
    warnings : tuple of str
        What was dropped, and what event time means here.
    """

    panel: Panel
    period: Integers
    period_labels: NDArray[Any]
    start: Integers
    cluster: Integers
    warnings: tuple[str, ...]

    @cached_property
    def cohorts(self) -> Integers:
        """Sorted distinct adoption periods, ``NEVER`` last if there is one, shape (H,)."""
        return np.unique(self.start)

    @cached_property
    def cohort(self) -> Integers:
        """Cohort of each unit, shape (N,): place in ``cohorts``."""
        _, places = np.unique(self.start, return_inverse=True)
        return places

    @property
    def adopting(self) -> Integers:
        """Adoption periods of the cohorts that are ever treated."""
        return np.asarray(self.cohorts[self.cohorts != NEVER], dtype=np.int64)

    @property
    def has_never_treated(self) -> bool:
        return bool(self.cohorts[-1] == NEVER)

    @property
    def n_periods(self) -> int:
        return len(self.period_labels)

    @property
    def is_balanced(self) -> bool:
        """Whether every unit is seen in every period."""
        return self.panel.n_rows == self.panel.n_units * self.n_periods

    @cached_property
    def y(self) -> Floats:
        """Outcome less that of the first row, shape (n,): a constant one is exactly zero."""
        moved: Floats = self.panel.y - self.panel.y[0]
        return moved

    @cached_property
    def outcome_scale(self) -> float:
        """Largest distance from the outcome of the first row: what rounding errors are measured by."""
        return float(np.max(np.abs(self.y)))

    @cached_property
    def unit_weights(self) -> Floats | None:
        """Sampling weight of each unit, shape (N,); None where weights differ within a unit."""
        weights = self.panel.row_weights
        by_unit = np.empty(self.panel.n_units)
        by_unit[self.panel.unit] = weights
        return by_unit if np.array_equal(by_unit[self.panel.unit], weights) else None

    @cached_property
    def event_times(self) -> Integers:
        """Periods since adoption of each cohort and period, shape (H, T); far below zero if never treated."""
        times: Integers = np.arange(self.n_periods) - self.cohorts[:, None]
        return times

    @cached_property
    def cell_rows(self) -> Integers:
        """Rows of each cohort and period, shape (H, T)."""
        cell = self.cohort[self.panel.unit] * self.n_periods + self.period
        shape = (len(self.cohorts), self.n_periods)
        return np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape).astype(np.int64)

    @cached_property
    def n_treated_clusters(self) -> int:
        return len(np.unique(self.cluster[self.start != NEVER]))

    @cached_property
    def n_never_treated_clusters(self) -> int:
        return len(np.unique(self.cluster[self.start == NEVER]))

    @cached_property
    def clustering(self) -> Clustering:
        """Clusters by kind: those with units of one cohort go with their likes, all others together."""
        n_clusters, n_cohorts = self.panel.n_clusters, len(self.cohorts)
        pairs = np.unique(self.cluster * n_cohorts + self.cohort)
        of_cluster, kind = pairs // n_cohorts, pairs % n_cohorts
        pure = np.bincount(of_cluster, minlength=n_clusters)[of_cluster] == 1
        stratum = np.full(n_clusters, n_cohorts)
        stratum[of_cluster[pure]] = kind[pure]
        stratum[np.bincount(stratum)[stratum] == 1] = n_cohorts
        return Clustering(self.cluster, np.unique(stratum, return_inverse=True)[1], self.outcome_scale)

    def clusters_in(self, cohorts: Booleans) -> Integers:
        """Distinct clusters with units of any of the chosen cohorts: (C, H) to (C,)."""
        member = np.zeros((len(self.cohorts), self.panel.n_clusters))
        member[self.cohort, self.cluster] = 1.0
        if self.panel.n_clusters == self.panel.n_units:
            return np.asarray(cohorts @ member.sum(axis=1), dtype=np.int64)
        return np.asarray(np.count_nonzero(cohorts @ member, axis=1), dtype=np.int64)

    def clusters_at(self, code: Integers, n_codes: int) -> Integers:
        """Distinct clusters with rows of each code, shape (n_codes,).

        Parameters
        ----------
        code : ndarray, shape (H, T)
            Code of each cohort and period, -1 for none.
        """
        by_row = code[self.cohort[self.panel.unit], self.period]
        return distinct_clusters(by_row, n_codes, self.panel.cluster, self.panel.n_clusters)

    def too_few_clusters(self) -> str | None:
        """Why no standard error can be told, if so: one cluster alone on a side shows no variation."""
        for side, n_clusters in (
            ("treated", self.n_treated_clusters),
            ("never treated", self.n_never_treated_clusters),
        ):
            if n_clusters == 1:
                return f"1 cluster of {side} units; at least 2 are needed"
        return None

    def few_clusters_warning(self, needs_never_treated: bool) -> tuple[str, ...]:
        """Say so where clustered standard errors rest on few clusters."""
        counts = [f"{self.n_treated_clusters} treated"]
        few = self.n_treated_clusters < FEW_CLUSTERS
        if needs_never_treated or len(self.adopting) == 1:
            counts.append(f"{self.n_never_treated_clusters} never treated")
            few = few or self.n_never_treated_clusters < FEW_CLUSTERS
        if not few:
            return ()
        found = " and ".join(counts)
        return (f"{found} clusters: with fewer than {FEW_CLUSTERS} clustered standard errors are too small",)

    def result(
        self,
        method: str,
        estimand: str,
        estimate: float,
        inference: Inference,
        path: pd.DataFrame,
        pretrend: WaldTest,
        diagnostics: Mapping[str, object],
        warnings: tuple[str, ...],
    ) -> EffectEstimate:
        """Put an estimate, its path and the test of the periods before together."""
        facts = {
            "pretrend_statistic": pretrend.statistic,
            "pretrend_restrictions": pretrend.n_restrictions,
            "pretrend_p": pretrend.p_value,
            **diagnostics,
        }
        effect = effect_from(self.panel, method, estimand, estimate, inference, facts, (*self.warnings, *warnings))
        undefined = dict(inference.undefined)
        if pretrend.reason is not None:
            undefined["pretrend_p"] = inference.undefined.get("std_error", pretrend.reason)
        open_points = path.loc[path["std_error"].isna(), path.columns[0]]
        if len(open_points) and not inference.undefined:
            undefined["path"] = f"one treated cluster or no variation at {', '.join(map(str, open_points))}"
        facts = {**effect.diagnostics, **({UNDEFINED: undefined} if undefined else {})}
        return dataclasses.replace(effect, path=path, diagnostics=facts)


def distinct_clusters(code: Integers, n_codes: int, cluster: Integers, n_clusters: int) -> Integers:
    """Distinct clusters among rows of each code, -1 for none: shape (n_codes,)."""
    seen = np.zeros((n_codes + 1, n_clusters), dtype=np.bool_)
    seen[code, cluster] = True  # code -1 falls into the last line
    return np.asarray(np.count_nonzero(seen[:n_codes], axis=1), dtype=np.int64)
