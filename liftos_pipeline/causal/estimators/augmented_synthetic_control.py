"""Augmented synthetic control: what the weighted donors still miss before the start is corrected by a ridge regression."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.estimators.donor_panel import DonorPanel, donor_panel
from liftos_pipeline.causal.inference.permutation import conformal_inference
from liftos_pipeline.causal.kernels.simplex import nearest_points
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.results import EffectEstimate, effect_from
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]

N_PENALTIES = 21
SMALLEST_PENALTY_SHARE = 1e-8
_INTERVAL_COLUMNS = ("std_error", "ci_low", "ci_high", "band_low", "band_high")


@dataclass(frozen=True, eq=False)
class RidgeWeights:
    """Weights of donors that add to one and may be negative.

    Attributes
    ----------
    weights, simplex : ndarray, shape (J,)
        With and without the correction.
    penalty : float
        Of the ridge regression, in squared outcome units.
    """

    weights: Floats
    simplex: Floats
    penalty: float


@dataclass(frozen=True, eq=False)
class RidgeDonors:
    """Donors and a penalty, made ready for target after target.

    Attributes
    ----------
    donors : ndarray, shape (T, J)
    penalty : float
    """

    donors: Floats
    penalty: float

    @cached_property
    def _middle(self) -> Floats:
        middle: Floats = self.donors.mean(axis=1)
        return middle

    @cached_property
    def _correction(self) -> Floats:
        """What is missed, shape (T,), to what moves the weights: shape (J, T)."""
        D = self.donors - self._middle[:, None]
        solved = np.linalg.solve(D @ D.T + self.penalty * np.eye(len(D)), D)
        return np.asarray(solved.T, dtype=np.float64)

    def weights(self, target: Floats) -> RidgeWeights:
        """Weights on the simplex, moved by ridge regression on what they miss.

        Parameters
        ----------
        target : ndarray, shape (T,)

        References
        ----------
        Ben-Michael, Feller and Rothstein (2021), JASA 116(536), section 3.2 and lemma 1.
        """
        simplex = _simplex(target, self.donors)
        moved = self._correction @ (target - self.donors @ simplex)
        return RidgeWeights(simplex + moved, simplex, self.penalty)


def ridge_weights(target: Floats, donors: Floats, penalty: float) -> RidgeWeights:
    """Weights of donors, shape (T, J), for one target, shape (T,)."""
    return RidgeDonors(donors, penalty).weights(target)


def _simplex(target: Floats, donors: Floats) -> Floats:
    columns = np.column_stack([target, donors]) - donors.mean(axis=1)[:, None]
    return nearest_points(columns, [0], [np.arange(1, columns.shape[1])])[0].weights


def cross_validated_penalty(target: Floats, donors: Floats) -> float:
    """Largest penalty whose error on left-out periods is within one standard error of the smallest.

    Each period is left out in turn, and the gap of the weights fitted to the others is taken there.

    Raises
    ------
    LiftosError
        Donors that are all the same.

    Notes
    -----
    With ``C`` the inverse of the periods' products and the penalty, ridge regression without period t on what is missed,
    ``m``, errs there by ``(C m)_t / C_tt``: the identity of leave-one-out residuals, for any ``m``.

    References
    ----------
    The same, section 5.3: leave-one-period-out, one-standard-error rule.
    """
    D = donors - donors.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(D @ D.T)
    largest = max(float(values[-1]), 0.0)
    if largest == 0.0:
        raise LiftosError("donors that differ from each other before the start", "equal ones", "Use did.")
    penalties = np.geomspace(largest, SMALLEST_PENALTY_SHARE * largest, N_PENALTIES)
    missed = np.empty((len(target), len(target)))
    for period in range(len(target)):
        rest = np.arange(len(target)) != period
        missed[:, period] = target - donors @ _simplex(target[rest], donors[rest])
    shrunk = 1.0 / (np.maximum(values, 0.0)[:, None] + penalties)
    errors = ((vectors * (vectors.T @ missed).T) @ shrunk / (vectors**2 @ shrunk)) ** 2
    mean = errors.mean(axis=0)
    spread = errors.std(axis=0, ddof=1) / np.sqrt(len(target))
    best = int(np.argmin(mean))
    allowed = mean <= mean[best] + spread[best]
    return float(penalties[np.argmax(allowed)])


def augmented_synthetic_control(
    panel: Panel, *, level: float, seed: int, estimand: str = "att", penalty: float | None = None
) -> EffectEstimate:
    """Mean gap, after the start, between the treated and donors weighted with a ridge correction.

    Several treated units that start together are averaged first. The interval holds the constant effects that the
    conformal test does not reject, the penalty kept.

    Parameters
    ----------
    penalty : float, optional
        Of the ridge regression, in squared outcome units; by default chosen by leaving out periods before the start.

    Raises
    ------
    LiftosError
        As :func:`synthetic_control`; treated units with different starts; a penalty that is not positive.

    References
    ----------
    Ben-Michael, Feller and Rothstein (2021), JASA 116(536). Chernozhukov, Wuthrich and Zhu (2021), JASA 116(536).

    Examples
    --------
    >>> import pandas as pd
    >>> from liftos_pipeline.causal import Panel, estimate
    >>> rows = [(u, t, int(u % 4 == 1 and t >= 6), (7 * u * t) % 5) for u in range(12) for t in range(9)]
    >>> table = pd.DataFrame(rows, columns=["shop", "week", "d", "noise"])
    >>> table["y"] = 20 + table["shop"] + table["week"] + 3 * table["d"] + table["noise"]
    >>> panel = Panel.from_frame(table, outcome="y", treatment="d", unit="shop", period="week")
    >>> est = estimate("augmented_synthetic_control", panel)
    >>> round(est.estimate, 2), round(est.ci_low, 2), round(est.ci_high, 2)
    (3.0, -inf, inf)
    """
    units = donor_panel(panel, "augmented_synthetic_control")
    if len(np.unique(units.start)) > 1:
        raise LiftosError(
            "treated units that start together", f"{len(np.unique(units.start))} starts", "Use synthetic_did."
        )
    if penalty is not None and not penalty > 0:
        raise LiftosError("a penalty above 0", repr(penalty), "Leave it out to have it chosen.")
    start = int(units.start[0])
    target, donors = units.Y[:, : units.n_treated].mean(axis=1), units.Y[:, units.donors]
    if penalty is None:
        penalty = cross_validated_penalty(target[:start], donors[:start])
    fit = ridge_weights(target[:start], donors[:start], penalty)
    gap = target - donors @ fit.weights
    estimate = float(gap[start:].mean())
    everywhere, is_post = RidgeDonors(donors, penalty), np.arange(len(target)) >= start

    def residuals_at(effect: float) -> Floats:
        untreated = np.where(is_post, target - effect, target)
        left: Floats = untreated - donors @ everywhere.weights(untreated).weights
        return left

    pre = float(np.sqrt(np.mean(gap[:start] ** 2)))
    step = max(pre, abs(estimate) / 25, 1e-6 * float(np.ptp(target)), 1e-300)
    n_units = units.n_donors + units.n_treated
    found = conformal_inference(residuals_at, len(target) - start, estimate, step, level, n_units)
    simplex_gap = target - donors @ fit.simplex
    diagnostics: dict[str, object] = {
        "n_donors": units.n_donors,
        "penalty": penalty,
        "pre_rmspe": pre,
        "pre_rmspe_without_correction": float(np.sqrt(np.mean(simplex_gap[:start] ** 2))),
        "estimate_without_correction": float(simplex_gap[start:].mean()),
        "largest_negative_weight": float(-min(fit.weights.min(), 0.0)),
        "standard_error": "none: permutation",
        "inference": "conformal",
        "seed": seed,
    }
    effect = effect_from(
        panel, "augmented_synthetic_control", estimand, estimate, found, diagnostics, units.warnings
    )
    return replace(effect, path=_path(units, target, gap, start), weights=_weights(units, fit))


def _path(units: DonorPanel, target: Floats, gap: Floats, start: int) -> pd.DataFrame:
    times = np.arange(units.n_periods) - start
    table = {"event_time": times, "estimate": gap, **dict.fromkeys(_INTERVAL_COLUMNS, np.nan)}
    return pd.DataFrame({**table, "observed": units.origin + target, "synthetic": units.origin + target - gap})


def _weights(units: DonorPanel, fit: RidgeWeights) -> pd.DataFrame:
    return pd.DataFrame({"unit": units.labels[units.donors], "weight": fit.weights})
