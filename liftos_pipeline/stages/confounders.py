"""Runs the detectors over the panel: rows of ``causal.confounders``. Which detector reads which columns is stated here."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from liftos_pipeline.causal import detect
from liftos_pipeline.schema import AD_PLATFORMS
from liftos_pipeline.stages.roles import MACRO, ROLES, Roles

BUDGET_CHANGE = "budget_change"
CHANGES = {
    BUDGET_CHANGE: "n_budget_changes",
    "targeting_change": "n_targeting_changes",
    "creative_change": "n_creative_changes",
}
"""Treatment type and the panel's count of logged changes of it."""
_KEYS = ("platform", "unit_type", "unit_id", "account_id", "date_day")
_METRICS = ("spend", "impressions", "clicks", "frequency", "quality_score", "quality_ranking_level")
PANEL_COLUMNS = tuple(
    dict.fromkeys(
        [
            *(*_KEYS, *_METRICS, *CHANGES.values(), *MACRO.values()),
            *(
                name
                for roles in ROLES.values()
                for name in (roles.count, roles.volume, roles.clicks, roles.exposure)
            ),
        ]
    )
)
"""What the detectors read of the panel."""
WEEK = 7


@dataclass(frozen=True)
class _Call:
    """One detector on one table. ``subject`` stands before the names of units that are no units of the panel."""

    detector: str
    rows: pd.DataFrame
    options: Mapping[str, Any]
    subject: str = ""


def find_confounders(
    panel: pd.DataFrame,
    subscriptions: pd.DataFrame,
    as_of: date,
    seed: int,
    only: Collection[str] | None = None,
) -> pd.DataFrame:
    """Verdicts and dated events of every detector on every platform that it is for.

    Parameters
    ----------
    panel : DataFrame
        ``marketing_panel`` as of one day.
    subscriptions : DataFrame
        unit_id, joined_on, left_on, has_unsubscribed: one row per person and list, as of the same day.
    as_of : date
        The day itself.
    seed : int
        Seed of the detectors.
    only : collection of str, optional
        Names of the detectors that are asked; all if not given.
    """
    parts: list[pd.DataFrame] = []
    for platform, roles in ROLES.items():
        rows = panel[(panel["platform"] == platform) & (panel["unit_type"] == roles.unit_type)]
        for call in _calls(platform, _metrics(rows, roles), subscriptions, as_of):
            if len(call.rows) and (only is None or call.detector in only):
                period = None if call.detector == "list_health" else "day"
                found = detect(call.detector, call.rows, unit="unit", period=period, seed=seed, **call.options)
                parts.extend(_rows(found.table, found.events, platform, call))
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()


def _metrics(rows: pd.DataFrame, roles: Roles) -> pd.DataFrame:
    """Unit, account, day and what the detectors read, as numbers; a ratio without a denominator is unknown."""
    columns = {name: rows[name].to_numpy(dtype=float, na_value=np.nan) for name in (*_METRICS, *CHANGES.values())}
    columns |= {name: rows[source].to_numpy(dtype=float, na_value=np.nan) for name, source in MACRO.items()}
    read = {"count": roles.count, "volume": roles.volume, "own_clicks": roles.clicks, "exposure": roles.exposure}
    columns |= {name: rows[source].to_numpy(dtype=float, na_value=np.nan) for name, source in read.items()}
    columns["ctr"] = _ratio(columns["clicks"], columns["impressions"])
    columns["cpc"] = _ratio(columns["spend"], columns["clicks"])
    columns["cpm"] = 1_000.0 * _ratio(columns["spend"], columns["impressions"])
    columns["click_rate"] = _ratio(columns["own_clicks"], columns["exposure"])
    quality = columns[roles.quality] if roles.quality is not None else np.full(len(rows), np.nan)
    keys = {
        "unit": rows["unit_id"].to_numpy(),
        "account": rows["account_id"].to_numpy(),
        "day": rows["date_day"].to_numpy(dtype="datetime64[us]"),
    }
    return pd.DataFrame({**keys, **columns, "quality": quality})


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)


