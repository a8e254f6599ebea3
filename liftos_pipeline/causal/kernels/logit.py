"""L1-penalised logistic regression by proximal Newton steps, several weightings of the same rows at once.

Fits one objective. Choosing the penalty, folds and standardising belong to ``propensity``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]

MAX_STEPS = 60
MAX_ACTIVE_SET_CHANGES = 25
MAX_SWEEPS = 50
MAX_HALVINGS = 30
LARGEST_LINEAR_PREDICTOR = 30.0
SMALLEST_CURVATURE = 1e-5
ROUNDING = 1e-13
NEGLIGIBLE_LOSS = 1e-11
"""Change of the mean loss that ends the steps: collinear covariates could be exchanged at no cost for ever."""
RIDGE = 1e-5
"""Quadratic penalty beside the L1: makes the optimum unique under collinearity, too small to matter."""


def probabilities(design: Floats, coefficients: Floats) -> Floats:
    """Fitted probabilities of every coefficient row, shape (b, n)."""
    predictor = np.clip(coefficients @ design.T, -LARGEST_LINEAR_PREDICTOR, LARGEST_LINEAR_PREDICTOR)
    return np.asarray(1.0 / (1.0 + np.exp(-predictor)), dtype=np.float64)


def log_loss(design: Floats, d: Floats, weights: Floats, coefficients: Floats) -> Floats:
    """Weighted logistic loss of every coefficient row, shape (b,)."""
    predictor = coefficients @ design.T
    losses: Floats = np.einsum("bi,bi->b", weights, np.logaddexp(0.0, predictor) - d * predictor)
    return losses


def fit_l1_logit(
    design: Floats, d: Floats, weights: Floats, penalty: float, start: Floats, tolerance: float
) -> Floats:
    """Minimise ``sum_i w_bi loss_i(beta_b) + penalty * |beta_b[1:]|_1`` for each of b weightings.

    A quadratic penalty of ``RIDGE`` is added.

    Parameters
    ----------
    design : ndarray, shape (n, k + 1)
        First column ones; its coefficient is not penalised.
    d : ndarray, shape (n,)
        0 or 1.
    weights : ndarray, shape (b, n)
        Row weights, zero for rows left out, each row of the array summing to one.
    start : ndarray, shape (b, k + 1)
        Coefficients to start from.
    tolerance : float
        Length of the last step in the metric of the Hessian: the typical change of the linear predictor, weighted
        by its curvature.

    Returns
    -------
    coefficients : ndarray, shape (b, k + 1)

    Raises
    ------
    LiftosError
        No convergence.

    References
    ----------
    Lee, Sun and Saunders (2014), SIAM Journal on Optimization 24(3): proximal Newton. Hintermueller, Ito and
    Kunisch (2002), SIAM Journal on Optimization 13(3): the active-set solution of its quadratic model.
    """
    charge = np.full(design.shape[1], penalty)
    charge[0] = 0.0
    beta = start
    value = _objective(design, d, weights, charge, beta)
    for _ in range(MAX_STEPS):
        fitted = probabilities(design, beta)
        gradient = (weights * (fitted - d)) @ design + RIDGE * beta
        curvature = weights * np.maximum(fitted * (1.0 - fitted), SMALLEST_CURVATURE)
        hessian = np.matmul(design.T * curvature[:, None, :], design)
        hessian += RIDGE * np.eye(design.shape[1])
        target = np.einsum("bij,bj->bi", hessian, beta) - gradient
        step = _quadratic_l1(hessian, target, charge, beta) - beta
        beta, reached = _halved_until_better(design, d, weights, charge, beta, step, value)
        decrement = np.sqrt(np.einsum("bi,bij,bj->b", step, hessian, step))
        has_stalled = np.max(value - reached) <= NEGLIGIBLE_LOSS
        value = reached
        if np.max(decrement) <= tolerance or has_stalled:
            return beta
    raise LiftosError(
        f"the propensity fit to converge in {MAX_STEPS} steps",
        f"a last step of {np.max(decrement):.2g} at penalty {penalty:.3g}",
        "Drop covariates that determine the treatment.",
    )


def _objective(design: Floats, d: Floats, weights: Floats, charge: Floats, beta: Floats) -> Floats:
    ridge = 0.5 * RIDGE * np.einsum("bi,bi->b", beta, beta)
    value: Floats = log_loss(design, d, weights, beta) + np.abs(beta) @ charge + ridge
    return value


def _halved_until_better(
    design: Floats, d: Floats, weights: Floats, charge: Floats, beta: Floats, step: Floats, value: Floats
) -> tuple[Floats, Floats]:
    length = np.ones(len(beta))
    for _ in range(MAX_HALVINGS):
        proposed = beta + length[:, None] * step
        reached = _objective(design, d, weights, charge, proposed)
        worse = reached > value + ROUNDING
        if not worse.any():
            break
        length = np.where(worse, length / 2.0, length)
    return proposed, reached


def _quadratic_l1(hessian: Floats, target: Floats, charge: Floats, start: Floats) -> Floats:
    """Minimise ``b'Hb/2 - t'b + sum_j charge_j |b_j|`` for each H.

    Primal-dual active sets; coordinate descent where these cycle.
    """
    scale = np.einsum("bii->bi", hessian)
    identity = np.eye(hessian.shape[1])
    beta, signs = start, np.full(start.shape, 2.0)
    for _ in range(MAX_ACTIVE_SET_CHANGES):
        residual = target - np.einsum("bij,bj->bi", hessian, beta)
        pointer = scale * beta + residual
        active = np.abs(pointer) > charge
        found = np.where(active, np.sign(pointer), 0.0)
        if np.array_equal(found, signs):
            return beta
        signs = found
        both = active[:, :, None] & active[:, None, :]
        system = np.where(both, hessian, identity * ~active[:, :, None])
        right = np.where(active, target - charge * signs, 0.0)
        beta = np.linalg.solve(system, right[..., None])[..., 0]
    return _coordinate_descent(hessian, target, charge, start)


def _coordinate_descent(hessian: Floats, target: Floats, charge: Floats, start: Floats) -> Floats:
    beta = start.copy()
    residual = target - np.einsum("bij,bj->bi", hessian, beta)
    for _ in range(MAX_SWEEPS):
        largest = 0.0
        for j in range(beta.shape[1]):
            scale = hessian[:, j, j]
            pointer = scale * beta[:, j] + residual[:, j]
            moved = np.sign(pointer) * np.maximum(np.abs(pointer) - charge[j], 0.0) / scale
            change = moved - beta[:, j]
            residual -= hessian[:, :, j] * change[:, None]
            beta[:, j] = moved
            largest = max(largest, float(np.max(np.abs(change))))
        if largest < 1e-12:
            break
    return beta
