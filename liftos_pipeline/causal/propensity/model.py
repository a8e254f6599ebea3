"""The propensity model: L1 logistic regression, penalty by cross-validation, scores cross-fitted by unit.

Judging overlap and making weights belong to the modules beside this one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.kernels.design import standardised_design
from liftos_pipeline.causal.kernels.folds import assign_folds
from liftos_pipeline.causal.kernels.logit import fit_l1_logit, log_loss, probabilities
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

N_PENALTIES = 16
SMALLEST_PENALTY_SHARE = 1e-3
PATH_TOLERANCE = 1e-3
FINAL_TOLERANCE = 1e-6
MIN_UNITS_PER_ARM = 2
MAX_RISES = 3
"""The path ends when the held-out loss has risen this often in a row."""


@dataclass(frozen=True)
class PropensityFit:
    """Cross-fitted scores.

    Attributes
    ----------
    scores : ndarray, shape (n,)
        Probability of treatment of each row of the panel, from the folds that its unit is not in.
    folds : ndarray, shape (n,)
        Fold of each row's unit.
    penalty : float
        Chosen L1 penalty, per row and on standardised covariates; NaN without covariates.
    coefficients : ndarray, shape (n_folds, k + 1)
        Intercept and coefficients on standardised covariates, one row per left-out fold.
    held_out_loss : float
        Mean logistic loss on left-out folds at the chosen penalty.
    """

    scores: Floats
    folds: Integers
    penalty: float
    coefficients: Floats
    held_out_loss: float


def fit_propensity(panel: Panel, n_folds: int = 5, seed: int = 0) -> PropensityFit:
    """Fit the propensity model of a panel and score each row out of fold.

    The penalty is one number, chosen where the summed loss on left-out folds is smallest; the score of a row then
    comes from the fit on the other folds at that penalty.

    Parameters
    ----------
    n_folds : int
        Folds by unit; a unit's fold depends on its key and the seed only.

    Raises
    ------
    LiftosError
        A training set would hold fewer than two treated or two untreated units.

    References
    ----------
    Tibshirani (1996), JRSS B 58(1). Chernozhukov et al. (2018), Econometrics Journal 21(1), section 3.
    """
    folds = panel_folds(panel, n_folds, seed)
    weights = _training_weights(panel.row_weights, folds, n_folds)
    design = standardised_design(panel.X, panel.row_weights)
    rate = weights @ panel.d
    start = np.zeros((n_folds, design.shape[1]))
    start[:, 0] = np.log(rate / (1.0 - rate))
    rows = np.arange(panel.n_rows)
    if design.shape[1] == 1:
        scores = probabilities(design, start)[folds, rows]
        loss = _held_out_loss(design, panel, folds, start)
        return PropensityFit(scores, folds, float("nan"), start, loss)
    penalty, warm = _cross_validated(design, panel, folds, weights, start)
    coefficients = fit_l1_logit(design, panel.d, weights, penalty, warm, FINAL_TOLERANCE)
    scores = probabilities(design, coefficients)[folds, rows]
    loss = _held_out_loss(design, panel, folds, coefficients)
    return PropensityFit(scores, folds, penalty, coefficients, loss)


def panel_folds(panel: Panel, n_folds: int, seed: int) -> Integers:
    """Fold of each row, shape (n,), refusing folds that leave an arm with too few units to learn from."""
    if not 2 <= n_folds <= panel.n_units:
        raise LiftosError(
            f"2 to {panel.n_units} folds (there are {panel.n_units} units)", str(n_folds), "Choose another number."
        )
    folds = assign_folds(panel.unit_labels, n_folds, seed)[panel.unit]
    for name, arm in (("treated", panel.d == 1), ("untreated", panel.d == 0)):
        fold_of_units = folds[arm][np.unique(panel.unit[arm], return_index=True)[1]]
        left = len(fold_of_units) - np.bincount(fold_of_units, minlength=n_folds)
        if left.min() < MIN_UNITS_PER_ARM:
            raise LiftosError(
                f"at least {MIN_UNITS_PER_ARM} {name} units outside each of {n_folds} folds",
                f"{int(left.min())} of {len(fold_of_units)}",
                "Add units, choose other folds or another seed, or use difference_in_means.",
            )
    return folds


def _training_weights(row_weights: Floats, folds: Integers, n_folds: int) -> Floats:
    weights = np.where(folds == np.arange(n_folds)[:, None], 0.0, row_weights)
    shares: Floats = weights / weights.sum(axis=1, keepdims=True)
    return shares


def _cross_validated(
    design: Floats, panel: Panel, folds: Integers, weights: Floats, start: Floats
) -> tuple[float, Floats]:
    """Penalty with the smallest held-out loss, and the coefficients found there."""
    rate = weights @ panel.d
    correlation = np.abs((weights * (panel.d - rate[:, None])) @ design[:, 1:])
    largest = float(correlation.max())
    best, penalty, warm, n_rises = np.inf, largest, start, 0
    coefficients = start
    for candidate in np.geomspace(largest, SMALLEST_PENALTY_SHARE * largest, N_PENALTIES):
        coefficients = fit_l1_logit(design, panel.d, weights, float(candidate), coefficients, PATH_TOLERANCE)
        loss = _held_out_loss(design, panel, folds, coefficients)
        if loss < best:
            best, penalty, warm, n_rises = loss, float(candidate), coefficients, 0
        else:
            n_rises += 1
        if n_rises == MAX_RISES:
            break
    return penalty, warm


def _held_out_loss(design: Floats, panel: Panel, folds: Integers, coefficients: Floats) -> float:
    weights = np.where(folds == np.arange(len(coefficients))[:, None], panel.row_weights, 0.0)
    return float(log_loss(design, panel.d, weights, coefficients).sum() / panel.row_weights.sum())
