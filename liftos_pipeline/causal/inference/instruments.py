"""Clustered limits and specification tests of instrumental-variable estimates. What weak instruments need stands
in ``weak_instruments``.

Instruments come as an orthonormal basis with the covariates partialled out, as sums per cluster.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.inference.covariance import clustered_variance, limits
from liftos_pipeline.causal.results import Inference

Floats = NDArray[np.float64]

SINGULAR = 1e-12


@dataclass(frozen=True)
class SpecificationTest:
    """``reason`` says why statistic and p-value are NaN, or is None."""

    statistic: float
    p_value: float
    reason: str | None = None


def k_class_inference(
    estimate: float, curvature: float, pi: Floats, zu: Floats, level: float, correction: float
) -> Inference:
    """Clustered standard error, t(G - 1) interval and p-value of a k-class estimate.

    Parameters
    ----------
    curvature : float
        d'(I - kappa M_z) d.
    pi : ndarray, shape (q,)
        Coefficients of the first stage.
    zu : ndarray, shape (G, q)
        Sums of instrument times residual of at least two clusters.
    correction : float
        (n - 1) / (n - k).

    References
    ----------
    Cameron and Miller (2015), Journal of Human Resources 50(2), section VII.B.
    """
    n_clusters = len(zu)
    std_error = math.sqrt(correction * clustered_variance(zu @ pi / curvature))
    return limits(estimate, std_error, level, n_clusters, float(n_clusters - 1))


def hansen_j(zy: Floats, zd: Floats, first_step: float) -> SpecificationTest:
    """Over-identification: two-step GMM with the clustered weight matrix of the first step's residuals.

    Parameters
    ----------
    zy, zd : ndarray, shape (G, q)
        Clusters' sums of instrument times outcome and treatment.
    first_step : float
        2SLS estimate.

    References
    ----------
    Hansen (1982), Econometrica 50(4), section 3.
    """
    from scipy import special

    n_clusters, n_instruments = zy.shape
    if n_instruments == 1:
        return SpecificationTest(
            math.nan, math.nan, "just identified: one instrument has nothing to disagree with"
        )
    sums = zy - first_step * zd
    moments = sums.T @ sums
    spectrum = np.linalg.eigvalsh(moments)
    if n_clusters <= n_instruments or spectrum[0] <= SINGULAR * spectrum[-1]:
        reason = f"sums of {n_clusters} clusters do not vary in {n_instruments} directions"
        return SpecificationTest(math.nan, math.nan, reason)
    total_y, total_d = zy.sum(axis=0), zd.sum(axis=0)
    weighted = np.linalg.solve(moments, np.column_stack([total_y, total_d]))
    second_step = float(total_d @ weighted[:, 0]) / float(total_d @ weighted[:, 1])
    statistic = float((total_y - second_step * total_d) @ (weighted @ [1.0, -second_step]))
    return SpecificationTest(statistic, float(special.chdtrc(n_instruments - 1, statistic)))


def wu_hausman(slope: float, influence: Floats, correction: float) -> SpecificationTest:
    """Exogeneity of the treatment: clustered t test of the first-stage residual as a control.

    Parameters
    ----------
    slope : float
        Coefficient of the first-stage residual beside treatment and covariates.
    influence : ndarray, shape (G,)
        Influence of at least two clusters on it.
    correction : float
        (n - 1) / (n - k) of that regression.

    References
    ----------
    Hausman (1978), Econometrica 46(6). Wooldridge (2010), Econometric Analysis of Cross Section and Panel Data,
    section 6.3.1: the regression form that clusters.
    """
    n_clusters = len(influence)
    if not np.isfinite(influence).all():
        reason = "the instruments determine the treatment, which leaves no residual to test"
        return SpecificationTest(math.nan, math.nan, reason)
    std_error = math.sqrt(correction * clustered_variance(influence))
    found = limits(slope, std_error, 0.95, n_clusters, float(n_clusters - 1))
    if found.undefined:
        return SpecificationTest(math.nan, math.nan, "its standard error is zero")
    return SpecificationTest(slope / std_error, found.p_value)
