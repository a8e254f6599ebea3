"""How long a certificate takes: every method with default options, replayed on a panel of 50 units and 200 days."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from liftos_pipeline.causal import Panel, certify

N_UNITS, N_TREATED, N_DAYS, START = 50, 5, 200, 150
N_REPLAYS, N_REPLAYS_QUICK = 500, 50
WORKERS = 2
_DECAY, _LEVEL, _SPREAD = 0.5, 100.0, 5.0


@dataclass(frozen=True)
class CertificateTimes:
    """``seconds`` from the Parquet file to the table; ``judged``: methods with a verdict, of ``methods``."""

    units: int
    days: int
    replays: int
    workers: int
    methods: int
    judged: int
    seconds: float


def panel_rows(seed: int = 1) -> pd.DataFrame:
    """Units with levels of their own, autocorrelated noise and a shared shock; five adopt on day 150, without effect."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(N_UNITS + 1, N_DAYS)) * np.sqrt(1 - _DECAY**2)
    noise[:, 0] /= np.sqrt(1 - _DECAY**2)
    for day in range(1, N_DAYS):
        noise[:, day] += _DECAY * noise[:, day - 1]
    y = _LEVEL + 10.0 * rng.normal(size=(N_UNITS, 1)) + _SPREAD * (noise[1:] + noise[0])
    d = np.zeros((N_UNITS, N_DAYS), dtype=np.int64)
    d[rng.choice(N_UNITS, N_TREATED, replace=False), START:] = 1
    keys = {"unit": np.repeat(np.arange(N_UNITS), N_DAYS), "day": np.tile(np.arange(N_DAYS), N_UNITS)}
    return pd.DataFrame({**keys, "d": d.ravel(), "y": y.ravel()})


def measure(quick: bool = False) -> CertificateTimes:
    """Write the panel, then time its certificate."""
    replays = N_REPLAYS_QUICK if quick else N_REPLAYS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "panel.parquet"
        panel_rows().to_parquet(path)
        started = time.perf_counter()
        panel = Panel.from_parquet(path, outcome="y", treatment="d", unit="unit", period="day")
        table = certify(panel, n_replays=replays, workers=WORKERS).table
        seconds = time.perf_counter() - started
    judged = int(table["size"].notna().sum())
    return CertificateTimes(N_UNITS, N_DAYS, replays, WORKERS, len(table), judged, seconds)
