"""Standard errors from influence functions, and the intervals that follow. Every estimator comes here for them.

Resampling stands in ``bootstrap``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.results import Inference

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

ROUNDING = 1e-13
LARGEST_LEVERAGE = 1.0 - 1e-6
"""Beyond it a cluster alone tells a coefficient, whose standard error then is as large as it should be: useless."""
_LIMITS = ("std_error", "ci_low", "ci_high", "p_value")


def cluster_sums(influence: Floats, cluster: Integers, n_clusters: int) -> Floats:
    """Sum of each cluster's influences, shape (n_clusters,)."""
    return np.bincount(cluster, weights=influence, minlength=n_clusters).astype(np.float64)


def clustered_variance(sums: Floats) -> float:
    """Variance of an estimate from its clusters' influences, with the factor G / (G - 1).

    Parameters
    ----------
    sums : ndarray, shape (G,)
        Influence of each cluster on the estimate, in outcome units: the estimate's error is about their sum.

    References
    ----------
    Cameron and Miller (2015), Journal of Human Resources 50(2), section II.
    """
    n_clusters = len(sums)
    return float(n_clusters / (n_clusters - 1) * np.sum(sums**2))


def clustered_covariance(scores: Floats, bread: Floats, correction: float = 1.0) -> Floats:
    """Covariance of regression coefficients from their clusters' scores, with the factor G / (G - 1).

    Parameters
    ----------
    scores : ndarray, shape (G, k)
        Sum over each cluster of regressor times residual.
    bread : ndarray, shape (k, k)
        Inverse of the regressors' cross-products.
    correction : float
        Factor for estimated parameters, (n - 1) / (n - k).

    Returns
    -------
    ndarray, shape (k, k)

    References
    ----------
    Liang and Zeger (1986), Biometrika 73(1). Cameron and Miller (2015), Journal of Human Resources 50(2), section II.
    """
    n_clusters = len(scores)
    influence = scores @ bread
    covariance: Floats = correction * n_clusters / (n_clusters - 1) * influence.T @ influence
    return covariance


def jackknifed_covariance(scores: Floats, information: Floats) -> Floats:
    """Covariance of regression coefficients from what they would be without each cluster (CR3), to first order.

    A cluster with much of the information pulls its own residuals to zero; the plain estimate then is too small, most
    of all for regressors that are constant within few clusters.

    Parameters
    ----------
    scores : ndarray, shape (G, k)
        Sum over each cluster of regressor times residual.
    information : ndarray, shape (G, k, k)
        Each cluster's part of the regressors' cross-products.

    Returns
    -------
    ndarray, shape (k, k)

    References
    ----------
    Bell and McCaffrey (2002), Survey Methodology 28(2). MacKinnon, Nielsen and Webb (2023), Journal of Applied
    Econometrics 38(5), section 3.
    """
    n_clusters = len(scores)
    total = information.sum(axis=0)
    values, vectors = np.linalg.eigh(total)
    root = vectors / np.sqrt(values)
    leverage, axes = np.linalg.eigh(root.T @ information @ root)
    kept = 1.0 - np.minimum(leverage, LARGEST_LEVERAGE)
    own = np.einsum("gij,gi->gj", axes, scores @ root) / kept
    influence = np.einsum("gij,gj->gi", axes, own) @ root.T
    covariance: Floats = (n_clusters - 1) / n_clusters * influence.T @ influence
    return covariance


def clustered_inference(
    estimate: float,
    influence: Floats,
    cluster: Integers,
    treated: NDArray[np.bool_],
    level: float,
    correction: float = 1.0,
) -> Inference:
    """Clustered standard error, t(G - 1) interval and p-value.

    Parameters
    ----------
    influence : ndarray, shape (n,)
        Influence of each row on the estimate, scaled so that the estimate's error is about their sum.
    cluster : ndarray, shape (n,)
        Cluster of each row, any whole numbers.
    treated : ndarray of bool, shape (n,)
        Arm of each row: each arm needs two clusters, or its variance cannot be told.
    correction : float
        Factor of the variance for estimated parameters, (n - 1) / (n - k) in a regression.

    Returns
    -------
    Inference
        NaN fields with reasons where the clusters do not suffice.
    """
    _, codes = np.unique(cluster, return_inverse=True)
    n_clusters = int(codes.max()) + 1
    has_arm = np.zeros((n_clusters, 2), dtype=np.bool_)
    has_arm[codes, treated.astype(np.int64)] = True
    return inference_of_sums(estimate, cluster_sums(influence, codes, n_clusters), has_arm, level, correction)


