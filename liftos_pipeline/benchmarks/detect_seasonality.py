"""Worlds for ``seasonality``: series without any week, with level shifts and trends, and with one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.benchmarks.operating_points import Cell, Sense, proportion
from liftos_pipeline.benchmarks.worlds import NULLS, Noise, long_table
from liftos_pipeline.causal import detect

Floats = NDArray[np.float64]

DETECTOR = "seasonality"
SEED = 63_000
"""Cell k of the list below draws from the seed SEED + k."""
N_DAYS = 365
WEEK = np.array([1.0, 0.5, 0.0, 0.0, -0.3, -0.8, -0.4])


def cells(draws: int) -> Iterator[Cell]:
    """False positives without a week, power with one of a third and of half a standard deviation."""
    seeds = iter(range(SEED, SEED + 1_000))
    nulls = {name: cell for name, cell in NULLS.items() if not cell[0].weekly}
    day = np.arange(N_DAYS)
    for name, (noise, limit) in nulls.items():
        yield _cell(f"{name}, no week", "at most", limit, noise.draw(draws, N_DAYS, 1.0, _rng(seeds)))
    shifted = Noise(0.5).draw(draws, N_DAYS, 1.0, _rng(seeds)) + 3.0 * (day >= 150)
    yield _cell("AR(.5), a level shift of 3 sd", "at most", 0.05, shifted)
    wandering = np.cumsum(_rng(seeds).standard_normal((draws, N_DAYS)), axis=1)
    yield _cell("random walk", "at most", 0.05, wandering)
    week = (WEEK - WEEK.mean()) / WEEK.std()
    for size in (1 / 3, 0.5):
        for rho in (0.0, 0.5):
            series = Noise(rho).draw(draws, N_DAYS, 1.0, _rng(seeds)) + size * week[day % 7]
            sense: Sense = "at least" if size == 0.5 else "shown"
            yield _cell(f"AR({rho:g}), a week of {size:.2f} sd", sense, 0.95 if size == 0.5 else np.nan, series)


def _rng(seeds: Iterator[int]) -> np.random.Generator:
    return np.random.default_rng(next(seeds))


def _cell(name: str, sense: Sense, asked: float, series: Floats) -> Cell:
    found = detect(DETECTOR, long_table({"value": series}), unit="unit", period="day", value="value").table
    detected = int((found["status"] == "detected").sum())
    return proportion(DETECTOR, name, sense, asked, detected, len(series))
