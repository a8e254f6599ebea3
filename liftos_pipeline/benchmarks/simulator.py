"""Worlds drawn in unit-days per second, in one process: every world of the register, blown up to one size."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from liftos_pipeline.simulator import SCENARIOS, generate

CAMPAIGNS_PER_PLATFORM = 2_500
DAYS = 365
QUICK_CAMPAIGNS_PER_PLATFORM = 1_000
QUICK_DAYS = 180
REPEATS = 3


@dataclass(frozen=True)
class WorldSpeed:
    """Wall-clock and processor seconds, medians of ``REPEATS``, that ``unit_days`` of all platforms took."""

    world: str
    unit_days: int
    seconds: float
    processor_s: float

    @property
    def unit_days_per_core_s(self) -> float:
        return self.unit_days / self.processor_s


def measure(quick: bool = False) -> list[WorldSpeed]:
    """Draw every world with so many campaigns and days that fixed costs do not count."""
    campaigns, days = (QUICK_CAMPAIGNS_PER_PLATFORM, QUICK_DAYS) if quick else (CAMPAIGNS_PER_PLATFORM, DAYS)
    found = []
    for name, scenario in SCENARIOS.items():
        sized = replace(scenario, campaigns_per_platform=campaigns)
        wall, processor, unit_days = [], [], 0
        for seed in range(REPEATS):
            started = time.perf_counter(), time.process_time()
            unit_days = generate(sized, seed, days).unit_days
            wall.append(time.perf_counter() - started[0])
            processor.append(time.process_time() - started[1])
        middle = REPEATS // 2
        found.append(WorldSpeed(name, unit_days, sorted(wall)[middle], sorted(processor)[middle]))
    return found
