"""Cross-products and cluster sums that every instrumental-variable quantity is made of. No inference.

From arrays here; from walks over rows in ``remote_instruments``, which has the same numbers to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

BLOCK_ROWS = 32_768
COLLINEAR = 1e-12
"""Share of a column's variance that the columns before it must leave over: a relative length of 1e-6."""
ROUNDING = 1e-24
"""Share of a sum of squares that is nothing but rounding: a relative length of 1e-12."""
CONSTANT = 1e-28
"""Variance over squared mean of a constant column with rounding."""


@dataclass(frozen=True)
class Projections:
    """``pi``, ``rho``, shape (q,): z'd and z'y. ``dd``, ``dy``, ``yy``: d'd, d'y and y'y."""

    pi: Floats
    rho: Floats
    dd: float
    dy: float
    yy: float


@dataclass(frozen=True)
class KClass:
    """k-class estimate. ``kappa`` is 1 for 2SLS; ``curvature`` is d'(I - kappa M_z) d."""

    estimate: float
    kappa: float
    curvature: float


@dataclass(frozen=True)
class ClusterSums:
    """Sums over the rows of each of G clusters.

    Attributes
    ----------
    zy, zd, zv : ndarray, shape (G, q)
        Instruments times outcome, treatment and residual of the first stage.
    control : ndarray, shape (G,)
        Influence on ``control_slope``: the first-stage residual's coefficient where the outcome is regressed on
        the treatment, the covariates and that residual. NaN where the first stage leaves no residual.
    """

    zy: Floats
    zd: Floats
    zv: Floats
    control: Floats
    control_slope: float


class InstrumentColumns(Protocol):
    """Instruments, treatment and outcome less their fit on the intercept and the covariates, weighted.

    Attributes
    ----------
    covariates, instruments : ndarray of int
        Columns that were kept; the others are constant or linear combinations of those before them.
    treatment_share, outcome_share : float
        Share of the variance that the covariates leave over.
    """

    @property
    def covariates(self) -> Integers: ...

    @property
    def instruments(self) -> Integers: ...

    @property
    def treatment_share(self) -> float: ...

    @property
    def outcome_share(self) -> float: ...

    @property
    def treatment_is_constant(self) -> bool: ...

    def projections(self) -> Projections:
        """Cross-products with an orthonormal basis of the instruments."""

    def cluster_sums(self, p: Projections) -> ClusterSums:
        """Per-cluster sums from which every clustered variance follows without touching the rows again."""

    def unexplained_share(self) -> float:
        """Share of the outcome's sum of squares that a line in the treatment leaves over."""

    def varies_in_one_cluster(self) -> bool:
        """Whether every instrument is constant once some one cluster is left out."""


@dataclass(frozen=True)
class PartialledOut:
    """:class:`InstrumentColumns` as arrays: columns times the root of each row's weight.

    Attributes
    ----------
    z : ndarray, shape (q, n)
        Orthonormal rows that span the instruments: no quantity made of them depends on the basis.
    d, y : ndarray, shape (n,)
        Treatment and outcome.
    cluster : ndarray, shape (n,)
        Codes 0..n_clusters-1.
    raw : ndarray, shape (n, q)
        The instruments that were kept, as they came.
    """

    z: Floats
    d: Floats
    y: Floats
    covariates: Integers
    instruments: Integers
    treatment_share: float
    outcome_share: float
    treatment_is_constant: bool
    cluster: Integers
    n_clusters: int
    raw: Floats

    def projections(self) -> Projections:
        z, d, y = self.z, self.d, self.y
        return Projections(z @ d, z @ y, float(d @ d), float(d @ y), float(y @ y))

    def unexplained_share(self) -> float:
        d, y = self.d, self.y
        residual = y - (d @ y) / (d @ d) * d
        return float(residual @ residual) / float(y @ y)

    def cluster_sums(self, p: Projections) -> ClusterSums:
        z, d, y = self.z, self.d, self.y

        def sums(values: Floats) -> Floats:
            return np.bincount(self.cluster, weights=values, minlength=self.n_clusters).astype(np.float64)

        fitted = p.pi @ z
        residual = d - fitted
        zy, zd, zv = (np.stack([sums(row * column) for row in z]).T for column in (y, d, residual))
        left = float(residual @ residual)
        if left <= ROUNDING * p.dd:
            return ClusterSums(zy, zd, zv, np.full(self.n_clusters, np.nan), np.nan)
        control = Control.of(p, left, float(residual @ y))
        return ClusterSums(zy, zd, zv, sums(control.influence(y, fitted, residual)), control.slope)

    def varies_in_one_cluster(self) -> bool:
        return varies_in_one_cluster(self.raw, self.cluster)


