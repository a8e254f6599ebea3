"""Least squares with unit and period effects, in two walks over the rows: exact, without iterating, in blocks.

With ``w = (regressors, outcome)``, unit sums ``U``, period sums ``S`` and the incidence ``W`` of units and periods, the
unit effects are eliminated exactly, and the period effects solve a system in the number of periods,
``L = diag(n_t) - W' diag(1 / n_i) W``. Everything else follows from the cross-products. A constant near its mean is taken
off every column first, which costs nothing (the effects absorb it) and saves the digits that subtraction would lose.

References
----------
Wooldridge (2021), Two-way fixed effects, the two-way Mundlak regression, and difference-in-differences estimators,
section 3. Correia (2016), Linear models with high-dimensional fixed effects, section 3: the Schur complement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.engines.rows import BLOCK_ROWS, Block, Rows, are_remote
from liftos_pipeline.causal.index import Index
from liftos_pipeline.causal.kernels.incidence import Incidence
from liftos_pipeline.causal.kernels.pairs import RemotePairs
from liftos_pipeline.causal.kernels.sums import add_by_key
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

ABSORBED = 1e-10
"""Share of a column's variance below which it counts as explained by what stands before it."""
EXACT = 1e-14
"""Share of the outcome's sum of squares below which what is left of it is rounding."""
CONSTANT = 1e-12
"""Standard deviation of the outcome beside its size below which it is rounding."""

_HEAD_ROWS = 20_000
_MOST_PERIODS = 20_000


@dataclass(frozen=True)
class TwoWayFit:
    """A fit with unit and period effects.

    Attributes
    ----------
    coefficients : ndarray, shape (k,)
        Of the regressors that were kept, in their order.
    kept : tuple of str
        Their names. ``absorbed``: those explained by the effects or by regressors before them.
    bread : ndarray, shape (k, k)
        Inverse of the cross-products of the demeaned regressors.
    scores : ndarray, shape (n_clusters, k)
        Sum over each cluster of demeaned regressor times residual.
    n_rows, n_units, n_periods : int
        Without the rows that are the only one of their unit or period: these say nothing.
    n_singletons : int
        How many such rows there are.
    has_rows : ndarray of bool, shape (n_clusters,)
        Clusters with other rows than such.
    n_components : int
        Parts of the panel that share neither a unit nor a period.
    residual_squares, outcome_squares : float
        Weighted sums of squares of the residuals, and of the outcome about its mean; zero where that is rounding.
    outcome_sd : float
        Weighted standard deviation of the outcome over all rows.
    """

    coefficients: Floats
    kept: tuple[str, ...]
    absorbed: tuple[str, ...]
    bread: Floats
    scores: Floats
    n_rows: int
    n_units: int
    n_periods: int
    n_singletons: int
    has_rows: NDArray[np.bool_]
    n_components: int
    residual_squares: float
    outcome_squares: float
    outcome_sd: float

    @property
    def n_clusters(self) -> int:
        return int(self.has_rows.sum())

    @property
    def is_exact(self) -> bool:
        """Whether the residuals are rounding."""
        return not self.residual_squares > EXACT * self.outcome_squares


@dataclass
class _Sums:
    """Running sums of one worker: cross-products (q, q), by unit (N, q), by period (T, q), and who was seen when."""

    gram: Floats
    by_unit: Floats
    by_period: Floats
    incidence: Incidence | None
    buffer: Floats

    def add(self, other: _Sums) -> None:
        self.gram += other.gram
        self.by_unit += other.by_unit
        self.by_period += other.by_period
        if self.incidence is not None and other.incidence is not None:
            self.incidence.add(other.incidence)


