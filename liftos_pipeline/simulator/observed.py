"""What can be seen of a world by the end of a day, as tables without any raw payload."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from liftos_pipeline.schema import AD_PLATFORMS, TREATMENT_TYPES
from liftos_pipeline.simulator.draws import in_force

if TYPE_CHECKING:
    from liftos_pipeline.simulator.world import World

METRICS = (
    "spend",
    "impressions",
    "clicks",
    "frequency",
    "quality_score",
    "conversions_reported",
    "revenue_reported",
    "budget_in_force",
    "email_sends",
    "email_clicks",
    "unsubscribes",
    "orders",
    "order_revenue",
    "true_orders",
)
"""Metric columns of the panel; NaN where a unit has none of the kind, or where the platform lacks the row."""


def panel(world: World, through: date) -> pd.DataFrame:
    """Every campaign, list and region on every day, as it stands at the end of a day.

    Returns
    -------
    DataFrame
        platform, account_id, unit_type (campaign | list | geo), unit_id, date_day, is_observed (false where the
        platform lacks the row), ``METRICS`` (money in USD, orders before refunds; ``true_orders`` of a campaign are seen
        by nobody) and, per treatment type, whether it is in force (0 or 1).
    """
    n_days = min((through - world.start).days + 1, world.n_days)
    parts = [_campaigns(world, platform, n_days) for platform in AD_PLATFORMS]
    parts += [_lists(world, n_days)] + ([] if world.geo is None else [_geos(world, n_days)])
    columns = ["platform", "account_id", "unit_type", "unit_id", "date_day", "is_observed", *METRICS]
    return pd.concat(parts, ignore_index=True)[[*columns, *TREATMENT_TYPES]]


def _frame(
    world: World,
    n_days: int,
    labels: Mapping[str, object],
    units: np.ndarray,
    columns: Mapping[str, np.ndarray],
) -> pd.DataFrame:
    """Columns of shape (D, U) below one another, unit by unit; metrics that are not given are NaN, treatments 0."""
    days = (np.datetime64(world.start) + np.arange(n_days)).astype("datetime64[ns]")
    frame: dict[str, object] = {
        name: np.repeat(value, n_days) if isinstance(value, np.ndarray) else value
        for name, value in labels.items()
    }
    frame |= {"unit_id": np.repeat(units, n_days), "date_day": np.tile(days, len(units))}
    frame |= {name: np.nan for name in METRICS if name not in columns}
    frame |= {name: 0 for name in TREATMENT_TYPES if name not in columns}
    return pd.DataFrame(frame | {name: values.T.ravel() for name, values in columns.items()})


def _campaigns(world: World, platform: str, n_days: int) -> pd.DataFrame:
    ads, span = world.ads(platform), slice(0, n_days)
    known = ads.reported(span, n_days - 1 - np.arange(n_days), np.arange(len(ads.quality)))
    seen = {
        "spend": ads.spend[span],
        "impressions": ads.impressions[span],
        "clicks": ads.clicks[span],
        "conversions_reported": known,
        "revenue_reported": known * ads.order_value[span],
    }
    own = {"meta": ("frequency", ads.frequency), "google_ads": ("quality_score", ads.quality_score)}
    name, values = own[platform]
    seen[name] = values[span]
    lost = (ads.delivered & ~ads.shown)[span]
    columns = {name: np.where(lost, np.nan, values) for name, values in seen.items()}
    columns["is_observed"] = ~lost
    columns |= {"budget_in_force": ads.budget[span], "true_orders": ads.orders[span]}
    columns |= {kind: in_force(n_days, ads.starts[kind], ads.stops[kind]).astype(int) for kind in TREATMENT_TYPES}
    labels = {"platform": platform, "unit_type": "campaign", "account_id": ads.account_ids}
    return _frame(world, n_days, labels, world.units(platform), columns)


def _lists(world: World, n_days: int) -> pd.DataFrame:
    lists, span = world.klaviyo, slice(0, n_days)
    orders = lists.orders[span].astype(float)
    gone = np.flatnonzero(lists.left < n_days)
    columns = {
        "email_sends": _counts(world, lists.received[:, 0], lists.received[:, 1], n_days),
        "email_clicks": _counts(world, lists.clicked[:, 0], lists.clicked[:, 1], n_days),
        "unsubscribes": _counts(world, lists.left[gone], gone, n_days),
        "orders": orders,
        "order_revenue": orders * lists.order_value[span],
        "true_orders": orders,
        "is_observed": np.ones(orders.shape, dtype=bool),
    }
    columns |= {
        kind: in_force(n_days, lists.starts[kind], lists.stops[kind]).astype(int) for kind in TREATMENT_TYPES
    }
    labels = {"platform": "klaviyo", "unit_type": "list", "account_id": world.accounts()["klaviyo"][0]}
    return _frame(world, n_days, labels, world.units("klaviyo"), columns)


def _counts(world: World, day: np.ndarray, person: np.ndarray, n_days: int) -> np.ndarray:
    """Events per day and list, shape (n_days, L)."""
    n = len(world.klaviyo.list_ids)
    inside = day < n_days
    cell = day[inside] * n + world.klaviyo.people_list[person[inside]]
    return np.bincount(cell, minlength=n_days * n).reshape(n_days, n)


def _geos(world: World, n_days: int) -> pd.DataFrame:
    geo, span = world.geo, slice(0, n_days)
    if geo is None:
        return pd.DataFrame()
    orders = geo.orders[span]
    columns = {
        "spend": geo.spend[span],
        "orders": orders,
        "order_revenue": orders * geo.order_value[span],
        "true_orders": orders,
        "is_observed": np.ones(orders.shape, dtype=bool),
        "budget_change": (geo.in_force[span, None] & geo.is_treated).astype(int),
    }
    labels = {"platform": "meta", "unit_type": "geo", "account_id": world.accounts()["meta"][0]}
    return _frame(world, n_days, labels, geo.geo_ids, columns)


def subscriptions(world: World, through: date) -> pd.DataFrame:
    """Every subscriber by the end of a day: what a study of leaving needs.

    Returns
    -------
    DataFrame
        unit_id (the list), person, started_on (consent), entered_on (first day on which leaving is seen: later than
        started_on for those whom the account took over), ended_on (day of leaving, else the last day), has_left.
    """
    lists, n_days = world.klaviyo, min((through - world.start).days + 1, world.n_days)
    person = np.flatnonzero(lists.joined < n_days)
    has_left = lists.left[person] < n_days
    first_day = np.datetime64(world.start, "ns")

    def day(index: np.ndarray) -> np.ndarray:
        dates: np.ndarray = first_day + index.astype("timedelta64[D]")
        return dates

    return pd.DataFrame(
        {
            "unit_id": world.units("klaviyo")[lists.people_list[person]],
            "person": person,
            "started_on": day(lists.consented[person]),
            "entered_on": day(np.maximum(lists.joined[person], 0)),
            "ended_on": day(np.where(has_left, lists.left[person], n_days - 1)),
            "has_left": has_left,
        }
    )
