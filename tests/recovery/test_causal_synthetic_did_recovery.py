"""Synthetic DiD covers where assignment is random among units with trends of their own; where the trends select the
treated it removes most of the bias of difference-in-differences, not all: its weights are regularised, and treated units
at the edge of the donors have nobody beyond them.

Seeds are listed here and were chosen before any result was seen.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import Panel, estimate

SEEDS = range(7_000, 7_200)
LEVEL = 0.95
WIDTH = 3.5
EFFECT = 1.0


def world(seed: int, n_treated: int, selection: float) -> Panel:
    """Forty units with two factors; ``selection`` makes those with a larger loading on the first, a trend, more often
    treated."""
    rng = np.random.default_rng(seed)
    trend = np.stack([np.arange(30) / 10, rng.standard_normal(30).cumsum() * 0.3])
    loadings = rng.standard_normal((2, 40))
    y = 3 * rng.standard_normal(40) + trend.T @ loadings + 0.5 * rng.standard_normal((30, 40))
    likely = np.exp(selection * loadings[0])
    treated = rng.choice(40, n_treated, replace=False, p=likely / likely.sum())
    week, unit = np.repeat(np.arange(30), 40), np.tile(np.arange(40), 30)
    d = (np.isin(unit, treated) & (week >= 22)).astype(int)
    frame = pd.DataFrame({"week": week, "unit": unit, "d": d, "y": y.ravel() + EFFECT * d})
    return Panel.from_frame(frame, outcome="y", treatment="d", unit="unit", period="week")


@pytest.mark.parametrize(("n_treated", "inference"), [(1, "placebo"), (5, "placebo"), (10, "jackknife")])
def test_intervals_cover_where_assignment_is_random(n_treated, inference):
    errors, covered = [], []
    for seed in SEEDS:
        panel = world(seed, n_treated, 0.0)
        found = estimate("synthetic_did", panel, level=LEVEL, inference=inference, seed=seed, draws=60)
        errors.append(found.estimate - EFFECT)
        covered.append(bool(found.ci_low <= EFFECT <= found.ci_high))
    mc_error = np.std(errors, ddof=1) / np.sqrt(len(SEEDS))
    band = WIDTH * np.sqrt(LEVEL * (1 - LEVEL) / len(SEEDS))
    assert abs(np.mean(errors)) < WIDTH * mc_error, f"bias {np.mean(errors):.4f}, Monte-Carlo error {mc_error:.4f}"
    assert abs(np.mean(covered) - LEVEL) < band, f"coverage {np.mean(covered):.3f}, band {band:.3f}"


@pytest.mark.parametrize("n_treated", [1, 5, 10])
def test_most_of_the_bias_of_selected_trends_is_gone(n_treated):
    ours, plain = [], []
    for seed in SEEDS:
        panel = world(seed, n_treated, 0.5)
        ours.append(estimate("synthetic_did", panel, inference="jackknife").estimate - EFFECT)
        plain.append(estimate("did", panel).estimate - EFFECT)
    assert np.mean(plain) > WIDTH * np.std(plain, ddof=1) / np.sqrt(len(SEEDS))
    assert abs(np.mean(ours)) < 0.25 * np.mean(plain)
