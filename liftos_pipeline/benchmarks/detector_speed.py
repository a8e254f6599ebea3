"""Seconds of every detector on ten thousand campaigns of a year, and on a list of 1.4 million subscribers.

Half of the campaigns have a budget step, fatigue and price regimes; the cost of a bootstrap depends on how many do.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pandas as pd

from liftos_pipeline.benchmarks.detect_regimes import regimes
from liftos_pipeline.benchmarks.list_worlds import ListWorld
from liftos_pipeline.benchmarks.worlds import Noise, long_table
from liftos_pipeline.causal import detect

CAMPAIGNS, QUICK_CAMPAIGNS, N_DAYS = 10_000, 1_000, 365
SUBSCRIBERS, QUICK_SUBSCRIBERS = 1_400_000, 200_000
WARM_CAMPAIGNS = 40
SEED = 65_000


@dataclass(frozen=True)
class DetectorSpeed:
    """One detector's call: units, rows and seconds, compilation excluded."""

    detector: str
    units: int
    rows: int
    seconds: float
    processor_s: float


def measure(quick: bool = False) -> list[DetectorSpeed]:
    """Every detector that reads campaigns, then the list, then the candidates."""
    n = QUICK_CAMPAIGNS if quick else CAMPAIGNS
    warm, frame = campaigns(WARM_CAMPAIGNS), campaigns(n)
    calls: dict[str, dict[str, object]] = {
        "budget_change": {"value": "spend"},
        "audience_fatigue": {"value": "ctr", "frequency": "frequency", "impressions": "impressions"},
        "quality_score_regime": {"value": "cpc"},
        "seasonality": {"value": "spend"},
        "market_shock": {"cpm": "spend", "cpc": "cpc"},
        "confounder_score": {
            "treatment": "d",
            "outcome": "outcome",
            "candidates": ["quality", "ctr", "frequency"],
        },
    }
    found = []
    for name, options in calls.items():
        detect(name, warm, unit="unit", period="day", **options)  # type: ignore[arg-type]
        found.append(_timed(name, n, frame, options))
    people = QUICK_SUBSCRIBERS if quick else SUBSCRIBERS
    rows = ListWorld(joins=people // N_DAYS, n_days=N_DAYS).draw(1, np.random.default_rng(SEED))
    begun, own = time.perf_counter(), time.process_time()
    detect("list_health", rows, unit="list", start="start", end="end", event="left")
    seconds = time.perf_counter() - begun
    found.append(DetectorSpeed("list_health", 1, len(rows), seconds, time.process_time() - own))
    return found


def _timed(name: str, units: int, frame: pd.DataFrame, options: dict[str, object]) -> DetectorSpeed:
    begun, own = time.perf_counter(), time.process_time()
    detect(name, frame, unit="unit", period="day", **options)  # type: ignore[arg-type]
    seconds = time.perf_counter() - begun
    return DetectorSpeed(name, units, len(frame), seconds, time.process_time() - own)


def campaigns(n: int) -> pd.DataFrame:
    """Rows unit, day, spend, impressions, ctr, frequency, cpc, quality, outcome, d."""
    rng = np.random.default_rng(SEED)
    day = np.arange(N_DAYS)
    has = (np.arange(n) % 2 == 0)[:, None]
    start = rng.integers(60, 300, (n, 1))
    spend = np.exp(4.0 + Noise(0.5).draw(n, N_DAYS, 0.12, rng) + 0.4 * has * (day >= start))
    age = (day + rng.integers(0, 60, (n, 1))) % 60
    frequency = 1.0 + 4.0 * (1.0 - np.exp(-age / 25.0)) + 0.05 * rng.standard_normal((n, N_DAYS)) ** 2
    impressions = np.full((n, N_DAYS), 20_000.0)
    log_rate = Noise(0.5).draw(n, N_DAYS, 0.08, rng) - 0.1 * has * frequency
    clicks = rng.poisson(0.012 * np.exp(log_rate) * impressions)
    cpc = np.exp(Noise(0.5).draw(n, N_DAYS, 0.12, rng) - 0.3 * has * regimes(n, N_DAYS, rng))
    quality = np.repeat(rng.standard_normal((n, 1)), N_DAYS, axis=1)
    adopts = np.cumsum(rng.random((n, N_DAYS)) < 0.001 * np.exp(0.5 * quality), axis=1) > 0
    return long_table(
        {
            "spend": spend,
            "impressions": impressions,
            "ctr": clicks / impressions,
            "frequency": frequency,
            "cpc": cpc,
            "quality": quality,
            "outcome": 5.0 + quality + Noise(0.5).draw(n, N_DAYS, 1.0, rng),
            "d": adopts.astype(float),
        }
    )
