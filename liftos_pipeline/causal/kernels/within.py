"""Least squares with unit and period effects on disjoint dummies and covariates, and each unit's influence on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.kernels.demean import TwoWay, sum_by, totals

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

COLLINEAR = 1e-9
"""Share of a column's sum of squares that must be left beside the others for the column to count as its own."""


@dataclass(frozen=True, eq=False)
class WithinFit:
    """Coefficients beside unit and period effects.

    Attributes
    ----------
    coefficients : ndarray, shape (p,)
        Dummies first, then covariates; zero where not ``kept``.
    influence : ndarray, shape (N, p)
        Influence of each unit on the coefficients: their error is about its sum. Zero where not ``kept``.
    kept : ndarray of bool, shape (p,)
        Columns that are not linear combinations of the effects and the columns before them.
    """

    coefficients: Floats
    influence: Floats
    kept: Booleans


def within_regression(y: Floats, code: Integers, n_codes: int, X: Floats, two_way: TwoWay) -> WithinFit:
    """Regress ``y`` on dummies and covariates beside unit and period effects.

    Parameters
    ----------
    y : ndarray, shape (n,)
    code : ndarray, shape (n,)
        Dummy of each row, 0 .. n_codes - 1, or -1 for none.
    X : ndarray, shape (n, k)
        Covariates about their means, these or those of a larger table; collinear ones are left out.

    Notes
    -----
    Dummies are never expanded to columns: their sums by unit and period are counts.
    """
    design = _Design(code, n_codes, two_way.demeaned(X), two_way)
    unit_sums, period_sums = design.unit_sums(two_way.weights), design.period_sums()
    unit_effects, period_effects = two_way.effects(unit_sums, period_sums)
    raw = design.gram()
    gram = raw - unit_sums.T @ unit_effects - period_sums.T @ period_effects
    alpha, gamma = two_way.column_effects(y[:, None])
    y_within = y - alpha[two_way.unit, 0] - gamma[two_way.period, 0]
    moment = design.products(y_within)
    size = np.concatenate([np.diag(raw)[:n_codes], two_way.weights @ X**2])
    kept = independent(gram, size)
    inverse = np.zeros_like(gram)
    inverse[np.ix_(kept, kept)] = np.linalg.inv(gram[np.ix_(kept, kept)])
    coefficients = inverse @ moment
    residuals = y_within - design.fitted(coefficients)
    residuals += (unit_effects @ coefficients)[two_way.unit] + (period_effects @ coefficients)[two_way.period]
    # Residuals sum to zero within each unit, so the columns' unit effects drop out of the scores.
    weighted = two_way.weights * residuals
    scores = design.unit_sums(weighted) - two_way.unit_products(weighted, period_effects)
    return WithinFit(coefficients, scores @ inverse, kept)


def independent(gram: Floats, size: Floats) -> Booleans:
    """Which columns are no linear combinations of those before them, shape (p,).

    Parameters
    ----------
    gram : ndarray, shape (p, p)
        Cross-products of the columns, after whatever was partialled out.
    size : ndarray, shape (p,)
        Sums of squares before that.
    """
    left = gram.copy()
    kept = np.zeros(len(gram), dtype=np.bool_)
    for j in range(len(gram)):
        if left[j, j] > COLLINEAR * size[j]:
            kept[j] = True
            left -= np.outer(left[:, j], left[j]) / left[j, j]
    return kept


@dataclass(frozen=True, eq=False)
class _Design:
    """Dummies by code, then demeaned covariates."""

    code: Integers
    n_codes: int
    X: Floats
    two_way: TwoWay

    def unit_sums(self, weights: Floats) -> Floats:
        """Sums of the columns by unit under the given row weights, shape (N, p)."""
        return self._sums(self.two_way.unit, self.two_way.n_units, weights)

    def period_sums(self) -> Floats:
        """Weighted sums of the columns by period, shape (T, p)."""
        return self._sums(self.two_way.period, self.two_way.n_periods, self.two_way.weights)

    def gram(self) -> Floats:
        """Weighted cross-products of the columns, shape (p, p)."""
        rows, weights = self.code >= 0, self.two_way.weights
        counts = sum_by(self.code[rows], weights[rows], self.n_codes)
        cross = totals(self.X[rows], self.code[rows], weights[rows], self.n_codes)
        squares = (self.X * weights[:, None]).T @ self.X
        return np.block([[np.diag(counts), cross], [cross.T, squares]])

    def products(self, y: Floats) -> Floats:
        """Weighted products of the columns with ``y``, shape (p,)."""
        rows, weighted = self.code >= 0, self.two_way.weights * y
        dummies = sum_by(self.code[rows], weighted[rows], self.n_codes)
        return np.concatenate([dummies, self.X.T @ weighted])

    def fitted(self, coefficients: Floats) -> Floats:
        """Columns times coefficients, shape (n,)."""
        dummies = np.append(coefficients[: self.n_codes], 0.0)
        return np.asarray(dummies[self.code] + self.X @ coefficients[self.n_codes :])

    def _sums(self, by: Integers, n: int, weights: Floats) -> Floats:
        rows = self.code >= 0
        cell = by[rows] * self.n_codes + self.code[rows]
        dummies = sum_by(cell, weights[rows], n * self.n_codes)
        return np.hstack([dummies.reshape(n, self.n_codes), totals(self.X, by, weights, n)])
