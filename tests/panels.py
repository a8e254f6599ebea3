"""Made-up panels for tests of panel methods: units with effects of their own, shared periods, correlated noise."""

from __future__ import annotations

import numpy as np
import pandas as pd

NEVER = 10**6


def adoption_panel(
    seed: int,
    n_units: int = 30,
    n_periods: int = 12,
    starts: tuple[int, ...] = (6, NEVER),
    effect: float = 0.5,
    n_covariates: int = 2,
    missing: float = 0.0,
) -> pd.DataFrame:
    """Units adopt at the starts in turn; outcome = effects + covariates + effect * treated + AR(1) noise.

    Columns: unit, t, d, y, x0, ..., w (weights), region (clusters of five units).
    """
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(n_units), n_periods)
    t = np.tile(np.arange(n_periods), n_units)
    start = np.array(starts)[np.arange(n_units) % len(starts)]
    noise = rng.normal(size=(n_units, n_periods))
    for period in range(1, n_periods):
        noise[:, period] += 0.5 * noise[:, period - 1]
    X = rng.normal(size=(n_units * n_periods, n_covariates)) + 0.1 * t[:, None]
    d = (t >= start[unit]).astype(int)
    y = 3.0 + rng.normal(size=n_units)[unit] + np.sin(t) + X.sum(axis=1) * 0.3 + effect * d + noise.ravel()
    frame = pd.DataFrame({"unit": unit, "t": t, "d": d, "y": y})
    for number in range(n_covariates):
        frame[f"x{number}"] = X[:, number]
    frame["w"] = rng.uniform(0.5, 2.0, len(frame))
    frame["region"] = frame["unit"] // 5
    if missing:
        frame = frame[rng.random(len(frame)) >= missing].reset_index(drop=True)
    return frame
