"""What is true of a world, as the tables of ``schema.truth``. Reads what was drawn; draws nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from liftos_pipeline.schema import AD_PLATFORMS, TREATMENT_TYPES
from liftos_pipeline.schema.truth import TRUTH_TABLES
from liftos_pipeline.simulator.draws import in_force
from liftos_pipeline.simulator.lists import SHORT_GAP_DAYS, USUAL_GAP_DAYS

if TYPE_CHECKING:
    from liftos_pipeline.simulator.ads import AdsPanel
    from liftos_pipeline.simulator.lists import ListsPanel
    from liftos_pipeline.simulator.world import World

_PLATFORMS = (*AD_PLATFORMS, "klaviyo")


def truth_table(world: World, name: str, through: date) -> pd.DataFrame:
    """One table of the truth with all that happened by a day; no rows where the world has nothing of the kind.

    Parameters
    ----------
    name : str
        Without its schema, for example ``"effects"``.
    """
    n_days = min((through - world.start).days + 1, world.n_days)
    rows = _TABLES[name](world, max(n_days, 0))
    if len(rows):
        return rows
    table = next(table for table in TRUTH_TABLES if table.name == name)
    empty: pd.DataFrame = table.arrow().empty_table().to_pandas()
    return empty


def _dates(world: World, days: np.ndarray) -> np.ndarray:
    """Days as dates, -1 as missing."""
    dates: np.ndarray = (np.datetime64(world.start) + days).astype("datetime64[ns]")
    return np.where(days < 0, np.datetime64("NaT"), dates)


def _rows(world: World, platform: str, unit: np.ndarray, **columns: object) -> pd.DataFrame:
    return pd.DataFrame({"platform": platform, "unit_id": world.units(platform)[unit], **columns})


def _together(parts: list[pd.DataFrame]) -> pd.DataFrame:
    found = [part for part in parts if len(part)]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def treatments(world: World, n_days: int) -> pd.DataFrame:
    """Every treatment that started on one of the first days, each refresh of a creative one of its own."""
    parts = []
    for platform in _PLATFORMS:
        panel = world.panel_of(platform)
        for kind in TREATMENT_TYPES:
            unit, start, stop = _spells(panel, kind)
            seen = start < n_days
            parts.append(
                _rows(
                    world,
                    platform,
                    unit[seen],
                    treatment_type=kind,
                    started_on=_dates(world, start[seen]),
                    ended_on=_dates(world, np.where((stop < 0) | (stop >= n_days), 0, stop)[seen] - 1),
                    dose=_dose(world, platform, kind)[unit[seen]],
                    assignment_method=panel.method[unit[seen]],
                )
            )
    found = _together(parts)
    for name in ("started_on", "ended_on"):
        if len(found):
            found[name] = found[name].dt.date.where(found[name].notna(), None)
    return found


def _spells(panel: AdsPanel | ListsPanel, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit, start and stop (-1 none) of each treatment, ordered by unit and start."""
    refreshes = getattr(panel, "refreshes", None)
    if kind == "creative_change" and refreshes is not None and refreshes.any():
        unit, start = np.nonzero(refreshes.T)
        return unit, start, np.full(len(unit), -1)
    unit = np.flatnonzero(panel.starts[kind] >= 0)
    return unit, panel.starts[kind][unit], panel.stops[kind][unit]


def _dose(world: World, platform: str, kind: str) -> np.ndarray:
    n = len(world.units(platform))
    if kind != "budget_change":
        return np.full(n, np.nan)
    if platform == "klaviyo":
        return np.full(n, np.log(USUAL_GAP_DAYS / SHORT_GAP_DAYS))
    return world.ads(platform).dose


def effects(world: World, n_days: int) -> pd.DataFrame:
    """Expected outcome with minus without each treatment: same draws, one treatment of one unit off, all else as it is.

    Orders are net of refunds. Reported conversions are final ones; NaN for lists, for which no platform claims any, and
    on days whose row the platform lacks.
    """
    return _together(
        [_effects(world, platform, kind, n_days) for platform in _PLATFORMS for kind in TREATMENT_TYPES]
    )