@dataclass(frozen=True)
class Control:
    """The first-stage residual as a control: ``left`` and ``explained`` are sums of squares of residual and fit."""

    left: float
    explained: float
    slope_fitted: float
    slope_residual: float

    @classmethod
    def of(cls, p: Projections, left: float, residual_y: float) -> Control:
        """From the residual's sum of squares and its product with the outcome."""
        explained = float(p.pi @ p.pi)
        return cls(left, explained, float(p.pi @ p.rho) / explained, residual_y / left)

    @property
    def slope(self) -> float:
        return self.slope_residual - self.slope_fitted

    def influence(self, y: Floats, fitted: Floats, residual: Floats) -> Floats:
        """Influence of each row on the slope, shape (n,)."""
        error = y - self.slope_fitted * fitted - self.slope_residual * residual
        return np.asarray(error * (residual / self.left - fitted / self.explained))


def varies_in_one_cluster(Z: Floats, cluster: Integers) -> bool:
    """Whether every instrument (n, q) is constant once some one cluster is left out."""
    order = np.argsort(cluster, kind="stable")
    starts = np.flatnonzero(np.diff(cluster[order], prepend=-1))
    values = Z[order]
    return vary_in_one(np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts))


def vary_in_one(low: Floats, high: Floats) -> bool:
    """Whether every instrument is constant once some one cluster is left out, from its ends by cluster, (G, q)."""
    carriers = set(range(len(low)))
    for lowest, highest in zip(low.T, high.T, strict=True):
        ends = (int(lowest.argmin()), int(highest.argmax()))
        carriers &= {c for c in ends if _is_constant_without(lowest, highest, c)}
        if not carriers:
            return False
    return True


def partial_out(
    X: Floats, Z: Floats, d: Floats, y: Floats, weights: Floats, cluster: Integers, n_clusters: int
) -> PartialledOut:
    """Regress instruments, treatment and outcome on an intercept and the covariates.

    Two passes over blocks of rows: cross-products of the centred columns, then residuals.

    Parameters
    ----------
    X, Z : ndarray, shapes (n, k) and (n, q)
        Covariates and instruments.
    d, y, weights : ndarray, shape (n,)
        Treatment, outcome and positive row weights.
    cluster : ndarray, shape (n,)
        Codes 0..n_clusters-1.
    """
    arrays = (X, Z, d[:, None], y[:, None])
    root = np.sqrt(weights)
    centre = np.concatenate([weights @ a for a in arrays]) / weights.sum()
    products = np.zeros((len(centre), len(centre)))
    for _, block in _centred_blocks(arrays, centre, root):
        products += block @ block.T
    chosen = choose(products, centre, float(root @ root), X.shape[1])
    left = np.empty((len(chosen.used), len(d)))
    for rows, block in _centred_blocks(arrays, centre, root):
        left[:, rows] = chosen.left_over(block)
    of_treatment, of_outcome = (
        left_share(float(column @ column), length)
        for column, length in zip(left[-2:], chosen.lengths, strict=True)
    )
    z = left[:-2]
    z_lengths = np.sqrt(np.einsum("ij,ij->i", z, z))[:, None]
    return PartialledOut(
        orthonormal((z / z_lengths) @ (z / z_lengths).T, z_lengths, z),
        left[-2],
        left[-1],
        chosen.covariates,
        chosen.instruments,
        of_treatment,
        of_outcome,
        bool(np.ptp(d) == 0),
        cluster,
        n_clusters,
        Z[:, chosen.instruments],
    )


