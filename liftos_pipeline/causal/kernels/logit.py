"""Logistic regression with each fold left out, L1-penalised, from walks over the rows.

One walk gives the loss of every fold with its first two derivatives; fits are proximal Newton steps on these. Which
penalty to choose belongs to ``propensity``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.kernels.folded import FoldedBlock, FoldedRows, Moments
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]

MAX_STEPS = 60
MAX_ACTIVE_SET_CHANGES = 25
MAX_SWEEPS = 1_000
SMALLEST_CHANGE = 1e-12
MAX_HALVINGS = 30
LARGEST_LINEAR_PREDICTOR = 30.0
SMALLEST_CURVATURE = 1e-5
ROUNDING = 1e-13
NEGLIGIBLE_LOSS = 1e-11
"""Change of the mean loss that ends the steps: collinear covariates could be exchanged at no cost for ever."""
RIDGE = 1e-5
"""Quadratic penalty beside the L1: makes the optimum unique under collinearity, too small to matter."""


@dataclass(frozen=True, eq=False)
class Expansion:
    """Loss of b sets of rows to second order.

    Attributes
    ----------
    at : ndarray, shape (b, k + 1)
        Coefficients on ones and standardised covariates.
    loss, gradient, hessian : ndarray, shape (b,), (b, k + 1), (b, k + 1, k + 1)
        Logistic loss there, and its derivatives.
    """

    at: Floats
    loss: Floats
    gradient: Floats
    hessian: Floats

    def at_others(self, coefficients: Floats) -> Floats:
        """The quadratic at other coefficients, (b, k + 1) to (b,)."""
        step = coefficients - self.at
        slope = np.einsum("bi,bi->b", self.gradient, step)
        value: Floats = self.loss + slope + 0.5 * np.einsum("bi,bij,bj->b", step, self.hessian, step)
        return value

    def minimised(self, penalty: float, start: Floats) -> Floats:
        """Coefficients that minimise each quadratic plus ``penalty`` times the absolute slopes, (b, k + 1)."""
        charge = np.full(self.at.shape[1], penalty)
        charge[0] = 0.0
        target = np.einsum("bij,bj->bi", self.hessian, self.at) - self.gradient
        return _quadratic_l1(self.hessian, target, charge, start)

    def distance(self, coefficients: Floats) -> float:
        """Largest distance of coefficients from ``at``, of the b sets, in the metric of the Hessian.

        For mean losses: root mean square change of the linear predictor, rows weighted by their curvature.
        """
        step = coefficients - self.at
        return float(np.sqrt(np.max(np.einsum("bi,bij,bj->b", step, self.hessian, step))))

    def penalised(self, penalty: float) -> Floats:
        """Loss plus penalty at ``at``, shape (b,)."""
        value: Floats = self.loss + penalty * np.abs(self.at[:, 1:]).sum(axis=1)
        return value


class FoldLogit:
    """Logistic loss of a panel's treatment by fold.

    Parameters
    ----------
    folded : FoldedRows
    moments : Moments
        Of the same rows.

    Attributes
    ----------
    weight, train_weight : ndarray, shape (n_folds,)
        Weight of each fold, and of its training set, which is all others.
    """

    def __init__(self, folded: FoldedRows, moments: Moments) -> None:
        self.folded, self._moments = folded, moments
        self._T = moments.standardisation()
        self._ridge = np.where(np.diag(self._T) > 0, RIDGE, 1.0)  # holds a covariate without variance at zero
        self.weight = moments.arm_weights.sum(axis=1)
        self.train_weight = self.weight.sum() - self.weight

    def on_values(self, coefficients: Floats) -> Floats:
        """Coefficients on a block's values, from those on standardised covariates."""
        moved: Floats = coefficients @ self._T
        return moved

    def null(self) -> Floats:
        """Coefficients of each training set without slopes, shape (n_folds, k + 1)."""
        arms = self._moments.arm_weights.sum(axis=0) - self._moments.arm_weights
        start = np.zeros((self.folded.n_folds, self.folded.width))
        start[:, 0] = np.log(arms[:, 1] / arms[:, 0])
        return start

    def largest_penalty(self) -> float:
        """Smallest penalty at which no training set has a slope."""
        by_arm = self._moments.gram[..., 0] @ self._T.T
        train = by_arm.sum(axis=0) - by_arm
        rate = train[:, 1, 0] / train[:, :, 0].sum(axis=1)
        gradient = train[:, 1] - rate[:, None] * train.sum(axis=1)
        return float(np.max(np.abs(gradient[:, 1:]) / self.train_weight[:, None]))

    def discriminant(self) -> Floats:
        """Coefficients of the linear discriminant of all rows, near the logistic ones, shape (k + 1,).

        References
        ----------
        Efron (1975), JASA 70(352), section 1.
        """
        gram = self._T @ self._moments.gram.sum(axis=0) @ self._T.T
        weight = gram[:, 0, 0]
        means = gram[:, 0] / weight[:, None]
        between = weight[:, None, None] * means[:, :, None] * means[:, None, :]
        within = (gram - between).sum(axis=0)[1:, 1:] / weight.sum() + np.diag(self._ridge[1:])
        beta = np.zeros(self.folded.width)
        beta[1:] = np.linalg.solve(within, means[1, 1:] - means[0, 1:])
        beta[0] = np.log(weight[1] / weight[0]) - beta[1:] @ (means[0, 1:] + means[1, 1:]) / 2.0
        return beta

    def by_fold(self, coefficients: Floats) -> Expansion:
        """Summed loss of each fold around one point, shape (k + 1,); without the ridge."""
        n_folds, width = self.folded.n_folds, self.folded.width
        beta = self.on_values(coefficients)

        def make() -> tuple[Floats, Floats, Floats]:
            return np.zeros(n_folds), np.zeros((n_folds, width)), np.zeros((n_folds, width, width))

        def visit(part: tuple[Floats, Floats, Floats], block: FoldedBlock) -> None:
            losses, slopes, curves = part
            loss, residual, curvature = _derivatives(beta @ block.values, block)
            root = np.sqrt(curvature)
            for fold in range(n_folds):
                rows = block.fold(fold)
                losses[fold] += loss[rows].sum()
                slopes[fold] += block.values[:, rows] @ residual[rows]
                scaled = block.values[:, rows] * root[rows]
                curves[fold] += scaled @ scaled.T

        parts = self.folded.walk(make, visit)
        loss, slope, curve = _totals(parts)
        at = np.broadcast_to(coefficients, (n_folds, width))
        return Expansion(at, loss, slope @ self._T.T, self._T @ curve @ self._T.T)

    def training(self, folds: Expansion) -> Expansion:
        """Mean loss of each training set, from the sums of the folds around one point."""
        loss, slope, curve = (part.sum(axis=0) - part for part in (folds.loss, folds.gradient, folds.hessian))
        return self._mean(folds.at, loss, slope, curve, self.train_weight)

    def whole(self, folds: Expansion) -> Expansion:
        """Mean loss of all rows, b = 1, from the sums of the folds around one point."""
        parts = folds.loss, folds.gradient, folds.hessian
        loss, slope, curve = (part.sum(axis=0, keepdims=True) for part in parts)
        return self._mean(folds.at[:1], loss, slope, curve, self.weight.sum(keepdims=True))

    def each(self, coefficients: Floats) -> tuple[Expansion, Floats]:
        """Mean loss of each training set around its own point, and the summed loss of the fold left out there.

        Parameters
        ----------
        coefficients : ndarray, shape (n_folds, k + 1)
        """
        n_folds, width = self.folded.n_folds, self.folded.width
        beta = self.on_values(coefficients)

        def make() -> tuple[Floats, Floats, Floats, Floats]:
            losses, slopes = np.zeros(n_folds), np.zeros((n_folds, width))
            return losses, slopes, np.zeros((n_folds, width, width)), np.zeros(n_folds)

        def visit(part: tuple[Floats, Floats, Floats, Floats], block: FoldedBlock) -> None:
            losses, slopes, curves, left_out = part
            loss, residual, curvature = _derivatives(beta @ block.values, block)
            for fold in range(n_folds):
                rows = block.fold(fold)
                left_out[fold] += loss[fold, rows].sum()
                loss[fold, rows] = residual[fold, rows] = curvature[fold, rows] = 0.0
                scaled = block.values * np.sqrt(curvature[fold])
                curves[fold] += scaled @ scaled.T
            losses += loss.sum(axis=1)
            slopes += residual @ block.values.T

        parts = self.folded.walk(make, visit)
        loss, slope, curve, left_out = _totals(parts)
        sums = loss, slope @ self._T.T, self._T @ curve @ self._T.T
        return self._mean(coefficients, *sums, self.train_weight), left_out

    def _mean(self, at: Floats, loss: Floats, gradient: Floats, hessian: Floats, weight: Floats) -> Expansion:
        ridge = self._ridge
        return Expansion(
            at,
            loss / weight + 0.5 * np.sum(ridge * at**2, axis=1),
            gradient / weight[:, None] + ridge * at,
            hessian / weight[:, None, None] + np.diag(ridge),
        )


