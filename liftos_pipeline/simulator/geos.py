"""Regions of a geo experiment: who was drawn by lot, what was spent and what was bought there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liftos_pipeline.simulator.draws import autoregression, stream
from liftos_pipeline.simulator.environment import Environment
from liftos_pipeline.simulator.parameters import Scenario

SHOPPERS_PER_GEO = 50
_RISE_DAYS = 3.0


@dataclass(frozen=True, eq=False)
class GeoPanel:
    """Arrays are (T, G) or (G,); money in USD. ``means``, ``means_without``: expected orders with and without the raised
    advertising. ``in_force``: days of the experiment, shape (T,)."""

    geo_ids: np.ndarray
    is_treated: np.ndarray
    in_force: np.ndarray
    orders: np.ndarray
    order_value: np.ndarray
    spend: np.ndarray
    means: np.ndarray
    means_without: np.ndarray


def geo_panel(scenario: Scenario, seed: int, env: Environment) -> GeoPanel | None:
    """Draw the regions as ``GeoExperiment`` says; None in a world without one."""
    geo = scenario.geo_experiment
    if geo is None:
        return None
    n_days, n = len(env.days), geo.geos
    fixed = stream(seed, "geo.units")
    size = np.exp(geo.size_sd * fixed.standard_normal(n))
    rho = fixed.uniform(0.3, 0.7, n)
    is_treated = np.zeros(n, dtype=bool)
    is_treated[fixed.permutation(n)[: geo.treated]] = True
    day = np.arange(n_days)
    runs = (day >= geo.start_day) & (day < geo.stop_day)
    rise = np.where(runs, -np.expm1(-(day - geo.start_day + 1.0) / _RISE_DAYS), 0.0)
    shock = autoregression(stream(seed, "geo.shock").standard_normal((n_days, n)), rho, geo.shock_sd)
    without = geo.orders * size * np.exp(env.demand[:, None] + shock)
    means = without * np.exp(geo.lift * rise[:, None] * is_treated)
    noise = 0.05 * stream(seed, "geo.spend").standard_normal((n_days, n))
    level = np.log(geo.spend_usd * size) + 0.5 * (env.week + env.annual)[:, None]
    value = scenario.order_value_usd * np.exp(0.08 * stream(seed, "geo.value").standard_normal((n_days, n)))
    return GeoPanel(
        geo_ids=np.array([f"Region {number + 1:02d}" for number in range(n)]),
        is_treated=is_treated,
        in_force=runs,
        orders=stream(seed, "geo.orders").poisson(means),
        order_value=np.round(value, 2),
        spend=np.round(np.exp(level + noise + geo.dose * (runs[:, None] & is_treated)), 2),
        means=means,
        means_without=without,
    )
