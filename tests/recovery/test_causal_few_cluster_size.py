"""With 6 to 12 clusters of unequal size CR3 keeps its level; the wild cluster bootstrap comes nearer to it than CR1.

Seeds were listed before any result was seen. Bands are three and a half standard errors of the simulation wide.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from liftos_pipeline.causal.inference.covariance import clustered_variance, limits
from liftos_pipeline.causal.inference.few_clusters import ClusterSums, cr3_inference, cross_products, least_squares
from liftos_pipeline.causal.inference.wild_bootstrap import wild_cluster_bootstrap

SEEDS = range(20_000, 21_000)
SIZES = (6, 9, 12)
LEVEL = 0.95
WIDTH = 3.5
D = 1
EFFECT = 0.7


def world(seed: int, n_clusters: int) -> ClusterSums:
    """Clusters of 6 to 60 rows share a shock; a random half of the clusters is treated."""
    rng = np.random.default_rng(seed)
    sizes = np.linspace(6, 60, n_clusters).astype(int)
    g = np.repeat(np.arange(n_clusters), sizes)
    d = (rng.permutation(n_clusters) < n_clusters // 2)[g]
    x = rng.standard_normal(len(g)) + rng.standard_normal(n_clusters)[g]
    y = EFFECT * d + 0.5 * x + 0.7 * rng.standard_normal(n_clusters)[g] + rng.standard_normal(len(g))
    return cross_products(np.column_stack([np.ones(len(g)), d, x]), y, g)


@pytest.fixture(scope="module")
def missed() -> dict[tuple[int, str], float]:
    """Share of the seeds whose interval does not hold the effect."""
    shares = {}
    for n_clusters in SIZES:
        out = {"cr1": [], "cr3": [], "wild": []}
        for seed in SEEDS:
            sums = world(seed, n_clusters)
            fit = least_squares(sums, D)
            n = int(sums.xx[:, 0, 0].sum())
            variance = (n - 1) / (n - 3) * clustered_variance(fit.scores @ fit.bread[D])
            found = {
                "cr1": limits(float(fit.beta[D]), math.sqrt(variance), LEVEL, n_clusters, n_clusters - 1.0),
                "cr3": cr3_inference(sums, D, LEVEL),
                "wild": wild_cluster_bootstrap(sums, D, LEVEL, seed, n_draws=999).inference,
            }
            for name, inference in found.items():
                out[name].append(not inference.ci_low <= EFFECT <= inference.ci_high)
        shares |= {(n_clusters, name): float(np.mean(values)) for name, values in out.items()}
    return shares


def band(share: float) -> float:
    return WIDTH * math.sqrt(share * (1 - share) / len(SEEDS))


@pytest.mark.parametrize("n_clusters", SIZES)
def test_the_jackknife_keeps_the_level(missed, n_clusters):
    assert abs(missed[n_clusters, "cr3"] - 0.05) < band(0.05)


@pytest.mark.parametrize("n_clusters", SIZES)
def test_the_bootstrap_is_nearer_to_the_level_than_cr1(missed, n_clusters):
    """It is not exact with this few clusters; its documentation gives the rates."""
    assert missed[n_clusters, "wild"] < missed[n_clusters, "cr1"] - band(0.05)


@pytest.mark.parametrize("n_clusters", SIZES)
def test_cr1_does_not_keep_the_level(missed, n_clusters):
    assert missed[n_clusters, "cr1"] > 0.05 + band(0.05)


def test_three_clusters_are_not_called_significant():
    """Treatment varies within three clusters: five of a hundred nulls may be rejected, at most."""
    rejected = []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        g = np.repeat(np.arange(3), [10, 25, 60])
        d = rng.random(len(g)) < 0.5
        y = rng.standard_normal(3)[g] + 0.5 * d * rng.standard_normal(3)[g] + rng.standard_normal(len(g))
        sums = cross_products(np.column_stack([g == 0, d, g == 1, g == 2]), y, g)
        rejected.append(wild_cluster_bootstrap(sums, D, LEVEL, seed).inference.p_value <= 0.05)
    assert np.mean(rejected) < 0.05
