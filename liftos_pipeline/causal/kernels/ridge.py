"""Linear regressions with each fold left out, from cross-products by fold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.kernels.folded import Moments

Floats = NDArray[np.float64]


def delete_fold_ridge(moments: Moments, arm: int, ridge: float) -> Floats:
    """Coefficients of the ridge regression of the outcome on the covariates, in one arm and without each fold.

    Parameters
    ----------
    arm : int
        0 or 1.
    ridge : float
        Penalty on the squared coefficients of standardised covariates; 0 is least squares. The intercept has none.

    Returns
    -------
    ndarray, shape (n_folds, k + 1)
        On a block's values: a prediction is that of the outcome less ``y_origin``.
    """
    T = moments.standardisation()
    gram = T @ moments.gram[:, arm] @ T.T
    moment = moments.moment[:, arm] @ T.T
    size = len(T)
    penalty = ridge * np.eye(size)
    penalty[0, 0] = 0.0
    left = gram.sum(axis=0) - gram + penalty
    right = moment.sum(axis=0) - moment
    beta: Floats = np.linalg.solve(left, right[..., None])[..., 0] @ T
    return beta
