"""Campaigns of one ad platform: spend, the orders that they cause, and the orders that the platform claims."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liftos_pipeline.simulator.adoption import SHOCK_SD, adoptions
from liftos_pipeline.simulator.defects import defects
from liftos_pipeline.simulator.delivery import deliver, refresh_days
from liftos_pipeline.simulator.draws import (
    autoregression,
    binomial_quantile,
    carry_over,
    in_force,
    response_path,
    saturate,
    stream,
)
from liftos_pipeline.simulator.environment import Environment
from liftos_pipeline.simulator.parameters import Scenario
from liftos_pipeline.simulator.spending import RESPONSES, order_values, spending_of, units_of
from liftos_pipeline.simulator.switches import Restatement

_CAMPAIGN_ID = {"meta": 120_210_000_000_000_000, "google_ads": 20_400_000_000}
_ACCOUNT_ID = {"meta": 810_000_000_000_000, "google_ads": 4_410_000_000}
_ID_SEEDS = 997
"""Ids repeat after so many seeds; they keep the number of digits that the platforms use."""


@dataclass(frozen=True, eq=False)
class AdsPanel:
    """All campaigns of one platform. Arrays are (T, N) or (N,); money in USD; days are indices from the start.

    ``starts``, ``stops``: first day of each treatment per unit and the first day without it again, -1 never.
    ``method``: how a unit came to its treatments. ``refreshes``: creative changes beside these, without any response.
    ``organic_step``: unlogged steps of log spend. ``share``: what the first of two children gets of its campaign.
    ``spend``: as shown, with outliers. ``delivered``:
    false on days without delivery, which the platform does not report at all; ``shown``: whether it has a row.
    ``conversions``: final claims; ``tracked``: share of claims that is reported; ``restate_u``: the uniform that settles
    how many of them are known at each age. ``stock``, ``stock_without_step``: saturated carry-over of spend with and
    without the budget change. ``driven_scale``: orders per unit of ``stock`` without any response.
    ``exposure``: shape (T, 1), behind claims of organic orders. ``share_treated``: of the other campaigns of the account,
    those whose budget change is in force.
    """

    platform: str
    account_ids: np.ndarray
    campaign_ids: np.ndarray
    quality: np.ndarray
    agency: np.ndarray
    shock: np.ndarray
    share: np.ndarray
    has_two_children: np.ndarray
    starts: dict[str, np.ndarray]
    stops: dict[str, np.ndarray]
    method: np.ndarray
    refreshes: np.ndarray
    organic_step: np.ndarray
    dose: np.ndarray
    budget: np.ndarray
    spend: np.ndarray
    impressions: np.ndarray
    clicks: np.ndarray
    frequency: np.ndarray
    delivered: np.ndarray
    shown: np.ndarray
    is_outage: np.ndarray
    quality_score: np.ndarray
    decay: np.ndarray
    regime: np.ndarray
    saving: np.ndarray
    conversions: np.ndarray
    tracked: np.ndarray
    restate_u: np.ndarray
    restatement: Restatement
    order_value: np.ndarray
    orders: np.ndarray
    organic_mean: np.ndarray
    driven_scale: np.ndarray
    stock: np.ndarray
    stock_without_step: np.ndarray
    responses: dict[str, np.ndarray]
    exposure: np.ndarray
    spillover_psi: float
    share_treated: np.ndarray

    def reported(self, days: slice, age_days: np.ndarray, units: np.ndarray) -> np.ndarray:
        """Conversions that the platform shows at some age: what ``Restatement`` says, all in the end.

        Parameters
        ----------
        days : slice of D days
        age_days : ndarray, shape (D,)
        units : ndarray of int, shape (U,)

        Returns
        -------
        ndarray, shape (D, U). Never falls with age.
        """
        known = self.restatement
        late = known.pending * np.exp(-np.asarray(age_days) / known.delay_days)
        share = np.where(age_days >= known.final_days, 1.0, 1.0 - late)
        final = self.conversions[days][:, units]
        shares = np.broadcast_to(share[:, None], final.shape)
        return binomial_quantile(self.restate_u[days][:, units], final, shares)

    def means(self, without: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Expected orders and expected final claims, shape (T, N), without one treatment of the unit itself if named."""
        stock = self.stock_without_step if without == "budget_change" else self.stock
        response = sum(
            (path for kind, path in self.responses.items() if kind != without), np.zeros_like(self.stock)
        )
        driven = self.driven_scale * stock * np.exp(response)
        claimed = -np.expm1(-self.exposure * stock)
        claims = (driven + claimed * self.organic_mean) * self.delivered * self.tracked
        return self.organic_mean + driven, claims

    def attribution_setting(self, day: int) -> str:
        """Setting that Meta names beside its claims."""
        return "7d_click_1d_view" if self.exposure[day, 0] == self.exposure[0, 0] else "7d_click"

    def changes(self, kind: str, units: np.ndarray, days: range | None = None) -> np.ndarray:
        """Logged changes of one type in some days or all, also those that take one back: rows of (unit, day), in order."""
        first, end = (0, len(self.refreshes)) if days is None else (days.start, days.stop)
        pairs = []
        for moments in (self.starts[kind][units], self.stops[kind][units]):
            is_in = (moments >= first) & (moments < end)
            pairs.append(np.column_stack([units[is_in], moments[is_in]]))
        if kind == "creative_change":
            place, day = np.nonzero(self.refreshes[first:end, units].T)
            pairs.append(np.column_stack([units[place], first + day]))
        return np.unique(np.concatenate(pairs), axis=0)

    def version(self, kind: str, unit: int, day: int) -> int:
        """Which version of its audience or creative a unit has on a day: 0 at first, 1 under the change."""
        if kind == "creative_change" and self.refreshes[:, unit].any():
            return int(self.refreshes[: day + 1, unit].sum())
        start, stop = int(self.starts[kind][unit]), int(self.stops[kind][unit])
        return int(0 <= start <= day and not 0 <= stop <= day)


