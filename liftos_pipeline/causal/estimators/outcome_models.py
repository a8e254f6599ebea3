"""Cross-fitted outcome models of both arms, by learner. Scores and inference belong elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.estimators.cross_fitting import CrossFit, Weighting
from liftos_pipeline.causal.kernels.design import standardised_design
from liftos_pipeline.causal.kernels.folded import FoldedBlock, moments_of
from liftos_pipeline.causal.kernels.ridge import delete_fold_ridge
from liftos_pipeline.causal.kernels.threads import trees_on_one_thread
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.errors import LiftosError

if TYPE_CHECKING:
    from sklearn.base import RegressorMixin

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]
Learner = Literal["linear", "lasso", "forest", "boosting"]

LEARNERS: tuple[Learner, ...] = ("linear", "lasso", "forest", "boosting")
RIDGE_ROWS = 1.0
"""Penalty of the linear model on standardised covariates, in rows: keeps small arms and collinear columns solvable."""
N_TREES = 200
MIN_LEAF = 5


@dataclass(frozen=True, eq=False)
class OutcomeModels:
    """Outcome models of both arms, each without a fold.

    Attributes
    ----------
    fit : CrossFit
        Whose blocks they predict.
    coefficients : ndarray, shape (n_folds, 2, k + 1), or None
        Linear models on a block's values; None where the blocks carry predictions as ``m0`` and ``m1``.
    """

    fit: CrossFit
    learner: Learner
    coefficients: Floats | None

    def predict(self, block: FoldedBlock) -> tuple[Floats, Floats]:
        """Outcome without and with treatment of each row, less the constant that the block's ``y`` lacks too."""
        if self.coefficients is None:
            origin = self.fit.folded.y_origin
            return block.codes["m0"] - origin, block.codes["m1"] - origin
        found = np.empty((2, len(block.d)))
        for fold in range(block.n_folds):
            rows = block.fold(fold)
            found[:, rows] = self.coefficients[fold] @ block.values[:, rows]
        return found[0], found[1]


def outcome_models(fit: CrossFit, weighting: Weighting, learner: Learner, seed: int) -> OutcomeModels:
    """Fit the outcome in each arm on the rows that stay, without each fold.

    Raises
    ------
    LiftosError
        A fold leaves nothing to learn from.
    """

    def keep(block: FoldedBlock) -> Floats:
        return weighting.kept(fit.scores(block), block.weight)

    moments = fit.moments if weighting.trim == 0.0 else moments_of(fit.folded, keep)
    panel = fit.panel
    left = moments.arm_weights.sum(axis=0) - moments.arm_weights
    if not (left > 0).all():
        fold = int(np.flatnonzero((left <= 0).any(axis=1))[0])
        raise LiftosError("rows of each arm outside every fold", f"none outside fold {fold}", "Trim less.")
    if learner == "linear" or fit.folded.width == 1:
        ridge = RIDGE_ROWS * float(fit.moments.arm_weights.sum()) / panel.n_rows
        return OutcomeModels(
            fit, learner, np.stack([delete_fold_ridge(moments, arm, ridge) for arm in (0, 1)], axis=1)
        )
    weights = weighting.kept(fit.row_scores(), panel.row_weights)
    predicted = {}
    for arm in (0,) if weighting.estimand == "att" else (0, 1):
        usable = (panel.d == arm) & (weights > 0)
        predicted[f"m{arm}"] = cross_fitted_regression(
            panel, panel.y, usable, fit.fold_of_unit, weights, learner, seed
        )
    return OutcomeModels(fit.carrying({"m1": predicted["m0"], **predicted}), learner, None)


def cross_fitted_regression(
    panel: Panel,
    target: Floats,
    usable: Bools,
    fold_of_unit: Integers,
    weights: Floats,
    learner: Learner,
    seed: int,
) -> Floats:
    """Every row's target as predicted from the covariates by the usable rows of other folds, shape (n,)."""
    folds = fold_of_unit[panel.unit]
    scaled = standardised_design(panel.X, weights)[:, 1:]
    predicted = np.empty(panel.n_rows)
    for fold in np.unique(folds):
        train = usable & (folds != fold)
        if scaled.shape[1] == 0:
            predicted[folds == fold] = np.average(target[train], weights=weights[train])
            continue
        model = _model(learner, folds[train], seed)
        with trees_on_one_thread(panel.n_rows):
            model.fit(scaled[train], target[train], sample_weight=weights[train])
            predicted[folds == fold] = model.predict(scaled[folds == fold])
    return predicted


def _model(learner: Learner, folds: Integers, seed: int) -> RegressorMixin:
    """Unfitted model. The lasso's penalty is cross-validated over the training folds, never over single rows."""
    if learner == "linear":
        from sklearn.linear_model import Ridge

        return Ridge(RIDGE_ROWS)
    if learner == "lasso":
        from sklearn.linear_model import LassoCV

        splits = [(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in np.unique(folds)]
        if len(splits) < 2:
            raise LiftosError("training rows in at least 2 folds for lasso", str(len(splits)), "Use more folds.")
        return LassoCV(cv=splits, random_state=seed)
    if learner == "forest":
        from sklearn.ensemble import RandomForestRegressor

        return RandomForestRegressor(n_estimators=N_TREES, min_samples_leaf=MIN_LEAF, random_state=seed)
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(
        learning_rate=0.05, max_leaf_nodes=15, early_stopping=False, random_state=seed
    )
