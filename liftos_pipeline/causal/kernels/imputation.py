"""Untreated outcomes of treated rows from unit and period effects fitted on untreated rows, and their influence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.kernels.demean import TwoWay, sum_by, totals
from liftos_pipeline.causal.kernels.within import independent

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class UntreatedFit:
    """Least squares on untreated rows.

    Attributes
    ----------
    two_way : TwoWay
        The untreated rows.
    unit_effects, period_effects : ndarray, shapes (N,), (T,)
        Of the outcome.
    column_effects : tuple of ndarray, shapes (N, k), (T, k)
        Of the covariates.
    within : ndarray, shape (n, k)
        Covariates of the untreated rows less their effects.
    inverse : ndarray, shape (k, k)
        Inverse of their cross-products, zero for covariates not ``kept``.
    kept : ndarray of bool, shape (k,)
        Covariates that the effects and the covariates before them do not determine.
    beta : ndarray, shape (k,)
    residuals : ndarray, shape (n,)
    """

    two_way: TwoWay
    unit_effects: Floats
    period_effects: Floats
    column_effects: tuple[Floats, Floats]
    within: Floats
    inverse: Floats
    kept: Booleans
    beta: Floats
    residuals: Floats

    def imputable(self, unit: Integers, period: Integers) -> Booleans:
        """Rows whose unit and period effects are estimable together."""
        connected = self.two_way.unit_group[unit] == self.two_way.period_group[period]
        return np.asarray(connected & (self.two_way.period_mass[period] > 0), dtype=np.bool_)

    def column_residuals(self, X: Floats, unit: Integers, period: Integers) -> Floats:
        """Covariates of any rows less their effects."""
        return np.asarray(X - self.column_effects[0][unit] - self.column_effects[1][period])

    def left_over(self, y: Floats, X: Floats, unit: Integers, period: Integers) -> Floats:
        """Outcomes less what the untreated rows lead one to expect: of treated rows, their effects."""
        expected = self.unit_effects[unit] + self.period_effects[period]
        return np.asarray(y - expected - self.column_residuals(X, unit, period) @ self.beta)

    def influence(
        self, X: Floats, unit: Integers, period: Integers, weights: Floats, code: Integers, n_codes: int
    ) -> Floats:
        """Influence of the units' untreated rows on weighted sums of imputed outcomes, shape (N, n_codes).

        The sign is that of the effects: outcome less what was imputed.

        Parameters
        ----------
        X, unit, period : ndarray
            Treated rows.
        weights : ndarray, shape (n,)
            Weight of each treated row in the sum of its ``code``.

        References
        ----------
        Borusyak, Jaravel and Spiess (2024), Review of Economic Studies 91(6), proposition 3: the weights of the
        untreated rows.
        """
        n_units, n_periods = self.two_way.n_units, self.two_way.n_periods
        by_unit = sum_by(unit * n_codes + code, weights, n_units * n_codes)
        by_period = sum_by(period * n_codes + code, weights, n_periods * n_codes)
        _, gamma = self.two_way.effects(by_unit.reshape(n_units, -1), by_period.reshape(n_periods, -1))
        slopes = self.inverse @ totals(self.column_residuals(X, unit, period), code, weights, n_codes).T
        # Residuals sum to zero within each unit, so the unit effects drop out.
        weighted = self.two_way.weights * self.residuals
        by_covariate = totals(self.within, self.two_way.unit, weighted, n_units)
        return -self.two_way.unit_products(weighted, gamma) - by_covariate @ slopes


def fit_untreated(y: Floats, X: Floats, two_way: TwoWay) -> UntreatedFit:
    """Fit unit and period effects and covariates to the untreated rows.

    Parameters
    ----------
    y, X : ndarray, shapes (n,), (n, k)
        Untreated rows, in the order of ``two_way``; covariates about their means over all rows.
    """
    column_effects = two_way.column_effects(X)
    within = X - column_effects[0][two_way.unit] - column_effects[1][two_way.period]
    weighted = within * two_way.weights[:, None]
    gram = weighted.T @ within
    kept = independent(gram, two_way.weights @ X**2)
    inverse = np.zeros_like(gram)
    inverse[np.ix_(kept, kept)] = np.linalg.inv(gram[np.ix_(kept, kept)])
    beta = inverse @ (weighted.T @ y)
    alpha, gamma = two_way.column_effects(y[:, None])
    residuals = y - alpha[two_way.unit, 0] - gamma[two_way.period, 0] - within @ beta
    return UntreatedFit(two_way, alpha[:, 0], gamma[:, 0], column_effects, within, inverse, kept, beta, residuals)


def centred_effects(
    effects: Floats, weights: Floats, group: Integers, cluster: Integers, leave_one_out: bool
) -> tuple[Floats, int]:
    """Effects of treated rows less a mean effect of their group, for a variance that is never too small on average.

    A group's mean weights its clusters by their squared weight. A group with a single cluster has no spread of its
    own: its rows are held against the mean effect of all rows.

    Parameters
    ----------
    effects, weights : ndarray, shape (n,)
    group, cluster : ndarray, shape (n,)
        Codes.
    leave_one_out : bool
        Hold each cluster against the mean of the others.

    Returns
    -------
    centred : ndarray, shape (n,)
    n_single : int
        Groups with a single cluster.

    References
    ----------
    Borusyak, Jaravel and Spiess (2024), Review of Economic Studies 91(6), equation 8; supplement A.9.
    """
    n_clusters = int(cluster.max()) + 1
    pairs, pair = np.unique(group * n_clusters + cluster, return_inverse=True)
    of_pair = pairs // n_clusters
    n_groups = int(group.max()) + 1
    mass, total = sum_by(pair, weights, len(pairs)), sum_by(pair, weights * effects, len(pairs))
    squares = sum_by(of_pair, mass**2, n_groups)
    means = sum_by(of_pair, mass * total, n_groups) / np.where(squares > 0, squares, 1.0)
    n_in_group = np.bincount(of_pair)
    single = n_in_group[of_pair] == 1
    expected = np.where(single, np.sum(weights * effects) / np.sum(weights), means[of_pair])
    factor = np.ones(len(pairs))
    if leave_one_out:
        factor[~single] = 1.0 / (1.0 - mass[~single] ** 2 / squares[of_pair[~single]])
    return factor[pair] * (effects - expected[pair]), int((n_in_group == 1).sum())
