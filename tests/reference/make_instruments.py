"""Makes the numbers in test_causal_instruments.py with linearmodels 7.1 and pyfixest 0.60.0.

PYTHONHASHSEED=0 python tests/reference/make_instruments.py
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

COVARIATES = ["x0", "x1"]
INSTRUMENTS = ["z0", "z1", "z2"]
N_CLUSTERS = 60


def frame_of(seed: int, strength: float = 0.4, n_rows: int = 480) -> pd.DataFrame:
    """Rows of clusters of unequal size: a dose, confounded, three instruments, errors shared within clusters."""
    rng = np.random.default_rng(seed)
    cluster = np.sort(rng.integers(0, N_CLUSTERS, n_rows))
    X = rng.standard_normal((n_rows, 2))
    Z = rng.standard_normal((n_rows, 3)) + 0.5 * rng.standard_normal((N_CLUSTERS, 3))[cluster] + 0.3 * X[:, :1]
    shared = 0.5 * rng.standard_normal(N_CLUSTERS)[cluster]
    confounder = rng.standard_normal(n_rows)
    d = Z @ (strength * np.array([1.0, 0.5, -0.25])) + X @ [0.5, -0.2] + confounder + shared
    scale = 1.0 + 0.5 * np.abs(Z[:, 0])
    y = 2.0 + 0.7 * d + X @ [1.0, 0.3] + confounder + shared + scale * rng.standard_normal(n_rows)
    frame = pd.DataFrame(np.column_stack([X, Z]), columns=[*COVARIATES, *INSTRUMENTS])
    return frame.assign(row=np.arange(n_rows), g=cluster, d=d, y=y, w=rng.uniform(0.5, 2.0, n_rows))


CASES = (
    (1, 3, None, "g"),
    (1, 3, "w", "g"),
    (1, 1, "w", "g"),
    (1, 3, None, None),
    (2, 2, "w", None),
)
"""Seed, number of instruments, weights, cluster (None: each row)."""


def partialled(frame: pd.DataFrame, names: list[str], weights: str | None) -> pd.DataFrame:
    """The instruments less their weighted fit on the covariates.

    pyfixest 0.60 takes the instruments' cross-products in its effective F without doing so; coefficients and
    covariance of the first stage do not change.
    """
    root = np.ones(len(frame)) if weights is None else np.sqrt(frame[weights].to_numpy())
    design = np.column_stack([np.ones(len(frame)), frame[COVARIATES]])
    slopes = np.linalg.lstsq(design * root[:, None], frame[names].to_numpy() * root[:, None], rcond=None)[0]
    return frame.assign(**dict(zip(names, (frame[names].to_numpy() - design @ slopes).T, strict=True)))


def main() -> None:
    import pyfixest
    from linearmodels.iv import IV2SLS, IVGMM, IVLIML

    for seed, n_instruments, weights, cluster in CASES:
        frame, names = frame_of(seed), INSTRUMENTS[:n_instruments]
        roles = (frame["y"], frame[COVARIATES].assign(one=1.0), frame["d"], frame[names])
        share = None if weights is None else frame[weights]
        groups = frame["row" if cluster is None else cluster]
        options = {"cov_type": "clustered", "clusters": groups, "debiased": True}
        two_stage = IV2SLS(*roles, weights=share).fit(**options)
        liml = IVLIML(*roles, weights=share).fit(**options)
        gmm = IVGMM(*roles, weights=share, weight_type="clustered", clusters=groups).fit(iter_limit=2)
        first = two_stage.first_stage.diagnostics.loc["d"]
        formula = f"y ~ {' + '.join(COVARIATES)} | d ~ {' + '.join(names)}"
        own = partialled(frame, names, weights)
        fixest = pyfixest.feols(formula, data=own, vcov={"CRV1": groups.name}, weights=weights)
        fixest.first_stage()
        fixest.IV_Diag()
        found = {
            "2sls": (two_stage.params["d"], two_stage.std_errors["d"]),
            "pyfixest": (fixest.coef()["d"], fixest.se()["d"], fixest.pvalue()["d"]),
            "liml": (liml.params["d"], liml.std_errors["d"]),
            "kappa": liml.kappa,
            "partial_r2": first["partial.rsquared"],
            "first_stage_f": first["f.stat"] / n_instruments,
            "effective_f": fixest._eff_F,
            "wooldridge_regression": float(np.squeeze(two_stage.wooldridge_regression.stat)),
            "overidentification_p": gmm.j_stat.pval,
        }
        sys.stdout.write(f"    ({seed}, {n_instruments}, {weights!r}, {cluster!r}): {{\n")
        for name, value in found.items():
            shown = tuple(float(v) for v in value) if isinstance(value, tuple) else float(value)
            sys.stdout.write(f"        {name!r}: {shown},\n")
        sys.stdout.write("    },\n")


if __name__ == "__main__":
    main()
