"""The benchmark of the simulator draws every world at one size; its rates are never tested."""

from __future__ import annotations

import pytest

from liftos_pipeline.benchmarks import simulator
from liftos_pipeline.simulator import SCENARIOS


def test_every_world_is_drawn_at_the_size_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulator, "QUICK_CAMPAIGNS_PER_PLATFORM", 60)
    monkeypatch.setattr(simulator, "QUICK_DAYS", 40)
    monkeypatch.setattr(simulator, "REPEATS", 1)
    found = simulator.measure(quick=True)
    assert [row.world for row in found] == list(SCENARIOS)
    geos = {"geo_experiment": 40}
    for row in found:
        assert row.unit_days == 40 * (120 + SCENARIOS[row.world].lists + geos.get(row.world, 0))
        assert row.unit_days_per_core_s == row.unit_days / row.processor_s
