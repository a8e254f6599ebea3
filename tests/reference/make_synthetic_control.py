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


def simplex(A: np.ndarray, b: np.ndarray, ridge: float) -> np.ndarray:
    """Weights of A's columns that follow b up to a constant, by quadprog."""
    A, b = A - A.mean(axis=0), b - b.mean()
    n = A.shape[1]
    bounds = np.column_stack([np.ones(n), np.eye(n)]), np.append(1.0, np.zeros(n))
    return quadprog.solve_qp(A.T @ A + ridge * np.eye(n), A.T @ b, *bounds, 1)[0]


def synthetic_did(table: pd.DataFrame) -> dict[str, float]:
    """Arkhangelsky et al. (2021), algorithm 1, with their regularisation."""
    is_post = (table.index >= FIRST_YEAR_WITH).astype(bool)
    x, D = table["California"].to_numpy(), table.drop(columns="California").to_numpy()
    pre, post = D[~is_post], D[is_post]
    noise = np.diff(pre, axis=0).std(ddof=1)
    zeta = (1 * is_post.sum()) ** 0.25 * noise
    omega = simplex(pre, x[~is_post], zeta**2 * len(pre))
    lambda_ = simplex(pre.T, post.mean(axis=0), (1e-6 * noise) ** 2 * D.shape[1])
    gap = x - D @ omega
    return {"effect": float(gap[is_post].mean() - lambda_ @ gap[~is_post]), "noise": float(noise)}


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
    found["synthetic_did"] = synthetic_did(table)
    (HERE / "synthetic_control.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
