"""Campaigns before any delivery: their traits, what they spend, what their orders are worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liftos_pipeline.simulator.draws import autoregression, stream
from liftos_pipeline.simulator.environment import Environment
from liftos_pipeline.simulator.parameters import Scenario

RESPONSES = ("targeting_change", "creative_change")
"""Treatments that act on the response; budget changes act through spend."""


@dataclass(frozen=True, eq=False)
class Units:
    """What does not change: traits per unit, shape (N,)."""

    account: np.ndarray
    agency: np.ndarray
    quality: np.ndarray
    alpha: np.ndarray
    rho: np.ndarray
    pacing_rho: np.ndarray
    keep: np.ndarray
    dose: np.ndarray
    spend_level: np.ndarray
    share: np.ndarray
    has_two_children: np.ndarray
    shift: dict[str, np.ndarray]
    value: np.ndarray


def units_of(scenario: Scenario, seed: int, platform: str) -> Units:
    n, n_accounts = scenario.campaigns_per_platform, scenario.accounts_per_platform
    fixed = stream(seed, f"{platform}.units")
    account = np.arange(n) * n_accounts // n
    agency = fixed.normal(0.0, 0.5, n_accounts)[account]
    quality = fixed.standard_normal(n)
    alpha = fixed.normal(0.0, 0.3, n) + fixed.normal(0.0, 0.15, n_accounts)[account]
    rho, pacing_rho, keep = (fixed.uniform(low, high, n) for low, high in ((0.3, 0.7), (0.2, 0.7), (0.3, 0.8)))
    dose = fixed.uniform(*scenario.budget_step, n)
    spend_level = np.exp(4.0 + alpha + fixed.normal(0.0, 0.2, n))
    share = fixed.uniform(0.35, 0.65, n)
    two = fixed.random(n) < 0.5
    shift = {kind: fixed.standard_normal(n) for kind in RESPONSES}
    value = scenario.order_value_usd * np.exp(0.2 * fixed.standard_normal(n))
    return Units(
        account, agency, quality, alpha, rho, pacing_rho, keep, dose, spend_level, share, two, shift, value
    )


@dataclass(frozen=True, eq=False)
class Spending:
    """What is spent, with and without the budget change, shape (T, N). ``lift``: factor of the change."""

    spend: np.ndarray
    spend_without: np.ndarray
    lift: np.ndarray
    organic_step: np.ndarray


def spending_of(
    scenario: Scenario, seed: int, platform: str, env: Environment, units: Units, stepped: np.ndarray
) -> Spending:
    """log spend = level + .5 (week + annual) + pacing AR(1) + unlogged steps so far + dose while the change lasts."""
    noise = stream(seed, f"{platform}.pacing").standard_normal(stepped.shape)
    log_spend = np.log(units.spend_level) + (0.5 * (env.week + env.annual))[:, None]
    log_spend = log_spend + autoregression(noise, units.pacing_rho, 0.12)
    steps: np.ndarray = np.broadcast_to(0.0, stepped.shape)
    if scenario.organic_steps is not None:
        draws = stream(seed, f"{platform}.organic_step").random((*stepped.shape, 2))
        low, high = scenario.organic_steps.size
        # the second draw settles sign and size: U(-1, 1) with the middle cut out
        side = 2.0 * draws[..., 1] - 1.0
        size = np.sign(side) * (low + (high - low) * np.abs(side))
        steps = np.where(draws[..., 0] < scenario.organic_steps.rate, size, 0.0)
        steps[:1] = 0.0
        log_spend += np.cumsum(steps, axis=0)
    running = stream(seed, f"{platform}.pause").random(stepped.shape) >= scenario.pause_rate
    spend_without = np.exp(log_spend) * running
    lift = np.where(stepped, np.exp(units.dose), 1.0)
    return Spending(np.round(spend_without * lift, 2), np.round(spend_without, 2), lift, steps)


def order_values(scenario: Scenario, seed: int, platform: str, level: np.ndarray, n_days: int) -> np.ndarray:
    noise = stream(seed, f"{platform}.value").standard_normal((n_days, len(level)))
    values = level * np.exp(0.08 * noise)
    if scenario.order_value_tail:
        shape = scenario.order_value_tail
        draws = stream(seed, f"{platform}.tail").random(values.shape)
        values *= (shape - 1.0) / shape * np.power(1.0 - draws, -1.0 / shape)
    return np.round(values, 2)
