"""Return on what treated regions spent more: the set of ratios that incremental outcome and spend do not reject."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.inference.autoregression import first_order_residuals, step_alone
from liftos_pipeline.causal.inference.covariance import ROUNDING
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]


MOST_ERRORS = 2.0
"""Standard errors below zero at which a spend is not taken for an increase that is lost in noise."""


@dataclass(frozen=True)
class Spend:
    """What was spent more from the start on.

    Attributes
    ----------
    total, std_error : float
        In the units of spend; no error where it is told, or where spend did not vary before the start.
    correlation : float
        Of its error with that of the log lift.
    """

    total: float
    std_error: float = 0.0
    correlation: float = 0.0

    def __post_init__(self) -> None:
        if not self.total + MOST_ERRORS * self.std_error > 0:
            raise LiftosError(
                "a positive incremental spend", f"{self.total:g}", "Give what was spent more after the start."
            )


@dataclass(frozen=True)
class Incremental:
    """Incremental outcome: estimate, interval, standard error, in outcome units."""

    estimate: float
    ci_low: float
    ci_high: float
    std_error: float

    def limits(self) -> dict[str, float]:
        return {"estimate": self.estimate, "ci_low": self.ci_low, "ci_high": self.ci_high}


def spend_of(by_period: Floats, start: int, contrast: Floats, design: Floats) -> Spend:
    """Incremental spend of a series that steps at the start.

    Parameters
    ----------
    by_period : ndarray, shape (T,)
        Spend of all treated regions.
    contrast : ndarray, shape (T,)
    design : ndarray, shape (T, k)
        Of the regression of the contrast.
    """
    n_post = len(by_period) - start
    before = by_period[:start]
    if np.ptp(before) <= ROUNDING * max(np.abs(by_period).max(), 1.0):
        return Spend(float(by_period[start:].sum() - before.mean() * n_post))
    X = np.column_stack([np.ones(len(by_period)), np.arange(len(by_period)) >= start]).astype(np.float64)
    step = step_alone(by_period, X, 1)
    errors = [first_order_residuals(series, form) for series, form in ((contrast, design), (by_period, X))]
    correlation = float(np.corrcoef(errors[0], errors[1])[0, 1])
    return Spend(step.mean * n_post, step.std_error * n_post, correlation)


def return_on(spend: Spend, outcome: Incremental, critical: float) -> dict[str, object]:
    """Incremental outcome over incremental spend, with the set of ratios that are not rejected.

    ``set`` lists its intervals. It is unbounded where no incremental spend at all is not rejected.

    Parameters
    ----------
    critical : float
        Of the log lift over its standard error, at the level asked for.

    References
    ----------
    Fieller (1954), JRSS B 16(2): the limits of a ratio.
    """
    ratio = outcome.estimate / spend.total
    if spend.std_error == 0.0:
        low, high = outcome.ci_low / spend.total, outcome.ci_high / spend.total
        return {"estimate": ratio, "ci_low": low, "ci_high": high, "set": [[low, high]]}
    spread = critical**2
    a = spend.total**2 - spread * spend.std_error**2
    b = outcome.estimate * spend.total - spread * spend.correlation * outcome.std_error * spend.std_error
    c = outcome.estimate**2 - spread * outcome.std_error**2
    room = b**2 - a * c
    if a > 0:
        low, high = (b - math.sqrt(room)) / a, (b + math.sqrt(room)) / a
        return {"estimate": ratio, "ci_low": low, "ci_high": high, "set": [[low, high]]}
    inside: list[list[float]] = [[-math.inf, math.inf]]
    if room > 0 and a < 0:
        roots = sorted(((b - math.sqrt(room)) / a, (b + math.sqrt(room)) / a))
        inside = [[-math.inf, roots[0]], [roots[1], math.inf]]
    return {"estimate": ratio, "ci_low": -math.inf, "ci_high": math.inf, "set": inside}
