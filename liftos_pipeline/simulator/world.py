"""A whole world: three platforms in one environment, and what is true of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa

from liftos_pipeline.schema import AD_PLATFORMS
from liftos_pipeline.schema.truth import TRUTH_TABLES
from liftos_pipeline.simulator.ads import AdsPanel, ads_panel
from liftos_pipeline.simulator.environment import Environment, environment, fred_vintages
from liftos_pipeline.simulator.geos import GeoPanel, geo_panel
from liftos_pipeline.simulator.lists import ListsPanel, lists_panel
from liftos_pipeline.simulator.observed import panel, subscriptions
from liftos_pipeline.simulator.parameters import Scenario
from liftos_pipeline.simulator.truth import truth_table

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
    geo: GeoPanel | None
    macro: pa.Table

    @property
    def start(self) -> date:
        return self.scenario.start

    @property
    def last_day(self) -> date:
        return self.start + timedelta(days=self.n_days - 1)

    @property
    def unit_days(self) -> int:
        """Days of all campaigns, lists and regions."""
        units = sum(len(self.units(platform)) for platform in (*AD_PLATFORMS, "klaviyo"))
        return self.n_days * (units + (0 if self.geo is None else len(self.geo.geo_ids)))

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

    def panel_of(self, platform: str) -> AdsPanel | ListsPanel:
        return self.klaviyo if platform == "klaviyo" else self.ads(platform)

    def panel(self, through: date) -> pd.DataFrame:
        """Every campaign, list and region on every day, as it stands at the end of a day: ``observed.panel``."""
        return panel(self, through)

    def subscriptions(self, through: date) -> pd.DataFrame:
        """Every subscriber by the end of a day: ``observed.subscriptions``."""
        return subscriptions(self, through)

    def treatments(self) -> pd.DataFrame:
        """Every treatment that started: ``truth.treatments``."""
        return self.table("treatments", self.last_day)

    def truth(self, through: date) -> pd.DataFrame:
        """Effects on every unit-day since the start of a treatment: ``truth.effects``."""
        return self.table("effects", through)

    def table(self, name: str, through: date) -> pd.DataFrame:
        """One table of ``schema.truth`` by its name, with all that happened by a day."""
        return truth_table(self, name, through)

    def tables(self, through: date) -> dict[str, pd.DataFrame]:
        """All tables of ``schema.truth``; without rows where the world has nothing of the kind."""
        return {table.name: self.table(table.name, through) for table in TRUTH_TABLES}


def generate(scenario: Scenario, seed: int, n_days: int) -> World:
    """Draw a world. A longer world of the same seed begins with the shorter one.

    Parameters
    ----------
    scenario : Scenario
    seed : int
    n_days : int
        Days from the scenario's start.
    """
    env = environment(scenario.start, seed, n_days, scenario.market_shocks)
    return World(
        scenario=scenario,
        seed=seed,
        n_days=n_days,
        env=env,
        meta=ads_panel(scenario, seed, "meta", env),
        google_ads=ads_panel(scenario, seed, "google_ads", env),
        klaviyo=lists_panel(scenario, seed, env),
        geo=geo_panel(scenario, seed, env),
        macro=fred_vintages(scenario.start, seed, env),
    )
