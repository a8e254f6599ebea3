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
HUGE = 1_000
"""Clusters from which on recentring moves the limits of a band by less than half a percent, and is left out."""
JITTER = 1e-5
"""Share of its variance that each parameter gets on its own, so that every covariance has a Cholesky factor."""
MANY = 1 << 20
"""Entries from which on bands are drawn in single precision; draws tell their quantiles to three digits."""
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
    stratum, rescale = _merged(stratum)
    scaled = np.empty(scores.shape, dtype=np.float32 if scores.size > MANY else np.float64)
    np.divide(scores, np.sqrt(np.einsum("gk,gk->k", scores, scores)), out=scaled, casting="same_kind")
    kinds = _kinds(scaled, stratum)
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
    root = np.sqrt(_recentring(stratum))
    whitened = scores @ np.linalg.inv(np.linalg.cholesky(scores.T @ scores)).T
    found = []
    for sums in _stratum_sums(_kinds(whitened, stratum), seed, n_draws):
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


def _merged(stratum: Integers) -> tuple[Integers, Floats]:
    """Strata with the huge ones made one, and the recentring of each: none of that one."""
    sizes = np.bincount(stratum)
    code = np.where(sizes >= HUGE, len(sizes), np.arange(len(sizes)))
    _, merged = np.unique(code[stratum], return_inverse=True)
    rescale = _recentring(merged)
    if (sizes >= HUGE).any():
        rescale[-1] = 0.0
    return merged, rescale


@dataclass(frozen=True, eq=False)
class _Kind:
    """Scores of one stratum, shape (m, k)."""

    scores: NDArray[np.floating]

    @property
    def is_limit(self) -> bool:
        """Whether sums are drawn from their normal limit."""
        n_clusters, k = self.scores.shape
        return bool(n_clusters > max(LARGE, k))

    def factor(self) -> NDArray[np.floating]:
        """What random signs, or in the limit standard normals, are multiplied with: shape (m, k) or (k, k)."""
        if not self.is_limit:
            return self.scores
        gram = (self.scores.T @ self.scores).astype(np.float64)
        gram[np.diag_indices_from(gram)] += JITTER * np.trace(gram) / len(gram) + np.finfo(np.float64).tiny
        return np.linalg.cholesky(gram).T.astype(self.scores.dtype)


def _kinds(scores: NDArray[np.floating], stratum: Integers) -> list[_Kind]:
    if stratum.max() == 0:
        return [_Kind(scores)]
    return [_Kind(scores[stratum == h]) for h in range(int(stratum.max()) + 1)]


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
            if kinds[h].is_limit:
                drawn = rng.standard_normal(shape, dtype=factor.dtype)
            else:
                drawn = np.where(
                    rng.integers(0, 2, shape, dtype=np.int8), factor.dtype.type(1), factor.dtype.type(-1)
                )
            sums[:, h] = drawn @ factor
        yield sums
