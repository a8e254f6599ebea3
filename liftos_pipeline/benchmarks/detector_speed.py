"""Seconds of every detector on ten thousand campaigns of a year, and on a list of 1.4 million subscribers; of installed
peers on as many of them as they take.

Half of the campaigns have a budget step, fatigue and price regimes; the cost of a bootstrap depends on how many do.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pandas as pd

from liftos_pipeline.benchmarks.detect_regimes import regimes
from liftos_pipeline.benchmarks.detector_peers import Peer, installed
from liftos_pipeline.benchmarks.list_worlds import ListWorld
from liftos_pipeline.benchmarks.worlds import Noise, long_table
from liftos_pipeline.causal import detect

CAMPAIGNS, QUICK_CAMPAIGNS, N_DAYS = 10_000, 1_000, 365
SUBSCRIBERS, QUICK_SUBSCRIBERS = 1_400_000, 200_000
WARM_CAMPAIGNS = 40
_WARM_ROWS = 1_000
SEED = 65_000


@dataclass(frozen=True)
class DetectorSpeed:
    """One detector's call: units, rows and seconds, compilation excluded. ``peer``: library and what it does; "" for ours."""

    detector: str
    units: int
    rows: int
    seconds: float
    processor_s: float
    peer: str = ""

    @property
    def per_unit_ms(self) -> float:
        return 1e3 * self.processor_s / self.units


def measure(quick: bool = False) -> list[DetectorSpeed]:
    """Every detector that reads campaigns, then the list; after each the peers."""
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
    for name, own in calls.items():
        options = {"unit": "unit", "period": "day", **own}
        detect(name, warm, **options)  # type: ignore[arg-type]
        found.append(_timed(name, n, frame, options))
        few = {peer: frame[frame["unit"].isin(np.arange(min(peer.units, n)))] for peer in peers_of(name)}
        found += [_timed_peer(peer, min(peer.units, n), rows) for peer, rows in few.items()]
    people = QUICK_SUBSCRIBERS if quick else SUBSCRIBERS
    rows = ListWorld(joins=people // N_DAYS, n_days=N_DAYS).draw(1, np.random.default_rng(SEED))
    roles: dict[str, object] = {"unit": "list", "start": "start", "end": "end", "event": "left"}
    found.append(_timed("list_health", 1, rows, roles))
    return found + [_timed_peer(peer, 1, rows) for peer in peers_of("list_health")]


def peers_of(detector: str) -> list[Peer]:
    """Installed peers of one detector."""
    return [peer for peer in installed() if peer.detector == detector]


def _timed(name: str, units: int, frame: pd.DataFrame, options: dict[str, object]) -> DetectorSpeed:
    begun, own = time.perf_counter(), time.process_time()
    detect(name, frame, **options)  # type: ignore[arg-type]
    seconds = time.perf_counter() - begun
    return DetectorSpeed(name, units, len(frame), seconds, time.process_time() - own)


def _timed_peer(peer: Peer, units: int, frame: pd.DataFrame) -> DetectorSpeed:
    first = frame["unit"].eq(frame["unit"].iloc[0]) if "unit" in frame else np.arange(len(frame)) < _WARM_ROWS
    peer.run(frame[first])
    begun, own = time.perf_counter(), time.process_time()
    peer.run(frame)
    seconds = time.perf_counter() - begun
    told = f"{peer.library}: {peer.does}"
    return DetectorSpeed(peer.detector, units, len(frame), seconds, time.process_time() - own, told)


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
