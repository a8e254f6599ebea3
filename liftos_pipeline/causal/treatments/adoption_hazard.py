"""Does anything observed predict who starts when? A joint test on the hazard of adoption, and what it could have seen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.inference.wald import WaldTest, wald_critical_value, wald_test
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_MOST_STEPS = 50
_CLOSE = 1e-10


@dataclass(frozen=True)
class HazardTest:
    """Joint test that no covariate moves the hazard.

    ``log_hazard``: ndarray, shape (k,), per standard deviation of each covariate. ``power``: chance that the test at
    ``alpha`` sees one covariate that moves the log hazard by ``gamma`` per standard deviation.
    """

    log_hazard: Floats
    wald: WaldTest
    n_adopters: int
    power: float
    alpha: float
    gamma: float

    @property
    def is_silent(self) -> bool:
        """The test rejects nothing, and would have seen ``gamma`` in four of five cases."""
        return self.wald.p_value > self.alpha and self.power >= 0.8


def adoption_hazard(
    covariates: Floats,
    day: Integers,
    unit: Integers,
    adopts: NDArray[np.bool_],
    alpha: float = 0.05,
    gamma: float = 0.2,
) -> HazardTest:
    """Test whether covariates predict adoption, each day's level of the hazard left free.

    Rows are the units that have not adopted before that day. The partial likelihood with Breslow's ties is maximised by
    Newton steps; the covariance is clustered by unit. Covariates are standardised over the rows.

    Parameters
    ----------
    covariates : ndarray, shape (n, k)
        Known before the day, none constant.
    day, unit : ndarray of int, shape (n,)
    adopts : ndarray of bool, shape (n,)
        Whether the unit starts on that day; at most once per unit.
    gamma : float
        Effect whose power is told.

    Raises
    ------
    LiftosError
        No adopters, as many covariates as adopters, a constant covariate, or a likelihood without a maximum.

    References
    ----------
    Cox (1972), JRSS B 34(2). Lin and Wei (1989), JASA 84(408), on the covariance. Schoenfeld (1983), Biometrics 39(2),
    on the power.
    """
    from scipy.stats import ncx2

    n_adopters = int(adopts.sum())
    k = covariates.shape[1]
    spread = covariates.std(axis=0)
    if n_adopters <= k or not (spread > 0).all():
        raise LiftosError(
            "more adopters than covariates, none of them constant",
            f"{n_adopters} adopters, {k} covariates, {int((spread == 0).sum())} of them constant",
            "Drop covariates, or wait for more adoptions.",
        )
    x = (covariates - covariates.mean(axis=0)) / spread
    _, days = np.unique(day, return_inverse=True)
    _, units = np.unique(unit, return_inverse=True)
    beta = _maximised(x, days, adopts)
    covariance = _clustered(x, days, units, adopts, beta)
    critical = wald_critical_value(k, 1.0 - alpha)
    power = float(ncx2.sf(critical, k, gamma**2 * n_adopters))
    return HazardTest(beta, wald_test(beta, covariance), n_adopters, power, alpha, gamma)


def _moments(x: Floats, days: Integers, adopts: NDArray[np.bool_], beta: Floats) -> tuple[Floats, Floats, Floats]:
    """Relative risks of the rows, mean covariates at risk per day, adoptions per unit of risk per day."""
    risk = np.exp(x @ beta)
    total = np.bincount(days, risk)
    mean = np.column_stack([np.bincount(days, risk * column) for column in x.T]) / total[:, None]
    return risk, mean, np.bincount(days, adopts) / total


def _information(x: Floats, days: Integers, risk: Floats, mean: Floats, rate: Floats) -> Floats:
    centred = x - mean[days]
    return (centred * (risk * rate[days])[:, None]).T @ centred


def _maximised(x: Floats, days: Integers, adopts: NDArray[np.bool_]) -> Floats:
    beta = np.zeros(x.shape[1])
    for _ in range(_MOST_STEPS):
        risk, mean, rate = _moments(x, days, adopts, beta)
        score = (x[adopts] - mean[days[adopts]]).sum(axis=0)
        step = np.linalg.lstsq(_information(x, days, risk, mean, rate), score, rcond=None)[0]
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), math.ulp(1.0)))
        beta += step
        if np.abs(step).max() < _CLOSE:
            return beta
    raise LiftosError(
        "a likelihood with a maximum",
        f"none after {_MOST_STEPS} steps",
        "Drop covariates that tell adopters from the others without error.",
    )


def _clustered(x: Floats, days: Integers, units: Integers, adopts: NDArray[np.bool_], beta: Floats) -> Floats:
    risk, mean, rate = _moments(x, days, adopts, beta)
    residual = (x - mean[days]) * (adopts - risk * rate[days])[:, None]
    scores = np.column_stack([np.bincount(units, column) for column in residual.T])
    bread = np.linalg.pinv(_information(x, days, risk, mean, rate))
    covariance: Floats = bread @ (scores.T @ scores) @ bread
    return covariance
