"""Worlds for ``market_shock``: markets whose prices move together at most as noise does, and with a rival's jumps.

log price = own AR of .15 + .1 rival; rival = .85 rival of yesterday + jump.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.benchmarks.operating_points import Cell, Sense, proportion
from liftos_pipeline.benchmarks.worlds import NULLS, Noise, long_table
from liftos_pipeline.causal import detect

Floats = NDArray[np.float64]

DETECTOR = "market_shock"
SEED = 64_000
"""Cell k of the list below draws from the seed SEED + k."""
N_DAYS = 180
NOISE_SD = 0.15
SIZES = {12: 10, 100: 1}
"""Units in a market, and by how much fewer markets than draws there are: few units are resampled, which takes longer."""
LOADING, STAYS = 0.1, 0.85


def cells(draws: int) -> Iterator[Cell]:
    """Markets with any event though there was none; jumps of one that are dated within a day."""
    seeds = iter(range(SEED, SEED + 1_000))
    for n_units, share in SIZES.items():
        for name, (noise, limit) in NULLS.items():
            rng = np.random.default_rng(next(seeds))
            n = max(1, draws // share)
            hits = sum(len(_events(noise.draw(n_units, N_DAYS, NOISE_SD, rng))) > 0 for _ in range(n))
            yield proportion(DETECTOR, f"{name}, {n_units} units, no shock", "at most", limit, hits, n)
    for jump, asked in ((1.0, 0.95), (0.5, np.nan)):
        rng = np.random.default_rng(next(seeds))
        n, hits = max(1, draws // 10), 0
        for _ in range(n):
            day = int(rng.integers(30, N_DAYS - 10))
            rival = LOADING * jump * STAYS ** np.maximum(np.arange(N_DAYS) - day, 0) * (np.arange(N_DAYS) >= day)
            found = _events(Noise(0.5).draw(100, N_DAYS, NOISE_SD, rng) + rival)
            hits += bool(len(found)) and int(np.abs(found - day).min()) <= 1
        sense: Sense = "shown" if np.isnan(asked) else "at least"
        yield proportion(DETECTOR, f"a jump of {LOADING * jump:.2f} log points, 100 units", sense, asked, hits, n)


def _events(log_price: Floats) -> NDArray[np.int64]:
    table = long_table({"cpm": np.exp(log_price)})
    days: NDArray[np.int64] = (
        detect(DETECTOR, table, unit="unit", period="day", cpm="cpm").events["date"].to_numpy()
    )
    return days
