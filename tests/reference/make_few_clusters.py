"""Numbers in test_causal_few_cluster_witnesses.py, from pyfixest 0.60.0 (CRV3) and wildboottest 0.3.2 (WCR11).

pip install pyfixest==0.60.0 wildboottest==0.3.2, then: python tests/reference/make_few_clusters.py
"""

# ruff: noqa: T201
from __future__ import annotations

import numpy as np
import pandas as pd


def rows(n_clusters: int, seed: int, weighted: bool = False) -> pd.DataFrame:
    """Rows in clusters of unequal size; the first half of the clusters is treated."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(n_clusters), 5 + 7 * np.arange(n_clusters))
    n = len(g)
    x = rng.standard_normal(n) + rng.standard_normal(n_clusters)[g]
    d = (g < n_clusters // 2).astype(float)
    y = 1.0 + 0.4 * d + 0.5 * x + rng.standard_normal(n_clusters)[g] + rng.standard_normal(n)
    w = rng.uniform(0.5, 2.0, n) if weighted else np.ones(n)
    return pd.DataFrame({"g": g, "d": d, "x": x, "y": y, "w": w})


def main() -> None:
    import pyfixest as pf
    import statsmodels.api as sm
    from wildboottest.wildboottest import wildboottest

    for weighted in (False, True):  # pyfixest leaves out the factor (G - 1) / G of the jackknife variance
        fit = pf.feols(
            "y ~ d + x",
            rows(8, 3, weighted),
            vcov={"CRV3": "g"},
            ssc=pf.ssc(k_adj=False, G_adj=False),
            weights="w" if weighted else None,
        )
        low, high = fit.confint().loc["d"]
        print(
            "CRV3",
            weighted,
            *map(repr, map(float, (fit.coef()["d"], fit.se()["d"], fit.pvalue()["d"], low, high))),
        )
    for n_clusters in (6, 8, 12):
        for seed in (3, 4):
            frame = rows(n_clusters, seed)
            model = sm.OLS(frame["y"], sm.add_constant(frame[["d", "x"]]))
            found = wildboottest(model, cluster=frame["g"], param="d", B=9_999, bootstrap_type="11", seed=1)
            print("WCR", n_clusters, seed, *map(float, found[["statistic", "p-value"]].iloc[0]))


if __name__ == "__main__":
    main()