def ads_panel(scenario: Scenario, seed: int, platform: str, env: Environment) -> AdsPanel:
    """Draw one platform's campaigns.

    organic = organic_orders * exp(alpha + quality_lift * quality + demand + shock - spillover_psi * share_treated);
    driven = driven_orders * exp(alpha + demand + .5 shock + responses) * saturation(carry-over of spend);
    orders ~ Poisson of both; on days of delivery the platform claims the driven orders and each organic one with
    probability 1 - exp(-exposure * saturation).
    """
    units, n_days = units_of(scenario, seed, platform), len(env.days)
    shape = (n_days, len(units.quality))
    shock = autoregression(stream(seed, f"{platform}.shock").standard_normal(shape), units.rho, SHOCK_SD)
    adoption = adoptions(scenario, seed, platform, env, shock, units.quality, units.account, units.agency)
    starts, stops = adoption.starts, adoption.stops
    refreshes: np.ndarray = np.broadcast_to(False, shape)
    fatigue = scenario.fatigue if platform == "meta" else None
    if fatigue is not None:
        refreshes = refresh_days(fatigue, seed, platform, *shape, scenario.first_adoption_day)
        starts["creative_change"] = np.where(refreshes.any(axis=0), refreshes.argmax(axis=0), -1)
        stops["creative_change"] = np.full(shape[1], -1)
    forces = {kind: in_force(n_days, starts[kind], stops[kind]) for kind in starts}
    spending = spending_of(scenario, seed, platform, env, units, forces["budget_change"])
    stock, stock_without = (
        saturate(carry_over(spend, units.keep), units.spend_level)
        for spend in (spending.spend, spending.spend_without)
    )
    responses = {}
    for kind in RESPONSES:
        tau, rise, decay = scenario.response[kind]
        strength = tau * np.maximum(1.0 + 0.3 * units.quality + 0.25 * units.shift[kind], 0.0)
        responses[kind] = response_path(n_days, starts[kind], stops[kind], strength, rise, decay)

    demand = np.exp(env.demand)[:, None]
    half_shock = np.exp(0.5 * shock)
    organic = scenario.organic_orders * np.exp(units.alpha + scenario.quality_lift * units.quality)
    organic = organic * demand * half_shock**2
    share_treated: np.ndarray = np.broadcast_to(0.0, shape)
    if scenario.spillover_psi:
        share_treated = _share_of_others(forces["budget_change"], units.account)
        organic *= np.exp(-scenario.spillover_psi * share_treated)
    driven_scale = scenario.driven_orders * np.exp(units.alpha) * demand * half_shock
    driven = driven_scale * stock * np.exp(responses["targeting_change"] + responses["creative_change"])
    counts = stream(seed, f"{platform}.driven").poisson(driven)
    organic_counts = stream(seed, f"{platform}.organic").poisson(organic)
    exposure = np.full((n_days, 1), scenario.exposure[platform])
    if scenario.attribution_change is not None:
        exposure[scenario.attribution_change.day :] *= scenario.attribution_change.factor
    claimed = stream(seed, f"{platform}.claim").binomial(organic_counts, -np.expm1(-exposure * stock))
    fresh = _days_of_change(starts["creative_change"], stops["creative_change"], n_days) | refreshes
    regimes = scenario.regimes if platform == "google_ads" else None
    bought = deliver(
        seed, platform, env, spending.spend, units.spend_level, units.quality, fresh, fatigue, regimes
    )
    faults = defects(scenario, seed, platform, units.account, n_days)
    delivered = bought.impressions > 0
    conversions = (counts + claimed) * delivered
    if scenario.tracking_break is not None:
        conversions = stream(seed, f"{platform}.untracked").binomial(conversions, faults.tracked)
    n = np.arange(shape[1])
    return AdsPanel(
        platform=platform,
        account_ids=(_ACCOUNT_ID[platform] + 7_919 * units.account + seed % _ID_SEEDS).astype(str),
        campaign_ids=(_CAMPAIGN_ID[platform] + 10_000_000 * (seed % _ID_SEEDS) + 1_000 * n).astype(str),
        quality=units.quality,
        agency=units.agency,
        shock=shock,
        share=units.share,
        has_two_children=units.has_two_children,
        starts=starts,
        stops=stops,
        method=adoption.method,
        refreshes=refreshes,
        organic_step=spending.organic_step,
        dose=units.dose,
        budget=np.round(np.ceil(units.spend_level * 1.6) * spending.lift),
        spend=spending.spend if scenario.cells is None else np.round(spending.spend * faults.inflation, 2),
        impressions=bought.impressions,
        clicks=bought.clicks,
        frequency=bought.frequency,
        delivered=delivered,
        shown=delivered & ~faults.is_lost,
        is_outage=faults.is_outage,
        quality_score=bought.quality_score,
        decay=bought.decay,
        regime=bought.regime,
        saving=bought.saving,
        conversions=conversions,
        tracked=faults.tracked,
        restate_u=stream(seed, f"{platform}.restate").random(shape),
        restatement=scenario.restatement,
        order_value=order_values(scenario, seed, platform, units.value, n_days),
        orders=counts + organic_counts,
        organic_mean=organic,
        driven_scale=driven_scale,
        stock=stock,
        stock_without_step=stock_without,
        responses=responses,
        exposure=exposure,
        spillover_psi=scenario.spillover_psi,
        share_treated=share_treated,
    )


def _share_of_others(on: np.ndarray, account: np.ndarray) -> np.ndarray:
    """Share of the other units of each unit's account for which ``on`` holds, shape (T, N); units are in account order."""
    first = np.flatnonzero(np.diff(account, prepend=-1))
    size = np.diff(first, append=len(account))[account]
    total = np.add.reduceat(on.astype(float), first, axis=1)[:, account]
    share: np.ndarray = (total - on) / np.maximum(size - 1, 1)
    return share


def _days_of_change(start: np.ndarray, stop: np.ndarray, n_days: int) -> np.ndarray:
    day = np.arange(n_days)[:, None]
    changes: np.ndarray = (day == start) | (day == stop)
    return changes
