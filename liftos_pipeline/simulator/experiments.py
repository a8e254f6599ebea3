"""Experiments that a world declares: which units take part, and in which arm each stands at the end of a day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from liftos_pipeline.schema import AD_PLATFORMS
from liftos_pipeline.simulator.adoption import RANDOMIZED

if TYPE_CHECKING:
    from liftos_pipeline.simulator.world import World


@dataclass(frozen=True, eq=False)
class DeclaredExperiment:
    """One experiment as it stands. ``start_day``, ``stop_day``: first day and the first day after it, None is open.

    ``treated``, ``control``: ids of campaigns, or names of regions.
    """

    name: str
    unit: Literal["campaign", "geo"]
    start_day: int
    stop_day: int | None
    treated: np.ndarray
    control: np.ndarray

    @property
    def treated_pct(self) -> int:
        """Share of the units that is in the treated arm, percent."""
        return round(100 * len(self.treated) / max(len(self.treated) + len(self.control), 1))


def declared_experiments(
    world: World, platform: str, day: int, account: str | None = None
) -> list[DeclaredExperiment]:
    """Experiments of one platform that have begun by the end of a day.

    The randomised campaigns of a world are a staged rollout: nobody has changed anything at first, and who has by the end
    of the day is in the treated arm. Regions are drawn once.

    Parameters
    ----------
    day : int
        Index from the world's start; what comes later does not show.
    account : str, optional
        Campaigns of this account only.
    """
    found = []
    scenario = world.scenario
    if platform in AD_PLATFORMS and scenario.assignment is not None and day >= scenario.first_adoption_day:
        panel = world.ads(platform)
        is_member = panel.method == RANDOMIZED
        if account is not None:
            is_member &= panel.account_ids == account
        first = np.min([np.where(days < 0, world.n_days, days) for days in panel.starts.values()], axis=0)
        arms = (panel.campaign_ids[is_member & (first <= day)], panel.campaign_ids[is_member & (first > day)])
        if is_member.any():
            found.append(
                DeclaredExperiment("Staged rollout", "campaign", scenario.first_adoption_day, None, *arms)
            )
    geo, rule = world.geo, scenario.geo_experiment
    if platform == "meta" and geo is not None and rule is not None and day >= rule.start_day:
        if account in (None, world.accounts()["meta"][0]):
            arms = (geo.geo_ids[geo.is_treated], geo.geo_ids[~geo.is_treated])
            found.append(DeclaredExperiment("Regions by lot", "geo", rule.start_day, rule.stop_day, *arms))
    return found
