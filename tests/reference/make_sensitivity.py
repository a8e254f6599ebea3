"""Numbers in test_causal_diagnostic_witnesses.py, from PySensemakr 0.0.8.

pip install PySensemakr==0.0.8 'pandas<3', then: python tests/reference/make_sensitivity.py
"""

# ruff: noqa: T201
from __future__ import annotations

import numpy as np
import pandas as pd


def rows(seed: int = 11, n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x0, x1, x2 = rng.standard_normal((3, n))
    d = 0.6 * x0 - 0.3 * x1 + rng.standard_normal(n)
    y = 0.35 * d + 0.8 * x0 + 0.2 * x2 + 1.5 * rng.standard_normal(n)
    return pd.DataFrame({"x0": x0, "x1": x1, "x2": x2, "d": d, "y": y})


def main() -> None:
    import sensemakr as smkr
    import statsmodels.formula.api as smf

    model = smf.ols("y ~ d + x0 + x1 + x2", rows()).fit()
    for q in (1.0, 0.5):
        found = smkr.Sensemakr(model, "d", q=q, alpha=0.05)
        print("q", q, {k: repr(float(v)) for k, v in found.sensitivity_stats.items() if k != "treatment"})
    columns = ["r2dz_x", "r2yz_dx", "adjusted_estimate", "adjusted_se", "adjusted_lower_CI", "adjusted_upper_CI"]
    for name, times in (("x0", [1]), ("x1", [1, 2, 3]), ("x2", [1, 3])):
        found = smkr.Sensemakr(model, "d", benchmark_covariates=name, kd=times)
        for row, k in zip(found.bounds[columns].to_numpy(dtype=float), times, strict=True):
            print(name, k, *(repr(float(value)) for value in row))
    for t, dof in ((4.18445, 783), (1.2, 30), (-60.0, 20)):
        rv = [smkr.robustness_value(t_statistic=t, dof=dof, q=1, alpha=a) for a in (1, 0.05)]
        print(t, dof, *[repr(float(np.squeeze(v))) for v in rv])


if __name__ == "__main__":
    main()
