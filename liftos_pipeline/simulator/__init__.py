"""Worlds with known truth. The truth never knows the estimators: nothing here imports them."""

from liftos_pipeline.simulator.scenario import SCENARIOS, Scenario, scenario_named, small
from liftos_pipeline.simulator.world import World, generate

__all__ = ["SCENARIOS", "Scenario", "World", "generate", "scenario_named", "small"]
