"""Two-way effects of unbalanced weighted panels, exactly: units are eliminated, periods solved for.

No iterations. Regressions on top of it stand in ``within``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

_BLOCK_ENTRIES = 1 << 22
"""Entries of a dense block of units x periods: 32 MB."""


@dataclass(frozen=True, eq=False)
class TwoWay:
    """Rows of units and periods, sorted by unit.

    Attributes
    ----------
    unit, period : ndarray, shape (n,)
        Codes; units and periods without rows are allowed.
    weights : ndarray, shape (n,)
    n_units, n_periods : int

    References
    ----------
    Abowd, Creecy and Kramarz (2002), section 3: connected groups. The elimination is the Schur complement of the
    normal equations.
    """

    unit: Integers
    period: Integers
    weights: Floats
    n_units: int
    n_periods: int

    @cached_property
    def unit_mass(self) -> Floats:
        """Weight of each unit's rows, shape (N,)."""
        return sum_by(self.unit, self.weights, self.n_units)

    @cached_property
    def period_mass(self) -> Floats:
        """Weight of each period's rows, shape (T,)."""
        return sum_by(self.period, self.weights, self.n_periods)

    @cached_property
    def period_group(self) -> Integers:
        """Connected group of each period, shape (T,): only within one are differences of effects identified."""
        from scipy.sparse.csgraph import connected_components

        groups: Integers = connected_components(self._laplacian != 0.0, directed=False)[1].astype(np.int64)
        return groups

    @cached_property
    def unit_group(self) -> Integers:
        """Connected group of each unit, shape (N,); -1 for a unit without rows."""
        group = np.full(self.n_units, -1, dtype=np.int64)
        group[self.unit] = self.period_group[self.period]
        return group

    def effects(self, unit_sums: Floats, period_sums: Floats) -> tuple[Floats, Floats]:
        """Least-squares unit and period effects of k columns, from the columns' weighted sums.

        Parameters
        ----------
        unit_sums : ndarray, shape (N, k)
        period_sums : ndarray, shape (T, k)

        Returns
        -------
        unit_effects : ndarray, shape (N, k)
        period_effects : ndarray, shape (T, k)
            Zero in the last period of each connected group. Effects of units without rows are zero.
        """
        from scipy.linalg import cho_solve

        scaled = unit_sums * self._inverse_unit_mass[:, None]
        right = period_sums - self._period_totals(scaled)
        right[self._pinned] = 0.0
        period_effects: Floats = cho_solve((self._factor, True), right)
        unit_effects = scaled - self._inverse_unit_mass[:, None] * self.unit_products(self.weights, period_effects)
        return unit_effects, period_effects

    def column_effects(self, columns: Floats) -> tuple[Floats, Floats]:
        """:meth:`effects` of dense columns, shape (n, k)."""
        return self.effects(
            totals(columns, self.unit, self.weights, self.n_units),
            totals(columns, self.period, self.weights, self.n_periods),
        )

    def demeaned(self, columns: Floats) -> Floats:
        """Columns, shape (n, k), without their unit and period effects."""
        unit_effects, period_effects = self.column_effects(columns)
        within: Floats = columns - unit_effects[self.unit] - period_effects[self.period]
        return within

    def unit_products(self, values: Floats, table: Floats) -> Floats:
        """Sum over each unit's rows of ``values[row] * table[period, k]``, shape (N, k)."""
        products = np.empty((self.n_units, table.shape[1]))
        for units, block in self._blocks(values):
            products[units] = block @ table
        return products

    def _period_totals(self, unit_values: Floats) -> Floats:
        """Weighted sum over each period's rows of their units' values, shape (T, k)."""
        result = np.zeros((self.n_periods, unit_values.shape[1]))
        for units, block in self._blocks(self.weights):
            result += block.T @ unit_values[units]
        return result

    @cached_property
    def _inverse_unit_mass(self) -> Floats:
        mass = self.unit_mass
        return np.divide(1.0, mass, out=np.zeros_like(mass), where=mass > 0)

    @cached_property
    def _laplacian(self) -> Floats:
        shared = np.zeros((self.n_periods, self.n_periods))
        for units, block in self._blocks(self.weights):
            scaled = block * np.sqrt(self._inverse_unit_mass[units])[:, None]
            shared += scaled.T @ scaled
        laplacian: Floats = np.diag(self.period_mass) - shared
        return laplacian

    @cached_property
    def _pinned(self) -> Integers:
        """Last period of each connected group."""
        last = np.zeros(int(self.period_group.max()) + 1, dtype=np.int64)
        np.maximum.at(last, self.period_group, np.arange(self.n_periods))
        return last

    @cached_property
    def _factor(self) -> Floats:
        left = self._laplacian.copy()
        left[self._pinned, :] = 0.0
        left[:, self._pinned] = 0.0
        left[self._pinned, self._pinned] = 1.0
        return np.asarray(np.linalg.cholesky(left), dtype=np.float64)

    @cached_property
    def _row_ends(self) -> Integers:
        return np.cumsum(np.bincount(self.unit, minlength=self.n_units))

    def _blocks(self, values: Floats) -> Iterator[tuple[slice, Floats]]:
        """Values of the rows as dense blocks of consecutive units x periods."""
        step = max(1, _BLOCK_ENTRIES // self.n_periods)
        for first in range(0, self.n_units, step):
            last = min(first + step, self.n_units)
            begin = self._row_ends[first - 1] if first > 0 else 0
            rows = slice(begin, self._row_ends[last - 1])
            block = np.zeros((last - first, self.n_periods))
            block[self.unit[rows] - first, self.period[rows]] = values[rows]
            yield slice(first, last), block


def totals(columns: Floats, codes: Integers, weights: Floats, n_codes: int) -> Floats:
    """Weighted sum of each column, shape (n, k), by code: shape (n_codes, k)."""
    result = np.empty((n_codes, columns.shape[1]))
    for k in range(columns.shape[1]):
        result[:, k] = sum_by(codes, weights * columns[:, k], n_codes)
    return result


def sum_by(codes: Integers, values: Floats, n_codes: int) -> Floats:
    """Sum of the values of each code, shape (n_codes,)."""
    return np.bincount(codes, weights=values, minlength=n_codes).astype(np.float64)
