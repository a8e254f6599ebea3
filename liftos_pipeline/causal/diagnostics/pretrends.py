"""Pre-trends: the joint test, and which violation it would have missed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.diagnostics.event_path import EventPath, event_path
from liftos_pipeline.causal.inference.wald import WaldTest, wald_critical_value, wald_test
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]

BOX_ERROR = 1e-4
"""Absolute error allowed in the probability that no coefficient is significant."""


@dataclass(frozen=True, eq=False)
class Pretrends:
    """What the periods before treatment say, and what they could not have said.

    Attributes
    ----------
    joint : WaldTest
        Test that all coefficients before treatment are zero.
    violations : DataFrame
        One row per power: ``power``; ``slope_joint``, the linear violation per period, in outcome units, that the
        joint test detects with that power; ``bias_joint``, the bias of the post-treatment estimate under it;
        ``bias_joint_if_passed``, the same given that the test did not reject; ``slope_individual`` and
        ``bias_individual`` for the habit of looking for any significant coefficient. NaN where ``joint`` is
        undefined.
    """

    joint: WaldTest
    violations: pd.DataFrame


def pretrends(
    estimates: Floats,
    covariance: Floats,
    event_time: Sequence[int] | NDArray[np.int64],
    level: float = 0.95,
    powers: Sequence[float] = (0.5, 0.8),
    reference: int = -1,
    weights: Sequence[float] | Floats | None = None,
    degrees_of_freedom: float = math.inf,
) -> Pretrends:
    """Test pre-trends and find the smallest linear violations that the test would have seen.

    Parameters
    ----------
    estimates, covariance, event_time, reference, weights
        As in :func:`~liftos_pipeline.causal.diagnostics.event_path.event_path`.
    level : float
        One minus the size of the tests.
    powers : sequence of float
        Chances of detection, in (0, 1).
    degrees_of_freedom : float
        Of the covariance (G - 1), for critical values; power takes the covariance as known.

    Returns
    -------
    Pretrends
        A slope of zero: the tests reject that often without any violation.

    Raises
    ------
    LiftosError
        A path that cannot be read, or levels outside (0, 1).

    References
    ----------
    Roth (2022), American Economic Review: Insights 4(3), section I and appendix.
    """
    outside = [p for p in (level, *powers) if not 0.0 < p < 1.0]
    if outside:
        raise LiftosError("level and powers between 0 and 1", str(outside), "0.95, and 0.5 and 0.8, are usual.")
    path = event_path(estimates, covariance, event_time, reference, weights)
    pre_covariance = path.covariance[: path.n_pre, : path.n_pre]
    joint = wald_test(path.pre, pre_covariance, degrees_of_freedom)
    trend_bias = float(path.weights @ path.post_time)
    rows = []
    for power in powers:
        row = dict.fromkeys(_COLUMNS, math.nan) | {"power": power}
        if joint.undefined is None:
            slope = _joint_slope(path, pre_covariance, level, power, degrees_of_freedom)
            row["slope_joint"], row["bias_joint"] = slope, slope * trend_bias
            row["bias_joint_if_passed"] = _bias_if_passed(path, pre_covariance, level, slope, degrees_of_freedom)
            slope = _individual_slope(path, pre_covariance, level, power, degrees_of_freedom)
            row["slope_individual"], row["bias_individual"] = slope, slope * trend_bias
        rows.append(row)
    return Pretrends(joint, pd.DataFrame(rows, columns=list(_COLUMNS)))


def detectable_slopes(
    path: EventPath, level: float, powers: Sequence[float], degrees_of_freedom: float = math.inf
) -> Floats:
    """Smallest linear violations per period, in outcome units, that the joint test detects with each power.

    The ``slope_joint`` of :func:`pretrends`, which see.

    Returns
    -------
    ndarray, shape (n_powers,)
    """
    pre_covariance = path.covariance[: path.n_pre, : path.n_pre]
    return np.array([_joint_slope(path, pre_covariance, level, power, degrees_of_freedom) for power in powers])


_COLUMNS = (
    "power",
    "slope_joint",
    "bias_joint",
    "bias_joint_if_passed",
    "slope_individual",
    "bias_individual",
)


def _noncentrality(path: EventPath, pre_covariance: Floats) -> float:
    """Of the Wald statistic, per squared slope."""
    return float(path.pre_time @ np.linalg.solve(pre_covariance, path.pre_time.astype(np.float64)))


def _joint_slope(path: EventPath, pre_covariance: Floats, level: float, power: float, freedom: float) -> float:
    from scipy import special

    critical = wald_critical_value(path.n_pre, level, freedom)
    if power <= special.chdtrc(path.n_pre, critical):
        return 0.0
    shift = float(special.chndtrinc(critical, path.n_pre, 1.0 - power))
    return math.sqrt(shift / _noncentrality(path, pre_covariance))


def _bias_if_passed(path: EventPath, pre_covariance: Floats, level: float, slope: float, freedom: float) -> float:
    """Bias of the estimate under a linear violation, over the samples whose joint test does not reject.

    For z normal with mean m, ``E[z | z'z < c] = m P(chi2_{k+2}(m'm) < c) / P(chi2_k(m'm) < c)``; the estimate
    follows the coefficients before treatment by their covariance.
    """
    from scipy import special

    k = path.n_pre
    critical = wald_critical_value(k, level, freedom)
    shift = slope**2 * _noncentrality(path, pre_covariance)
    shrinkage = special.chndtr(critical, k + 2, shift) / special.chndtr(critical, k, shift)
    trend = slope * path.pre_time.astype(np.float64)
    with_pre = path.covariance[:k, k:] @ path.weights
    selected = float(with_pre @ np.linalg.solve(pre_covariance, trend)) * (float(shrinkage) - 1.0)
    return slope * float(path.weights @ path.post_time) + selected


def _individual_slope(
    path: EventPath, pre_covariance: Floats, level: float, power: float, freedom: float
) -> float:
    from scipy import optimize, special

    tail = 0.5 + level / 2
    quantile = float(special.ndtri(tail) if math.isinf(freedom) else special.stdtrit(freedom, tail))
    spread: Floats = np.sqrt(np.diagonal(pre_covariance))
    time = path.pre_time.astype(np.float64)

    def missed(slope: float) -> float:
        return _box_probability(slope * time, pre_covariance, quantile * spread) - (1.0 - power)

    if missed(0.0) <= 0:
        return 0.0
    surely_seen = float(np.min((quantile + 9.0) * spread / np.abs(time)))
    return float(optimize.brentq(missed, 0.0, surely_seen, xtol=1e-7 * surely_seen))


def _box_probability(mean: Floats, covariance: Floats, half_width: Floats) -> float:
    """Chance that every normal coefficient lies within its half width of zero."""
    from scipy.stats import multivariate_normal

    return float(
        multivariate_normal.cdf(
            half_width,
            mean=mean,
            cov=covariance,
            lower_limit=-half_width,
            abseps=BOX_ERROR,
            releps=BOX_ERROR,
            maxpts=20_000 * len(mean),
            rng=np.random.default_rng(0),
        )
    )
