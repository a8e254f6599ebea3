"""Whether predicted effects of single units tell units apart, and by the right amount."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.inference.covariance import cluster_sums, clustered_variance, limits

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SMALLEST_SPREAD = 1e-10
"""Spread of the predictions, beside that of the scores, below which they are all the same."""


@dataclass(frozen=True)
class Calibration:
    """Slope of the scores on the predictions.

    Attributes
    ----------
    slope, std_error : float
        One if the predictions differ as the effects do, zero if they tell nothing. NaN where predictions are equal.
    p_value : float
        One-sided, of the hypothesis that the slope is zero or less.
    reason : str or None
        Why the predictions must not be used.
    """

    slope: float
    std_error: float
    p_value: float
    reason: str | None

    def to_diagnostics(self) -> dict[str, object]:
        return {
            "calibration_slope": self.slope,
            "calibration_std_error": self.std_error,
            "calibration_p": self.p_value,
        }


def calibration(score: Floats, predicted: Floats, weights: Floats, cluster: Integers, level: float) -> Calibration:
    """Regress scores of the effect on predictions of it, clustered.

    The predictions pass if the slope is above zero at one minus ``level``, and one lies in its interval.

    Parameters
    ----------
    score, predicted, weights : ndarray, shape (n,)
        Each row's prediction comes from folds that it is not in.
    cluster : ndarray, shape (n,)

    References
    ----------
    Chernozhukov, Demirer, Duflo and Fernandez-Val (2025), Econometrica 93(4), section 3.
    """
    share = weights / weights.sum()
    away, left = predicted - share @ predicted, score - share @ score
    spread = float(share @ away**2)
    if not spread > (SMALLEST_SPREAD**2) * float(share @ left**2):
        return Calibration(math.nan, math.nan, math.nan, "the predicted effects do not differ between units")
    slope = float(share @ (away * left)) / spread
    _, codes = np.unique(cluster[weights > 0], return_inverse=True)
    influence = (share * away * (left - slope * away) / spread)[weights > 0]
    sums = cluster_sums(influence, codes, int(codes.max()) + 1)
    found = limits(slope, math.sqrt(clustered_variance(sums)), level, len(sums), float(len(sums) - 1))
    p_value = found.p_value / 2.0 if slope > 0 else 1.0 - found.p_value / 2.0
    reason = None
    if not p_value <= 1.0 - level:
        reason = f"predicted effects do not tell units apart (calibration slope {slope:.2g}, p {p_value:.2g})"
    elif not found.ci_low <= 1.0 <= found.ci_high:
        reason = f"predicted effects are off by a factor (calibration slope {slope:.2g}, not one)"
    return Calibration(slope, found.std_error, p_value, reason)
