"""Multiplier bootstrap of clusters' influences, studentised: bands and joint tests that hold with small cohorts.

Every draw changes the sign of each cluster's influences at random and works out the variance again, recentred
within strata (cohorts): a stratum of few clusters then has the heavy tails that its own few degrees of freedom give
it. Influences are used as they are; nothing is fitted again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

N_DRAWS = 1_000
LARGE = 200
"""Clusters from which on a stratum's sums are drawn from their normal limit."""
SINGULAR = 1e-9
_CHUNK_ENTRIES = 1 << 22


def sup_t_draws(scores: Floats, stratum: Integers, seed: int, n_draws: int = N_DRAWS) -> Floats:
    """Largest absolute t statistic over k parameters in each draw, shape (n_draws,).

    Parameters
    ----------
    scores : ndarray, shape (G, k)
        Influence of each cluster on each parameter; every column varies.
    stratum : ndarray, shape (G,)
        Clusters that are each other's kind, 0 .. H - 1.

    References
    ----------
    Montiel Olea and Plagborg-Moller (2019), Journal of Applied Econometrics 34(1): sup-t bands. Kline and Santos
    (2012), Journal of Econometric Methods 1(1): bootstrap of scores.
    """
    n_clusters = len(scores)
    rescale = _recentring(stratum)
    kinds = _kinds(scores / np.sqrt(np.sum(scores**2, axis=0)), stratum)
    largest = []
    for sums in _stratum_sums(kinds, seed, n_draws):
        variance = 1.0 - np.einsum("bhk,h->bk", sums**2, rescale)
        variance = np.maximum(variance, np.finfo(np.float64).tiny) * n_clusters / (n_clusters - 1)
        largest.append(np.max(np.abs(sums.sum(axis=1)) / np.sqrt(variance), axis=1))
    return np.concatenate(largest)


def wald_draws(scores: Floats, stratum: Integers, seed: int, n_draws: int = N_DRAWS) -> Floats:
    """Wald statistic of q parameters in each draw, shape (n_draws,); infinite where its covariance is singular.

    Parameters
    ----------
    scores : ndarray, shape (G, q)
        Of full column rank.
    """
    n_clusters = len(scores)
    kinds = _kinds(scores, stratum)
    root = np.sqrt(_recentring(stratum))
    lower = np.linalg.cholesky(np.sum([kind.gram for kind in kinds], axis=0, dtype=np.float64))
    found = []
    for sums in _stratum_sums([kind.whitened(lower) for kind in kinds], seed, n_draws):
        # The recentred covariance is I - sum_h r_h^2 s_h s_h': its inverse needs the H x H products only.
        products = np.matmul(sums, sums.transpose(0, 2, 1))
        left = np.eye(len(root)) - root * products * root[:, None]
        usable = np.linalg.eigvalsh(left)[:, 0] > SINGULAR
        statistic = np.full(len(sums), np.inf)
        total = products.sum(axis=2)
        taken = np.linalg.solve(left[usable], (root * total[usable])[..., None])[..., 0]
        statistic[usable] = total[usable].sum(axis=1) + np.sum(root * total[usable] * taken, axis=1)
        found.append(statistic * (n_clusters - 1) / n_clusters)
    return np.concatenate(found)


def _recentring(stratum: Integers) -> Floats:
    """Share of a stratum's squared sum that recentring takes from its variance, shape (H,); one cluster is not."""
    sizes = np.bincount(stratum)
    return np.where(sizes > 1, 1.0 / np.maximum(sizes, 1), 0.0)


@dataclass(frozen=True, eq=False)
class _Kind:
    """Scores of one stratum: its rows, or, for a large one, only their cross-products."""

    gram: Floats
    rows: Floats | None

    def whitened(self, lower: Floats) -> _Kind:
        """The scores times the inverse of ``lower`` transposed."""
        inverse: Floats = np.linalg.inv(lower).T.astype(np.float64)
        return _Kind(inverse.T @ self.gram @ inverse, None if self.rows is None else self.rows @ inverse)

    def factor(self) -> Floats:
        """What random signs, or for a large stratum standard normals, are multiplied with: (m, k)."""
        if self.rows is not None:
            return self.rows
        values, vectors = np.linalg.eigh(self.gram)
        return np.asarray(np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T)


def _kinds(scores: Floats, stratum: Integers) -> list[_Kind]:
    parts = [scores[stratum == h] for h in range(int(stratum.max()) + 1)]
    return [_Kind(part.T @ part, None if len(part) > LARGE else part) for part in parts]


def _stratum_sums(kinds: list[_Kind], seed: int, n_draws: int) -> Iterator[Floats]:
    """Sums of the strata's influences under random signs, in chunks of draws: shape (b, H, k)."""
    rng = np.random.default_rng(seed)
    factors = [kind.factor() for kind in kinds]
    k = factors[0].shape[1]
    chunk = max(1, _CHUNK_ENTRIES // (len(kinds) * k))
    for first in range(0, n_draws, chunk):
        size = min(chunk, n_draws - first)
        sums = np.empty((size, len(kinds), k))
        for h, factor in enumerate(factors):
            shape = (size, len(factor))
            drawn = rng.standard_normal(shape) if kinds[h].rows is None else 2.0 * rng.integers(0, 2, shape) - 1.0
            sums[:, h] = drawn @ factor
        yield sums
