"""Tables of a simulated world as the pipeline would have them on its last day, without its platforms and SQL."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd

from liftos_pipeline.settings import CutoffRule
from liftos_pipeline.simulator.world import World
from liftos_pipeline.stages.instruments import declared_instruments
from liftos_pipeline.stages.maturity import maturity_curves
from liftos_pipeline.stages.roles import MACRO, ROLES

LEVEL = 0.95
CUTOFF_WINDOW = 3.0
_WATCHED_DAYS = 90


def panel_of(world: World) -> pd.DataFrame:
    """What ``marketing_panel`` would hold of a world on its last day; orders net of refunds.

    A row that a platform lacks is a day of zeros, as in the mart: its day was pulled.
    """
    panel = world.panel(world.start + timedelta(days=world.n_days - 1))
    net = 1.0 - world.scenario.refund_rate
    macro = dict.fromkeys(MACRO.values(), np.nan)
    ranks = dict(
        zip(world.units("meta"), 1.0 + (world.meta.quality > -0.6) + (world.meta.quality > 0.6), strict=True)
    )
    lost = ~panel["is_observed"].to_numpy(dtype=bool)
    counted = ["spend", "impressions", "clicks", "conversions_reported", "revenue_reported"]
    panel.loc[lost, counted] = 0.0
    return panel.assign(
        orders=panel["orders"] * net,
        order_revenue=panel["order_revenue"] * net,
        email_opens=panel["email_clicks"],
        quality_ranking_level=panel["unit_id"].map(ranks),
        is_observed=True,
        is_boundary=False,
        n_budget_changes=0.0,
        vintage="captured",
        **macro,
    )


def curves_of(world: World) -> pd.DataFrame:
    """``causal.maturity_curves``, from what was shown of each account-day at each age."""
    parts = []
    for platform in ("meta", "google_ads"):
        ads, ages = world.ads(platform), ROLES[platform].restated_days
        first = max(world.n_days - _WATCHED_DAYS, 0)
        span = slice(first, world.n_days)
        units = np.arange(len(ads.quality))
        for age in range(ages):
            known = ads.reported(span, np.full(world.n_days - first, age), units)
            table = pd.DataFrame(known.T).groupby(ads.account_ids).sum()
            last = world.n_days - first - age
            long = (
                table.iloc[:, : max(last, 0)]
                .melt(ignore_index=False, var_name="day")
                .reset_index(names="account_id")
            )
            parts.append(long.assign(platform=platform, metric=ROLES[platform].count, age_days=age))
    triangle = pd.concat(parts, ignore_index=True)
    days = pd.Timestamp(world.start) + pd.to_timedelta(triangle["day"].astype(int), unit="D")
    return maturity_curves(triangle.assign(date_day=days), LEVEL)


def treatments_of(world: World) -> pd.DataFrame:
    """The log: every treatment of the ad platforms with the way it was assigned; nothing of the kind is known of lists.

    Treatments that a cutoff gave on Google Ads, whose quality scores are known, are declared by it.
    """
    found = world.treatments()
    method = found["assignment_method"].where(found["platform"].ne("klaviyo"), "observational")
    found = found.assign(assignment_method=method, evidence="logged", standing="current", control_group_id=None)
    rules = cutoffs_of(world)
    if not rules:
        return found
    names = {"unit_id": "unit", "treatment_type": "kind", "started_on": "day"}
    starts = found.rename(columns=names).assign(day=lambda rows: pd.to_datetime(rows["day"]))
    for place, assignment in declared_instruments(starts, rules, panel_of(world)).items():
        found.loc[found.index[place], ["assignment_method", "control_group_id"]] = (
            assignment.method,
            assignment.control_group,
        )
    return found


def cutoffs_of(world: World) -> list[CutoffRule]:
    """The rules by which Google Ads campaigns were treated: one per account and treatment type, on its date."""
    rule = world.scenario.assignment
    if rule is None:
        return []
    ads, units, accounts = (
        world.panel_of("google_ads"),
        world.units("google_ads"),
        world.ads("google_ads").account_ids,
    )
    is_ruled = ads.method == "quasi_experimental"
    rules = []
    for kind, starts in ads.starts.items():
        for account in np.unique(accounts):
            mine = is_ruled & (accounts == account)
            dates = starts[mine & (starts >= 0)]
            if len(dates):
                rules.append(
                    CutoffRule(
                        platform="google_ads",
                        treatment_type=kind,
                        on=world.start + timedelta(days=int(dates[0])),
                        column="quality_score",
                        cutoff=rule.cutoff + 1,
                        window=CUTOFF_WINDOW,
                        units=tuple(units[mine]),
                    )
                )
    return rules


def experiments_of(world: World) -> pd.DataFrame:
    """Declared experiments of campaigns: one arm with all their units."""
    rows = []
    for platform in ("meta", "google_ads"):
        members = world.units(platform)[world.panel_of(platform).method == "randomized"]
        if len(members):
            rows.append(
                {"platform": platform, "experiment_id": "rollout", "unit": "campaign", "unit_ids": list(members)}
            )
    return pd.DataFrame(rows, columns=["platform", "experiment_id", "unit", "unit_ids"])
