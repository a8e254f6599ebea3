"""Writes ``did.json``: coefficient and clustered standard error of pyfixest on panels of ``tests.panels``.

pyfixest's own factor depends on the order of a set; the numbers are taken without it and multiplied by
G / (G - 1) * (n - 1) / (n - (k + T)).
"""

from __future__ import annotations

import json
from pathlib import Path

import pyfixest as pf

from tests.panels import NEVER, adoption_panel

CASES = [
    ("balanced", {"seed": 11, "n_units": 50, "n_periods": 20, "starts": [10, NEVER]}, None),
    ("unbalanced", {"seed": 12, "n_units": 50, "n_periods": 20, "starts": [10, NEVER], "missing": 0.2}, None),
    ("weighted", {"seed": 13, "n_units": 40, "n_periods": 15, "starts": [5, 9, NEVER], "missing": 0.1}, "w"),
    ("staggered", {"seed": 14, "n_units": 60, "n_periods": 16, "starts": [4, 8, 12, NEVER]}, None),
]


def main() -> None:
    found = []
    for name, panel, weights in CASES:
        frame = adoption_panel(**panel | {"starts": tuple(panel["starts"])})
        fit = pf.feols(
            "y ~ d + x0 + x1 | unit + t",
            frame,
            vcov={"CRV1": "unit"},
            weights=weights,
            ssc=pf.ssc(k_adj=False, G_adj=False),
            fixef_tol=1e-14,
        )
        n, n_clusters = len(frame), frame["unit"].nunique()
        factor = n_clusters / (n_clusters - 1) * (n - 1) / (n - (3 + frame["t"].nunique()))
        found.append(
            {
                "name": name,
                "panel": panel,
                "weights": weights,
                "coefficient": float(fit.coef()["d"]),
                "std_error": float(fit.se()["d"]) * factor**0.5,
            }
        )
    (Path(__file__).parent / "did.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