def inference_of_sums(
    estimate: float, sums: Floats, has_arm: NDArray[np.bool_], level: float, correction: float = 1.0
) -> Inference:
    """As :func:`clustered_inference`, from sums by cluster.

    Parameters
    ----------
    sums : ndarray, shape (G,)
        Influence of each cluster on the estimate.
    has_arm : ndarray of bool, shape (G, 2)
        Whether the cluster has untreated and treated rows; one without either does not count.
    """
    counted = has_arm.any(axis=1)
    n_clusters = int(counted.sum())
    reason = too_few_clusters(has_arm)
    if reason is not None:
        return without_inference(reason, level, n_clusters)
    std_error = math.sqrt(correction * clustered_variance(sums[counted]))
    return limits(estimate, std_error, level, n_clusters, float(n_clusters - 1))


def too_few_clusters(has_arm: NDArray[np.bool_]) -> str | None:
    """Why no standard error can be told, if so, from what rows the clusters have, shape (G, 2)."""
    for name, n_found in (("treated", has_arm[:, 1].sum()), ("untreated", has_arm[:, 0].sum())):
        if n_found < 2:
            return f"{n_found} cluster with {name} rows; at least 2 are needed to tell a standard error"
    return None


def neyman_inference(y: Floats, d: Floats, weights: Floats, level: float) -> Inference:
    """HC2 standard error of a difference in (weighted) means, where each unit is one row.

    Without weights this is Neyman's variance, the sum of the arms' variances over their sizes. Interval and
    p-value use Satterthwaite's degrees of freedom.

    References
    ----------
    Neyman (1923), translated in Statistical Science 5(4), 1990. Imbens and Kolesar (2016), Review of Economics
    and Statistics 98(4), section II.
    """
    n_rows = len(y)
    moved = y - y[0]
    means, variances, freedoms = [], [], []
    for name, arm in (("treated", d == 1), ("untreated", d == 0)):
        n_arm = int(arm.sum())
        if n_arm < 2:
            return without_inference(f"{n_arm} {name} unit; at least 2 are needed", level, n_rows)
        share = weights[arm] / weights[arm].sum()
        mean = float(share @ moved[arm])
        means.append(mean)
        variances.append(float(np.sum(share**2 * (moved[arm] - mean) ** 2 / (1.0 - share))))
        freedoms.append(n_arm - 1)
    variance = sum(variances)
    terms = sum(v**2 / f for v, f in zip(variances, freedoms, strict=True))
    freedom = variance**2 / terms if terms > 0 else math.inf
    return limits(means[0] - means[1], math.sqrt(variance), level, n_rows, freedom)


def limits(
    estimate: float, std_error: float, level: float, n_clusters: int, degrees_of_freedom: float
) -> Inference:
    """t interval and two-sided p-value; normal ones where ``degrees_of_freedom`` is infinite."""
    from scipy import special

    if not std_error > ROUNDING * abs(estimate):
        return without_inference("the outcome does not vary within the arms", level, n_clusters)
    statistic = abs(estimate) / std_error
    if math.isinf(degrees_of_freedom):
        quantile = float(special.ndtri(0.5 + level / 2))
        p_value = 2.0 * float(special.ndtr(-statistic))
    else:
        quantile = float(special.stdtrit(degrees_of_freedom, 0.5 + level / 2))
        p_value = 2.0 * float(special.stdtr(degrees_of_freedom, -statistic))
    margin = quantile * std_error
    return Inference(
        std_error, estimate - margin, estimate + margin, p_value, level, n_clusters, degrees_of_freedom
    )


def without_inference(reason: str, level: float, n_clusters: int) -> Inference:
    """NaN in every field, with the reason for each."""
    undefined: Mapping[str, str] = dict.fromkeys(_LIMITS, reason)
    return Inference(math.nan, math.nan, math.nan, math.nan, level, n_clusters, math.nan, undefined)
