"""Operating points of list health: lists without a drift, and with one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from liftos_pipeline.benchmarks.list_worlds import ListWorld
from liftos_pipeline.benchmarks.operating_points import Cell, proportion
from liftos_pipeline.causal import detect

SEED = 71_000
LISTS_AT_ONCE = 250

FLAT = ListWorld(age_slope=0.0, base=0.0018)
NULLS = {
    "no shocks": (ListWorld(shock_sd=1e-9), 0.05),
    "weekly shocks .15": (ListWorld(), 0.05),
    "weekly shocks .15, flat age": (FLAT, 0.05),
    "weekly shocks .30": (ListWorld(shock_sd=0.3), 0.05),
    "weekly shocks .30, flat age": (replace(FLAT, shock_sd=0.3), 0.05),
    "daily AR(.5) shocks .30": (ListWorld(shock_sd=0.3, shocks="daily AR(.5)"), 0.05),
    "daily AR(.7) shocks .30": (ListWorld(shock_sd=0.3, shocks="daily AR(.7)"), 0.05),
    "weekday pattern .30": (ListWorld(shock_sd=0.3, shocks="weekdays"), 0.05),
    "weeks with three times the hazard": (ListWorld(shocks="outliers"), 0.05),
    "ARMA shocks .30": (ListWorld(shock_sd=0.3, shocks="ARMA"), 0.07),
    "t(3) shocks .30": (ListWorld(shock_sd=0.3, shocks="t(3)"), 0.07),
}
POWER = {
    "+3 % a month, 40 joins a day, 26 weeks": (ListWorld(drift=np.log(1.03)), None),
    "+5 % a month, 40 joins a day, 26 weeks": (ListWorld(drift=np.log(1.05)), None),
    "+10 % a month, 40 joins a day, 26 weeks": (ListWorld(drift=np.log(1.1)), 0.95),
    "+10 % a month, 100 joins a day, 26 weeks": (ListWorld(drift=np.log(1.1), joins=100), 0.95),
    "+10 % a month, 40 joins a day, 52 weeks": (ListWorld(drift=np.log(1.1), n_days=364, base=0.002), 0.95),
}


def cells(draws: int) -> Iterator[Cell]:
    """False positives of lists without a drift, then power."""
    for place, (name, (world, asked)) in enumerate(NULLS.items()):
        yield proportion("list_health", name, "at most", asked, _detected(world, draws, place), draws)
    for place, (name, (world, floor)) in enumerate(POWER.items(), start=100):
        found = _detected(world, draws, place)
        if floor is None:
            yield proportion("list_health", name, "shown", np.nan, found, draws)
        else:
            yield proportion("list_health", name, "at least", floor, found, draws)


def _detected(world: ListWorld, draws: int, place: int) -> int:
    found = 0
    for low in range(0, draws, LISTS_AT_ONCE):
        n_lists = min(LISTS_AT_ONCE, draws - low)
        rows = world.draw(n_lists, np.random.default_rng([SEED, place, low]))
        table = detect("list_health", rows, unit="list", start="start", end="end", event="left").table
        found += int((table["status"] == "detected").sum())
    return found
