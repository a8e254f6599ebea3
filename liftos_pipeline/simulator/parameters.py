"""Parameters of one world. Equations stand here, in ``switches`` and in the modules that draw them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType

from liftos_pipeline.schema import TREATMENT_TYPES
from liftos_pipeline.simulator.switches import (
    Assignment,
    AttributionChange,
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
    joins_per_list_day : float
    first_adoption_day : int
        Days from the start without any treatment.
    adopted : tuple of str
        Treatment types that are adopted at all.
    base_hazard : float
        Per unit and day.
    selection : mapping of treatment to (c1, c2, c3)
    response : mapping of treatment to (tau in log points, rise in days, decay in days)
    budget_step : tuple of float
        Bounds of the step in log points.
    switch_off_days : tuple of float, optional
        A change is taken back U(*switch_off_days) days after its start, its response ends at once; never if None.
    quality_lift : float
        Log points of organic orders per standard deviation of quality: with c2, the confounding by quality.
    organic_orders, driven_orders : float
        Orders per campaign-day without advertising, and at a saturation of one, before the unit's own level.
    list_organic_orders, list_orders : float
        Orders per list-day without any send, and at a saturation of one.
    exposure : mapping of platform to float
        A platform claims an organic order with probability 1 - exp(-exposure * saturation).
    spillover_psi : float
        Organic orders of a campaign are multiplied by exp(-psi * share), share the part of the other campaigns of its
        account whose budget change is in force.
    order_value_usd : float
    order_value_tail : float
        Mean order values of unit-days are multiplied by Pareto draws of mean one with this shape (above 1); 0 for
        light tails.
    refund_rate : float
        Share of orders that is refunded.
    pause_rate : float
        Share of campaign-days without any delivery.
    assignment, fatigue, regimes, churn, geo_experiment : optional
        Further blocks of the world; None leaves a block out.
    organic_steps, outages, tracking_break, attribution_change, cells : optional
        Further blocks of its defects.
    market_shocks : tuple of MarketShock
    restatement : Restatement
    """

    name: str
    meaning: str
    start: date = date(2026, 1, 1)
    campaigns_per_platform: int = 96
    accounts_per_platform: int = 2
    lists: int = 56
    subscribers_per_list: int = 50
    joins_per_list_day: float = 0.25
    first_adoption_day: int = 28
    adopted: tuple[str, ...] = TREATMENT_TYPES
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
    switch_off_days: tuple[float, float] | None = None
    quality_lift: float = 0.35
    organic_orders: float = 1.6
    driven_orders: float = 2.6
    list_organic_orders: float = 1.0
    list_orders: float = 2.0
    exposure: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType({"meta": 2.2, "google_ads": 3.2})
    )
    spillover_psi: float = 0.0
    order_value_usd: float = 60.0
    order_value_tail: float = 0.0
    refund_rate: float = 0.03
    pause_rate: float = 0.002
    assignment: Assignment | None = None
    fatigue: Fatigue | None = None
    regimes: Regimes | None = None
    churn: Churn | None = None
    geo_experiment: GeoExperiment | None = None
    market_shocks: tuple[MarketShock, ...] = ()
    organic_steps: OrganicSteps | None = None
    restatement: Restatement = field(default_factory=Restatement)
    outages: Outages | None = None
    tracking_break: TrackingBreak | None = None
    attribution_change: AttributionChange | None = None
    cells: Cells | None = None
