"""The register of worlds: which of the switches each one throws, and how far. No equations here."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from types import MappingProxyType

from liftos_pipeline.errors import LiftosError
from liftos_pipeline.schema import TREATMENT_TYPES
from liftos_pipeline.simulator.parameters import Scenario
from liftos_pipeline.simulator.switches import (
    Assignment,
    Cells,
    Churn,
    Fatigue,
    GeoExperiment,
    MarketShock,
    OrganicSteps,
    Outages,
    Regimes,
    Restatement,
    TrackingBreak,
)

__all__ = ["SCENARIOS", "SMALL", "Scenario", "scenario_named", "small"]

SMALL = "small_"
"""Before a world's name: the same world with few units."""

_NO_RESPONSE = MappingProxyType({"targeting_change": (0.0, 5.0, 1e9), "creative_change": (0.0, 4.0, 60.0)})

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "staggered_rollout",
            "Budget, targeting and creative changes are adopted one unit after another, sooner by units with good "
            "quality and recent luck; platforms claim organic orders; conversions arrive late.",
        ),
        Scenario(
            "small_rollout",
            "staggered_rollout with few units, for a try in seconds.",
            campaigns_per_platform=24,
            lists=12,
            subscribers_per_list=20,
        ),
        Scenario(
            "null_effect",
            "Advertising and mail cause no order at all, while changes are adopted as ever and platforms claim "
            "organic orders.",
            response=_NO_RESPONSE,
            driven_orders=0.0,
            organic_orders=3.0,
            list_orders=0.0,
            list_organic_orders=2.0,
        ),
        Scenario(
            "confounded_budget",
            "Only budgets change, chosen by quality and recent demand, which both sell by themselves.",
            adopted=("budget_change",),
            selection=MappingProxyType({kind: (1.2, 1.2, 0.3) for kind in TREATMENT_TYPES}),
            quality_lift=0.5,
        ),
        Scenario(
            "mixed_assignment",
            "A third of the units change at random, as the ad platforms declare; a third on their account's date if their "
            "quality score is above 7, the others as they like.",
            campaigns_per_platform=300,
            accounts_per_platform=6,
            assignment=Assignment(),
        ),
        Scenario(
            "poor_overlap",
            "Selection is so strong that good units all change at once and poor ones never.",
            base_hazard=0.02,
            selection=MappingProxyType({kind: (2.0, 5.0, 0.0) for kind in TREATMENT_TYPES}),
        ),
        Scenario(
            "audience_fatigue",
            "Meta click rates of half of the campaigns decay with frequency until the creative is refreshed.",
            response=MappingProxyType({"targeting_change": (0.40, 5.0, 1e9), "creative_change": (0.0, 4.0, 60.0)}),
            fatigue=Fatigue(),
        ),
        Scenario(
            "quality_regimes",
            "Clicks of half of the Google campaigns switch between two prices; the logged quality score follows.",
            regimes=Regimes(),
        ),
        Scenario(
            "failing_list",
            "Half of the lists lose subscribers faster every month, whatever their age.",
            lists=32,
            subscribers_per_list=1_000,
            joins_per_list_day=8.0,
            churn=Churn(),
        ),
        Scenario(
            "geo_experiment",
            "Advertising is raised in half of 40 regions, drawn by lot, for eight weeks.",
            geo_experiment=GeoExperiment(),
        ),
        Scenario(
            "spillover",
            "A campaign whose siblings raise their budgets loses organic orders to them.",
            accounts_per_platform=8,
            spillover_psi=0.5,
        ),
        Scenario(
            "macro_shock",
            "On one day demand falls, prices rise and the economy turns, for everybody.",
            market_shocks=(MarketShock(day=100, days=30, demand=-0.35, price=0.25, macro=-2.0),),
        ),
        Scenario(
            "restated_conversions",
            "Platforms show a quarter of a day's conversions at first and the rest over the 27 days that follow.",
            restatement=Restatement(pending=0.75, delay_days=8.0, final_days=27),
        ),
        Scenario(
            "outage",
            "Platforms have no rows of an account for days on end, and lack single rows.",
            accounts_per_platform=6,
            outages=Outages(),
            cells=Cells(outliers=0.0),
        ),
        Scenario(
            "tracking_break",
            "From some day on, half of the accounts report a tenth of their conversions.",
            accounts_per_platform=6,
            tracking_break=TrackingBreak(),
        ),
        Scenario(
            "non_absorbing",
            "Changes are taken back after one to three months.",
            switch_off_days=(30.0, 90.0),
        ),
        Scenario(
            "many_units",
            "10,000 campaigns with unlogged steps of spend, missing rows, outliers and heavy-tailed order values.",
            campaigns_per_platform=5_000,
            accounts_per_platform=50,
            organic_steps=OrganicSteps(),
            cells=Cells(),
            order_value_tail=2.5,
        ),
    )
}


@cache
def small(scenario: Scenario) -> Scenario:
    """The same world with few units."""
    return replace(
        scenario,
        name=f"{SMALL}{scenario.name}",
        campaigns_per_platform=24,
        accounts_per_platform=min(scenario.accounts_per_platform, 4),
        lists=12,
        subscribers_per_list=min(scenario.subscribers_per_list, 120) if scenario.churn else 20,
        joins_per_list_day=min(scenario.joins_per_list_day, 1.0),
    )


def scenario_named(name: str) -> Scenario:
    """Scenario of the register; ``small_`` before any name gives the same world with few units.

    Raises
    ------
    LiftosError
        No such scenario.
    """
    if name in SCENARIOS:
        return SCENARIOS[name]
    if name.startswith(SMALL) and name.removeprefix(SMALL) in SCENARIOS:
        return small(SCENARIOS[name.removeprefix(SMALL)])
    raise LiftosError(
        f"one of {', '.join(sorted(SCENARIOS))}",
        f"scenario {name!r}",
        "Correct LIFTOS_SCENARIO; liftos simulate lists the worlds.",
    )
