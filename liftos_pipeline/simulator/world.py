"""A whole world: three platforms in one environment, and what is true of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa

from liftos_pipeline.schema import TREATMENT_TYPES
from liftos_pipeline.simulator.ads import AdsPanel, ads_panel
from liftos_pipeline.simulator.environment import Environment, environment, fred_vintages
from liftos_pipeline.simulator.lists import SHORT_GAP_DAYS, USUAL_GAP_DAYS, ListsPanel, lists_panel
from liftos_pipeline.simulator.scenario import Scenario

KLAVIYO_ACCOUNT = "KLV001"


@dataclass(frozen=True, eq=False)
class World:
    """One drawn world of ``n_days`` days. ``macro``: FRED vintages."""

    scenario: Scenario
    seed: int
    n_days: int
    env: Environment
    meta: AdsPanel
    google_ads: AdsPanel
    klaviyo: ListsPanel
    macro: pa.Table

    @property
    def start(self) -> date:
        return self.scenario.start

    def accounts(self) -> dict[str, tuple[str, ...]]:
        """Account ids by platform."""
        return {
            "meta": tuple(sorted({str(a) for a in self.meta.account_ids})),
            "google_ads": tuple(sorted({str(a) for a in self.google_ads.account_ids})),
            "klaviyo": (KLAVIYO_ACCOUNT,),
            "fred": tuple(sorted(set(self.macro["series_id"].to_pylist()))),
        }

    def units(self, platform: str) -> np.ndarray:
        """Unit ids of one platform: platform, account and entity."""
        if platform == "klaviyo":
            return np.array([f"klaviyo:{KLAVIYO_ACCOUNT}:{unit}" for unit in self.klaviyo.list_ids])
        panel = self.ads(platform)
        pairs = zip(panel.account_ids, panel.campaign_ids, strict=True)
        return np.array([f"{platform}:{account}:{campaign}" for account, campaign in pairs])

    def ads(self, platform: str) -> AdsPanel:
        return self.meta if platform == "meta" else self.google_ads

    def treatments(self) -> pd.DataFrame:
        """Every treatment that started: columns of ``truth.treatments``."""
        parts = []
        for platform in ("meta", "google_ads", "klaviyo"):
            panel = self.klaviyo if platform == "klaviyo" else self.ads(platform)
            for kind in TREATMENT_TYPES:
                started = np.flatnonzero(panel.starts[kind] >= 0)
                part = pd.DataFrame({"platform": platform, "unit_id": self.units(platform)[started]})
                part["treatment_type"] = kind
                part["started_on"] = [self._day(day) for day in panel.starts[kind][started]]
                part["dose"] = self._dose(platform, kind)[started]
                part["assignment_method"] = "observational"
                parts.append(part)
        return pd.concat(parts, ignore_index=True)

    def truth(self, through: date) -> pd.DataFrame:
        """Expected outcome with minus without each treatment on every treated unit-day: ``truth.effects``.

        Same draws, one treatment off, the others as they are. Orders are net of refunds, reported conversions are
        final ones (NaN for lists, for which no platform claims any).

        Parameters
        ----------
        through : date
            Last day.

        Returns
        -------
        DataFrame
            One row per platform, unit_id, treatment_type and date_day from started_on: effect_on_orders,
            effect_on_order_revenue (USD), effect_on_reported, effect_on_revenue_reported (USD), mean_orders,
            mean_reported.
        """
        parts = []
        for platform in ("meta", "google_ads", "klaviyo"):
            for kind in TREATMENT_TYPES:
                parts.append(self._effects(platform, kind, (through - self.start).days + 1))
        return pd.concat(parts, ignore_index=True)

    def _effects(self, platform: str, kind: str, n_days: int) -> pd.DataFrame:
        net = 1.0 - self.scenario.refund_rate
        if platform == "klaviyo":
            starts, value = self.klaviyo.starts[kind], self.klaviyo.order_value
            orders = self.klaviyo.means() * net
            effect_orders = orders - self.klaviyo.means(kind) * net
            reported = effect_reported = np.full_like(orders, np.nan)
        else:
            panel = self.ads(platform)
            starts, value = panel.starts[kind], panel.order_value
            (orders, reported), (other_orders, other_reported) = panel.means(), panel.means(kind)
            orders, other_orders = orders * net, other_orders * net
            effect_orders, effect_reported = orders - other_orders, reported - other_reported
        days = np.arange(min(n_days, self.n_days))[:, None]
        day, unit = np.nonzero((starts >= 0) & (days >= starts))
        frame = pd.DataFrame({"platform": platform, "unit_id": self.units(platform)[unit], "treatment_type": kind})
        frame["date_day"] = (np.datetime64(self.start) + day).astype("datetime64[D]")
        frame["started_on"] = (np.datetime64(self.start) + starts[unit]).astype("datetime64[D]")
        frame["effect_on_orders"] = effect_orders[day, unit]
        frame["effect_on_order_revenue"] = (effect_orders * value)[day, unit]
        frame["effect_on_reported"] = effect_reported[day, unit]
        frame["effect_on_revenue_reported"] = (effect_reported * value)[day, unit]
        frame["mean_orders"] = orders[day, unit]
        frame["mean_reported"] = reported[day, unit]
        return frame

    def _dose(self, platform: str, kind: str) -> np.ndarray:
        n = len(self.units(platform))
        if kind != "budget_change":
            return np.full(n, np.nan)
        if platform == "klaviyo":
            return np.full(n, np.log(USUAL_GAP_DAYS / SHORT_GAP_DAYS))
        return self.ads(platform).dose

    def _day(self, index: int) -> date:
        return self.start + timedelta(days=int(index))


def generate(scenario: Scenario, seed: int, n_days: int) -> World:
    """Draw a world. A longer world of the same seed begins with the shorter one.

    Parameters
    ----------
    scenario : Scenario
    seed : int
    n_days : int
        Days from the scenario's start.
    """
    env = environment(scenario.start, seed, n_days)
    return World(
        scenario=scenario,
        seed=seed,
        n_days=n_days,
        env=env,
        meta=ads_panel(scenario, seed, "meta", env),
        google_ads=ads_panel(scenario, seed, "google_ads", env),
        klaviyo=lists_panel(scenario, seed, env),
        macro=fred_vintages(scenario.start, seed, env),
    )
