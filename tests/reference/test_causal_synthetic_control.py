"""California's tobacco programme: weights of an outside solver, and what the literature found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import Panel, estimate
from liftos_pipeline.causal.estimators.donor_panel import donor_panel
from liftos_pipeline.causal.estimators.predictors import WeightedPredictors, predictor_table, search_weights
from liftos_pipeline.causal.kernels.simplex import nearest_points
from tests.reference.shipped import texas

HERE = Path(__file__).parent
WITNESS = json.loads((HERE / "synthetic_control.json").read_text())
SOLVER = 1e-5
"""Weights of a solver that needs a ridge of 1e-9 beside our exact ones."""


def sales() -> pd.DataFrame:
    table = pd.read_csv(HERE / "data" / "california_prop99.csv.gz", index_col="Year")
    return table.reset_index().melt("Year", var_name="state", value_name="sales")


def panel_of(state: str) -> Panel:
    frame = sales()
    if state != "California":
        frame = frame[frame["state"] != "California"]
    frame = frame.assign(d=((frame["state"] == state) & (frame["Year"] >= 1989)).astype(int))
    return Panel.from_frame(frame, outcome="sales", treatment="d", unit="state", period="Year")


@pytest.mark.parametrize("state", ["California", "Utah", "Nevada"])
def test_weights_are_those_of_quadprog(state):
    found = estimate("synthetic_control", panel_of(state))
    weights = found.weights.set_index("unit")["weight"]
    for name, weight in WITNESS[state]["weights"].items():
        assert weights[name] == pytest.approx(weight, abs=SOLVER)
    assert np.count_nonzero(weights > SOLVER) == len(WITNESS[state]["weights"])
    assert found.diagnostics["objective"][0] == pytest.approx(WITNESS[state]["objective"], rel=1e-8)
    assert found.diagnostics["objective"][0] <= WITNESS[state]["objective"] * (1 + 1e-9)
    assert found.estimate == pytest.approx(WITNESS[state]["effect"], abs=1e-3)


def test_californias_effect_is_the_published_one():
    """Arkhangelsky et al. (2021), American Economic Review 111(12), table 1: synthetic control -19.6 packs a head.

    Theirs has a ridge of a millionth of the noise; the figure is given to one decimal.
    """
    found = estimate("synthetic_control", panel_of("California"))
    assert found.estimate == pytest.approx(-19.6, abs=0.15)
    assert found.p_value == pytest.approx(3 / 39)


def test_synthetic_did_is_quadprogs_and_the_published_one():
    """Table 1 of the same paper: synthetic DiD -15.6, difference-in-differences -27.3.

    Its authors' program, which stops its search early, gives -15.604; two-way fixed effects give -27.349.
    """
    panel = panel_of("California")
    found = estimate("synthetic_did", panel)
    assert found.estimate == pytest.approx(WITNESS["synthetic_did"]["effect"], abs=1e-6)
    assert found.estimate == pytest.approx(-15.604, abs=2e-3)
    assert estimate("did", panel).estimate == pytest.approx(-27.349, abs=5e-4)


@pytest.mark.parametrize(("penalty", "effect"), [(100.0, -14.34338400), (1000.0, -16.75586030)])
def test_augmented_control_is_pysyncons(penalty, effect):
    """pysyncon 1.7.0, AugSynth without covariates; its simplex weights come from SLSQP with ftol 1e-12."""
    found = estimate("augmented_synthetic_control", panel_of("California"), penalty=penalty)
    assert found.estimate == pytest.approx(effect, abs=1e-4)


def test_the_augmented_penalty_is_pysyncons():
    found = estimate("augmented_synthetic_control", panel_of("California"))
    assert found.diagnostics["penalty"] == pytest.approx(429.837582813449, rel=1e-9)
    assert found.estimate == pytest.approx(-15.95260035, abs=1e-4)


EVERY_YEAR = [
    *(("bmprison", year) for year in (1990, 1992, 1991, 1988)),
    ("alcohol", 1990),
    *(("aidscapita", year) for year in (1990, 1991)),
    *((name, (1985, 1992)) for name in ("income", "ur", "poverty")),
    *(("black", year) for year in (1990, 1991, 1992)),
    ("perc1519", 1990),
]
"""Predictors of the Stata program of Cunningham (2021), Causal Inference: The Mixtape, section 10.2."""
MEANS = [
    ("poverty", (1985, 1993)),
    ("income", (1985, 1993)),
    ("earlier", 1990),
    ("alcohol", 1990),
    ("aidscapita", (1990, 1991)),
    ("black", (1990, 1992)),
    ("perc1519", 1990),
]
"""Predictors of its R program."""


def searched(predictors: list[tuple[str, Any]]) -> tuple[WeightedPredictors, dict[str, float], float]:
    """Predictor weights for Texas, its donors' weights above a hundredth, and the error of the best weights of all."""
    covariates = ["alcohol", "aidscapita", "income", "ur", "poverty", "black", "perc1519", "earlier"]
    roles = {"outcome": "bmprison", "treatment": "d", "unit": "state", "period": "year"}
    panel = Panel.from_frame(texas(), **roles, covariates=covariates)
    units = donor_panel(panel, "synthetic_control", uses_covariates=True)
    X = predictor_table(panel, units, predictors, 0, 9).scaled()
    found = search_weights(X, units.Y[:9], 0, units.donors, np.random.default_rng(0))
    fit = nearest_points(np.sqrt(found.weights)[:, None] * X, [0], [units.donors])[0]
    used = {str(units.labels[k]): float(w) for k, w in zip(fit.members, fit.weights, strict=True) if w > 0.01}
    return found, used, nearest_points(units.Y[:9], [0], [units.donors])[0].objective / 9


def test_predictor_weights_reach_the_bound_that_no_weights_can_pass():
    """With fourteen predictors the search for their weights ends at the best weights for the outcome itself."""
    found, used, bound = searched(EVERY_YEAR)
    assert found.loss == pytest.approx(bound, rel=1e-6)
    assert found.loss == pytest.approx(703_590, rel=1e-5)
    assert used == pytest.approx({"Florida": 0.3753, "Illinois": 0.2609, "New York": 0.3638}, abs=1e-3)


def test_predictor_weights_beat_a_local_optimum():
    """R's Synth, from two starts of its own, ends with these predictors and donors at 2,015,107."""
    found, used, bound = searched(MEANS)
    assert bound < found.loss < 1_968_170
    assert used == pytest.approx({"California": 0.339, "Florida": 0.3075, "Louisiana": 0.3536}, abs=2e-3)
