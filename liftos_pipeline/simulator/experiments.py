"""Experiments that a world declares: which units take part, and in which arm each stands at the end of a day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

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


def rollout(world: World, platform: str, day: int, account: str | None = None) -> DeclaredExperiment | None:
    """The randomised campaigns of an ad platform, or of one account of it, once they may have begun to change.

    Nobody has changed anything at first; who has by the end of the day is in the treated arm.

    Parameters
    ----------
    day : int
        Index from the world's start; what comes later does not show.
    """
    scenario, panel = world.scenario, world.ads(platform)
    is_member = panel.method == RANDOMIZED
    if account is not None:
        is_member &= panel.account_ids == account
    if day < scenario.first_adoption_day or not is_member.any():
        return None
    first = np.min([np.where(days < 0, world.n_days, days) for days in panel.starts.values()], axis=0)
    return DeclaredExperiment(
        "Staged rollout",
        "campaign",
        scenario.first_adoption_day,
        None,
        treated=panel.campaign_ids[is_member & (first <= day)],
        control=panel.campaign_ids[is_member & (first > day)],
    )


def region_lot(world: World, day: int) -> DeclaredExperiment | None:
    """The regions, drawn once, from the first day of their experiment on; Meta's first account runs it."""
    geo, rule = world.geo, world.scenario.geo_experiment
    if geo is None or rule is None or day < rule.start_day:
        return None
    treated, control = geo.geo_ids[geo.is_treated], geo.geo_ids[~geo.is_treated]
    return DeclaredExperiment("Regions by lot", "geo", rule.start_day, rule.stop_day, treated, control)
