"""Cross-fitted outcome models of both arms, by learner. Scores and inference belong elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.kernels.design import standardised_design
from liftos_pipeline.causal.kernels.ridge import delete_fold_ridge
from liftos_pipeline.errors import LiftosError

if TYPE_CHECKING:
    from sklearn.base import RegressorMixin

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]
Learner = Literal["linear", "lasso", "forest", "boosting"]

LEARNERS: tuple[Learner, ...] = ("linear", "lasso", "forest", "boosting")
N_TREES = 200
MIN_LEAF = 5


def cross_fitted_outcome(
    X: Floats, y: Floats, arm: Bools, folds: Integers, n_folds: int, weights: Floats, learner: Learner, seed: int
) -> Floats:
    """Predict every row's outcome in one arm from the rows of that arm in other folds.

    Parameters
    ----------
    X : ndarray, shape (n, k)
        Covariates.
    arm : ndarray of bool, shape (n,)
        Rows to learn from.
    folds : ndarray, shape (n,)
        Fold of each row's unit.

    Returns
    -------
    ndarray, shape (n,)

    Raises
    ------
    LiftosError
        A fold leaves nothing to learn from.
    """
    usable = arm & (weights > 0)
    for fold in range(n_folds):
        if not (usable & (folds != fold)).any():
            raise LiftosError("rows of each arm outside every fold", f"none outside fold {fold}", "Trim less.")
    if X.shape[1] == 0 or learner == "linear":
        return delete_fold_ridge(X, y, usable, folds, n_folds, weights)
    scaled = standardised_design(X, weights)[:, 1:]
    predicted = np.empty(len(y))
    for fold in range(n_folds):
        train = usable & (folds != fold)
        model = _model(learner, folds[train], seed)
        model.fit(scaled[train], y[train], sample_weight=weights[train])
        predicted[folds == fold] = model.predict(scaled[folds == fold])
    return predicted


def _model(learner: Learner, folds: Integers, seed: int) -> RegressorMixin:
    """Unfitted model. The lasso's penalty is cross-validated over the training folds, never over single rows."""
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
