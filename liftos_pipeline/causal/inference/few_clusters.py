"""Regression inference with few clusters, from per-cluster cross-products alone: sums, and the cluster jackknife.

Whatever streamed the rows only has to keep one k x k matrix and one k vector per cluster, or a ``ClusterFit``; nothing
here goes back to them. The wild cluster bootstrap stands in ``wild_bootstrap``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.inference.covariance import limits, without_inference
from liftos_pipeline.causal.kernels.normal_equations import ClusterFit, generalised_inverses, unit_diagonal
from liftos_pipeline.causal.results import Inference
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SCORE_ROUNDING = 1e-12
"""Scores this small beside the terms that they are the difference of are rounding."""

ONE_CLUSTER_DECIDES = (
    "one cluster alone identifies the coefficient (a single treated or a single untreated cluster); "
    "at least 2 are needed to tell a standard error"
)


@dataclass(frozen=True, eq=False)
class ClusterSums:
    """Cross-products of a (weighted) linear regression by cluster.

    Effects that are nested in clusters (of units, where clusters are units or groups of them) may have been swept
    out before; all others, such as period effects, must stand among the columns, since leaving a cluster out
    changes them.

    Attributes
    ----------
    xx : ndarray, shape (G, k, k)
        ``X_g' W_g X_g``.
    xy : ndarray, shape (G, k)
        ``X_g' W_g y_g``.
    """

    xx: Floats
    xy: Floats

    def __post_init__(self) -> None:
        if self.xy.ndim != 2 or self.xx.shape != (*self.xy.shape, self.xy.shape[-1]) or self.xy.size == 0:
            raise LiftosError(
                "cross-products of shapes (G, k, k) and (G, k)",
                f"{self.xx.shape} and {self.xy.shape}",
                "Sum x x' and x y over the rows of each cluster.",
            )
        if not (np.isfinite(self.xx).all() and np.isfinite(self.xy).all()):
            raise LiftosError("finite cross-products", "missing or infinite sums", "Drop incomplete rows first.")

    @property
    def n_clusters(self) -> int:
        return len(self.xy)


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """Least squares of all clusters together.

    Attributes
    ----------
    beta : ndarray, shape (k,)
        Coefficients; those that are not identified are of minimum norm.
    bread : ndarray, shape (k, k)
        Inverse of the summed cross-products, generalised where columns are collinear.
    scores : ndarray, shape (G, k)
        ``X_g' (y_g - X_g beta)``.
    """

    beta: Floats
    bread: Floats
    scores: Floats


def cross_products(X: Floats, y: Floats, cluster: Integers, weights: Floats | None = None) -> ClusterSums:
    """Sums of rows held in memory.

    Parameters
    ----------
    X : ndarray, shape (n, k)
        Regressors, the constant among them.
    y : ndarray, shape (n,)
    cluster : ndarray, shape (n,)
        Cluster of each row, any whole numbers; sums come in their order.
    weights : ndarray, shape (n,), optional
    """
    order = np.argsort(cluster, kind="stable")
    _, starts = np.unique(cluster[order], return_index=True)
    rows = np.asarray(X, dtype=np.float64)[order]
    weighted = rows if weights is None else rows * weights[order, None]
    xx = np.stack([np.add.reduceat(weighted * column[:, None], starts) for column in rows.T], axis=1)
    return ClusterSums(xx, np.add.reduceat(weighted * np.asarray(y, dtype=np.float64)[order, None], starts))


def least_squares(sums: ClusterSums, coefficient: int) -> LeastSquares:
    """Regression over all clusters.

    Raises
    ------
    LiftosError
        The coefficient is collinear with other columns.
    """
    total = sums.xx.sum(axis=0)
    bread, identified = generalised_inverses(total[None], unit_diagonal(total))
    if not identified[0, coefficient]:
        raise LiftosError(
            f"column {coefficient} to vary given the other columns", "a collinear one", "Drop what it is made of."
        )
    beta = bread[0] @ sums.xy.sum(axis=0)
    return LeastSquares(beta, bread[0], sums.xy - sums.xx @ beta)


def jackknife(sums: ClusterSums) -> tuple[Floats, NDArray[np.bool_]]:
    """Coefficients with each cluster left out.

    Returns
    -------
    betas : ndarray, shape (G, k)
    identified : ndarray of bool, shape (G, k)
        Whether the coefficient is identified without the cluster.
    """
    total = sums.xx.sum(axis=0)
    inverses, identified = generalised_inverses(total - sums.xx, unit_diagonal(total))
    return np.einsum("gij,gj->gi", inverses, sums.xy.sum(axis=0) - sums.xy), identified


def cr3_covariance(sums: ClusterSums) -> Floats:
    """Cluster-jackknife covariance of all coefficients, shape (k, k), centred at the estimate over all clusters.

    Rows and columns of coefficients that one cluster alone identifies are NaN.

    References
    ----------
    MacKinnon, Nielsen and Webb (2023), Journal of Applied Econometrics 38(5), section 3: CV3.
    """
    total = sums.xx.sum(axis=0)
    bread, identified = generalised_inverses(total[None], unit_diagonal(total))
    betas, identified_without = jackknife(sums)
    moved = betas - bread[0] @ sums.xy.sum(axis=0)
    moved[:, ~(identified[0] & identified_without.all(axis=0))] = np.nan
    n_clusters = sums.n_clusters
    covariance: Floats = (n_clusters - 1) / n_clusters * (moved.T @ moved)
    return covariance


def cr3_inference(sums: ClusterSums, coefficient: int, level: float) -> Inference:
    """Cluster-jackknife standard error of one coefficient, with t(G - 1) interval and p-value.

    Parameters
    ----------
    coefficient : int
        Its column.
    level : float
        Level of the interval.

    Returns
    -------
    Inference
        NaN with reasons where one cluster alone identifies the coefficient, or nothing varies between clusters.

    Raises
    ------
    LiftosError
        The coefficient is collinear with other columns.

    References
    ----------
    Bell and McCaffrey (2002), Survey Methodology 28(2). MacKinnon, Nielsen and Webb (2023), Journal of Applied
    Econometrics 38(5), section 3.
    """
    return jackknife_inference(cluster_fit(sums, coefficient), level)


def jackknife_inference(fit: ClusterFit, level: float) -> Inference:
    """:func:`cr3_inference` of a coefficient whose fits without each cluster are known."""
    n_clusters = fit.n_clusters
    reason = why_undefined(fit)
    if reason is not None:
        return without_inference(reason, level, n_clusters)
    variance = (n_clusters - 1) / n_clusters * float(np.sum((fit.without - fit.estimate) ** 2))
    return limits(fit.estimate, math.sqrt(variance), level, n_clusters, float(n_clusters - 1))


def cluster_fit(sums: ClusterSums, coefficient: int) -> ClusterFit:
    """One coefficient by cluster.

    Raises
    ------
    LiftosError
        The coefficient is collinear with other columns.
    """
    fit = least_squares(sums, coefficient)
    betas, identified = jackknife(sums)
    terms = np.abs(sums.xy) + np.abs(sums.xx) @ np.abs(fit.beta)
    direction = fit.bread[coefficient]
    products = sums.xx @ direction
    explained = fit.bread @ products.T
    return ClusterFit(
        estimate=float(fit.beta[coefficient]),
        without=betas[:, coefficient],
        identified=identified[:, coefficient],
        is_exact=bool((np.abs(fit.scores) <= SCORE_ROUNDING * terms).all()),
        own=fit.scores @ direction,
        share=products @ direction / direction[coefficient],
        own_explained=fit.scores @ explained,
        share_explained=products @ explained / direction[coefficient],
    )


def why_undefined(fit: ClusterFit) -> str | None:
    """Why no uncertainty can be told from these clusters, or None."""
    if fit.n_clusters < 2:
        return "1 cluster; at least 2 are needed to tell a standard error"
    if not fit.identified.all():
        return ONE_CLUSTER_DECIDES
    if fit.is_exact:
        return "the regression fits every cluster exactly; there is no error to tell a standard error from"
    return None
