"""Untreated outcomes on candidates by random-effects GLS with free days. Arrays in, arrays out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.confounders.adoption_hazard import CELLS_AT_ONCE, Slopes
from liftos_pipeline.causal.inference.covariance import clustered_covariance

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

ROUNDS = 2


def untreated_outcome(X: Floats, y: Floats, rows: Booleans, cluster: Integers, n_clusters: int) -> Slopes:
    """Random-effects regression of the outcome on the candidates, with one free level per period.

    The dummies of the periods carry the same quasi-demeaning by unit as everything else: where units leave at different
    times, demeaning by period first would leave their effects in units' means, and a candidate that is constant within
    units would be found four times as often as its level says.

    Parameters
    ----------
    X : ndarray, shape (k, n_units, n_periods)
        Zero outside ``rows``.
    y : ndarray, shape (n_units, n_periods)
        Zero outside ``rows``.
    rows : ndarray of bool, shape (n_units, n_periods)
        Not yet treated and known.
    cluster : ndarray, shape (n_units,)

    References
    ----------
    Wansbeek and Kapteyn (1989), Journal of Econometrics 41(3): unbalanced two-way effects. Swamy and Arora (1972),
    Econometrica 40(2). Liang and Zeger (1986), Biometrika 73(1).
    """
    moments = _Moments(X, y, rows)
    weight = np.zeros(len(rows))
    for _ in range(ROUNDS):
        beta, _, _, _ = moments.fit(weight)
        weight = moments.random_effects(weight, beta)
    beta, inverse, gamma, level = moments.fit(weight)
    residual = np.where(rows, y - np.tensordot(beta, X, axes=1) - level, 0.0)
    own_mean = residual.sum(axis=1) / moments.n_own
    unit_scores = np.empty((len(rows), len(X)))
    for place, column in enumerate(X):
        left = np.where(rows, column - gamma[place], 0.0)
        unit_scores[:, place] = np.sum(left * residual, axis=1) - weight * own_mean * left.sum(axis=1)
    scores = np.zeros((n_clusters, len(X)))
    np.add.at(scores, cluster, unit_scores)
    used = np.unique(cluster[rows.any(axis=1)])
    return Slopes(beta, np.sqrt(np.diagonal(clustered_covariance(scores[used], inverse))))


class _Moments:
    """Sums of candidates and outcome by unit and by period: every quasi-demeaned regression follows from them.

    ``weight`` of a unit is the share of its mean that is taken out: 1 - (1 - theta)^2.
    """

    def __init__(self, X: Floats, y: Floats, rows: Booleans) -> None:
        Z = [*X, y]
        k = len(Z)
        self.rows = rows.astype(np.float64)
        self.n_own = np.maximum(rows.sum(axis=1), 1).astype(np.float64)
        self.n_used = np.array([rows.sum(), rows.any(axis=1).sum()], dtype=np.float64)
        self.n_of_period = rows.sum(axis=0).astype(np.float64)
        self.of_unit = np.stack([column.sum(axis=1) for column in Z]) / self.n_own
        self.of_period = np.stack([column.sum(axis=0) for column in Z])
        self.gram = np.zeros((k, k))
        n_at_once = max(1, CELLS_AT_ONCE // rows.shape[1])
        for low in range(0, len(rows), n_at_once):
            block = np.stack([column[low : low + n_at_once].ravel() for column in Z])
            self.gram += block @ block.T

    def fit(self, weight: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Slopes (k,), inverse of their normal equations, and what periods explain of candidates (k, T) and outcome."""
        scaled = self.rows * (weight / self.n_own)[:, None]
        periods = np.diag(self.n_of_period) - self.rows.T @ scaled
        moment = self.of_period - (self.of_unit * weight) @ self.rows
        empty = self.n_of_period == 0
        periods[empty, empty] = 1.0
        explained = np.linalg.solve(periods, moment.T).T
        total = self.gram - (self.of_unit * (weight * self.n_own)) @ self.of_unit.T - moment @ explained.T
        inverse = np.linalg.inv(total[:-1, :-1])
        beta = inverse @ total[:-1, -1]
        return beta, inverse, explained[:-1], explained[-1] - beta @ explained[:-1]

    def random_effects(self, weight: Floats, beta: Floats) -> Floats:
        """Weight of each unit from the variances of residuals within and between units."""
        *_, level = self.fit(weight)
        combination = np.append(-beta, 1.0)
        mean = combination @ self.of_unit - self.rows @ level / self.n_own
        square = combination @ self.gram @ combination - 2.0 * (combination @ self.of_period) @ level
        square += self.n_of_period @ level**2
        between = self.n_own @ mean**2
        n_rows, n_units = self.n_used
        own = (square - between) / max(n_rows - n_units, 1.0)
        common = max((between - n_units * own) / n_rows, 0.0)
        share: Floats = self.n_own * common / (own + self.n_own * common)
        return share
