"""Worlds for ``audience_fatigue``: click-through rates that decay in frequency, or only seem to.

Frequency: F = .95 F of yesterday + .1 exp(pacing + week), times .2 at a refresh; pacing AR(.2 to .7), sd .12. Clicks are
Poisson with mean impressions x .012 x exp(-b F + trend + noise of .08 log points + own level of each creative).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.benchmarks.operating_points import Cell, Sense, proportion
from liftos_pipeline.benchmarks.worlds import NULLS, Noise, long_table
from liftos_pipeline.causal.confounders.audience_fatigue import audience_fatigue

Floats = NDArray[np.float64]

DETECTOR = "audience_fatigue"
SEED = 43_000
"""Cell k of the list below draws from the seed SEED + k."""
NOISE_SD = 0.08
IMPRESSIONS = 20_000.0
RATE = 0.012
COMMON_TREND = -0.0015
OWN_TREND_SD = 0.001
EDGE = 20
"""Days at either end without a refresh."""


@dataclass(frozen=True)
class Campaigns:
    """One world. ``level_sd``: of creatives' own levels, in log points; ``names_refreshes``: whether the detector is told."""

    noise: Noise
    decay: float = 0.0
    n_days: int = 120
    refreshes: int = 0
    level_sd: float = 0.0
    names_refreshes: bool = False
    trend: float = 0.0
    own_trend_sd: float = 0.0

    def draw(self, n_units: int, rng: np.random.Generator) -> pd.DataFrame:
        """Rows: unit, day, ctr, frequency, impressions, refresh."""
        shape = (n_units, self.n_days)
        refresh = np.zeros(shape)
        days = np.argsort(rng.random((n_units, self.n_days - 2 * EDGE)), axis=1)[:, : self.refreshes] + EDGE
        np.put_along_axis(refresh, days, 1.0, axis=1)
        frequency, relative = _frequency(refresh, rng)
        impressions = np.round(IMPRESSIONS * relative)
        levels = np.take_along_axis(
            rng.normal(0.0, self.level_sd, (n_units, self.refreshes + 1)),
            refresh.cumsum(axis=1).astype(int),
            axis=1,
        )
        slope = self.trend + rng.normal(0.0, self.own_trend_sd, (n_units, 1))
        log_rate = slope * np.arange(self.n_days) - self.decay * frequency + levels
        log_rate = log_rate + self.noise.draw(n_units, self.n_days, NOISE_SD, rng)
        clicks = rng.poisson(np.minimum(RATE * np.exp(log_rate), 1.0) * impressions)
        columns = {
            "ctr": np.minimum(clicks, impressions) / impressions,
            "frequency": 1.0 + frequency,
            "impressions": impressions,
            "refresh": refresh,
        }
        return long_table(columns)

    def detect(self, n_units: int, seed: int) -> pd.DataFrame:
        """The detector's table."""
        rows = self.draw(n_units, np.random.default_rng(seed))
        found = audience_fatigue(
            rows,
            unit="unit",
            period="day",
            value="ctr",
            frequency="frequency",
            impressions="impressions",
            refresh="refresh" if self.names_refreshes else None,
        )
        return found.table


def _frequency(refresh: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Impressions per person and relative impressions of each day, shape of ``refresh``."""
    n_units, n_days = refresh.shape
    rho = rng.uniform(0.2, 0.7, n_units)
    pacing = rng.normal(0.0, 0.12, n_units)
    week = 0.12 * np.sin(2.0 * np.pi * np.arange(n_days) / 7.0)
    frequency, relative, level = np.empty((n_units, n_days)), np.empty((n_units, n_days)), np.zeros(n_units)
    for day in range(n_days):
        relative[:, day] = np.exp(pacing + week[day])
        level = np.where(refresh[:, day] == 1.0, 0.2, 1.0) * level
        level = 0.95 * level + 0.1 * relative[:, day]
        frequency[:, day] = level
        pacing = rho * pacing + np.sqrt(1.0 - rho**2) * rng.normal(0.0, 0.12, n_units)
    return frequency, relative


_NULLS = {name: (Campaigns(noise), limit) for name, (noise, limit) in NULLS.items()} | {
    "AR(.5), common trend": (Campaigns(Noise(0.5), trend=COMMON_TREND), 0.05),
    "AR(.5), own trends": (Campaigns(Noise(0.5), own_trend_sd=OWN_TREND_SD), 0.05),
}
_DESIGNS: dict[str, dict[str, Any]] = {
    "no refresh": {},
    "2 refreshes": {"refreshes": 2},
    "2 named refreshes, levels .2": {"refreshes": 2, "level_sd": 0.2, "names_refreshes": True},
}
_POWER = {
    "2 refreshes, AR(.5)": (Campaigns(Noise(0.5), 0.1, refreshes=2), 0.8),
    "2 refreshes, AR(.7)": (Campaigns(Noise(0.7), 0.1, refreshes=2), 0.8),
    "no refresh, AR(.5)": (Campaigns(Noise(0.5), 0.1), np.nan),
    "no refresh, AR(.5), b = .2": (Campaigns(Noise(0.5), 0.2), np.nan),
    **{
        f"{days} days, {count} named refreshes, levels .2, AR(.5)": (
            Campaigns(Noise(0.5), 0.1, days, count, 0.2, True),
            0.8 if count == 2 else np.nan,
        )
        for days, count in ((120, 2), (365, 4), (365, 12))
    },
}


def cells(draws: int) -> Iterator[Cell]:
    """False positives in every null and design, over all campaigns and over those identified; then power at b = .1."""
    seeds = iter(range(SEED, SEED + 1_000))
    for design, changes in _DESIGNS.items():
        for name, (null, limit) in _NULLS.items():
            table = dataclasses.replace(null, **changes).detect(draws, next(seeds))
            yield from _rates(f"{name}, {design}", "at most", limit, table)
    for name, (world, asked) in _POWER.items():
        table = world.detect(draws, next(seeds))
        yield from _rates(f"{name}, power", "shown" if np.isnan(asked) else "at least", asked, table)


def _rates(name: str, sense: Sense, asked: float, table: pd.DataFrame) -> Iterator[Cell]:
    detected = int((table["status"] == "detected").sum())
    identified = int(table["status"].isin(("detected", "not_detected")).sum())
    yield proportion(DETECTOR, name, sense, asked, detected, len(table))
    yield proportion(DETECTOR, f"{name}, of identified", "shown", np.nan, detected, identified)
