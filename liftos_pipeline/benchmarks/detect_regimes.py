"""Worlds for ``quality_score_regime``: costs per click with and without regimes, with and without a logged score.

log CPC = level - gap in the cheap regime + noise of .12 log points; a day in a regime is followed by another one with
probability .975 (dear) or .96 (cheap). The logged score takes a new whole number about every 40 days.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.benchmarks.operating_points import Cell, Sense, proportion
from liftos_pipeline.benchmarks.worlds import NULLS, Noise, long_table
from liftos_pipeline.causal import Detection, detect

Floats = NDArray[np.float64]

DETECTOR = "quality_score_regime"
SEED = 53_000
"""Cell k of the list below draws from the seed SEED + k, with and without regimes."""
N_DAYS = 365
NOISE_SD = 0.12
STAY = 0.975, 0.96
SCORE_CHANGE_RATE = 1.0 / 40.0
PER_POINT = 0.05
POWER_SHARE = 2
"""Power is measured on half of the draws: strong regimes take all draws of the bootstrap."""
POWER = {
    "2.5 sd, AR(.3)": (Noise(0.3), 2.5, 0.95),
    "2.5 sd, AR(.5)": (Noise(0.5), 2.5, 0.95),
    "2.5 sd, AR(.7)": (Noise(0.7), 2.5, 0.95),
    "2.5 sd, AR(.5), t(3)": (Noise(0.5, heavy=True), 2.5, np.nan),
    "1.67 sd, AR(.5)": (Noise(0.5), 1.67, np.nan),
    "1 sd, AR(.5)": (Noise(0.5), 1.0, np.nan),
}
"""World to noise, difference of the regimes in standard deviations, and the power that is asked for."""


def cells(draws: int) -> Iterator[Cell]:
    """False positives, power, accuracy of the states and of the sizes; then the same with a logged score."""
    seeds = iter(range(SEED, SEED + 1_000))
    for name, (noise, limit) in NULLS.items():
        rng = np.random.default_rng(next(seeds))
        found = _detect(noise.draw(draws, N_DAYS, NOISE_SD, rng)).table
        yield proportion(DETECTOR, f"{name}, no regimes", "at most", limit, _detected(found), draws)
    for name, (noise, gap, asked) in POWER.items():
        rng = np.random.default_rng(next(seeds))
        n_units = max(1, draws // POWER_SHARE)
        cheap = regimes(n_units, N_DAYS, rng)
        found = _detect(noise.draw(n_units, N_DAYS, NOISE_SD, rng) - gap * NOISE_SD * cheap)
        sense: Sense = "shown" if np.isnan(asked) else "at least"
        yield proportion(DETECTOR, f"{name}, power", sense, asked, _detected(found.table), n_units)
        yield _accuracy(name, found.events, cheap, gap)
    for name, (noise, limit) in NULLS.items():
        rng = np.random.default_rng(next(seeds))
        score = scores(draws, N_DAYS, rng)
        found = _detect(noise.draw(draws, N_DAYS, NOISE_SD, rng), score).table
        yield proportion(DETECTOR, f"{name}, score without effect", "at most", limit, _detected(found), draws)
    rng = np.random.default_rng(next(seeds))
    score = scores(draws, N_DAYS, rng)
    found = _detect(Noise(0.5).draw(draws, N_DAYS, NOISE_SD, rng) - PER_POINT * score, score).table
    name = f"AR(.5), {PER_POINT:g} a point of score, power"
    yield proportion(DETECTOR, name, "shown", np.nan, _detected(found), draws)


def regimes(n_series: int, n_days: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """True on days of the cheap regime, shape (n_series, n_days)."""
    leave_dear, leave_cheap = 1.0 - STAY[0], 1.0 - STAY[1]
    luck = rng.random((n_days, n_series))
    cheap = np.empty((n_days, n_series), dtype=np.bool_)
    cheap[0] = luck[0] < leave_dear / (leave_dear + leave_cheap)
    for day in range(1, n_days):
        cheap[day] = np.where(cheap[day - 1], luck[day] >= leave_cheap, luck[day] < leave_dear)
    return cheap.T


def scores(n_series: int, n_days: int, rng: np.random.Generator) -> Floats:
    """Whole numbers from 3 to 9, each kept for about 40 days, shape (n_series, n_days)."""
    fresh = rng.integers(3, 10, (n_series, n_days)).astype(np.float64)
    changes = rng.random((n_series, n_days)) < SCORE_CHANGE_RATE
    changes[:, 0] = True
    last = np.maximum.accumulate(np.where(changes, np.arange(n_days), 0), axis=1)
    return np.take_along_axis(fresh, last, axis=1)


def _detect(log_cost: Floats, score: Floats | None = None) -> Detection:
    columns = {"cpc": np.exp(log_cost)} | ({} if score is None else {"score": score})
    name = None if score is None else "score"
    table = long_table(columns)
    return detect(DETECTOR, table, unit="unit", period="day", value="cpc", quality_score=name)


def _detected(table: pd.DataFrame) -> int:
    return int((table["status"] == "detected").sum())


def _accuracy(name: str, events: pd.DataFrame, cheap: NDArray[np.bool_], gap: float) -> Cell:
    """Share of days in the right regime, over detected units."""
    right = []
    for unit, own in events.groupby("unit"):
        flips = np.zeros(cheap.shape[1], dtype=np.int64)
        flips[own["date"].to_numpy()] = np.where(own["size"] > 0, 1, -1)
        level = np.cumsum(flips)
        is_low = level == level.min()
        right.append(np.mean(is_low == cheap[unit]))
    found = np.array(right)
    sense: Sense = "at least" if gap >= 2.5 else "shown"
    asked = 0.95 if gap >= 2.5 else np.nan
    error = found.std() / np.sqrt(max(len(found), 1))
    return Cell(
        DETECTOR, f"{name}, share of days in the right regime", sense, asked, len(found), found.mean(), error
    )
