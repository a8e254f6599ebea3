"""Limits of a ratio of two estimates, by inverting the test of every value that the ratio could have."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from liftos_pipeline.errors import LiftosError


@dataclass(frozen=True)
class RatioSet:
    """Values of a ratio that a test at the level does not reject.

    ``kind``: ``interval`` from low to high; ``rays``, all but what lies between; ``line``, every value: the denominator may
    be zero. Limits are infinite for a line.
    """

    ratio: float
    low: float
    high: float
    kind: Literal["interval", "rays", "line"]


def fieller(
    numerator: float,
    denominator: float,
    variance_numerator: float,
    covariance: float,
    variance_denominator: float,
    quantile: float,
) -> RatioSet:
    """Confidence set of ``numerator / denominator``.

    Parameters
    ----------
    variance_numerator, covariance, variance_denominator : float
        Of the two estimates.
    quantile : float
        Two-sided, such as 1.96.

    Raises
    ------
    LiftosError
        A denominator of zero, or no covariance matrix.

    References
    ----------
    Fieller (1954), JRSS B 16(2), section 2.

    Examples
    --------
    >>> found = fieller(2.0, 1.0, 0.04, 0.0, 0.01, 1.96)
    >>> found.kind, round(found.low, 3), round(found.high, 3)
    ('interval', 1.509, 2.651)
    """
    if denominator == 0.0:
        raise LiftosError("a denominator other than zero", "0", "Its ratio does not exist; report both parts.")
    if min(variance_numerator, variance_denominator) < 0.0 or covariance**2 > (
        variance_numerator * variance_denominator * (1.0 + 1e-9)
    ):
        raise LiftosError(
            "variances and a covariance that go together",
            f"{variance_numerator:g}, {covariance:g}, {variance_denominator:g}",
            "Take them from one covariance matrix.",
        )
    square = quantile**2
    a = denominator**2 - square * variance_denominator
    b = numerator * denominator - square * covariance
    c = numerator**2 - square * variance_numerator
    ratio = numerator / denominator
    discriminant = b**2 - a * c
    if a == 0.0 or (a < 0.0 and discriminant <= 0.0):
        return RatioSet(ratio, -math.inf, math.inf, "line")
    root = math.sqrt(max(discriminant, 0.0))
    ends = sorted(((b - root) / a, (b + root) / a))
    return RatioSet(ratio, ends[0], ends[1], "interval" if a > 0.0 else "rays")