def fit_two_way(rows: Rows, regressors: Sequence[str], index: Index, is_weighted: bool) -> TwoWayFit:
    """Regress ``y`` on regressors with unit and period effects.

    Parameters
    ----------
    rows : Rows
        With the roles ``y``, the regressors, and ``weight`` if weighted.
    regressors : sequence of str
        Roles; the first is the one of interest and must vary within units and periods.
    index : Index
        Of the same rows.

    Raises
    ------
    LiftosError
        A value is not finite; a unit has a period twice; the effects absorb the first regressor; too many periods.
    """
    if index.n_periods > _MOST_PERIODS:
        raise LiftosError(
            f"at most {_MOST_PERIODS} periods", f"{index.n_periods}", "Use longer periods, weeks instead of hours."
        )
    names = (*regressors, "y")
    origin = origin_of(rows, names)
    sums = _first_walk(rows, names, origin, index, is_weighted)
    pairs = RemotePairs(rows, index, is_weighted) if are_remote(rows) else sums.incidence
    assert pairs is not None
    partial = _without_effects(sums, pairs, index, is_weighted)
    chosen = _independent(partial.products[:-1, :-1], partial.spread[:-1])
    if 0 not in chosen:
        raise LiftosError(
            "a treatment that varies within units and within periods",
            "one that unit and period effects explain",
            "Two-way effects need units that change at different times, or units that never change.",
        )
    bread = np.linalg.inv(partial.products[np.ix_(chosen, chosen)])
    bread = (bread + bread.T) / 2.0
    outcome = partial.products[chosen, -1]
    coefficients = bread @ outcome
    direction = np.append(np.zeros(len(regressors)), 1.0)
    direction[chosen] = -coefficients
    scores = _second_walk(rows, names, origin, index, is_weighted, chosen, direction, partial)
    n_rows, has_unit, has_period = pairs.without_singletons(index)
    variance = partial.spread[-1] / partial.total_weight
    varies = variance > (CONSTANT * origin[-1]) ** 2
    has_rows = np.ones(index.n_clusters, dtype=bool)
    if index.unit_cluster is not None:
        has_rows = np.bincount(index.unit_cluster[has_unit], minlength=index.n_clusters) > 0
    return TwoWayFit(
        coefficients=coefficients,
        kept=tuple(regressors[i] for i in chosen),
        absorbed=tuple(name for i, name in enumerate(regressors) if i not in chosen),
        bread=bread,
        scores=scores,
        n_rows=n_rows,
        n_units=int(has_unit.sum()),
        n_periods=int(has_period.sum()),
        n_singletons=index.n_rows - n_rows,
        has_rows=has_rows,
        n_components=partial.n_components,
        residual_squares=float(partial.products[-1, -1] - outcome @ coefficients) if varies else 0.0,
        outcome_squares=float(partial.spread[-1]) if varies else 0.0,
        outcome_sd=float(np.sqrt(variance)) if varies else 0.0,
    )


@dataclass(frozen=True)
class _Partial:
    """What is left when unit and period effects are taken off: cross-products (q, q), the columns' own variation (q,),
    their slopes on periods (T, q), and their unit means beyond these (N, q)."""

    products: Floats
    spread: Floats
    total_weight: float
    slopes: Floats
    means: Floats
    n_components: int


def _without_effects(sums: _Sums, pairs: Incidence | RemotePairs, index: Index, is_weighted: bool) -> _Partial:
    if isinstance(pairs, Incidence) or (index.is_balanced and not is_weighted):
        pairs.refuse_repeated(index)
    if index.is_balanced and not is_weighted:
        unit_weight = index.unit_rows[:, None].astype(np.float64)
        right = sums.by_period - sums.by_unit.sum(axis=0) / index.n_periods
        slopes = right / index.n_units
        n_components = 1
        explained = np.broadcast_to(slopes.sum(axis=0), sums.by_unit.shape)
    else:
        system = pairs.system()
        unit_weight = system.unit_weight
        right = sums.by_period - system.unit_means_by_period(sums.by_unit)
        slopes, n_components = solve_periods(system.laplacian, right)
        explained = system.sums_by_unit(slopes)
    return _Partial(
        products=sums.gram - sums.by_unit.T @ (sums.by_unit / unit_weight) - right.T @ slopes,
        spread=np.diag(sums.gram) - sums.by_unit.sum(axis=0) ** 2 / unit_weight.sum(),
        total_weight=float(unit_weight.sum()),
        slopes=slopes,
        means=(sums.by_unit - explained) / unit_weight,
        n_components=n_components,
    )


def origin_of(rows: Rows, names: Sequence[str]) -> Floats:
    """Mean of each column's first rows."""
    head = rows.head(names, _HEAD_ROWS)
    means = np.array([np.mean(head[name], dtype=np.float64) for name in names])
    return np.where(np.isfinite(means), means, 0.0)


