"""Identifies treatments: the platforms' change logs first, detected breaks second, reconciled both ways."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta

import numpy as np
import pandas as pd

MATCH_DAYS = 7
OVERLAP_DAYS = 28
COLUMNS = (
    "treatment_id",
    "platform",
    "unit_id",
    "treatment_type",
    "started_on",
    "dose",
    "evidence",
    "detected_on",
    "assignment_method",
    "overlap_group",
    "first_known_on",
)


def identify_treatments(changes: pd.DataFrame, confounders: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """Rows of ``causal.treatments``.

    A logged budget change and a detected break of the same unit at most a week apart are one treatment with
    evidence ``both``. A break that no log explains is a treatment with evidence ``detected``. Changes of one unit
    and type on one day are one treatment, their doses added. Without a declared experiment every assignment is
    observational.

    Parameters
    ----------
    changes : DataFrame
        platform, unit_id, treatment_type, changed_on, dose, first_known_on: the change logs as of the day.
    confounders : DataFrame
        ``causal.confounders`` as of the same day.
    as_of : date
        The day itself.
    """
    logged = _logged(changes)
    detected = confounders[(confounders["detector"] == "budget_change") & (confounders["event_no"] > 0)]
    breaks = {
        unit: list(zip(rows["event_on"].map(pd.Timestamp), rows["estimate"], rows["platform"], strict=True))
        for unit, rows in detected.groupby("unit_id")
    }
    logged["detected_on"] = _matches(logged, breaks)
    logged["evidence"] = np.where(logged["detected_on"].notna(), "both", "logged")
    parts = [part for part in (logged, _unlogged(breaks, as_of)) if len(part)]
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    treatments = pd.concat(parts, ignore_index=True)
    treatments = treatments.sort_values(["unit_id", "started_on", "treatment_type"], ignore_index=True)
    treatments["assignment_method"] = "observational"
    treatments["overlap_group"] = _overlap_groups(treatments)
    treatments["treatment_id"] = [
        hashlib.sha256(f"{row.unit_id}|{row.treatment_type}|{row.started_on:%Y-%m-%d}".encode()).hexdigest()[:16]
        for row in treatments.itertuples()
    ]
    for name in ("started_on", "detected_on", "first_known_on"):
        treatments[name] = [None if pd.isna(value) else pd.Timestamp(value).date() for value in treatments[name]]
    return treatments[list(COLUMNS)]


def _logged(changes: pd.DataFrame) -> pd.DataFrame:
    keys = ["platform", "unit_id", "treatment_type", "started_on"]
    rows = changes.rename(columns={"changed_on": "started_on"})
    rows = rows.assign(
        started_on=pd.to_datetime(rows["started_on"]), first_known_on=pd.to_datetime(rows["first_known_on"])
    )
    grouped = rows.groupby(keys, as_index=False)
    return grouped.agg(dose=("dose", lambda d: d.sum(min_count=1)), first_known_on=("first_known_on", "min"))


def _matches(logged: pd.DataFrame, breaks: dict[str, list[tuple]]) -> list[pd.Timestamp]:
    """Day of the break behind each logged budget change, the nearest pairs first; it is taken out of the list, so that
    it explains one change only. A break up does not explain a budget cut."""
    found = [pd.NaT] * len(logged)
    budgets = [
        (place, row) for place, row in enumerate(logged.itertuples()) if row.treatment_type == "budget_change"
    ]
    pairs = [
        (abs((entry[0] - row.started_on).days), row.started_on, entry[0], place, entry, row.unit_id)
        for place, row in budgets
        for entry in breaks.get(row.unit_id, [])
        if abs((entry[0] - row.started_on).days) <= MATCH_DAYS and not row.dose * entry[1] < 0
    ]
    for _, _, day, place, entry, unit in sorted(pairs, key=lambda pair: pair[:3]):
        if found[place] is pd.NaT and entry in breaks[unit]:
            found[place] = day
            breaks[unit].remove(entry)
    return found


def _unlogged(breaks: dict[str, list[tuple]], as_of: date) -> pd.DataFrame:
    rows = [
        {
            "platform": platform,
            "unit_id": unit,
            "treatment_type": "budget_change",
            "started_on": day,
            "dose": size,
            "evidence": "detected",
            "detected_on": day,
            "first_known_on": pd.Timestamp(as_of),
        }
        for unit, entries in breaks.items()
        for day, size, platform in entries
    ]
    names = ["platform", "unit_id", "treatment_type", "started_on", "dose", "evidence", "detected_on"]
    frame = pd.DataFrame(rows, columns=[*names, "first_known_on"])
    dates = {name: "datetime64[ns]" for name in ("started_on", "detected_on", "first_known_on")}
    return frame.astype({**dates, "dose": float})


def _overlap_groups(treatments: pd.DataFrame) -> list[str]:
    """Treatments of one unit that start at most 28 days after the one before share a group."""
    groups, unit, last, number = [], None, None, 0
    for row in treatments.itertuples():
        if row.unit_id != unit:
            unit, last, number = row.unit_id, None, 0
        elif row.started_on - last > timedelta(days=OVERLAP_DAYS):
            number += 1
        last = row.started_on
        groups.append(f"{unit}#{number}")
    return groups