def _calls(platform: str, rows: pd.DataFrame, subscriptions: pd.DataFrame, as_of: date) -> Iterator[_Call]:
    if platform in AD_PLATFORMS:
        yield _Call(BUDGET_CHANGE, rows[rows["spend"].notna()], {"value": "spend"})
        yield _Call("market_shock", rows[rows["spend"].notna()], {"cpm": "cpm", "cpc": "cpc"})
    if platform == "meta":
        refreshed = rows.assign(refresh=(rows["n_creative_changes"] > 0).astype(float))
        options = {"value": "ctr", "frequency": "frequency", "impressions": "impressions", "refresh": "refresh"}
        yield _Call("audience_fatigue", refreshed[rows["impressions"].notna()], options)
    if platform == "google_ads":
        options = {"value": "cpc"} | ({"quality_score": "quality"} if rows["quality"].notna().any() else {})
        yield _Call("quality_score_regime", rows[rows["spend"].notna()], options)
    if platform == "klaviyo":
        people = subscriptions.rename(columns={"unit_id": "unit"})
        columns = {"start": "joined_on", "end": "left_on", "event": "has_unsubscribed"}
        yield _Call("list_health", people, {**columns, "as_of": as_of})
    yield _Call("seasonality", rows[rows["count"].notna()], {"value": "count"})
    for kind, changes in CHANGES.items():
        scored = _scored(rows, changes)
        if scored is not None:
            named = {"treatment": "adopted", "outcome": "count", "candidates": _candidates(scored)}
            yield _Call("confounder_score", scored, named, f"{platform}:{kind}:")


def _scored(rows: pd.DataFrame, changes: str) -> pd.DataFrame | None:
    """Rows for scoring candidates, one week smoothed; None where nobody adopts or the log was not pulled."""
    known = rows[rows["count"].notna() & rows[changes].notna()].sort_values(["unit", "day"], ignore_index=True)
    if not (known[changes] > 0).any():
        return None
    adopted = (known[changes] > 0).astype(int)
    names = ["quality", "click_rate", "frequency", "volume"]
    weekly = known.groupby("unit")[names].rolling(WEEK, min_periods=1).mean().reset_index(drop=True)
    with np.errstate(divide="ignore"):
        volume = np.log(weekly["volume"].where(weekly["volume"] > 0))
    return known.assign(adopted=adopted, **weekly.assign(volume=volume))


def _candidates(rows: pd.DataFrame) -> list[str]:
    """Unit covariates that most rows have, and the macro factors."""
    names = ["quality", "click_rate", "frequency", "volume", *MACRO]
    return [name for name in names if rows[name].notna().mean() > 0.5]


def _rows(table: pd.DataFrame, events: pd.DataFrame, platform: str, call: _Call) -> Iterator[pd.DataFrame]:
    verdicts = table.assign(event_no=0, event_on=None)
    dated = events.sort_values(["unit", "date"])
    dated = dated.assign(
        event_no=dated.groupby("unit").cumcount() + 1,
        event_on=dated["date"],
        status="detected",
        estimate=dated["size"],
        confidence=1.0 - dated["p_value"],
        unit=dated["unit"].map(lambda unit: f"{platform}:{unit}" if call.detector == "market_shock" else unit),
    )
    for part in (verdicts, dated):
        shaped = part.assign(
            detector=call.detector, platform=platform, unit_id=[f"{call.subject}{unit}" for unit in part["unit"]]
        ).reindex(columns=COLUMNS)
        shaped["event_on"] = [_day(value) for value in shaped["event_on"]]
        numbers = ("estimate", "statistic", "p_value", "confidence")
        yield shaped.astype({name: float if name in numbers else object for name in COLUMNS if name != "event_no"})


def detected(rows: pd.DataFrame) -> pd.Series:
    """How many units each detector flags, by its name.

    Parameters
    ----------
    rows : DataFrame
        ``causal.confounders`` as of one day.
    """
    verdicts = rows[rows["event_no"] == 0]
    return (verdicts["status"] == "detected").groupby(verdicts["detector"]).sum()


COLUMNS = (
    *("detector", "platform", "unit_id", "event_no", "status", "event_on"),
    *("estimate", "statistic", "p_value", "confidence", "role", "reason"),
)


def _day(value: object) -> date | None:
    return None if value is None or pd.isna(value) else pd.Timestamp(value).date()
