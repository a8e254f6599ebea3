"""The whole system on unseen worlds: what is claimed, what was asked, what was measured and how sure that is.

Worlds are drawn from a fixed set of seeds and from one that is chosen when it runs; both are printed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from liftos_pipeline.benchmarks import decisions, detect_scores, effect_worlds, homes, speed, temporal
from liftos_pipeline.benchmarks.decisions import CLEAN, cells_of, played, ratio
from liftos_pipeline.benchmarks.operating_points import Cell
from liftos_pipeline.benchmarks.planted import DAMAGES, WORLDS, planted
from liftos_pipeline.benchmarks.side_by_side import side_by_side

FIXED_SEED = 90_000
"""World k of the fixed half has the seed FIXED_SEED + k."""
LARGEST_SEED = 2**31 - 10_000


@dataclass(frozen=True)
class Size:
    """How much is played: clean worlds, worlds of each violation, placebos of a certificate, draws of the detectors, worlds of
    single estimators, worlds that are split by time, homes that are filled from raw pages; and whether the largest panel's
    memory is taken."""

    worlds: int
    violations: int
    replays: int
    draws: int
    effects: int
    temporal: int
    homes: int
    largest: bool


QUICK = Size(worlds=4, violations=1, replays=20, draws=100, effects=100, temporal=2, homes=1, largest=False)
FULL = Size(worlds=64, violations=8, replays=100, draws=2_000, effects=2_000, temporal=24, homes=4, largest=True)


@dataclass(frozen=True)
class Step:
    """What has just ended, and the cells that it gave."""

    name: str
    cells: tuple[Cell, ...]


def worlds_of(size: Size, seed: int) -> list[tuple[str, int]]:
    """Scenario and seed of every clean world: half of the seeds are fixed, half follow the chosen one."""
    half = size.worlds // 2
    seeds = [FIXED_SEED + k for k in range(half)] + [seed + k for k in range(size.worlds - half)]
    return [(CLEAN[place % len(CLEAN)], number) for place, number in enumerate(seeds)]


def validate(size: Size, seed: int) -> Iterator[Step]:
    """Play everything; a step for each world as it ends, cells once a part is complete.

    Parameters
    ----------
    seed : int
        Of the half of the worlds that is not fixed, below ``LARGEST_SEED``.
    """
    worlds = []
    for world in played(worlds_of(size, seed), n_replays=size.replays):
        worlds.append(world)
        yield Step(f"{world.scenario}, seed {world.seed}", ())
    yield Step("decisions", tuple(cells_of(worlds)))
    yield from _violations(size, seed)
    scored = tuple(cell for cell in detect_scores.cells(size.draws) if cell.sense != "shown")
    yield Step("confounder scoring", scored)
    yield Step("estimators", tuple(effect_worlds.cells(size.effects)))
    yield Step("temporal cross-validation", tuple(temporal.cells(size.temporal, seed + 2_000)))
    yield from _homes(size, seed)
    yield Step("speed", tuple(speed.cells(size.largest)))


def _homes(size: Size, seed: int) -> Iterator[Step]:
    asked = [(CLEAN[k % len(CLEAN)], seed + 3_000 + k) for k in range(size.homes)]
    tables = []
    for (name, number), scores in zip(asked, homes.scored(asked), strict=True):
        tables.append(scores)
        yield Step(f"home of {name}, seed {number}", ())
    yield Step("data quality", tuple(homes.cells_of(pd.concat(tables, ignore_index=True))))


def _violations(size: Size, seed: int) -> Iterator[Step]:
    asked = [(name, seed + 1_000 + k) for name in (*DAMAGES, *WORLDS) for k in range(size.violations)]
    tables = []
    for (name, number), found in zip(asked, side_by_side(planted, asked), strict=True):
        tables.append(found.assign(world=f"{name} {number}"))
        yield Step(f"{name}, seed {number}", ())
    found = pd.concat(tables, ignore_index=True)
    moved = found[found["moved"]]
    cells = [ratio("moving violations blocked", "at least", 0.95, moved, "blocked")]
    cells += [
        ratio(f"moving violations blocked: {name}", "shown", float("nan"), part, "blocked")
        for name, part in moved.groupby("name")
    ]
    yield Step("planted violations", tuple(cells))


CLAIMS: dict[str, str] = {
    f"{decisions.DETECTOR}: wasted spend that verdicts stop": "20-40 % less waste",
    f"{decisions.DETECTOR}: error less than that of what platforms report": "attribution 71.8 % better",
    f"{decisions.DETECTOR}: coverage of what decisions rest on": "coverage 95 %",
    f"{decisions.DETECTOR}: bias over mean effect": "bias 5 %",
    f"{effect_worlds.DETECTOR}: doubly_robust, abs(bias) over the effect": "bias 5 %",
    f"{effect_worlds.DETECTOR}: doubly_robust, RMSE over the effect": "RMSE 10 %",
    f"{effect_worlds.DETECTOR}: doubly_robust, coverage, at least": "coverage 95 %",
    f"{effect_worlds.DETECTOR}: R-squared of unit effects": "R-squared .70",
    f"{effect_worlds.DETECTOR}: PEHE over the mean effect": "PEHE .15",
    f"{effect_worlds.DETECTOR}: ATE accuracy": "ATE accuracy .90",
    "confounder_score: precision, 1,000 adopters": "precision .85",
    "confounder_score: F1, 1,000 adopters": "F1 .87",
    f"{homes.DETECTOR}: temporal consistency": "temporal consistency .95",
    f"{homes.DETECTOR}: confounder coverage": "confounder coverage .85",
    f"{homes.DETECTOR}: overlap quality": "overlap .80",
    f"{speed.DETECTOR}: raw rows to panel, million/s": "30,651 records/s",
    f"{speed.DETECTOR}: did on 1 M rows x 10 covariates, s": "5 s",
    f"{speed.DETECTOR}: doubly_robust on 0.1 M rows x 10 covariates, s": "10 s",
    f"{speed.DETECTOR}: synthetic_control of 1,000 donors x 1,000 periods, s": "30 s",
}
"""What the system that this one is measured against says of itself."""
