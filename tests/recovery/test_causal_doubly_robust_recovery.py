"""Paths by period cover all their effects at once; effects of units are not released where all are alike.

Seeds are listed here and were chosen before any result was seen.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from liftos_pipeline.causal import Panel, estimate

SEEDS = range(5_000, 5_300)
LEVEL = 0.95
WIDTH = 3.5
EFFECTS = np.array([1.0, 0.5, 0.0, -0.5])
ROLES = {"outcome": "y", "treatment": "d", "unit": "unit", "period": "t", "covariates": ["x0", "x1"]}


def world(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    unit, t = np.repeat(np.arange(150), 4), np.tile(np.arange(4), 150)
    X = rng.standard_normal((600, 2))
    d = (rng.random(600) < 1 / (1 + np.exp(-0.6 * X[:, 0]))).astype(int)
    y = X @ [1.0, 0.5] + EFFECTS[t] * d + rng.standard_normal(150)[unit] + rng.standard_normal(600)
    return pd.DataFrame({"unit": unit, "t": t, "x0": X[:, 0], "x1": X[:, 1], "d": d, "y": y})


def test_bands_cover_every_period_at_once():
    inside, pointwise = [], []
    for seed in SEEDS:
        path = estimate("doubly_robust", Panel.from_frame(world(seed), **ROLES), by_period=True, seed=seed).path
        inside.append(bool(((path["band_low"] <= EFFECTS) & (path["band_high"] >= EFFECTS)).all()))
        pointwise.append(bool(((path["ci_low"] <= EFFECTS) & (path["ci_high"] >= EFFECTS)).all()))
    band = WIDTH * np.sqrt(LEVEL * (1 - LEVEL) / len(SEEDS))
    assert abs(np.mean(inside) - LEVEL) < band, f"coverage {np.mean(inside):.3f}, band {band:.3f}"
    assert np.mean(pointwise) < LEVEL - band


def test_equal_effects_are_rarely_released_as_different():
    """The test of calibration has its level: one minus that of the intervals."""
    released = []
    for seed in SEEDS:
        frame = world(seed)
        frame = frame[frame["t"] == 0]
        found = estimate("doubly_robust", Panel.from_frame(frame, **ROLES), effects="unit", seed=seed)
        released.append(found.unit_effects is not None)
    limit = (1 - LEVEL) + WIDTH * np.sqrt(LEVEL * (1 - LEVEL) / len(SEEDS))
    assert np.mean(released) < limit, f"released {np.mean(released):.3f}, limit {limit:.3f}"
