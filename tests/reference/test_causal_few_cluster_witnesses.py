"""Cluster jackknife against pyfixest, the wild cluster bootstrap against wildboottest (make_few_clusters.py)."""

from __future__ import annotations

import numpy as np
import pytest

from liftos_pipeline.causal.inference.few_clusters import ClusterSums, cr3_inference, cross_products, least_squares
from liftos_pipeline.causal.inference.wild_bootstrap import wild_cluster_bootstrap
from tests.reference.make_few_clusters import rows

EXACT = 1e-10
"""Same formula in another order of operations."""

# estimate, standard error without (G - 1) / G
CRV3 = {
    False: (1.1142242247808418, 1.017406999371112),
    True: (1.1165014028118443, 1.192073105690315),
}
# clusters, seed -> t statistic, p-value over all sign patterns; a tie counts or not, as rounding has it.
WCR = {
    (6, 3): (3.7078474711721725, 0.0),
    (6, 4): (6.488967967863454, 0.03125),
    (8, 3): (1.637298382388479, 0.234375),
    (8, 4): (1.634623996283014, 0.2421875),
    (12, 3): (0.9541759309526987, 0.38525390625),
    (12, 4): (0.9829713349532697, 0.41357421875),
}


def sums_of(n_clusters: int, seed: int, weighted: bool = False) -> ClusterSums:
    frame = rows(n_clusters, seed, weighted)
    X = np.column_stack([np.ones(len(frame)), frame["d"], frame["x"]])
    return cross_products(X, frame["y"].to_numpy(), frame["g"].to_numpy(), frame["w"].to_numpy())


@pytest.mark.parametrize("weighted", [False, True])
def test_cluster_jackknife_is_pyfixests(weighted):
    estimate, spread = CRV3[weighted]
    sums = sums_of(8, 3, weighted)
    assert least_squares(sums, 1).beta[1] == pytest.approx(estimate, rel=EXACT)
    assert cr3_inference(sums, 1, 0.95).std_error == pytest.approx(np.sqrt(7 / 8) * spread, rel=EXACT)


@pytest.mark.parametrize(("n_clusters", "seed"), WCR)
def test_bootstrap_is_wildboottests(n_clusters, seed):
    statistic, p_value = WCR[n_clusters, seed]
    sums = sums_of(n_clusters, seed)
    n = len(rows(n_clusters, seed))
    found = wild_cluster_bootstrap(sums, 1, 0.95, seed=0, multiplier="rademacher", correction=(n - 1) / (n - 3))
    assert found.enumerated
    assert least_squares(sums, 1).beta[1] / found.inference.std_error == pytest.approx(statistic, rel=EXACT)
    n_ties = 2**n_clusters * (found.inference.p_value - p_value)
    assert n_ties == pytest.approx(round(n_ties), abs=1e-9)
    assert 0 <= round(n_ties) <= 2
