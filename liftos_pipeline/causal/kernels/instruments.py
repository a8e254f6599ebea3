"""Cross-products and cluster sums that every instrumental-variable quantity is made of. Arrays only, no inference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
class PartialledOut:
    """Columns less their fit on the intercept and the covariates, times the root of each row's weight.

    Attributes
    ----------
    z : ndarray, shape (q, n)
        Orthonormal rows that span the instruments: no quantity made of them depends on the basis.
    d, y : ndarray, shape (n,)
        Treatment and outcome.
    covariates, instruments : ndarray of int
        Columns that were kept; the others are constant or linear combinations of those before them.
    treatment_share, outcome_share : float
        Share of the variance that the covariates leave over.
    """

    z: Floats
    d: Floats
    y: Floats
    covariates: Integers
    instruments: Integers
    treatment_share: float
    outcome_share: float


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


def partial_out(X: Floats, Z: Floats, d: Floats, y: Floats, weights: Floats) -> PartialledOut:
    """Regress instruments, treatment and outcome on an intercept and the covariates.

    Two passes over blocks of rows: cross-products of the centred columns, then residuals.

    Parameters
    ----------
    X, Z : ndarray, shapes (n, k) and (n, q)
        Covariates and instruments.
    d, y, weights : ndarray, shape (n,)
        Treatment, outcome and positive row weights.
    """
    arrays = (X, Z, d[:, None], y[:, None])
    root = np.sqrt(weights)
    centre = np.concatenate([weights @ a for a in arrays]) / weights.sum()
    correlations, lengths = _correlations(arrays, centre, root)
    k, q = X.shape[1], Z.shape[1]
    kept = independent_columns(correlations[: k + q, : k + q])
    covariates, instruments = kept[kept < k], kept[kept >= k]
    used = np.concatenate([instruments, [k + q, k + q + 1]])
    slopes = np.linalg.solve(correlations[np.ix_(covariates, covariates)], correlations[np.ix_(covariates, used)])
    slopes = slopes / lengths[covariates, None] * lengths[used]
    left = np.empty((len(used), len(d)))
    for rows, block in _centred_blocks(arrays, centre, root):
        left[:, rows] = block[used] - slopes.T @ block[covariates]
    shares = (_share(column, length) for column, length in zip(left[-2:], lengths[-2:], strict=True))
    return PartialledOut(_orthonormal(left[:-2]), left[-2], left[-1], covariates, instruments - k, *shares)


def _centred_blocks(arrays: tuple[Floats, ...], centre: Floats, root: Floats) -> Iterator[tuple[slice, Floats]]:
    """Row ranges and their columns less ``centre`` times ``root``, one column per row of the block."""
    for start in range(0, len(root), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        block = np.concatenate([a[rows].T for a in arrays])
        block -= centre[:, None]
        block *= root[rows]
        yield rows, block


def _correlations(arrays: tuple[Floats, ...], centre: Floats, root: Floats) -> tuple[Floats, Floats]:
    """Correlations and lengths of the centred columns; zero for a constant with rounding."""
    products = np.zeros((len(centre), len(centre)))
    for _, block in _centred_blocks(arrays, centre, root):
        products += block @ block.T
    squares = np.diag(products)
    varies = squares > CONSTANT * float(root @ root) * centre**2
    lengths = np.sqrt(np.where(varies, squares, 0.0))
    unit = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=varies)
    return products * np.outer(unit, unit), lengths


def _share(column: Floats, length: float) -> float:
    return float(column @ column) / length**2 if length > 0 else 0.0


def independent_columns(correlations: Floats) -> Integers:
    """Columns that are no linear combination of those before them, by elimination in the given order."""
    left = correlations.copy()
    kept = []
    for column in range(len(left)):
        if left[column, column] > COLLINEAR:
            kept.append(column)
            left -= np.outer(left[:, column], left[column]) / left[column, column]
    return np.array(kept, dtype=np.int64)


def _orthonormal(rows: Floats) -> Floats:
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    root = np.linalg.cholesky((rows / lengths) @ (rows / lengths).T)
    return np.linalg.solve(lengths * root, rows)


def projections(columns: PartialledOut) -> Projections:
    """Cross-products of the partialled-out columns."""
    z, d, y = columns.z, columns.d, columns.y
    return Projections(z @ d, z @ y, float(d @ d), float(d @ y), float(y @ y))


def varies_in_one_cluster(Z: Floats, cluster: Integers) -> bool:
    """Whether every instrument is constant once some one cluster is left out.

    Parameters
    ----------
    Z : ndarray, shape (n, q)
    cluster : ndarray, shape (n,)
    """
    order = np.argsort(cluster, kind="stable")
    starts = np.flatnonzero(np.diff(cluster[order], prepend=-1))
    carriers = set(range(len(starts)))
    for column in Z.T:
        values = column[order]
        low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
        carriers &= {c for c in (int(low.argmin()), int(high.argmax())) if _is_constant_without(low, high, c)}
        if not carriers:
            return False
    return True


def _is_constant_without(low: Floats, high: Floats, left_out: int) -> bool:
    rest = np.arange(len(low)) != left_out
    return not rest.any() or bool(low[rest].min() == high[rest].max())


def unexplained_share(columns: PartialledOut) -> float:
    """Share of the outcome's sum of squares that a line in the treatment leaves over."""
    d, y = columns.d, columns.y
    residual = y - (d @ y) / (d @ d) * d
    return float(residual @ residual) / float(y @ y)


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


def cluster_sums(columns: PartialledOut, p: Projections, cluster: Integers, n_clusters: int) -> ClusterSums:
    """Per-cluster sums from which every clustered variance follows without touching the rows again.

    Parameters
    ----------
    cluster : ndarray, shape (n,)
        Codes 0..n_clusters-1.
    """
    z, d, y = columns.z, columns.d, columns.y

    def sums(values: Floats) -> Floats:
        return np.bincount(cluster, weights=values, minlength=n_clusters).astype(np.float64)

    fitted = p.pi @ z
    residual = d - fitted
    n_instruments = len(z)
    zy, zd, zv = (np.stack([sums(z[j] * column) for j in range(n_instruments)]).T for column in (y, d, residual))
    left = float(residual @ residual)
    if left <= ROUNDING * p.dd:
        return ClusterSums(zy, zd, zv, np.full(n_clusters, np.nan), np.nan)
    explained = float(p.pi @ p.pi)
    slope_fitted, slope_residual = float(p.pi @ p.rho) / explained, float(residual @ y) / left
    error = y - slope_fitted * fitted - slope_residual * residual
    control = sums(error * (residual / left - fitted / explained))
    return ClusterSums(zy, zd, zv, control, slope_residual - slope_fitted)