def _effects(world: World, platform: str, kind: str, n_days: int) -> pd.DataFrame:
    net = 1.0 - world.scenario.refund_rate
    panel = world.panel_of(platform)
    starts, value = panel.starts[kind], panel.order_value
    if platform == "klaviyo":
        orders = world.klaviyo.means() * net
        effect_orders = orders - world.klaviyo.means(kind) * net
        reported = effect_reported = np.full_like(orders, np.nan)
    else:
        ads = world.ads(platform)
        (orders, reported), (other_orders, other_reported) = ads.means(), ads.means(kind)
        orders, other_orders = orders * net, other_orders * net
        reported = np.where(ads.delivered & ~ads.shown, np.nan, reported)
        effect_orders, effect_reported = orders - other_orders, reported - other_reported
    day, unit = np.nonzero((starts >= 0) & (np.arange(n_days)[:, None] >= starts))
    return _rows(
        world,
        platform,
        unit,
        treatment_type=kind,
        date_day=_dates(world, day),
        started_on=_dates(world, starts[unit]),
        is_on=in_force(n_days, starts, panel.stops[kind])[day, unit],
        effect_on_orders=effect_orders[day, unit],
        effect_on_order_revenue=(effect_orders * value)[day, unit],
        effect_on_reported=effect_reported[day, unit],
        effect_on_revenue_reported=(effect_reported * value)[day, unit],
        mean_orders=orders[day, unit],
        mean_reported=reported[day, unit],
    )


def confounders(world: World, n_days: int) -> pd.DataFrame:  # noqa: ARG001
    """What drives adoption by the scenario's hazard, orders, or both. Refreshes of a creative follow a timetable: nothing
    drives them."""
    scenario = world.scenario
    parts = []
    for platform in _PLATFORMS:
        quality = {"google_ads": "quality_score", "meta": "quality_ranking_level"}.get(platform)
        outcome, volume = ("orders", "email_sends") if platform == "klaviyo" else ("conversions_reported", "spend")
        for kind in scenario.adopted:
            by_timetable = kind == "creative_change" and platform == "meta" and scenario.fatigue is not None
            c_shock, c_quality, c_macro = (c * (not by_timetable) for c in scenario.selection[kind])
            known = [
                ("quality", "unit", quality, c_quality, scenario.quality_lift),
                ("demand_shock", "unit_day", outcome, c_shock, 0.20),
                ("size", "unit", volume, 0.0, 0.30 if platform == "klaviyo" else float(np.hypot(0.30, 0.15))),
                ("macro", "day", "umcsent_asof", c_macro, 0.08),
                ("rival", "day", None, 0.3 * (not by_timetable), -0.10),
                ("calendar", "day", "date_day", 0.0, 1.0),
            ]
            if platform != "klaviyo":
                known.append(("agency", "account", None, 0.25 * (not by_timetable), 0.0))
            frame = pd.DataFrame(known, columns=["variable", "varies_by", "seen_as", "gamma", "beta"])
            parts.append(frame.assign(platform=platform, treatment_type=kind))
    found = _together(parts)
    return found.assign(is_confounder=(found["gamma"] != 0.0) & (found["beta"] != 0.0)) if len(found) else found


def change_dates(world: World, n_days: int) -> pd.DataFrame:
    """Every lasting step of spend: budget changes, their ends, and the unlogged steps."""
    parts = []
    for platform in AD_PLATFORMS:
        panel = world.ads(platform)
        on = in_force(n_days, panel.starts["budget_change"], panel.stops["budget_change"])
        logged = np.diff(on.astype(float), axis=0, prepend=0.0)
        organic = panel.organic_step[:n_days]
        day, unit = np.nonzero((logged != 0.0) | (organic != 0.0))
        size = (logged * panel.dose + organic)[day, unit]
        parts.append(
            _rows(
                world,
                platform,
                unit,
                date_day=_dates(world, day),
                log_size=size,
                is_organic=(organic != 0.0)[day, unit],
                is_logged=(logged != 0.0)[day, unit],
            )
        )
    return _together(parts)


def regimes(world: World, n_days: int) -> pd.DataFrame:
    """Whether clicks were cheap, on every day of every Google campaign."""
    panel = world.google_ads
    if world.scenario.regimes is None:
        return pd.DataFrame()
    day, unit = (index.ravel() for index in np.indices((n_days, len(panel.saving))))
    is_cheap = panel.regime[day, unit] == 1
    columns = {"date_day": _dates(world, day), "is_cheap": is_cheap, "log_saving": panel.saving[unit]}
    return _rows(world, "google_ads", unit, **columns)


def list_hazards(world: World, n_days: int) -> pd.DataFrame:
    """Log weekly hazard of leaving at age zero, on every day of every list."""
    lists = world.klaviyo
    if world.scenario.churn is None:
        return pd.DataFrame()
    day, unit = (index.ravel() for index in np.indices((n_days, len(lists.drift))))
    hazard = lists.log_hazard[day, unit]
    columns = {"date_day": _dates(world, day), "log_hazard": hazard, "drift_per_month": lists.drift[unit]}
    return _rows(world, "klaviyo", unit, **columns)


