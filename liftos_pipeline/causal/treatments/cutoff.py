"""Was a treatment given by a cutoff in a running variable? A jump in adoption there, and no crowding on one side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]

MIN_SIDE = 20
"""Units on each side within the window."""
DENSITY_UNITS = 40
"""Units nearest to the cutoff whose sides are counted."""
UNITS_PER_VALUE = 4
"""A running variable with more units per value is a score in steps, such as a quality score from 1 to 10."""
STEP_CURVATURE = 0.2
"""By how much a value may hold more or less than its two neighbours' mean, as a share of their sum and its own."""


@dataclass(frozen=True)
class Cutoff:
    """What happens at a cutoff. ``jump``: change in the share of adopters, at the cutoff, of local lines.

    ``density_p``: exact p-value that the units nearest to the cutoff fall on either side as by a fair coin; of a score in
    steps, that the first value above holds what its neighbours let expect.
    """

    jump: float
    std_error: float
    jump_p: float
    density_p: float
    n_below: int
    n_above: int
    alpha: float

    @property
    def is_design(self) -> bool:
        """Adoption jumps up by at least a fifth, beyond chance, and units do not crowd on one side."""
        return self.jump >= 0.2 and self.jump_p <= self.alpha and self.density_p > self.alpha


def cutoff_design(
    running: Floats, adopted: NDArray[np.bool_], cutoff: float, window: float, alpha: float = 0.05
) -> Cutoff:
    """Test a cutoff that somebody declared.

    Parameters
    ----------
    running : ndarray, shape (n_units,)
        Running variable at the time of the decision.
    adopted : ndarray of bool, shape (n_units,)
    cutoff, window : float
        Units within ``window`` of the cutoff are used; those at the cutoff are above it.

    Raises
    ------
    LiftosError
        Fewer than ``MIN_SIDE`` units on a side, or a side without spread.

    References
    ----------
    Hahn, Todd and Van der Klaauw (2001), Econometrica 69(1). Cattaneo, Titiunik and Vazquez-Bare (2017), Journal of
    Policy Analysis and Management 36(3), on counting by the cutoff in place of McCrary (2008). Frandsen (2017), Advances
    in Econometrics 38, on scores in steps.
    """
    from scipy.stats import norm

    distance = running - cutoff
    inside = np.abs(distance) <= window
    above = distance >= 0
    sides = [inside & ~above, inside & above]
    counts = [int(side.sum()) for side in sides]
    if min(counts) < MIN_SIDE or any(np.ptp(distance[side]) == 0 for side in sides):
        raise LiftosError(
            f"{MIN_SIDE} units on each side of the cutoff within {window:g}, not all at one value",
            f"{counts[0]} below, {counts[1]} above",
            "Widen the window, or give up the cutoff.",
        )
    (below, below_variance), (over, over_variance) = (_at_zero(distance[s], adopted[s]) for s in sides)
    jump, std_error = over - below, float(np.sqrt(below_variance + over_variance))
    is_exact = std_error == 0.0
    jump_p = float(jump == 0) if is_exact else float(2 * norm.sf(abs(jump) / std_error))
    return Cutoff(jump, std_error, jump_p, _density_p(distance[inside]), counts[0], counts[1], alpha)


def _density_p(distance: Floats) -> float:
    from scipy.stats import binom, binomtest

    values, counts = np.unique(distance, return_counts=True)
    if len(distance) <= UNITS_PER_VALUE * len(values):
        nearest = np.argsort(np.abs(distance), kind="stable")[:DENSITY_UNITS]
        return float(binomtest(int((distance[nearest] >= 0).sum()), len(nearest)).pvalue)
    first = int(np.searchsorted(values, 0.0))
    around = counts[first - 1 : first + 2]
    low, high = ((1.0 + bend) / (3.0 + bend) for bend in (-STEP_CURVATURE, STEP_CURVATURE))
    n, here = int(around.sum()), int(around[1])
    return float(min(1.0, 2.0 * min(binom.cdf(here, n, low), binom.sf(here - 1, n, high))))


def _at_zero(distance: Floats, adopted: NDArray[np.bool_]) -> tuple[float, float]:
    """Intercept of a least-squares line, and its HC2 variance."""
    design = np.column_stack([np.ones(len(distance)), distance])
    bread = np.linalg.inv(design.T @ design)
    beta = bread @ (design.T @ adopted)
    leverage = np.einsum("ij,jk,ik->i", design, bread, design)
    residual = (adopted - design @ beta) / np.sqrt(np.maximum(1.0 - leverage, 1e-12))
    scores = design @ bread[0] * residual
    return float(beta[0]), float(scores @ scores)