@dataclass(frozen=True, eq=False)
class Chosen:
    """Columns of covariates, instruments, treatment and outcome that are independent.

    Attributes
    ----------
    covariates, instruments : ndarray of int
    used : ndarray of int
        Kept instruments, treatment and outcome among all columns.
    slopes : ndarray, shape (number of covariates, number of used)
        Of the used columns on the covariates.
    lengths : ndarray, shape (2,)
        Of treatment and outcome before that.
    """

    covariates: Integers
    instruments: Integers
    used: Integers
    slopes: Floats
    lengths: Floats

    def left_over(self, block: Floats) -> Floats:
        """Used columns of a block (all columns, m) less their fit, shape (number of used, m)."""
        left: Floats = block[self.used] - self.slopes.T @ block[self.covariates]
        return left


def choose(products: Floats, centre: Floats, total_weight: float, n_covariates: int) -> Chosen:
    """Independent columns, from cross-products of the centred ones; a constant with rounding is none."""
    squares = np.diag(products)
    varies = squares > CONSTANT * total_weight * centre**2
    lengths = np.sqrt(np.where(varies, squares, 0.0))
    unit = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=varies)
    correlations = products * np.outer(unit, unit)
    n_all = len(centre) - 2
    kept = independent_columns(correlations[:n_all, :n_all])
    covariates, instruments = kept[kept < n_covariates], kept[kept >= n_covariates]
    used = np.concatenate([instruments, [n_all, n_all + 1]])
    slopes = np.linalg.solve(correlations[np.ix_(covariates, covariates)], correlations[np.ix_(covariates, used)])
    slopes = slopes / lengths[covariates, None] * lengths[used]
    return Chosen(covariates, instruments - n_covariates, used, slopes, lengths[-2:])


def _centred_blocks(arrays: tuple[Floats, ...], centre: Floats, root: Floats) -> Iterator[tuple[slice, Floats]]:
    """Row ranges and their columns less ``centre`` times ``root``, one column per row of the block."""
    for start in range(0, len(root), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        block = np.concatenate([a[rows].T for a in arrays])
        block -= centre[:, None]
        block *= root[rows]
        yield rows, block


def left_share(left: float, length: float) -> float:
    return left / length**2 if length > 0 else 0.0


def independent_columns(correlations: Floats) -> Integers:
    """Columns that are no linear combination of those before them, by elimination in the given order."""
    left = correlations.copy()
    kept = []
    for column in range(len(left)):
        if left[column, column] > COLLINEAR:
            kept.append(column)
            left -= np.outer(left[:, column], left[column]) / left[column, column]
    return np.array(kept, dtype=np.int64)


def orthonormal(correlations: Floats, lengths: Floats, rows: Floats) -> Floats:
    """Rows (q, n), of these lengths (q, 1) and correlations, on an orthonormal basis of what they span."""
    root = np.linalg.cholesky(correlations)
    return np.asarray(np.linalg.solve(lengths * root, rows))


def _is_constant_without(low: Floats, high: Floats, left_out: int) -> bool:
    rest = np.arange(len(low)) != left_out
    return not rest.any() or bool(low[rest].min() == high[rest].max())


def two_stage(p: Projections) -> KClass:
    """Two-stage least squares."""
    curvature = float(p.pi @ p.pi)
    return KClass(float(p.pi @ p.rho) / curvature, 1.0, curvature)


def limited_information(p: Projections) -> KClass:
    """Limited-information maximum likelihood: the smallest kappa at which the k-class form is singular.

    References
    ----------
    Anderson and Rubin (1949), Annals of Mathematical Statistics 20(1). Davidson and MacKinnon (1993), Estimation
    and Inference in Econometrics, section 18.5.
    """
    if len(p.pi) == 1:
        return two_stage(p)
    from scipy.linalg import eigh

    unit = 1.0 / np.sqrt(np.array([p.yy, p.dd]))
    both = np.array([[p.yy, p.dy], [p.dy, p.dd]]) * np.outer(unit, unit)
    fitted = np.array([p.rho, p.pi]) * unit[:, None]
    kappa = 1.0 / float(eigh(both - fitted @ fitted.T, both, eigvals_only=True)[-1])
    curvature = (1.0 - kappa) * p.dd + kappa * float(p.pi @ p.pi)
    return KClass(((1.0 - kappa) * p.dy + kappa * float(p.pi @ p.rho)) / curvature, kappa, curvature)
