"""A two-way regression by cluster: the coefficient without each cluster, and each cluster's part in it. Exact.

Clusters hold units whole. Unit effects are eliminated within clusters; the period effects are solved for anew without
each cluster. With unit effects swept out, cluster g has cross-products ``G_g`` (q, q) of regressors and outcome, ``R_g``
(T, q) with the periods, and ``L_g`` (T, T) of the periods; sums of these over clusters are those of the whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.engines.rows import BLOCK_ROWS, Block, Rows
from liftos_pipeline.causal.index import Index
from liftos_pipeline.causal.kernels.incidence import Incidence
from liftos_pipeline.causal.kernels.normal_equations import ClusterFit, generalised_inverses, unit_diagonal
from liftos_pipeline.causal.kernels.sums import add_by_key
from liftos_pipeline.causal.kernels.twoway import TwoWayFit, centred, origin_of, solve_periods

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass
class _Sums:
    """Running sums of one worker: cross-products by cluster (G, q, q), sums by unit (N, q) and by cluster and period
    (G * T, q), and who was seen when."""

    gram: Floats
    by_unit: Floats
    by_cell: Floats
    incidence: Incidence
    buffer: Floats

    def add(self, other: _Sums) -> None:
        self.gram += other.gram
        self.by_unit += other.by_unit
        self.by_cell += other.by_cell
        self.incidence.add(other.incidence)


def fit_clusters(rows: Rows, fit: TwoWayFit, index: Index, is_weighted: bool) -> ClusterFit:
    """The first coefficient of a two-way fit by cluster, in one more walk over the rows.

    Parameters
    ----------
    rows, index, is_weighted
        As in :func:`fit_two_way`; each unit in one cluster.
    fit : TwoWayFit
        Of the same rows. Clusters without rows in it are left out.
    """
    sums = _walk(rows, (*fit.kept, "y"), index, is_weighted)
    swept = _swept(sums, index, is_weighted)
    gram, periods = swept.gram.sum(axis=0), swept.periods.sum(axis=0)
    slopes = swept.solve(None, periods)
    products = gram - periods.T @ slopes
    scale = unit_diagonal(products[:-1, :-1])
    bread = generalised_inverses(products[None, :-1, :-1], scale)[0][0]
    beta = bread @ products[:-1, -1]
    taken = np.flatnonzero(fit.has_rows)
    left = np.empty((len(taken), *products.shape))
    for place, cluster in enumerate(taken):
        others = periods - swept.periods[cluster]
        left[place] = gram - swept.gram[cluster] - others.T @ swept.solve(int(cluster), others)
    inverses, identified = generalised_inverses(left[:, :-1, :-1], scale)
    residual, column = np.append(-beta, 1.0), np.append(bread[0], 0.0)
    own, share = swept.scores(residual, slopes, taken), swept.scores(column, slopes, taken)
    slope = slopes @ column
    explaining = _whitened(share, slopes, bread)
    solved = swept.solve(None, share[1].T)
    squares = share[0] @ bread[0] - share[1] @ slope
    return ClusterFit(
        estimate=float(beta[0]),
        without=np.einsum("gj,gj->g", inverses[:, 0], left[:, :-1, -1]),
        identified=identified[:, 0],
        is_exact=fit.is_exact,
        own=own[0] @ bread[0] - own[1] @ slope,
        share=squares / bread[0, 0],
        own_explained=own[1] @ solved + (own[0] - own[1] @ slopes[:, :-1]) @ explaining,
        share_explained=(share[1] @ solved + (share[0] - share[1] @ slopes[:, :-1]) @ explaining) / bread[0, 0],
    )


def _whitened(scores: tuple[Floats, Floats], slopes: Floats, bread: Floats) -> Floats:
    explained: Floats = bread @ (scores[0] - scores[1] @ slopes[:, :-1]).T
    return explained


def _walk(rows: Rows, names: Sequence[str], index: Index, is_weighted: bool) -> _Sums:
    width, origin = len(names), origin_of(rows, names)

    def make() -> _Sums:
        return _Sums(
            np.zeros((index.n_clusters, width, width)),
            np.zeros((index.n_units, width)),
            np.zeros((index.n_clusters * index.n_periods, width)),
            Incidence.empty(index, is_weighted),
            np.empty((width, BLOCK_ROWS)),
        )

    def visit(sums: _Sums, block: Block) -> None:
        values = centred(sums.buffer, block, names, origin)
        weight = block["weight"] if is_weighted else None
        weighted = values if weight is None else values * weight
        add_by_key(sums.by_unit, block["unit"], weighted)
        add_by_key(sums.by_cell, block["cluster"] * index.n_periods + block["period"], weighted)
        sums.incidence.see(block["unit"], block["period"], weight)
        order = np.argsort(block["cluster"], kind="stable")
        found, starts = np.unique(block["cluster"][order], return_index=True)
        ends = np.append(starts[1:], len(order))
        for cluster, start, end in zip(found, starts, ends, strict=True):
            chosen = order[start:end]
            sums.gram[cluster] += weighted[:, chosen] @ values[:, chosen].T

    wanted = ["unit", "period", "cluster", *names, *(["weight"] if is_weighted else [])]
    total, *others = rows.map_blocks(wanted, make, visit)
    for part in others:
        total.add(part)
    return total


@dataclass(frozen=True, eq=False)
class _Swept:
    """Cross-products by cluster with unit effects swept out.

    ``gram`` (G, q, q) and ``periods`` (G, T, q). Of the periods' own: in a balanced panel without weights the
    cluster's number of units, ``n_units`` (G,), tells all; else ``incidence`` (N, T) over the root of the units'
    weights, ``members``, the units of each cluster, and ``mass`` (G, T), the weight of each period.
    """

    gram: Floats
    periods: Floats
    n_units: Integers
    incidence: Any
    members: tuple[Integers, ...]
    mass: Floats

    @property
    def is_simple(self) -> bool:
        return self.incidence is None

    def solve(self, without: int | None, right: Floats) -> Floats:
        """Period effects for a right side (T, m), of all clusters or without one."""
        if self.is_simple:
            left = self.n_units.sum() - (0 if without is None else self.n_units[without])
            return np.divide(right, max(left, 1))
        laplacian: Floats = self._whole if without is None else self._whole - self._laplacian(without)
        return solve_periods(laplacian, right)[0]

    @cached_property
    def _whole(self) -> Floats:
        return np.subtract(np.diag(self.mass.sum(axis=0)), _dense(self.incidence.T @ self.incidence))

    def _laplacian(self, cluster: int) -> Floats:
        part = self.incidence[self.members[cluster]]
        return np.subtract(np.diag(self.mass[cluster]), _dense(part.T @ part))

    def scores(self, direction: Floats, slopes: Floats, clusters: Integers) -> tuple[Floats, Floats]:
        """Products of regressors (G, k) and of periods (G, T) with a combination of the columns that has lost its
        period effects."""
        effects = slopes @ direction
        with_regressors = self.gram[clusters, :-1] @ direction - effects @ self.periods[clusters, :, :-1]
        with_periods = self.periods[clusters] @ direction - self._of_effects(effects)[clusters]
        return with_regressors, with_periods

    def _of_effects(self, effects: Floats) -> Floats:
        """``L_g effects``, shape (G, T); effects of a balanced panel sum to zero."""
        if self.is_simple:
            simple: Floats = self.n_units[:, None] * effects
            return simple
        swept = np.stack([self._of_units(units, effects) for units in self.members])
        found: Floats = self.mass * effects - swept
        return found

    def _of_units(self, units: Integers, effects: Floats) -> Floats:
        part = self.incidence[units]
        return np.asarray(part.T @ (part @ effects), dtype=np.float64)


def _swept(sums: _Sums, index: Index, is_weighted: bool) -> _Swept:
    assert index.unit_cluster is not None
    n_clusters, n_periods = index.n_clusters, index.n_periods
    cells = sums.by_cell.reshape(n_clusters, n_periods, -1)
    n_units = np.bincount(index.unit_cluster, minlength=n_clusters)
    members = tuple(_members(index.unit_cluster, n_units))
    if index.is_balanced and not is_weighted:
        root = np.full((index.n_units, 1), np.sqrt(n_periods))
        incidence, mass = None, np.empty((0, 0))
    else:
        unit_weight, _, incidence = sums.incidence.scaled()
        root = np.sqrt(unit_weight)
        mass = np.stack([np.asarray(incidence[units].T @ root[units])[:, 0] for units in members])
    scaled = sums.by_unit / root
    gram = sums.gram - np.stack([scaled[units].T @ scaled[units] for units in members])
    if incidence is None:
        periods = cells - cells.mean(axis=1, keepdims=True)
    else:
        periods = cells - np.stack([incidence[units].T @ scaled[units] for units in members])
    return _Swept(gram, periods, n_units, incidence, members, mass)


def _members(unit_cluster: Integers, n_units: Integers) -> Iterator[Integers]:
    yield from np.split(np.argsort(unit_cluster, kind="stable"), np.cumsum(n_units)[:-1])


def _dense(matrix: Any) -> Floats:
    return np.asarray(matrix.todense() if hasattr(matrix, "todense") else matrix, dtype=np.float64)
