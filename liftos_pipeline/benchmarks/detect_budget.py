"""Worlds for ``budget_change``: log spend with level shifts, under a calendar that all campaigns share.

log spend = level + .5 calendar + AR(rho) pacing of .12, rho U(.2, .7), + steps; the calendar has a week of +-.12, two
annual harmonics (.12, .05) and a peak of .6. Of the campaigns 45 % adopt a step of U(.2, .6) from day 28 on and 40 % have
an organic one of +-U(.15, .5). 1 % of the days are missing, .2 % multiplied by 3 to 10.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.benchmarks.operating_points import Cell, proportion
from liftos_pipeline.benchmarks.worlds import NULLS, Noise, long_table
from liftos_pipeline.causal import detect

Floats = NDArray[np.float64]

DETECTOR = "budget_change"
SEED = 61_000
"""Cell k of the list below draws from the seed SEED + k; the worlds with steps from WORLD_SEEDS."""
WORLD_SEEDS = range(62_000, 62_040)
N_DAYS, N_UNITS = 365, 600
NOISE_SD, PACING_SD = 0.15, 0.12
TOLERANCE_DAYS = 3
EDGE_DAYS = 15
SIZES = {
    "steps below .25": (0.0, 0.25, np.nan),
    "steps of .25 to .4": (0.25, 0.4, 0.9),
    "steps above .4": (0.4, 9.0, 0.95),
}
"""Group to its bounds in log points and the recall that is asked for."""
Step = tuple[int, int, float]
"""Unit, day, log points."""


def cells(draws: int) -> Iterator[Cell]:
    """False positives at 5 % in single series, then precision, recall and F1 of dated steps over whole worlds."""
    nulls = NULLS | {"AR(.7), t(3)": (Noise(0.7, heavy=True), 0.07)}
    for number, (name, (noise, limit)) in enumerate(nulls.items()):
        rng = np.random.default_rng(SEED + number)
        spend = np.exp(4.0 + noise.draw(draws, N_DAYS, NOISE_SD, rng))
        table = _found(long_table({"spend": spend}))[0]
        yield proportion(
            DETECTOR, f"{name}, at 5 %", "at most", limit, int((table["p_value"] <= 0.05).sum()), draws
        )
    yield from _dated([dated(seed) for seed in WORLD_SEEDS])


def world(seed: int) -> tuple[pd.DataFrame, list[Step]]:
    """Rows unit, day, spend, and the steps in them."""
    rng = np.random.default_rng(seed)
    day = np.arange(N_DAYS)
    week = rng.uniform(-0.12, 0.12, 7)
    phases = rng.random(2)
    calendar = (week - week.mean())[day % 7] + 0.6 * np.exp(-0.5 * ((day - rng.integers(40, 325)) / 3.5) ** 2)
    calendar = calendar + 0.12 * np.cos(2 * np.pi * (day / 365 - phases[0]))
    calendar = calendar + 0.05 * np.cos(4 * np.pi * (day / 365 - phases[1]))
    rho = rng.uniform(0.2, 0.7, N_UNITS)
    pacing = np.concatenate([Noise(float(own)).draw(1, N_DAYS, PACING_SD, rng) for own in rho])
    log_spend = rng.normal(4.0, 0.5, (N_UNITS, 1)) + 0.5 * calendar + pacing
    steps: list[Step] = []
    for unit in range(N_UNITS):
        if rng.random() < 0.45:
            steps.append((unit, int(rng.integers(28, N_DAYS - EDGE_DAYS)), float(rng.uniform(0.2, 0.6))))
        if rng.random() < 0.40:
            size = float(rng.uniform(0.15, 0.5) * rng.choice([-1.0, 1.0]))
            steps.append((unit, int(rng.integers(EDGE_DAYS, N_DAYS - EDGE_DAYS)), size))
    for unit, start, size in steps:
        log_spend[unit, start:] += size
    outlying = rng.random(log_spend.shape) < 0.002
    log_spend = log_spend + outlying * np.log(rng.uniform(3.0, 10.0, log_spend.shape))
    rows = long_table({"spend": np.exp(log_spend)})
    return rows[rng.random(len(rows)) >= 0.01], steps


def dated(seed: int) -> dict[str, tuple[int, int]]:
    """Hits and trials in one world: of events, of steps by size, of campaigns without a step."""
    rows, steps = world(seed)
    table, events = _found(rows)
    days = {unit: list(own["date"].to_numpy()) for unit, own in events.groupby("unit")}
    is_hit = []
    for unit, day, _ in steps:
        left = days.get(unit, [])
        away = np.abs(np.array(left, dtype=np.int64) - day)
        is_hit.append(bool(len(away)) and int(away.min()) <= TOLERANCE_DAYS)
        if is_hit[-1]:
            left.pop(int(away.argmin()))
    size = np.abs([step[2] for step in steps])
    hit = np.array(is_hit)
    untouched = ~table["unit"].isin([step[0] for step in steps])
    false = int((table.loc[untouched, "status"] == "detected").sum())
    counts = {"events": (int(hit.sum()), len(events)), "steps": (int(hit.sum()), len(steps))}
    for name, (low, high, _) in SIZES.items():
        counts[name] = (int(hit[(size >= low) & (size < high)].sum()), int(((size >= low) & (size < high)).sum()))
    return counts | {"untouched": (false, int(untouched.sum()))}


def _dated(worlds: list[dict[str, tuple[int, int]]]) -> Iterator[Cell]:
    def pooled(name: str) -> tuple[int, int]:
        return sum(found[name][0] for found in worlds), sum(found[name][1] for found in worlds)

    scores = []
    for found in worlds:
        hits, n_events = found["events"]
        scores.append(2.0 * hits / (n_events + found["steps"][1]))
    error = float(np.std(scores, ddof=1) / np.sqrt(len(scores)))
    shown = f"{len(worlds)} worlds, within {TOLERANCE_DAYS} days"
    yield Cell(DETECTOR, f"F1, {shown}", "at least", 0.88, len(worlds), float(np.mean(scores)), error)
    hits, n_events = pooled("events")
    yield proportion(DETECTOR, f"precision, {shown}", "shown", np.nan, hits, n_events)
    for name, (_, _, asked) in SIZES.items():
        hits, n_steps = pooled(name)
        yield proportion(
            DETECTOR, f"recall, {name}", "shown" if np.isnan(asked) else "at least", asked, hits, n_steps
        )
    hits, n_units = pooled("untouched")
    yield proportion(DETECTOR, "campaigns without a step", "at most", 0.05, hits, n_units)


def _found(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    found = detect(DETECTOR, rows, unit="unit", period="day", value="spend")
    return found.table, found.events
