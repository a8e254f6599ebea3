"""CR3 and the wild bootstrap of did against refits on all dummies, pyfixest (CRV3) and wildboottest (WCR11)."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import Panel, estimate
from tests.panels import NEVER, adoption_panel

EXACT = 1e-9
"""The same least squares in another order of operations."""
STORED = json.loads((Path(__file__).parent / "did_few_clusters.json").read_text())


def did(
    frame: pd.DataFrame, inference: str, weights: str | None = None, covariates: tuple[str, ...] = ("x0", "x1")
):
    roles = {"outcome": "y", "treatment": "d", "unit": "unit", "period": "t", "cluster": "region"}
    return estimate(
        "did", Panel.from_frame(frame, **roles, covariates=covariates, weights=weights), inference=inference
    )


def with_indicators(frame: pd.DataFrame, weights: str | None, covariates: tuple[str, ...]):
    """Design with an indicator of every unit and period, and outcome, times the root of the weights; the clusters."""
    indicators = [pd.get_dummies(frame[name].astype(str), dtype=float).to_numpy() for name in ("unit", "t")]
    design = np.column_stack([frame[["d", *covariates]].to_numpy(float), *indicators])
    root = np.ones(len(frame)) if weights is None else np.sqrt(frame[weights].to_numpy())
    return design * root[:, None], frame["y"].to_numpy() * root, frame["region"].to_numpy()


def lone_period(frame: pd.DataFrame) -> pd.DataFrame:
    """Only region 2 is seen in the last period, only regions 0 and 1 in the first."""
    keep = (frame["t"] < frame["t"].max()) | (frame["region"] == 2)
    return frame[keep & ((frame["t"] > 0) | (frame["region"] < 2))]


@pytest.mark.parametrize("shape", ["balanced", "unbalanced", "lone_period"])
@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("covariates", [(), ("x0", "x1")], ids=["plain", "covariates"])
def test_cr3_is_one_refit_per_cluster(shape: str, weights: str | None, covariates: tuple[str, ...]) -> None:
    frame = adoption_panel(40, missing=0.2 * (shape == "unbalanced"), starts=(5, 8, NEVER))
    frame = lone_period(frame) if shape == "lone_period" else frame
    ours = did(frame, "cr3", weights, covariates)
    X, y, g = with_indicators(frame, weights, covariates)
    without = np.array([np.linalg.lstsq(X[g != i], y[g != i], rcond=None)[0][0] for i in np.unique(g)])
    estimate_ = np.linalg.lstsq(X, y, rcond=None)[0][0]
    assert ours.estimate == pytest.approx(estimate_, rel=EXACT)
    assert ours.std_error == pytest.approx(np.sqrt(5 / 6 * np.sum((without - estimate_) ** 2)), rel=EXACT)
    # t(5) quantile at .975: 2.5705818.
    assert ours.ci_high - ours.ci_low == pytest.approx(2 * 2.570581836 * ours.std_error, rel=EXACT)


@pytest.mark.parametrize("shape", ["balanced", "unbalanced"])
@pytest.mark.parametrize("weights", [None, "w"])
def test_wild_bootstrap_is_one_regression_per_draw(shape: str, weights: str | None) -> None:
    frame = adoption_panel(44, n_units=50, n_periods=8, missing=0.2 * (shape == "unbalanced"), starts=(4, NEVER))
    ours = did(frame, "wild_bootstrap", weights)
    X, y, g = with_indicators(frame, weights, ("x0", "x1"))
    patterns = np.array(list(itertools.product((-1.0, 1.0), repeat=10)))
    others = X[:, 1:]
    restricted = others @ np.linalg.lstsq(others, y, rcond=None)[0]
    outcomes = np.column_stack([y, restricted[:, None] + patterns.T[g] * (y - restricted)[:, None]])
    left = outcomes - X @ np.linalg.lstsq(X, outcomes, rcond=None)[0]
    own = X[:, 0] - others @ np.linalg.lstsq(others, X[:, 0], rcond=None)[0]
    scores = np.array([own[g == i] @ left[g == i] for i in range(10)])
    statistics = np.abs(own @ outcomes) / np.sqrt(np.sum(scores**2, axis=0))
    assert ours.diagnostics["enumerated"]
    assert ours.p_value == np.mean(statistics[1:] >= statistics[0] * (1 - 1e-9))
    assert ours.std_error == pytest.approx(did(frame, "cluster", weights).std_error, rel=EXACT)


@pytest.mark.parametrize("case", STORED, ids=lambda case: case["name"])
def test_cr3_is_pyfixests(case: dict) -> None:
    """pyfixest leaves out the factor (G - 1) / G of the jackknife variance."""
    frame = adoption_panel(**case["panel"] | {"starts": tuple(case["panel"]["starts"])})
    ours = did(frame, "cr3", case["weights"])
    share = (ours.n_clusters - 1) / ours.n_clusters
    assert ours.estimate == pytest.approx(case["coefficient"], rel=1e-10)
    assert ours.std_error == pytest.approx(np.sqrt(share) * case["std_error"], rel=1e-10)


@pytest.mark.parametrize(
    "case", [case for case in STORED if "rademacher_p" in case], ids=lambda case: case["name"]
)
def test_bootstrap_is_wildboottests(case: dict) -> None:
    """The two patterns that repeat the sample count here, and by rounding count or not there."""
    frame = adoption_panel(**case["panel"] | {"starts": tuple(case["panel"]["starts"])})
    n_ties = 2**12 * (did(frame, "wild_bootstrap").p_value - case["rademacher_p"])
    assert n_ties == pytest.approx(round(n_ties), abs=1e-9)
    assert 0 <= round(n_ties) <= 2
