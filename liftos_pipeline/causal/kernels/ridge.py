"""Linear regressions with each fold left out, from one pass of cross-products."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.kernels.design import standardised_design

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

RIDGE = 1.0
"""Penalty on standardised covariates, worth one row: keeps small arms and collinear covariates solvable."""


def delete_fold_ridge(
    X: Floats,
    y: Floats,
    usable: NDArray[np.bool_],
    folds: Integers,
    n_folds: int,
    weights: Floats,
    ridge: float = RIDGE,
) -> Floats:
    """Predict each row by the ridge regression on the usable rows of the other folds.

    Cross-products are summed once per fold; a fold's own are subtracted from their total.

    Parameters
    ----------
    X : ndarray, shape (n, k)
        Covariates; an unpenalised intercept is added.
    usable : ndarray of bool, shape (n,)
        Rows to learn from.
    weights : ndarray, shape (n,)
        Row weights.
    ridge : float
        Penalty on the squared coefficients of standardised covariates; 0 is least squares.

    Returns
    -------
    ndarray, shape (n,)
        Predictions for all rows.
    """
    design = standardised_design(X, weights)
    centre = float(y[usable][0])  # any value of the outcome: a constant one is then fitted without rounding
    used = np.where(usable, weights, 0.0)
    size = design.shape[1]
    gram = np.zeros((n_folds, size, size))
    moment = np.zeros((n_folds, size))
    for fold in range(n_folds):
        rows = design[folds == fold]
        weighted = rows * used[folds == fold, None]
        gram[fold] = weighted.T @ rows
        moment[fold] = weighted.T @ (y[folds == fold] - centre)
    penalty = ridge * np.eye(size)
    penalty[0, 0] = 0.0
    left = gram.sum(axis=0) - gram + penalty
    right = moment.sum(axis=0) - moment
    beta = np.linalg.solve(left, right[..., None])[..., 0]
    predicted: Floats = centre + np.einsum("ij,ij->i", design, beta[folds])
    return predicted
