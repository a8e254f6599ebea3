"""Campaigns of one ad platform: spend, delivery, orders that they cause, orders that the platform claims."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liftos_pipeline.simulator.draws import (
    autoregression,
    binomial_quantile,
    carry_over,
    first_hits,
    response_path,
    saturate,
    stream,
)
from liftos_pipeline.simulator.environment import Environment
from liftos_pipeline.simulator.scenario import Scenario

SHOCK_SD = 0.20
RESTATED_DAYS = 28
_RESPONSES = ("targeting_change", "creative_change")
_CAMPAIGN_ID = {"meta": 120_210_000_000_000_000, "google_ads": 20_400_000_000}
_ACCOUNT_ID = {"meta": 810_000_000_000_000, "google_ads": 4_410_000_000}
_ID_SEEDS = 997
"""Ids repeat after so many seeds; they keep the number of digits that the platforms use."""


@dataclass(frozen=True, eq=False)
class AdsPanel:
    """All campaigns of one platform. Arrays are (T, N) or (N,); money in USD; days are indices from the start.

    ``starts``: day of each treatment per unit, -1 never. ``share``: what the first of two children gets of its
    campaign. ``delivered``: false on days without delivery, which the platform does not report at all.
    ``conversions``: final claims; ``restate_u``: the uniform that settles how many of them are known at each age.
    ``stock``, ``stock_without_step``: saturated carry-over of spend with and without the budget change.
    ``driven_scale``: orders per unit of ``stock`` without any response.
    """

    platform: str
    account_ids: np.ndarray
    campaign_ids: np.ndarray
    quality: np.ndarray
    share: np.ndarray
    has_two_children: np.ndarray
    starts: dict[str, np.ndarray]
    dose: np.ndarray
    budget: np.ndarray
    spend: np.ndarray
    impressions: np.ndarray
    clicks: np.ndarray
    frequency: np.ndarray
    delivered: np.ndarray
    quality_score: np.ndarray
    conversions: np.ndarray
    restate_u: np.ndarray
    order_value: np.ndarray
    orders: np.ndarray
    organic_mean: np.ndarray
    driven_scale: np.ndarray
    stock: np.ndarray
    stock_without_step: np.ndarray
    responses: dict[str, np.ndarray]
    exposure: float

    def reported(self, days: slice, age_days: np.ndarray, units: np.ndarray) -> np.ndarray:
        """Conversions that the platform shows at some age: Binomial(final, 1 - .4 exp(-age / 4)), all in the end.

        Parameters
        ----------
        days : slice of D days
        age_days : ndarray, shape (D,)
        units : ndarray of int, shape (U,)

        Returns
        -------
        ndarray, shape (D, U). Never falls with age.
        """
        share = np.where(age_days >= RESTATED_DAYS, 1.0, 1.0 - 0.4 * np.exp(-np.asarray(age_days) / 4.0))
        final = self.conversions[days][:, units]
        shares = np.broadcast_to(share[:, None], final.shape)
        return binomial_quantile(self.restate_u[days][:, units], final, shares)

    def means(self, without: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Expected orders and expected final claims, shape (T, N), without one treatment if named."""
        stock = self.stock_without_step if without == "budget_change" else self.stock
        response = sum(
            (path for kind, path in self.responses.items() if kind != without), np.zeros_like(self.stock)
        )
        driven = self.driven_scale * stock * np.exp(response)
        claimed = -np.expm1(-self.exposure * stock)
        return self.organic_mean + driven, (driven + claimed * self.organic_mean) * self.delivered


