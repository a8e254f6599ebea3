"""Planted effects under two-way effects: bias within its Monte-Carlo error, coverage inside its binomial band, also with
noise that is correlated over time; and what staggered adoption does to the estimate.

Seeds are listed here and were chosen before any result was seen.
"""

from __future__ import annotations

import numpy as np
import pytest

from liftos_pipeline.causal import Panel, estimate
from tests.panels import NEVER, adoption_panel

SEEDS = range(2_000, 2_400)
LEVEL = 0.95
WIDTH = 3.5
EFFECT = 0.5


def fit(frame, covariates=()):
    panel = Panel.from_frame(frame, outcome="y", treatment="d", unit="unit", period="t", covariates=covariates)
    return estimate("did", panel, level=LEVEL)


@pytest.mark.parametrize(
    ("effect", "missing"), [(EFFECT, 0.0), (EFFECT, 0.25), (0.0, 0.0)], ids=["effect", "unbalanced", "null"]
)
def test_one_adoption_date_is_recovered(effect: float, missing: float) -> None:
    errors, covered = [], []
    for seed in SEEDS:
        found = fit(adoption_panel(seed, n_units=60, effect=effect, missing=missing), ["x0", "x1"])
        errors.append(found.estimate - effect)
        covered.append(found.ci_low <= effect <= found.ci_high)
        assert found.warnings == ()
    mc_error = np.std(errors, ddof=1) / np.sqrt(len(SEEDS))
    assert abs(np.mean(errors)) < WIDTH * mc_error
    assert abs(np.mean(covered) - LEVEL) < WIDTH * np.sqrt(LEVEL * (1 - LEVEL) / len(SEEDS))


def test_growing_effects_of_staggered_adoption_are_missed_with_a_warning() -> None:
    """Effect 0.3 per period since adoption: the mean over treated rows is far from the coefficient, and it says so."""
    errors = []
    for seed in SEEDS[:60]:
        frame = adoption_panel(seed, n_units=60, starts=(3, 5, 7), effect=0.0)
        first = frame[frame["d"] == 1].groupby("unit")["t"].transform("min")
        frame["grown"] = (0.3 * (frame["t"] - first + 1)).fillna(0.0)
        found = fit(frame.assign(y=frame["y"] + frame["grown"]))
        errors.append(found.estimate - frame.loc[frame["d"] == 1, "grown"].mean())
        assert any("use staggered_did" in warning for warning in found.warnings)
        assert found.diagnostics["bacon_weights"]["later_against_earlier"] > 0.2
    assert np.mean(errors) < -0.5


def test_never_is_beyond_every_period() -> None:
    assert adoption_panel(1, starts=(NEVER,))["d"].sum() == 0
