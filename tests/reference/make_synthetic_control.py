"""Makes synthetic_control.json: weights of California's synthetic control by quadprog 0.1.14.

Data: cigarette sales per head of 39 states, 1970 to 2000 (Abadie, Diamond and Hainmueller 2010), as they ship with
CausalPy 0.9 (Apache 2.0) in data/california_prop99.csv.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import quadprog

HERE = Path(__file__).parent
FIRST_YEAR_WITH = 1989


def main() -> None:
    table = pd.read_csv(HERE / "data" / "california_prop99.csv.gz", index_col="Year")
    before = table[table.index < FIRST_YEAR_WITH]
    found = {}
    for state in ("California", "Utah", "Nevada"):
        donors = before.drop(columns=[state] if state == "California" else [state, "California"])
        D, x = donors.to_numpy(), before[state].to_numpy()
        n = D.shape[1]
        # D has fewer rows than columns: a ridge of 1e-9 makes the problem strictly convex.
        G = D.T @ D + 1e-9 * np.eye(n)
        w = quadprog.solve_qp(
            G, D.T @ x, np.column_stack([np.ones(n), np.eye(n)]), np.append(1.0, np.zeros(n)), 1
        )[0]
        after = table.loc[table.index >= FIRST_YEAR_WITH]
        gap = after[state] - after[donors.columns] @ w
        found[state] = {
            "objective": float(np.sum((x - D @ w) ** 2)),
            "effect": float(gap.mean()),
            "weights": {
                name: float(weight) for name, weight in zip(donors.columns, w, strict=True) if weight > 1e-6
            },
        }
    (HERE / "synthetic_control.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
