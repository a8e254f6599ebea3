"""Adoption of a treatment: cohorts, event time, clusters of both sides. What estimators of adoption share.

Reading it from a panel, and what is refused or dropped on the way, stands in ``adoption_rows``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.engines.rows import are_remote
from liftos_pipeline.causal.estimators.panel_rows import rows_of
from liftos_pipeline.causal.index import NEVER
from liftos_pipeline.causal.inference.bands import Clustering
from liftos_pipeline.causal.kernels.cells import Cells, CohortPanel, cell_sums
from liftos_pipeline.causal.kernels.outcome_table import OutcomeTable, RemoteOutcomes
from liftos_pipeline.causal.panel import Panel, StreamedPanel

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

FEW_CLUSTERS = 10
"""Fewer treated, or fewer other, clusters than this bring a warning: their standard errors are too small."""


@dataclass(frozen=True, eq=False)
class Adoption:
    """Units that can be compared before and after adoption, N of them.

    Attributes
    ----------
    source : Panel
        The caller's panel, which may still lie in its file.
    used : ndarray of bool
        Units of ``source`` that are neither treated in every row nor seen once.
    period_labels : ndarray, shape (T,)
    start : ndarray, shape (N,)
        Period code of each unit's adoption, ``NEVER`` without one.
    cluster : ndarray, shape (N,)
        Cluster of each unit, every one of 0 .. G - 1 taken.
    n_rows : int
    n_open : int
        Units whose rows leave several periods of adoption open.
    warnings : tuple of str
        What was dropped, and what event time means here.
    """

    source: Panel
    used: Booleans
    period_labels: NDArray[Any]
    start: Integers
    cluster: Integers
    n_rows: int
    n_open: int
    warnings: tuple[str, ...]

    @cached_property
    def panel(self) -> Panel:
        """The rows of the units, in memory."""
        held = self.source.held()
        return held if self.used.all() else rows_of(held, self.used[held.unit])

    @cached_property
    def cohorts(self) -> Integers:
        """Sorted distinct adoption periods, ``NEVER`` last if there is one, shape (H,)."""
        return np.unique(self.start)

    @cached_property
    def cohort(self) -> Integers:
        """Cohort of each unit, shape (N,): place in ``cohorts``."""
        return np.searchsorted(self.cohorts, self.start)

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
    def n_units(self) -> int:
        return len(self.start)

    @cached_property
    def n_clusters(self) -> int:
        return int(self.cluster.max()) + 1

    @property
    def is_balanced(self) -> bool:
        """Whether every unit is seen in every period."""
        return self.n_rows == self.n_units * self.n_periods

    @property
    def compresses(self) -> bool:
        """Whether nothing but cohort and period matters: then rows are not needed."""
        return self.is_balanced and not self.source.covariate_names and self.unit_weights is not None

    @cached_property
    def outcomes(self) -> CohortPanel:
        """Outcomes by unit and period, where the panel compresses."""
        weights = self.unit_weights
        assert weights is not None
        cohort, by_unit = np.full(len(self.used), -1), np.zeros(len(self.used))
        cohort[self.used], by_unit[self.used] = self.cohort, weights
        first = int(np.argmax(self.used))
        if are_remote(self.source.rows):
            remote = RemoteOutcomes(self.source.rows, self.source.index)
            return CohortPanel(remote, cohort, by_unit, len(self.cohorts), remote.first())
        y = (
            OutcomeTable(self.source.rows, self.source.index)
            if isinstance(self.source, StreamedPanel)
            else self.source.y.reshape(len(self.used), self.n_periods)
        )
        return CohortPanel(y, cohort, by_unit, len(self.cohorts), float(y[first : first + 1][0, 0]))

    @cached_property
    def cells(self) -> Cells:
        """Means of the outcomes by cohort and period, where the panel compresses."""
        return cell_sums(self.outcomes)

    @property
    def period(self) -> Integers:
        """Period of each row, shape (n,)."""
        assert self.panel.period is not None
        return self.panel.period

    @cached_property
    def y(self) -> Floats:
        """Outcome less that of the first row, shape (n,): a constant one is exactly zero."""
        moved: Floats = self.panel.y - self.panel.y[0]
        return moved

    @cached_property
    def outcome_scale(self) -> float:
        """Largest distance from the outcome of the first row: what rounding errors are measured by."""
        return self.cells.scale if self.compresses else float(np.max(np.abs(self.y)))

    @cached_property
    def unit_weights(self) -> Floats | None:
        """Sampling weight of each unit, shape (N,); None where weights differ within a unit."""
        if self.source.roles.weights is None:
            return np.ones(self.n_units)
        weights = self.panel.row_weights
        by_unit = np.empty(self.n_units)
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
        shape = (len(self.cohorts), self.n_periods)
        if self.is_balanced:
            return np.broadcast_to(np.bincount(self.cohort)[:, None], shape).astype(np.int64)
        cell = self.cohort[self.panel.unit] * self.n_periods + self.period
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
        n_clusters, n_cohorts = self.n_clusters, len(self.cohorts)
        pairs = np.unique(self.cluster * n_cohorts + self.cohort)
        of_cluster, kind = pairs // n_cohorts, pairs % n_cohorts
        pure = np.bincount(of_cluster, minlength=n_clusters)[of_cluster] == 1
        stratum = np.full(n_clusters, n_cohorts)
        stratum[of_cluster[pure]] = kind[pure]
        stratum[np.bincount(stratum)[stratum] == 1] = n_cohorts
        return Clustering(self.cluster, np.unique(stratum, return_inverse=True)[1], self.outcome_scale)

    def clusters_in(self, cohorts: Booleans) -> Integers:
        """Distinct clusters with units of any of the chosen cohorts: (C, H) to (C,)."""
        if self.n_clusters == self.n_units:
            count = np.zeros(len(cohorts), dtype=np.int64)
            for chosen, size in zip(cohorts.T, np.bincount(self.cohort), strict=True):
                count += chosen * size
            return count
        member = np.zeros((len(self.cohorts), self.n_clusters))
        member[self.cohort, self.cluster] = 1.0
        return np.asarray(np.count_nonzero(cohorts @ member, axis=1), dtype=np.int64)

    def clusters_at(self, code: Integers, n_codes: int) -> Integers:
        """Distinct clusters with rows of each code, shape (n_codes,).

        Parameters
        ----------
        code : ndarray, shape (H, T)
            Code of each cohort and period, -1 for none.
        """
        if self.is_balanced:
            cohort, period = np.nonzero(code >= 0)
            holds = np.zeros((n_codes, len(self.cohorts)), dtype=np.bool_)
            holds[code[cohort, period], cohort] = True
            return self.clusters_in(holds)
        by_row = code[self.cohort[self.panel.unit], self.period]
        return distinct_clusters(by_row, n_codes, self.panel.cluster, self.n_clusters)

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


def distinct_clusters(code: Integers, n_codes: int, cluster: Integers, n_clusters: int) -> Integers:
    """Distinct clusters among rows of each code, -1 for none: shape (n_codes,)."""
    seen = np.zeros((n_codes + 1, n_clusters), dtype=np.bool_)
    seen[code, cluster] = True  # code -1 falls into the last line
    return np.asarray(np.count_nonzero(seen[:n_codes], axis=1), dtype=np.int64)