def _first_walk(rows: Rows, names: Sequence[str], origin: Floats, index: Index, is_weighted: bool) -> _Sums:
    width, is_remote = len(names), are_remote(rows)

    def make() -> _Sums:
        return _Sums(
            np.zeros((width, width)),
            np.zeros((index.n_units, width)),
            np.zeros((index.n_periods, width)),
            None if is_remote else Incidence.empty(index, is_weighted),
            np.empty((width, BLOCK_ROWS)),
        )

    def visit(sums: _Sums, block: Block) -> None:
        values = centred(sums.buffer, block, names, origin)
        weight = block["weight"] if is_weighted else None
        weighted = values if weight is None else values * weight
        sums.gram += weighted @ values.T
        add_by_key(sums.by_unit, block["unit"], weighted)
        add_by_key(sums.by_period, block["period"], weighted)
        if sums.incidence is not None:
            sums.incidence.see(block["unit"], block["period"], weight)

    parts = rows.map_blocks(["unit", "period", *names, *(["weight"] if is_weighted else [])], make, visit)
    total = parts[0]
    for part in parts[1:]:
        total.add(part)
    if not np.isfinite(total.gram).all():
        bad = [name for name, entry in zip(names, np.diag(total.gram), strict=True) if not np.isfinite(entry)]
        raise LiftosError(
            "finite numbers in every row",
            f"missing or infinite ones in {', '.join(bad)}",
            "Drop these rows, or state what the unknown values are before the call.",
        )
    return total


def centred(buffer: Floats, block: Block, names: Sequence[str], origin: Floats) -> Floats:
    """The named columns of a block less their origins, shape (q, m), in the first columns of ``buffer``."""
    values = buffer[:, : len(block["unit"])]
    for row, name in enumerate(names):
        np.subtract(block[name], origin[row], out=values[row])
    return values


def solve_periods(laplacian: Floats, right: Floats) -> tuple[Floats, int]:
    """Period effects, the last period of every connected part at zero, and the number of parts."""
    from scipy.linalg import cho_factor, cho_solve
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    tolerance = 1e-9 * np.abs(np.diag(laplacian)).max()
    linked = csr_array(np.abs(laplacian) > tolerance)
    n_components, label = connected_components(linked, directed=False)
    is_last = np.zeros(len(label), dtype=bool)
    is_last[[np.flatnonzero(label == part)[-1] for part in range(n_components)]] = True
    free = np.flatnonzero(~is_last)
    slopes = np.zeros_like(right)
    if len(free):
        slopes[free] = cho_solve(cho_factor(laplacian[np.ix_(free, free)]), right[free])
    return slopes, int(n_components)


def _independent(products: Floats, spread: Floats) -> Integers:
    """Columns, in order, that neither the effects nor columns before them explain."""
    chosen: list[int] = []
    factor = np.zeros_like(products)
    for column in range(len(products)):
        if not products[column, column] > ABSORBED * spread[column]:
            continue
        loading = np.zeros(len(chosen))
        for place, other in enumerate(chosen):
            loading[place] = (products[column, other] - factor[other, :place] @ loading[:place]) / factor[
                other, place
            ]
        left = products[column, column] - loading @ loading
        if left > ABSORBED * products[column, column]:
            factor[column, : len(chosen)] = loading
            factor[column, len(chosen)] = np.sqrt(left)
            chosen.append(column)
    return np.array(chosen, dtype=np.int64)


def _second_walk(
    rows: Rows,
    names: Sequence[str],
    origin: Floats,
    index: Index,
    is_weighted: bool,
    chosen: Integers,
    direction: Floats,
    partial: _Partial,
) -> Floats:
    """Scores by cluster. Where a cluster holds its units whole, the unit means of the regressors cancel in its sum."""
    unit_level, period_level = partial.means @ direction, partial.slopes @ direction
    period_slopes = np.ascontiguousarray(partial.slopes[:, chosen].T)
    unit_means = np.ascontiguousarray(partial.means[:, chosen].T)
    absorbed = len(chosen) < len(names) - 1

    def make() -> tuple[Floats, Floats]:
        return np.zeros((index.n_clusters, len(chosen))), np.empty((len(names), BLOCK_ROWS))

    def visit(part: tuple[Floats, Floats], block: Block) -> None:
        total, buffer = part
        unit, period = block["unit"], block["period"]
        values = centred(buffer, block, names, origin)
        residual = direction @ values - unit_level[unit] - period_level[period]
        if is_weighted:
            residual = residual * block["weight"]
        demeaned = np.take(period_slopes, period, axis=1)
        np.subtract(values[chosen] if absorbed else values[:-1], demeaned, out=demeaned)
        if index.unit_cluster is None:
            demeaned -= unit_means[:, unit]
        demeaned *= residual
        add_by_key(total, block["cluster"], demeaned)

    wanted = ["unit", "period", "cluster", *names, *(["weight"] if is_weighted else [])]
    parts = rows.map_blocks(wanted, make, visit)
    scores: Floats = np.sum([total for total, _ in parts], axis=0)
    return scores
