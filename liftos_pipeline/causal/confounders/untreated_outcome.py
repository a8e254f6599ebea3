"""Untreated outcomes on candidates by random-effects GLS with free days. Arrays in, arrays out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.confounders.adoption_hazard import CELLS_AT_ONCE, Slopes, by_cluster
from liftos_pipeline.causal.inference.covariance import jackknifed_covariance

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

ROUNDS = 2


def untreated_outcome(X: Floats, y: Floats, rows: Booleans, cluster: Integers) -> Slopes:
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
        beta, _, level = moments.fit(weight)
        weight = moments.random_effects(beta, level)
    beta, explained, level = moments.fit(weight)
    scores, information = [], []
    for block in moments.blocks:
        own = rows[block]
        left = np.where(own, X[:, block] - explained[:, None, :], 0.0).transpose(1, 0, 2)
        left = np.ascontiguousarray(left)
        residual = np.where(own, y[block] - np.tensordot(beta, X[:, block], axes=1) - level, 0.0)
        taken = weight[block] / moments.n_own[block]
        total = left.sum(axis=2)
        scores.append(np.einsum("bkt,bt->bk", left, residual) - (taken * residual.sum(axis=1))[:, None] * total)
        information.append(
            left @ left.transpose(0, 2, 1) - taken[:, None, None] * total[:, :, None] * total[:, None, :]
        )
    sums = by_cluster(np.concatenate(scores), np.concatenate(information), cluster, rows)
    return Slopes(beta, np.sqrt(np.diagonal(jackknifed_covariance(*sums))))


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
        self.blocks = [slice(low, low + n_at_once) for low in range(0, len(rows), n_at_once)]
        for block in self.blocks:
            part = np.stack([column[block].ravel() for column in Z])
            self.gram += part @ part.T

    def fit(self, weight: Floats) -> tuple[Floats, Floats, Floats]:
        """Slopes (k,), what periods explain of candidates (k, T), and the level of each period given the slopes (T,)."""
        scaled = self.rows * (weight / self.n_own)[:, None]
        periods = np.diag(self.n_of_period) - self.rows.T @ scaled
        moment = self.of_period - (self.of_unit * weight) @ self.rows
        empty = self.n_of_period == 0
        periods[empty, empty] = 1.0
        explained = np.linalg.solve(periods, moment.T).T
        total = self.gram - (self.of_unit * (weight * self.n_own)) @ self.of_unit.T - moment @ explained.T
        beta = np.linalg.solve(total[:-1, :-1], total[:-1, -1]).astype(np.float64)
        return beta, explained[:-1], explained[-1] - beta @ explained[:-1]

    def random_effects(self, beta: Floats, level: Floats) -> Floats:
        """Weight of each unit from the variances of residuals within and between units."""
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
