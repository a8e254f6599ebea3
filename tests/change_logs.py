"""Change logs and detected breaks in a few words, and the treatments that are made of them."""

from __future__ import annotations

from datetime import date

import pandas as pd

from liftos_pipeline.stages.treatments import identify_treatments

AS_OF = date(2026, 5, 31)
LOOK_BACK = 120
NO_LOG = pd.DataFrame({"platform": [], "account_id": [], "date_day": []}, dtype=object)
NO_DOSE = float("nan")
Change = tuple[str, str, str, float]


def may(number: int) -> date:
    return date(2026, 5, number)


def changes(*logged: Change, known: date = AS_OF) -> pd.DataFrame:
    """(unit, type without its ending, day, dose) of every logged change."""
    frame = pd.DataFrame(logged, columns=["unit_id", "treatment_type", "changed_on", "dose"])
    return frame.assign(
        platform="meta",
        unit_id="meta:1:" + frame["unit_id"],
        treatment_type=frame["treatment_type"] + "_change",
        changed_on=pd.to_datetime(frame["changed_on"]),
        dose=frame["dose"].astype(float),
        first_known_on=pd.Timestamp(known),
    )


def breaks(*found: tuple[str, date, float]) -> pd.DataFrame:
    """(unit, day, size) of every detected break, beside a verdict and another detector's event that are none."""
    none = [(unit, may(15), 9.0, 0, "budget_change") for unit in "abc"] + [("a", may(15), 9.0, 1, "other")]
    events = [(*entry, number, "budget_change") for number, entry in enumerate(found, 1)]
    frame = pd.DataFrame(none + events, columns=["unit_id", "event_on", "estimate", "event_no", "detector"])
    unit = "meta:1:" + frame["unit_id"]
    return frame.assign(
        platform="meta", unit_id=unit, status="detected", event_on=pd.to_datetime(frame["event_on"])
    )


def identify(logged: pd.DataFrame, found: pd.DataFrame, as_of: date = AS_OF) -> pd.DataFrame:
    """Treatments of one day, units by their last word."""
    rows = identify_treatments(logged, found, NO_LOG, as_of, LOOK_BACK)
    return rows.assign(unit_id=rows["unit_id"].str.removeprefix("meta:1:"))
