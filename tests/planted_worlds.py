"""Worlds of the register in other sizes, for tests of what they plant."""

from __future__ import annotations

from dataclasses import replace

from liftos_pipeline.simulator import SCENARIOS, Scenario

PLATFORMS = ("meta", "google_ads")
SEED = 17


def sized(name: str, campaigns: int, **changed: object) -> Scenario:
    """A world of the register with other sizes and as few lists as do no harm."""
    return replace(SCENARIOS[name], campaigns_per_platform=campaigns, **{"lists": 2, **changed})


def off(scenario: Scenario, **blocks: object) -> Scenario:
    return replace(scenario, **blocks)
