"""Writes ``did_few_clusters.json``: cluster-jackknife standard errors (CRV3) of two-way fixed effects by pyfixest 0.60.0,
and wild cluster bootstrap p-values by wildboottest 0.3.2, on panels of ``tests.panels``.

pip install pyfixest==0.60.0 wildboottest==0.3.2, then: python -m tests.reference.make_did_few_clusters
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from tests.panels import NEVER, adoption_panel

CASES = [
    ("balanced", {"seed": 41, "n_units": 60, "n_periods": 10, "starts": [5, NEVER]}, None),
    ("unbalanced", {"seed": 42, "n_units": 60, "n_periods": 10, "starts": [5, NEVER], "missing": 0.2}, None),
    ("weighted", {"seed": 43, "n_units": 35, "n_periods": 9, "starts": [4, 6, NEVER], "missing": 0.1}, "w"),
]


def main() -> None:
    import pyfixest as pf
    import statsmodels.api as sm
    from wildboottest.wildboottest import wildboottest

    found = []
    for name, panel, weights in CASES:
        frame = adoption_panel(**panel | {"starts": tuple(panel["starts"])})
        fit = pf.feols(
            "y ~ d + x0 + x1 | unit + t",
            frame,
            vcov={"CRV3": "region"},
            weights=weights,
            ssc=pf.ssc(k_adj=False, G_adj=False),
            fixef_tol=1e-14,
        )
        case = {
            "name": name,
            "panel": panel,
            "weights": weights,
            "coefficient": float(fit.coef()["d"]),
            "std_error": float(fit.se()["d"]),
        }
        if weights is None:
            dummies = pd.get_dummies(frame[["unit", "t"]].astype(str), drop_first=True, dtype=float)
            design = sm.add_constant(pd.concat([frame[["d", "x0", "x1"]], dummies], axis=1))
            told = wildboottest(
                sm.OLS(frame["y"], design),
                cluster=frame["region"],
                param="d",
                B=9_999,
                bootstrap_type="11",
                weights_type="rademacher",
                seed=1,
            )
            case["rademacher_p"] = float(told["p-value"].iloc[0])
        found.append(case)
    (Path(__file__).parent / "did_few_clusters.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
