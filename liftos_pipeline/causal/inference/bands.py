"""Joint inference on several parameters from the influences of clusters: covariance, bootstrap Wald test, sup-t bands.

A parameter's error is about the sum of its clusters' influences. The covariance carries G / (G - 1), pointwise
limits are t(G - 1); bands and joint tests are referred to the bootstrap of ``score_bootstrap``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.inference.covariance import ROUNDING, clustered_variance, limits, without_inference
from liftos_pipeline.causal.inference.score_bootstrap import sup_t_draws, wald_draws
from liftos_pipeline.causal.inference.wald import WaldTest
from liftos_pipeline.causal.results import Inference

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

SINGULAR = 1e-10
"""Smallest share of its variance that a parameter must keep beside the others for a joint test."""


@dataclass(frozen=True, eq=False)
class Clustering:
    """How units make up clusters.

    Attributes
    ----------
    cluster : ndarray, shape (N,)
        Cluster of each unit, every one of 0 .. G - 1 taken.
    stratum : ndarray, shape (G,)
        Kind of each cluster, 0 .. H - 1: bootstrap variances are recentred within.
    scale : float
        Size of the outcome, by which rounding errors are measured.
    """

    cluster: Integers
    stratum: Integers
    scale: float

    def sums(self, influence: Floats) -> Floats:
        """Influences by cluster, (N, k) to (G, k). Columns that are rounding errors are set to zero."""
        summed = influence
        if not np.array_equal(self.cluster, np.arange(len(self.stratum))):
            order = np.argsort(self.cluster, kind="stable")
            summed = influence[order]
            if len(self.stratum) < len(order):
                first = np.flatnonzero(np.diff(self.cluster[order], prepend=-1))
                summed = np.add.reduceat(summed, first, axis=0)
        noise = np.sqrt(sums_of_squares(summed)) <= ROUNDING * self.scale
        return np.where(noise, 0.0, summed) if noise.any() else summed

    def standard_errors(self, squares: Floats) -> Floats:
        """Standard errors of k parameters from the sums of their clusters' squared influences, both of shape (k,).

        Sums that are rounding errors give zero.
        """
        n_clusters = len(self.stratum)
        told = np.where(np.sqrt(squares) <= ROUNDING * self.scale, 0.0, squares)
        errors: Floats = np.sqrt(n_clusters / (n_clusters - 1) * told)
        return errors


def sums_of_squares(columns: Floats) -> Floats:
    """Of each column, (n, k) to (k,)."""
    squares: Floats = np.einsum("nk,nk->k", columns, columns)
    return squares


def joint_covariance(scores: Floats, correction: float = 1.0) -> Floats:
    """Covariance of k parameters, shape (k, k), with the factor G / (G - 1).

    Parameters
    ----------
    scores : ndarray, shape (G, k)
        Influence of each cluster on each parameter.
    correction : float
        Factor for estimated parameters, (n - 1) / (n - p) in a regression.

    References
    ----------
    Cameron and Miller (2015), Journal of Human Resources 50(2), section II.
    """
    n_clusters = len(scores)
    covariance: Floats = correction * n_clusters / (n_clusters - 1) * (scores.T @ scores)
    return covariance


def standard_errors(scores: Floats, correction: float = 1.0) -> Floats:
    """Roots of the diagonal of :func:`joint_covariance`, shape (k,)."""
    n_clusters = len(scores)
    errors: Floats = np.sqrt(correction * n_clusters / (n_clusters - 1) * sums_of_squares(scores))
    return errors


def score_inference(
    estimate: float, scores: Floats, level: float, correction: float = 1.0, reason: str | None = None
) -> Inference:
    """Standard error, t(G - 1) interval and p-value of one parameter from its clusters' influences, shape (G,).

    ``reason`` says why there can be none.
    """
    n_clusters = len(scores)
    if reason is not None:
        return without_inference(reason, level, n_clusters)
    std_error = math.sqrt(correction * clustered_variance(scores))
    return limits(estimate, std_error, level, n_clusters, float(n_clusters - 1))


def bootstrap_wald_test(
    estimates: Floats, scores: Floats, told: Booleans, stratum: Integers, seed: int, correction: float = 1.0
) -> WaldTest:
    """Wald test that q parameters are all zero, referred to the bootstrap of their clusters' scores.

    Its degrees of freedom are NaN: there are none.

    Parameters
    ----------
    estimates : ndarray, shape (q,)
    scores : ndarray, shape (G, q)
    told : ndarray of bool, shape (q,)
        Parameters whose variance can be told; the others are left out.
    stratum : ndarray, shape (G,)

    References
    ----------
    Kline and Santos (2012), Journal of Econometric Methods 1(1).
    """
    estimates, scores = estimates[told], scores[:, told]
    n_clusters, q = scores.shape
    if q == 0:
        return _no_test(0, "no period before that could be tested")
    if q >= n_clusters:
        return _no_test(q, f"{q} coefficients need more than {n_clusters} clusters")
    covariance = joint_covariance(scores, correction)
    scale = np.sqrt(np.diag(covariance))
    if not np.all(scale > ROUNDING * np.abs(estimates)):
        return _no_test(q, "coefficients without sampling variation")
    if np.linalg.eigvalsh(covariance / np.outer(scale, scale))[0] < SINGULAR:
        return _no_test(q, "the covariance of the coefficients is singular")
    statistic = float(estimates @ np.linalg.solve(covariance, estimates))
    draws = wald_draws(scores / scale, stratum, seed)
    if np.mean(np.isinf(draws)) > 0.5:
        return WaldTest(statistic, q, math.nan, math.nan, f"too few clusters in the cohorts for {q} coefficients")
    p_value = float((1 + np.sum(draws >= statistic)) / (1 + len(draws)))
    return WaldTest(statistic, q, math.nan, p_value)


def _no_test(n_restrictions: int, reason: str) -> WaldTest:
    return WaldTest(math.nan, n_restrictions, math.nan, math.nan, reason)


def sup_t_critical_value(scores: Floats, stratum: Integers, level: float, seed: int) -> float:
    """Half-width, in standard errors, of a band that covers k parameters at once; at least that of t(G - 1).

    Parameters
    ----------
    scores : ndarray, shape (G, k)
        Every column varies.
    stratum : ndarray, shape (G,)
    """
    from scipy import special

    pointwise = float(special.stdtrit(len(scores) - 1, 0.5 + level / 2))
    if scores.shape[1] == 1:
        return pointwise
    return max(pointwise, float(np.quantile(sup_t_draws(scores, stratum, seed), level)))


def path_with_bands(
    name: str,
    points: Sequence[object] | NDArray[np.generic],
    estimates: Floats,
    scores: Floats,
    told: Booleans,
    stratum: Integers,
    level: float,
    seed: int,
    correction: float = 1.0,
) -> pd.DataFrame:
    """Path of k estimates with pointwise t(G - 1) intervals and a sup-t band.

    Parameters
    ----------
    name : str
        Column of ``points``.
    estimates : ndarray, shape (k,)
    scores : ndarray, shape (G, k)
    told : ndarray of bool, shape (k,)
        Points whose standard error can be told; the others are NaN and no part of the band.
    stratum : ndarray, shape (G,)
    """
    from scipy import special

    n_clusters = len(scores)
    std_error = np.full(len(estimates), np.nan)
    margin, band = math.nan, math.nan
    if told.any():
        found = standard_errors(scores, correction)
        told = told & (found > ROUNDING * np.abs(estimates))
        std_error[told] = found[told]
        margin = float(special.stdtrit(n_clusters - 1, 0.5 + level / 2))
    if told.any():
        shown = scores if told.all() else scores[:, told]
        band = sup_t_critical_value(shown, stratum, level, seed)
    return pd.DataFrame(
        {
            name: points,
            "estimate": estimates,
            "std_error": std_error,
            "ci_low": estimates - margin * std_error,
            "ci_high": estimates + margin * std_error,
            "band_low": estimates - band * std_error,
            "band_high": estimates + band * std_error,
        }
    )


def with_base(path: pd.DataFrame, event_time: int) -> pd.DataFrame:
    """The path with its base period, where estimate and error are zero by construction."""
    place = int(np.searchsorted(path["event_time"], event_time))
    zeros = {name: np.insert(path[name].to_numpy(), place, 0) for name in path.columns}
    zeros["event_time"][place] = event_time
    return pd.DataFrame(zeros)