def fit_each(model: FoldLogit, penalty: float, start: Floats, tolerance: float) -> tuple[Floats, Floats]:
    """Fit each training set at one penalty.

    Parameters
    ----------
    penalty : float
        Of the absolute slopes, beside the mean loss.
    start : ndarray, shape (n_folds, k + 1)
    tolerance : float
        Length of the last step, see :meth:`Expansion.distance`.

    Returns
    -------
    coefficients : ndarray, shape (n_folds, k + 1)
        On ones and standardised covariates.
    held_out : ndarray, shape (n_folds,)
        Summed loss of the fold left out, before a last step shorter than the tolerance.

    Raises
    ------
    LiftosError
        No convergence.

    References
    ----------
    Lee, Sun and Saunders (2014), SIAM Journal on Optimization 24(3): proximal Newton.
    """
    now, held_out = model.each(start)
    length = np.inf
    for _ in range(MAX_STEPS):
        step = now.minimised(penalty, now.at) - now.at
        length = now.distance(now.at + step)
        if length <= tolerance:
            return now.at + step, held_out
        value, reach = now.penalised(penalty), np.ones((len(step), 1))
        for _ in range(MAX_HALVINGS):
            then, held_out = model.each(now.at + reach * step)
            is_worse = then.penalised(penalty) > value + ROUNDING
            if not is_worse.any():
                break
            reach[is_worse] /= 2.0
        if np.max(value - then.penalised(penalty)) <= NEGLIGIBLE_LOSS:
            return then.at, held_out
        now = then
    raise _diverged(length, penalty)


