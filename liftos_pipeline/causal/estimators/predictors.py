"""Predictors of a synthetic control: their table, and the search for the weights that they get."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.estimators.donor_panel import DonorPanel
from liftos_pipeline.causal.kernels.simplex import nearest_points, unproven_weights
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Predictor = str | tuple[str, Any]
PredictorWeights = Literal["none", "inverse_variance", "cross_validated", "nested"]

PREDICTOR_WEIGHTS: tuple[PredictorWeights, ...] = ("none", "inverse_variance", "cross_validated", "nested")
N_RANDOM_STARTS = 24
N_REFINED = 6
MAX_EVALUATIONS = 250
"""Per predictor and refined start."""


@dataclass(frozen=True, eq=False)
class PredictorTable:
    """Predictors by unit.

    Attributes
    ----------
    names : tuple of str
    values : ndarray, shape (K, N)
        Means over the periods asked for, in each predictor's own units.
    """

    names: tuple[str, ...]
    values: Floats

    def scaled(self) -> Floats:
        """Each predictor over its standard deviation across units; a constant one becomes zero."""
        spread = self.values.std(axis=1, keepdims=True)
        centred = self.values - self.values.mean(axis=1, keepdims=True)
        scaled: Floats = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0)
        return scaled


def predictor_table(
    panel: Panel, units: DonorPanel, predictors: Sequence[Predictor], first: int, n_pre: int
) -> PredictorTable:
    """Means of named columns over periods before the start.

    Parameters
    ----------
    predictors : sequence
        A covariate's or the outcome's name for its mean over all of ``first <= period < n_pre``, or
        ``(name, period)``, or ``(name, (first period, last period))``, in the labels of the panel.

    Raises
    ------
    LiftosError
        An unknown name, or no period before the start in a range.
    """
    names, rows = [], []
    for predictor in predictors:
        name, when = (predictor, None) if isinstance(predictor, str) else predictor
        chosen = _periods(units.period_labels, when, name, first, n_pre)
        rows.append(_column(panel, units, name)[chosen].mean(axis=0))
        names.append(name if when is None else f"{name} {when}")
    return PredictorTable(tuple(names), np.array(rows))


def _column(panel: Panel, units: DonorPanel, name: str) -> Floats:
    if name == panel.roles.outcome:
        return units.Y
    if name not in panel.covariate_names:
        known = ", ".join((panel.roles.outcome, *panel.covariate_names))
        raise LiftosError(f"predictors among {known}", name, "Name the column as a covariate of the panel.")
    assert panel.period is not None
    table = np.full((panel.index.n_periods, panel.n_units), np.nan)
    table[panel.period, panel.unit] = panel.X[:, panel.covariate_names.index(name)]
    return table[:, units.units]


def _periods(labels: NDArray[Any], when: Any, name: str, first: int, n_pre: int) -> NDArray[np.bool_]:
    place = np.arange(len(labels))
    before = (place >= first) & (place < n_pre)
    if when is not None:
        low, high = when if isinstance(when, tuple) else (when, when)
        kind = labels.dtype.type if labels.dtype.kind == "M" else lambda value: value
        before = (place < n_pre) & (labels >= kind(low)) & (labels <= kind(high))
    if not before.any():
        raise LiftosError(
            f"a period before the start for predictor {name}", f"none in {when}", "Name earlier periods."
        )
    return before


@dataclass(frozen=True, eq=False)
class WeightedPredictors:
    """Weights of the predictors, shape (K,), adding to one, and whether they make a difference.

    ``loss``: mean squared gap of the outcome that was minimised.
    """

    weights: Floats
    loss: float
    is_identified: bool


def search_weights(
    X: Floats, Z: Floats, target: int, donors: Integers, rng: np.random.Generator
) -> WeightedPredictors:
    """Predictor weights whose synthetic control is nearest to the outcome: many starts, the best few refined.

    Parameters
    ----------
    X : ndarray, shape (K, N)
        Scaled predictors.
    Z : ndarray, shape (T, N)
        Outcome to be met.

    References
    ----------
    Abadie, Diamond and Hainmueller (2010), JASA 105(490), section 2.3. Kaul et al. (2022), JBES 40(3): when all
    outcomes are predictors the others get no weight.
    """
    from scipy.optimize import minimize

    n_predictors = len(X)

    def loss(v: Floats) -> float:
        weights = unproven_weights(np.sqrt(v)[:, None] * X, target, donors)
        left = Z[:, target] - Z[:, donors] @ weights
        return float(np.mean(left**2))

    def of_logs(logs: Floats) -> float:
        powers = np.exp(np.clip(logs - logs.max(), -20.0, 0.0))
        return loss(powers / powers.sum())

    equal = np.full(n_predictors, 1.0 / n_predictors)
    is_identified = not nearest_points(X, [target], [donors])[0].is_exact
    if n_predictors == 1 or not is_identified:
        return WeightedPredictors(equal, loss(equal), is_identified)
    corners = 0.9 * np.eye(n_predictors) + 0.1 * equal
    starts = np.vstack([equal, corners, rng.dirichlet(np.ones(n_predictors), N_RANDOM_STARTS)])
    losses = np.array([loss(start) for start in starts])
    best, value = starts[np.argmin(losses)], float(losses.min())
    for start in starts[np.argsort(losses)[:N_REFINED]]:
        found = minimize(
            of_logs,
            np.log(np.maximum(start, 1e-6)),
            method="Nelder-Mead",
            options={"maxfev": MAX_EVALUATIONS * n_predictors, "xatol": 1e-4, "fatol": 1e-10 * max(value, 1e-300)},
        )
        if found.fun < value:
            powers = np.exp(np.clip(found.x - found.x.max(), -20.0, 0.0))
            best, value = powers / powers.sum(), float(found.fun)
    return WeightedPredictors(best, value, True)
