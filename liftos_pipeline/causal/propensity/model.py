"""The propensity model: L1 logistic regression, penalty by cross-validation, scores cross-fitted by unit.

Judging overlap and making weights belong to the modules beside this one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.engines.rows import Rows
from liftos_pipeline.causal.index import Index
from liftos_pipeline.causal.kernels.folded import FoldedBlock, FoldedRows, Moments, moments_of
from liftos_pipeline.causal.kernels.folds import assign_folds
from liftos_pipeline.causal.kernels.logit import Expansion, FoldLogit, expand_near, fit_each, probabilities
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
EXACT_ROWS = 4_096
"""More rows than this, and penalties are compared on the quadratic expansion of the loss."""
NEAR = 3e-2
CLOSE = 3e-3
"""Distances, of the linear predictor: of the expansion from the fit of all rows, and up to which a step from it is
taken to have arrived (it is then right to half the square)."""


@dataclass(frozen=True)
class PropensityModel:
    """Coefficients of the model with each fold left out.

    Attributes
    ----------
    coefficients : ndarray, shape (n_folds, k + 1)
        On the values of folded blocks.
    penalty : float
        Chosen L1 penalty, per row and on standardised covariates; NaN without covariates.
    held_out_loss : float
        Mean logistic loss on left-out folds at the chosen penalty.
    """

    coefficients: Floats
    penalty: float
    held_out_loss: float


@dataclass(frozen=True)
class PropensityFit:
    """Cross-fitted scores.

    Attributes
    ----------
    scores : ndarray, shape (n,)
        Probability of treatment of each row of the panel, from the folds that its unit is not in.
    folds : ndarray, shape (n,)
        Fold of each row's unit.
    penalty, held_out_loss : float
        As in :class:`PropensityModel`.
    """

    scores: Floats
    folds: Integers
    penalty: float
    held_out_loss: float


def fit_propensity(panel: Panel, n_folds: int = 5, seed: int = 0) -> PropensityFit:
    """Fit the propensity model of a panel in memory and score each row out of fold.

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
    panel = panel.held()
    fold_of_unit = unit_folds(panel.index, n_folds, seed)
    folded = folded_rows(panel, fold_of_unit, n_folds, ("row",))
    model = fit_model(folded, moments_of(folded))
    scores = row_scores(folded, model.coefficients)
    return PropensityFit(scores, fold_of_unit[panel.unit], model.penalty, model.held_out_loss)


def row_scores(folded: FoldedRows, coefficients: Floats) -> Floats:
    """Scores of rows that carry the code ``row``, in its order, shape (n,)."""
    found = np.empty(folded.n_rows)

    def visit(_: None, block: FoldedBlock) -> None:
        found[block.codes["row"]] = block_scores(block, coefficients)

    folded.walk(lambda: None, visit)
    return found


def block_scores(block: FoldedBlock, coefficients: Floats) -> Floats:
    """Score of each row of a block from the model without its fold, shape (m,)."""
    found = np.empty(len(block.d))
    for fold in range(block.n_folds):
        rows = block.fold(fold)
        found[rows] = probabilities(block.values[:, rows], coefficients[fold])
    return found


def folded_rows(
    panel: Panel, fold_of_unit: Integers, n_folds: int, codes: tuple[str, ...] = (), rows: Rows | None = None
) -> FoldedRows:
    """The panel's rows (or the same in ``rows``) by fold, with further roles to carry along."""
    covariates = [f"x{number}" for number in range(len(panel.covariate_names))]
    return FoldedRows(
        rows or panel.rows, panel.n_rows, covariates, fold_of_unit, n_folds, codes, is_weighted=panel.has_weights
    )


def unit_folds(index: Index, n_folds: int, seed: int) -> Integers:
    """Fold of each unit, shape (N,), refusing folds that leave an arm with too few units to learn from.

    Raises
    ------
    LiftosError
        More folds than units, fewer than two, or too few units of an arm outside one.
    """
    n_units = index.n_units
    if n_units < 2:
        raise LiftosError("at least 2 units to cross-fit", str(n_units), "Add units.")
    if not 2 <= n_folds <= n_units:
        raise LiftosError(
            f"2 to {n_units} folds (there are {n_units} units)", str(n_folds), "Choose another number."
        )
    folds = assign_folds(index.unit_labels, n_folds, seed)
    treated, untreated = index.treated_rows > 0, index.treated_rows < index.unit_rows
    for name, arm in (("treated", treated), ("untreated", untreated)):
        left = arm.sum() - np.bincount(folds[arm], minlength=n_folds)
        if left.min() < MIN_UNITS_PER_ARM:
            raise LiftosError(
                f"at least {MIN_UNITS_PER_ARM} {name} units outside each of {n_folds} folds",
                f"{int(left.min())} of {int(arm.sum())}",
                "Add units, choose other folds or another seed, or use difference_in_means.",
            )
    return folds


def fit_model(folded: FoldedRows, moments: Moments) -> PropensityModel:
    """Choose the penalty and fit the model without each fold.

    The penalty is one number, chosen where the summed loss on left-out folds is smallest; the model of a fold is the
    fit to the other folds at that penalty. Beyond ``EXACT_ROWS`` rows the penalties are compared on quadratic
    expansions of the folds' losses around one fit; the models at the chosen one are then fitted to the loss itself.

    References
    ----------
    Wang and Leng (2007), JASA 102(479): least squares approximation of the penalised likelihood.
    """
    model = FoldLogit(folded, moments)
    start = model.null()
    if folded.width == 1:
        _, held_out = model.each(start)
        return PropensityModel(model.on_values(start), float("nan"), _mean_loss(model, held_out))
    largest = model.largest_penalty()
    penalties = np.geomspace(largest, SMALLEST_PENALTY_SHARE * largest, N_PENALTIES) if largest > 0 else np.ones(1)
    if folded.n_rows <= EXACT_ROWS:
        penalty, warm = _by_fits(model, penalties, start)
    else:
        folds = expand_near(model, float(penalties[-1]), NEAR)
        penalty, warm = _by_expansion(model, folds, penalties, start)
    tolerance = FINAL_TOLERANCE if folded.n_rows <= EXACT_ROWS else CLOSE
    coefficients, held_out = fit_each(model, penalty, warm, tolerance)
    return PropensityModel(model.on_values(coefficients), penalty, _mean_loss(model, held_out))


def _by_fits(model: FoldLogit, penalties: Floats, start: Floats) -> tuple[float, Floats]:
    """Penalty with the smallest held-out loss of the path, and the coefficients found there."""
    best, penalty, warm, n_rises = np.inf, float(penalties[0]), start, 0
    coefficients = start
    for candidate in penalties:
        coefficients, held_out = fit_each(model, float(candidate), coefficients, PATH_TOLERANCE)
        if held_out.sum() < best:
            best, penalty, warm, n_rises = held_out.sum(), float(candidate), coefficients, 0
        else:
            n_rises += 1
        if n_rises == MAX_RISES:
            break
    return penalty, warm


def _by_expansion(model: FoldLogit, folds: Expansion, penalties: Floats, start: Floats) -> tuple[float, Floats]:
    """The same on the quadratic expansions of the folds' losses."""
    training = model.training(folds)
    best, penalty, warm = np.inf, float(penalties[0]), start
    coefficients = start
    for candidate in penalties:
        coefficients = training.minimised(float(candidate), coefficients)
        loss = folds.at_others(coefficients).sum()
        if loss < best:
            best, penalty, warm = loss, float(candidate), coefficients
    return penalty, warm


def _mean_loss(model: FoldLogit, held_out: Floats) -> float:
    return float(held_out.sum() / model.weight.sum())
