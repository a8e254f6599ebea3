"""Joint Wald test of several estimates with a known covariance; ``bands`` has the one that bootstraps scores."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]

RANK_TOLERANCE = 1e-10
"""Eigenvalue of a correlation matrix, over its largest, below which a direction has no variance."""


@dataclass(frozen=True)
class WaldTest:
    """Test that ``n_restrictions`` estimates are all zero.

    ``statistic`` is ``b' V^-1 b``. ``degrees_of_freedom`` of the denominator are infinite where chi-square limits
    were used, NaN where the statistic was bootstrapped. ``undefined`` says why statistic and p-value are NaN, None
    where they are not.
    """

    statistic: float
    n_restrictions: int
    degrees_of_freedom: float
    p_value: float
    undefined: str | None = None


def wald_test(estimates: Floats, covariance: Floats, degrees_of_freedom: float = math.inf) -> WaldTest:
    """Wald test that all estimates are zero.

    Parameters
    ----------
    estimates : ndarray, shape (k,)
    covariance : ndarray, shape (k, k)
    degrees_of_freedom : float
        Of the covariance: G - 1 with G clusters makes it an F(k, G - 1) test, infinity a chi-square(k) test.

    Raises
    ------
    LiftosError
        No estimates, shapes that do not match, missing values.
    """
    from scipy import special

    k = len(estimates)
    if k == 0 or covariance.shape != (k, k) or not np.isfinite([*estimates, *covariance.ravel()]).all():
        raise LiftosError(
            "k estimates with their k x k covariance, k at least 1, all known",
            f"shapes {estimates.shape} and {covariance.shape}",
            "Leave out what was not estimated.",
        )
    reason = why_singular(covariance)
    if reason is not None:
        return WaldTest(math.nan, k, degrees_of_freedom, math.nan, reason)
    statistic = float(estimates @ np.linalg.solve(covariance, estimates))
    if math.isinf(degrees_of_freedom):
        p_value = float(special.chdtrc(k, statistic))
    else:
        p_value = float(special.fdtrc(k, degrees_of_freedom, statistic / k))
    return WaldTest(statistic, k, degrees_of_freedom, p_value)


def wald_critical_value(k: int, level: float, degrees_of_freedom: float = math.inf) -> float:
    """Value that the Wald statistic of ``k`` true restrictions exceeds with probability ``1 - level``."""
    from scipy import special

    if math.isinf(degrees_of_freedom):
        return float(special.chdtri(k, 1.0 - level))
    return k * float(special.fdtri(k, degrees_of_freedom, level))


def why_singular(covariance: Floats) -> str | None:
    """Why a covariance cannot be inverted, or None."""
    variances = np.diagonal(covariance)
    if not (variances > 0).all():
        return f"{int(np.sum(variances <= 0))} of {len(variances)} estimates without a variance"
    spread = np.sqrt(variances)
    eigenvalues = np.linalg.eigvalsh(covariance / np.outer(spread, spread))
    rank = int(np.sum(eigenvalues > RANK_TOLERANCE * eigenvalues[-1]))
    if rank < len(variances):
        return f"the covariance of {len(variances)} estimates has rank {rank}: too few clusters, or one repeats others"
    return None