def ads_panel(scenario: Scenario, seed: int, platform: str, env: Environment) -> AdsPanel:
    """Draw one platform's campaigns.

    organic = organic_orders * exp(alpha + quality_lift * quality + demand + shock); driven = driven_orders *
    exp(alpha + demand + .5 shock + responses) * saturation(carry-over of spend); orders ~ Poisson of both; on days
    of delivery the platform claims the driven orders and each organic one with probability
    1 - exp(-exposure * saturation).
    """
    n, n_days = scenario.campaigns_per_platform, len(env.days)
    fixed = stream(seed, f"{platform}.units")
    n_accounts = scenario.accounts_per_platform
    account = np.arange(n) * n_accounts // n
    agency = fixed.normal(0.0, 0.5, n_accounts)[account]
    quality = fixed.standard_normal(n)
    alpha = fixed.normal(0.0, 0.3, n) + fixed.normal(0.0, 0.15, n_accounts)[account]
    rho, pacing_rho, keep = (fixed.uniform(low, high, n) for low, high in ((0.3, 0.7), (0.2, 0.7), (0.3, 0.8)))
    dose = fixed.uniform(*scenario.budget_step, n)
    spend_level = np.exp(4.0 + alpha + fixed.normal(0.0, 0.2, n))
    share = fixed.uniform(0.35, 0.65, n)
    two = fixed.random(n) < 0.5
    shift = {kind: fixed.standard_normal(n) for kind in _RESPONSES}

    shock = autoregression(stream(seed, f"{platform}.shock").standard_normal((n_days, n)), rho, SHOCK_SD)
    starts = _adoptions(scenario, seed, platform, env, shock, quality, agency)
    pacing = autoregression(stream(seed, f"{platform}.pacing").standard_normal((n_days, n)), pacing_rho, 0.12)
    base_log = np.log(spend_level) + (0.5 * (env.week + env.annual))[:, None] + pacing
    running = stream(seed, f"{platform}.pause").random((n_days, n)) >= scenario.pause_rate
    stepped = np.arange(n_days)[:, None] >= np.where(starts["budget_change"] < 0, n_days, starts["budget_change"])
    spend_without = np.exp(base_log) * running
    lift = np.where(stepped, np.exp(dose), 1.0)
    spend = np.round(spend_without * lift, 2)
    stock = saturate(carry_over(spend, keep), spend_level)
    stock_without = saturate(carry_over(np.round(spend_without, 2), keep), spend_level)
    responses = {}
    for kind in _RESPONSES:
        tau, rise, decay = scenario.response[kind]
        strength = tau * np.maximum(1.0 + 0.3 * quality + 0.25 * shift[kind], 0.0)
        responses[kind] = response_path(n_days, starts[kind], strength, rise, decay)

    demand = np.exp(env.demand)[:, None]
    half_shock = np.exp(0.5 * shock)
    organic = scenario.organic_orders * np.exp(alpha + scenario.quality_lift * quality) * demand * half_shock**2
    driven_scale = scenario.driven_orders * np.exp(alpha) * demand * half_shock
    driven = driven_scale * stock * np.exp(responses["targeting_change"] + responses["creative_change"])
    counts = stream(seed, f"{platform}.driven").poisson(driven)
    organic_counts = stream(seed, f"{platform}.organic").poisson(organic)
    exposure = scenario.exposure[platform]
    claimed = stream(seed, f"{platform}.claim").binomial(organic_counts, -np.expm1(-exposure * stock))
    impressions, clicks, frequency = _delivery(seed, platform, env, spend, spend_level, quality, starts)
    value_noise = stream(seed, f"{platform}.value").standard_normal((n_days, n))
    level = scenario.order_value_usd * np.exp(0.2 * fixed.standard_normal(n))
    return AdsPanel(
        platform=platform,
        account_ids=(_ACCOUNT_ID[platform] + 7_919 * account + seed % _ID_SEEDS).astype(str),
        campaign_ids=(_CAMPAIGN_ID[platform] + 10_000_000 * (seed % _ID_SEEDS) + 1_000 * np.arange(n)).astype(str),
        quality=quality,
        share=share,
        has_two_children=two,
        starts=starts,
        dose=dose,
        budget=np.round(np.ceil(spend_level * 1.6) * lift),
        spend=spend,
        impressions=impressions,
        clicks=clicks,
        frequency=frequency,
        delivered=impressions > 0,
        quality_score=np.clip(np.round(6.0 + 1.6 * quality), 1, 10).astype(int),
        conversions=(counts + claimed) * (impressions > 0),
        restate_u=stream(seed, f"{platform}.restate").random((n_days, n)),
        order_value=np.round(level * np.exp(0.08 * value_noise), 2),
        orders=counts + organic_counts,
        organic_mean=organic,
        driven_scale=driven_scale,
        stock=stock,
        stock_without_step=stock_without,
        responses=responses,
        exposure=exposure,
    )


def _adoptions(
    scenario: Scenario,
    seed: int,
    platform: str,
    env: Environment,
    shock: np.ndarray,
    quality: np.ndarray,
    agency: np.ndarray,
) -> dict[str, np.ndarray]:
    lagged = np.vstack([np.zeros((1, shock.shape[1])), shock[:-1]]) / SHOCK_SD
    starts = {}
    for kind, (c_shock, c_quality, c_macro) in scenario.selection.items():
        log_hazard = c_shock * lagged
        log_hazard += c_quality * quality + 0.5 * agency - 0.5
        log_hazard += (c_macro * env.macro + 0.3 * env.rival)[:, None]
        uniforms = stream(seed, f"{platform}.adopt.{kind}").random(shock.shape)
        starts[kind] = first_hits(uniforms, scenario.base_hazard * np.exp(log_hazard), scenario.first_adoption_day)
    return starts


def _delivery(
    seed: int,
    platform: str,
    env: Environment,
    spend: np.ndarray,
    spend_level: np.ndarray,
    quality: np.ndarray,
    starts: dict[str, np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    price = 9.0 * np.exp(0.10 * env.rival + 0.3 * env.demand)[:, None]
    impressions = np.round(spend / price * 1000.0).astype(np.int64)
    audience = spend_level / 9.0 * 1000.0 * 8.0
    fresh = np.arange(len(spend))[:, None] == starts["creative_change"]
    frequency = np.empty_like(spend)
    level = np.full(spend.shape[1], 1.0)
    for t in range(len(spend)):
        level = (0.95 * level + impressions[t] / audience * 0.25) * np.where(fresh[t], 0.2, 1.0)
        frequency[t] = 1.0 + level
    noise = stream(seed, f"{platform}.click").standard_normal(spend.shape)
    rate = 0.014 * np.exp(0.1 * quality + 0.05 * noise)
    return impressions, np.round(impressions * rate).astype(np.int64), frequency
