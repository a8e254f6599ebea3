"""Tests that the means of normal moments are at most zero: conditional, with a least favourable first stage.

The moments of many nulls are tested in one call; which moments a question leads to is told by its module.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NO_VARIANCE = 1e-12
"""A variance below this share of the largest is none."""
N_ANGLES = 2_048
"""Directions of a mean over the circle; the kinks of a maximum leave an error of about 1e-6."""


def rejects(moments: Floats, covariance: Floats, alpha: float, least_favourable: float) -> NDArray[np.bool_]:
    """Conditional least-favourable hybrid test (C-LF) that no moment has a positive mean.

    The largest moment is compared with its distribution given which moment is largest and given that the first
    stage, the least favourable test of size ``alpha / 10``, did not reject.

    Parameters
    ----------
    moments : ndarray, shape (n, m)
        One row per null.
    covariance : ndarray, shape (m, m) or (n, m, m)
        Covariance of the moments, the same under every null or one for each.
    alpha : float
        Size.
    least_favourable : float
        Critical value of the first stage: :func:`first_stage_share` of the largest moment's draws lie above it when
        all means are zero.

    Returns
    -------
    ndarray of bool, shape (n,)

    References
    ----------
    Andrews, Roth and Pakes (2023), Review of Economic Studies 90(6), sections 3 to 5. Rambachan and Roth (2023),
    Review of Economic Studies 90(5), section 3.2.
    """
    binding = np.argmax(moments, axis=1)
    largest = np.take_along_axis(moments, binding[:, None], axis=1)[:, 0]
    each = np.broadcast_to(covariance, (len(moments), *covariance.shape[-2:]))
    variances = np.diagonal(each, axis1=1, axis2=2)
    chosen = np.arange(len(moments)), binding
    moves = variances[chosen] > NO_VARIANCE * variances.max(axis=1, initial=0.0)
    variance = np.where(moves, variances[chosen], 1.0)
    slopes = each[chosen] / variance[:, None]
    rest = moments - slopes * largest[:, None]
    gap = 1.0 - slopes
    with np.errstate(divide="ignore", invalid="ignore"):
        bounds = rest / gap
    low = np.max(np.where(gap > NO_VARIANCE, bounds, -np.inf), axis=1)
    high = np.min(np.where(gap < -NO_VARIANCE, bounds, np.inf), axis=1)
    spread = np.sqrt(variance)
    second_stage = (alpha - first_stage_share(alpha)) / (1.0 - first_stage_share(alpha))
    critical = spread * _truncated_normal_quantile(
        1.0 - second_stage, low / spread, np.minimum(high, least_favourable) / spread
    )
    conditional = largest > np.maximum(critical, 0.0)  # true of all that the first stage rejects
    return np.where(moves, conditional, largest > 0)


def first_stage_share(alpha: float) -> float:
    """Size of the first stage."""
    return alpha / 10.0


def _truncated_normal_quantile(p: float, low: Floats, high: Floats) -> Floats:
    """Quantile of a standard normal variable between two bounds, from the tail that keeps the digits."""
    from scipy import special

    flipped = low > 0
    below, above = np.where(flipped, -high, low), np.where(flipped, -low, high)
    share = np.where(flipped, 1.0 - p, p)
    log_low, log_high = special.log_ndtr(below), special.log_ndtr(above)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_p = np.logaddexp(log_low + np.log1p(-share), log_high + np.log(share))
    quantile = special.ndtri_exp(log_p)
    clipped: Floats = np.clip(np.where(flipped, -quantile, quantile), low, high)
    return clipped


def largest_normal_quantile(loadings: Floats, p: float) -> float:
    """The p-quantile of the largest of some moments that two independent standard normal variables drive.

    In polar coordinates the largest moment is the radius times a function of the angle, and the squared radius is
    exponential: what is left is a mean over the angle.

    Parameters
    ----------
    loadings : ndarray, shape (m, 2)
    p : float
        Above one half.
    """
    from scipy import optimize

    angle = 2.0 * math.pi * (np.arange(N_ANGLES) + 0.5) / N_ANGLES
    growth = np.max(loadings @ np.stack([np.cos(angle), np.sin(angle)]), axis=0)
    growing = growth[growth > 0]

    def too_high(c: float) -> float:
        return float(np.exp(-((c / growing) ** 2) / 2.0).sum()) / N_ANGLES - (1.0 - p)

    top = 10.0 * float(np.max(growing))
    return float(optimize.brentq(too_high, 0.0, top, xtol=1e-10 * top))
