"""Parameters of the simulated worlds and their register. Equations stand in the modules that draw them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType

from liftos_pipeline.errors import LiftosError


@dataclass(frozen=True, eq=False)
class Scenario:
    """One world.

    Adoption hazard of a treatment per unit and day, from ``first_adoption_day`` on::

        h = base_hazard * exp(c1 * shock[t-1] / sd + c2 * quality + .5 * agency
                              + c3 * macro[t] + .3 * rival[t] - .5)

    with (c1, c2, c3) from ``selection``. A targeting or creative change multiplies the response by
    ``exp(tau_i * (1 - exp(-(e + 1) / rise)) * exp(-e / decay))``, e days after its start, with
    ``tau_i = tau * max(1 + .3 * quality + .25 * N(0, 1), 0)``. A budget change shifts log spend by
    ``U(*budget_step)`` and acts through carry-over and saturation.

    Parameters
    ----------
    start : date
        First day.
    campaigns_per_platform, accounts_per_platform : int
        Of each of the two ad platforms.
    lists, subscribers_per_list : int
        Of the e-mail account; subscribers on the first day.
    first_adoption_day : int
        Days from the start without any treatment.
    base_hazard : float
        Per unit and day.
    selection : mapping of treatment to (c1, c2, c3)
    response : mapping of treatment to (tau in log points, rise in days, decay in days)
    budget_step : tuple of float
        Bounds of the step in log points.
    quality_lift : float
        Log points of organic orders per standard deviation of quality: with c2, the confounding by quality.
    organic_orders, driven_orders : float
        Orders per campaign-day without advertising, and at a saturation of one, before the unit's own level.
    list_orders : float
        Orders per list-day at a saturation of one; half as many come without any send.
    exposure : mapping of platform to float
        A platform claims an organic order with probability 1 - exp(-exposure * saturation).
    order_value_usd : float
    refund_rate : float
        Share of orders that is refunded.
    pause_rate : float
        Share of campaign-days without any delivery.
    """

    name: str
    meaning: str
    start: date = date(2026, 1, 1)
    campaigns_per_platform: int = 96
    accounts_per_platform: int = 2
    lists: int = 56
    subscribers_per_list: int = 50
    first_adoption_day: int = 28
    base_hazard: float = 0.012
    selection: Mapping[str, tuple[float, float, float]] = field(
        default_factory=lambda: MappingProxyType(
            {
                "budget_change": (0.8, 0.6, 0.2),
                "targeting_change": (0.4, 0.8, -0.2),
                "creative_change": (-0.6, 0.5, 0.15),
            }
        )
    )
    response: Mapping[str, tuple[float, float, float]] = field(
        default_factory=lambda: MappingProxyType(
            {"targeting_change": (0.40, 5.0, 1e9), "creative_change": (0.35, 4.0, 60.0)}
        )
    )
    budget_step: tuple[float, float] = (0.25, 0.65)
    quality_lift: float = 0.35
    organic_orders: float = 1.6
    driven_orders: float = 2.6
    list_orders: float = 2.0
    exposure: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType({"meta": 2.2, "google_ads": 3.2})
    )
    order_value_usd: float = 60.0
    refund_rate: float = 0.03
    pause_rate: float = 0.002


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
            "The same world with few units, for a try in seconds.",
            campaigns_per_platform=24,
            lists=12,
            subscribers_per_list=20,
        ),
    )
}


def scenario_named(name: str) -> Scenario:
    """Scenario of the register.

    Raises
    ------
    LiftosError
        No such scenario.
    """
    if name not in SCENARIOS:
        raise LiftosError(
            f"one of {', '.join(sorted(SCENARIOS))}", f"scenario {name!r}", "Correct LIFTOS_SCENARIO."
        )
    return SCENARIOS[name]
