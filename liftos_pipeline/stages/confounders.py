"""Runs the detectors over the panel: rows of ``causal.confounders``."""

from __future__ import annotations

from datetime import date

import pandas as pd

from liftos_pipeline.causal import detect
from liftos_pipeline.schema import AD_PLATFORMS
from liftos_pipeline.stages.roles import ROLES

BUDGET_CHANGE = "budget_change"
PANEL_COLUMNS = ("platform", "unit_type", "unit_id", "date_day", "spend")
"""What the detectors read of the panel."""


def find_confounders(panel: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Detected budget breaks of every campaign.

    Parameters
    ----------
    panel : DataFrame
        ``marketing_panel`` as of one day.
    seed : int
        Seed of the detectors.
    """
    parts: list[pd.DataFrame] = []
    for platform in AD_PLATFORMS:
        rows = panel[(panel["platform"] == platform) & (panel["unit_type"] == ROLES[platform].unit_type)]
        observed = rows[rows["spend"].notna()]
        if len(observed) == 0:
            continue
        spend = pd.DataFrame(
            {
                "unit": observed["unit_id"].to_numpy(),
                "day": observed["date_day"].to_numpy(dtype="datetime64[us]"),
                "spend": observed["spend"].to_numpy(dtype=float),
            }
        )
        found = detect(BUDGET_CHANGE, spend, unit="unit", period="day", value="spend", seed=seed)
        parts.extend((_verdicts(found.table, platform), _events(found.events, platform)))
    rows = [part for part in parts if len(part)]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()


def _verdicts(table: pd.DataFrame, platform: str) -> pd.DataFrame:
    rows = table.rename(columns={"unit": "unit_id"})
    rows = rows.assign(platform=platform, detector=BUDGET_CHANGE, event_no=0, event_on=None)
    return _shaped(rows)


def _events(events: pd.DataFrame, platform: str) -> pd.DataFrame:
    rows = events.rename(columns={"unit": "unit_id", "size": "estimate", "date": "event_on"})
    rows = rows.sort_values(["unit_id", "event_on"])
    rows = rows.assign(
        platform=platform,
        detector=BUDGET_CHANGE,
        event_no=rows.groupby("unit_id").cumcount() + 1,
        status="detected",
        confidence=1.0 - rows["p_value"],
    )
    return _shaped(rows)


def _shaped(rows: pd.DataFrame) -> pd.DataFrame:
    names = ["detector", "platform", "unit_id", "event_no", "status", "event_on"]
    names += ["estimate", "statistic", "p_value", "confidence", "reason"]
    shaped = rows.reindex(columns=names)
    shaped["event_on"] = [_day(value) for value in shaped["event_on"]]
    return shaped


def _day(value: object) -> date | None:
    return None if value is None or pd.isna(value) else pd.Timestamp(value).date()