def expand_near(model: FoldLogit, penalty: float, tolerance: float) -> Expansion:
    """Sums of the folds around coefficients near those of all rows at one penalty.

    The next step would be shorter than ``tolerance``. Raises as :func:`fit_each`.
    """
    folds = model.by_fold(model.discriminant())
    now = model.whole(folds)
    length = np.inf
    for _ in range(MAX_STEPS):
        step = now.minimised(penalty, now.at) - now.at
        length = now.distance(now.at + step)
        if length <= tolerance:
            return folds
        reach = 1.0
        for _ in range(MAX_HALVINGS):
            folds = model.by_fold(now.at[0] + reach * step[0])
            then = model.whole(folds)
            if then.penalised(penalty)[0] <= now.penalised(penalty)[0] + ROUNDING:
                break
            reach /= 2.0
        now = then
    raise _diverged(length, penalty)


def probabilities(values: Floats, coefficients: Floats) -> Floats:
    """Fitted probabilities of every coefficient row: (k + 1, m) and (b, k + 1) to (b, m)."""
    predictor = np.clip(coefficients @ values, -LARGEST_LINEAR_PREDICTOR, LARGEST_LINEAR_PREDICTOR)
    return np.asarray(1.0 / (1.0 + np.exp(-predictor)), dtype=np.float64)


def _derivatives(predictor: Floats, block: FoldedBlock) -> tuple[Floats, Floats, Floats]:
    """Weighted loss, residual and curvature of each row; all of shape (..., m)."""
    decay = np.exp(-np.minimum(np.abs(predictor), LARGEST_LINEAR_PREDICTOR))
    share = decay / (1.0 + decay)
    fitted = np.where(predictor >= 0, 1.0 - share, share)
    loss = np.maximum(predictor, 0.0) + np.log1p(decay) - block.d * predictor
    curvature = np.maximum(share * (1.0 - share), SMALLEST_CURVATURE)
    return block.weight * loss, block.weight * (fitted - block.d), block.weight * curvature


def _totals(parts: Sequence[tuple[Floats, ...]]) -> tuple[Floats, ...]:
    """Sums over the workers, in their order."""
    return tuple(np.sum(entries, axis=0) for entries in zip(*parts, strict=True))


def _diverged(length: float, penalty: float) -> LiftosError:
    return LiftosError(
        f"the propensity fit to converge in {MAX_STEPS} steps",
        f"a last step of {length:.2g} at penalty {penalty:.3g}",
        "Drop covariates that determine the treatment.",
    )


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
    _sweep()(hessian, target, charge, beta, MAX_SWEEPS)
    return beta


@cache
def _sweep() -> Callable[..., None]:
    from numba import njit

    compiled: Callable[..., None] = njit(cache=True)(_sweep_each)
    return compiled


def _sweep_each(hessian: Floats, target: Floats, charge: Floats, beta: Floats, most_sweeps: int) -> None:
    """Coordinate descent on each problem, in place, until no coefficient moves."""
    n_problems, width = beta.shape
    for b in range(n_problems):
        residual = target[b] - hessian[b] @ beta[b]
        for _ in range(most_sweeps):
            largest = 0.0
            for j in range(width):
                scale = hessian[b, j, j]
                pointer = scale * beta[b, j] + residual[j]
                size = abs(pointer) - charge[j]
                moved = 0.0 if size <= 0.0 else (size if pointer > 0.0 else -size) / scale
                change = moved - beta[b, j]
                if change != 0.0:
                    residual -= hessian[b, j] * change
                    beta[b, j] = moved
                    largest = max(largest, abs(change))
            if largest < SMALLEST_CHANGE:
                break
