"""Two-way fixed effects against least squares on all dummies, and against the numbers of pyfixest."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from liftos_pipeline.causal import Panel, estimate
from tests.panels import adoption_panel

EXACT = 1e-9
STORED = json.loads((Path(__file__).parent / "did.json").read_text())


def did(frame: pd.DataFrame, covariates: tuple[str, ...] = ("x0", "x1"), **roles: str):
    panel = Panel.from_frame(
        frame, outcome="y", treatment="d", unit="unit", period="t", covariates=covariates, **roles
    )
    return estimate("did", panel)


def with_dummies(frame: pd.DataFrame, weight: str | None, cluster: str):
    """Coefficient and clustered standard error without any factor for parameters, and the number of dummies."""
    dummies = pd.get_dummies(frame[["unit", "t"]].astype(str), drop_first=True, dtype=float)
    design = sm.add_constant(pd.concat([frame[["d", "x0", "x1"]], dummies], axis=1))
    weights = np.ones(len(frame)) if weight is None else frame[weight]
    fit = sm.WLS(frame["y"], design, weights=weights).fit(
        cov_type="cluster", cov_kwds={"groups": frame[cluster], "use_correction": False}
    )
    return float(fit.params["d"]), float(fit.bse["d"])


@pytest.mark.parametrize("missing", [0.0, 0.3], ids=["balanced", "unbalanced"])
@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("cluster", ["unit", "region", "t"])
def test_did_is_least_squares_with_dummies(missing: float, weight: str | None, cluster: str) -> None:
    frame = adoption_panel(3, missing=missing)
    ours = did(frame, weights=weight, cluster=cluster)
    coefficient, plain = with_dummies(frame, weight, cluster)
    n, n_clusters = len(frame), frame[cluster].nunique()
    counted = 3 + (frame["unit"].nunique() if cluster == "t" else frame["t"].nunique())
    factor = n_clusters / (n_clusters - 1) * (n - 1) / (n - counted)
    assert ours.estimate == pytest.approx(coefficient, rel=EXACT)
    assert ours.std_error == pytest.approx(plain * np.sqrt(factor), rel=EXACT)
    assert (ours.n_rows, ours.n_clusters) == (n, n_clusters)


def test_clusters_that_cut_through_units_and_periods() -> None:
    frame = adoption_panel(4, missing=0.2)
    frame["cut"] = (frame["unit"] + frame["t"] // 4) % 9
    ours = did(frame, cluster="cut")
    coefficient, plain = with_dummies(frame, None, "cut")
    counted = 3 + frame["unit"].nunique() + frame["t"].nunique() - 1
    n = len(frame)
    assert ours.estimate == pytest.approx(coefficient, rel=EXACT)
    assert ours.std_error == pytest.approx(plain * np.sqrt(9 / 8 * (n - 1) / (n - counted)), rel=EXACT)


@pytest.mark.parametrize("case", STORED, ids=lambda case: case["name"])
def test_did_is_pyfixest(case: dict) -> None:
    frame = adoption_panel(**case["panel"] | {"starts": tuple(case["panel"]["starts"])})
    ours = did(frame, weights=case["weights"])
    assert ours.estimate == pytest.approx(case["coefficient"], rel=1e-10)
    assert ours.std_error == pytest.approx(case["std_error"], rel=1e-10)