def fatigue(world: World, n_days: int) -> pd.DataFrame:
    """Decay of the click rate per Meta campaign."""
    if world.scenario.fatigue is None:
        return pd.DataFrame()
    refreshes = world.meta.refreshes[:n_days].sum(axis=0)
    return _rows(world, "meta", np.arange(len(refreshes)), decay=world.meta.decay, refreshes=refreshes)


def shocks(world: World, n_days: int) -> pd.DataFrame:
    """Shocks to everybody: those that the world plants and the pushes of rivals."""
    pushed = np.flatnonzero(world.env.jumps[:n_days])
    size = world.env.jumps[pushed]
    rows = {
        "kind": "rival",
        "started_on": _dates(world, pushed),
        "ended_on": np.datetime64("NaT"),
        "log_demand": -0.10 * size,
        "log_price": 0.10 * size,
    }
    planted = [shock for shock in world.scenario.market_shocks if shock.day < n_days]
    first = np.array([shock.day for shock in planted], dtype=int)
    length = np.array([shock.days for shock in planted], dtype=int)
    market = {
        "kind": "market",
        "started_on": _dates(world, first),
        "ended_on": _dates(world, first + length - 1),
        "log_demand": [shock.demand + 0.08 * shock.macro for shock in planted],
        "log_price": [shock.price for shock in planted],
    }
    return _together([pd.DataFrame(rows), pd.DataFrame(market)])


def spillovers(world: World, n_days: int) -> pd.DataFrame:
    """What the siblings' budget changes do to each campaign."""
    psi = world.scenario.spillover_psi
    parts = []
    for platform in AD_PLATFORMS if psi else ():
        panel = world.ads(platform)
        day, unit = np.nonzero(panel.share_treated[:n_days])
        share = panel.share_treated[day, unit]
        lost = (1.0 - world.scenario.refund_rate) * panel.organic_mean[day, unit] * -np.expm1(psi * share)
        columns = {"date_day": _dates(world, day), "share_treated": share, "effect_on_orders": lost, "psi": psi}
        parts.append(_rows(world, platform, unit, **columns))
    return _together(parts)


def faults(world: World, n_days: int) -> pd.DataFrame:
    """Outages, broken tracking and changed attribution by account, cut at the last day."""
    parts = []
    for platform in AD_PLATFORMS:
        panel = world.ads(platform)
        accounts, first_units = np.unique(panel.account_ids, return_index=True)
        exposure = np.broadcast_to(panel.exposure / panel.exposure[0], panel.tracked.shape)
        for kind, reported in (
            ("outage", 1.0 - panel.is_outage),
            ("tracking_break", panel.tracked),
            ("attribution_change", exposure),
        ):
            for account, unit in zip(accounts.tolist(), first_units.tolist(), strict=True):
                factor = reported[:n_days, unit]
                edge = np.diff((factor < 1.0).astype(int), prepend=0, append=0)
                first, last = np.flatnonzero(edge == 1), np.flatnonzero(edge == -1) - 1
                spans = {
                    "started_on": _dates(world, first),
                    "ended_on": _dates(world, last),
                    "factor": factor[first],
                }
                parts.append(pd.DataFrame({"platform": platform, "account_id": account, "kind": kind, **spans}))
    return _together(parts)


def geo_effects(world: World, n_days: int) -> pd.DataFrame:
    """Effect of raised advertising on a region's orders, net of refunds, on every day of the experiment."""
    geo = world.geo
    if geo is None:
        return pd.DataFrame()
    net = 1.0 - world.scenario.refund_rate
    day, unit = np.nonzero(geo.in_force[:n_days, None] & np.ones(len(geo.geo_ids), dtype=bool))
    return pd.DataFrame(
        {
            "geo_id": geo.geo_ids[unit],
            "date_day": _dates(world, day),
            "is_treated": geo.is_treated[unit],
            "effect_on_orders": net * (geo.means - geo.means_without)[day, unit],
            "mean_orders": net * geo.means[day, unit],
        }
    )


_TABLES: dict[str, Callable[[World, int], pd.DataFrame]] = {
    "treatments": treatments,
    "effects": effects,
    "confounders": confounders,
    "change_dates": change_dates,
    "regimes": regimes,
    "list_hazards": list_hazards,
    "fatigue": fatigue,
    "shocks": shocks,
    "spillovers": spillovers,
    "faults": faults,
    "geo_effects": geo_effects,
}
