"""Propensity scores by gradient boosting, for scores that are far from linear. Cross-fitted; rows in memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.kernels.threads import trees_on_one_thread
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LEARNING_RATE = 0.05
MAX_LEAVES = 15
MAX_TREES = 300
SMALLEST = 1e-6
PATIENCE = 10


def boosted_scores(panel: Panel, fold_of_unit: Integers, seed: int) -> Floats:
    """Probability of treatment of each row, shape (n,), from the folds that its unit is not in.

    The number of trees is the one with the smallest held-out loss: each training set keeps one of its folds apart to
    stop by.

    Raises
    ------
    LiftosError
        No covariates, or fewer than 3 folds.

    References
    ----------
    Friedman (2001), Annals of Statistics 29(5). McCaffrey, Ridgeway and Morral (2004), Psychological Methods 9(4).
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    if panel.X.shape[1] == 0:
        raise LiftosError(
            "covariates to boost on", "none", "Name covariates, or use the default propensity model."
        )
    folds = fold_of_unit[panel.unit]
    n_folds = int(fold_of_unit.max()) + 1
    if n_folds < 3:
        raise LiftosError(
            "at least 3 folds for boosting", str(n_folds), "One fold is left out and one is stopped by."
        )
    scores = np.empty(panel.n_rows)
    for fold in range(n_folds):
        stop = folds == (fold + 1) % n_folds
        learn = (folds != fold) & ~stop
        model = HistGradientBoostingClassifier(
            learning_rate=LEARNING_RATE,
            max_leaf_nodes=MAX_LEAVES,
            max_iter=MAX_TREES,
            n_iter_no_change=PATIENCE,
            early_stopping=True,
            random_state=seed,
        )
        with trees_on_one_thread(panel.n_rows):
            model.fit(
                panel.X[learn],
                panel.d[learn],
                sample_weight=panel.row_weights[learn],
                X_val=panel.X[stop],
                y_val=panel.d[stop],
                sample_weight_val=panel.row_weights[stop],
            )
            scores[folds == fold] = model.predict_proba(panel.X[folds == fold])[:, 1]
    return np.clip(scores, SMALLEST, 1.0 - SMALLEST)
