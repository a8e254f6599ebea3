"""Discrete-time hazard of adoption on candidates, each day with a level of its own. Arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.inference.covariance import jackknifed_covariance

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

CELLS_AT_ONCE = 100_000
MAX_STEPS = 30
MAX_HALVINGS = 20
CONVERGED = 1e-8
"""Change of the log-likelihood that ends the steps, in standard errors squared."""


@dataclass(frozen=True, eq=False)
class Slopes:
    """Coefficients with their standard errors, shape (k,)."""

    estimate: Floats
    std_error: Floats

    @property
    def statistic(self) -> Floats:
        return self.estimate / self.std_error


def adoption_hazard(X: Floats, at_risk: Booleans, adopts: Booleans, cluster: Integers) -> Slopes:
    """Poisson regression of adopting on the candidates, with one free level per period.

    The level of each period is profiled out, which leaves the partial likelihood of the proportional hazards model
    with Breslow's ties: no calendar shock can pass for an effect of a candidate. Standard errors are the larger of the
    model's and the clustered ones.

    Parameters
    ----------
    X : ndarray, shape (k, n_units, n_periods)
        Value known before each period, zero where not at risk.
    at_risk, adopts : ndarray of bool, shape (n_units, n_periods)
    cluster : ndarray, shape (n_units,)

    References
    ----------
    Breslow (1974), Biometrics 30(1). Lin and Wei (1989), Journal of the American Statistical Association 84(408).
    """
    with_events = adopts.any(axis=0)
    fit = _Likelihood(X[:, :, with_events], at_risk[:, with_events], adopts[:, with_events])
    gamma = np.zeros(len(X))
    value, gradient, hessian = fit.expansion(gamma)
    for _ in range(MAX_STEPS):
        step = np.linalg.solve(hessian, gradient).astype(np.float64)
        gain = gradient @ step
        for _ in range(MAX_HALVINGS):
            moved = fit.expansion(gamma + step)
            if moved[0] >= value - CONVERGED:
                break
            step = 0.5 * step
        gamma = gamma + step
        value, gradient, hessian = moved
        if gain < CONVERGED:
            break
    scores, information = fit.by_unit(gamma)
    clustered = np.diagonal(jackknifed_covariance(*by_cluster(scores, information, cluster, fit.at_risk)))
    return Slopes(gamma, np.sqrt(np.maximum(clustered, np.diagonal(np.linalg.inv(hessian)))))


def by_cluster(scores: Floats, information: Floats, cluster: Integers, rows: Booleans) -> tuple[Floats, Floats]:
    """Sums over the units of each cluster that has rows: (G, k) and (G, k, k)."""
    found, codes = np.unique(cluster[rows.any(axis=1)], return_inverse=True)
    used = rows.any(axis=1)
    if len(found) == int(used.sum()):
        return scores[used], information[used]
    total_scores = np.zeros((len(found), *scores.shape[1:]))
    total_information = np.zeros((len(found), *information.shape[1:]))
    np.add.at(total_scores, codes, scores[used])
    np.add.at(total_information, codes, information[used])
    return total_scores, total_information


class _Likelihood:
    """Partial log-likelihood of adoption and its derivatives, from walks over blocks of units."""

    def __init__(self, X: Floats, at_risk: Booleans, adopts: Booleans) -> None:
        self.X, self.at_risk, self.adopts = X, at_risk, adopts
        self.n_events = adopts.sum(axis=0).astype(np.float64)
        self.event_sum = np.stack([np.sum(column[adopts]) for column in X])
        n_at_once = max(1, CELLS_AT_ONCE // at_risk.shape[1])
        self.blocks = [slice(low, low + n_at_once) for low in range(0, len(at_risk), n_at_once)]

    def expansion(self, gamma: Floats) -> tuple[float, Floats, Floats]:
        """Log-likelihood, gradient (k,) and negative Hessian (k, k)."""
        relative, total = self._relative(gamma)
        share = self.n_events / total
        first = np.zeros((len(gamma), len(total)))
        second = np.zeros((len(gamma), len(gamma)))
        for block in self.blocks:
            X = self.X[:, block]
            weighted = X * (relative[block] * share)
            first += weighted.sum(axis=1)
            second += weighted.reshape(len(gamma), -1) @ X.reshape(len(gamma), -1).T
        value = float(self.event_sum @ gamma - self.n_events @ np.log(total))
        return value, self.event_sum - first.sum(axis=1), second - (first / self.n_events) @ first.T

    def by_unit(self, gamma: Floats) -> tuple[Floats, Floats]:
        """Contribution of each unit to the gradient (n_units, k) and to the negative Hessian (n_units, k, k)."""
        relative, total = self._relative(gamma)
        share = self.n_events / total
        mean = np.stack([np.sum(column * relative, axis=0) for column in self.X]) / total
        scores, information = [], []
        for block in self.blocks:
            X = np.ascontiguousarray((self.X[:, block] - mean[:, None, :]).transpose(1, 0, 2))
            expected = relative[block] * share
            scores.append(np.einsum("bkt,bt->bk", X, self.adopts[block] - expected))
            information.append((X * expected[:, None, :]) @ X.transpose(0, 2, 1))
        return np.concatenate(scores), np.concatenate(information)

    def _relative(self, gamma: Floats) -> tuple[Floats, Floats]:
        """Relative hazards, zero where not at risk, and their sums by period."""
        relative = np.zeros(self.at_risk.shape)
        for block in self.blocks:
            predictor = np.tensordot(gamma, self.X[:, block], axes=1)
            relative[block] = np.where(self.at_risk[block], np.exp(np.clip(predictor, -50.0, 50.0)), 0.0)
        return relative, relative.sum(axis=0)
