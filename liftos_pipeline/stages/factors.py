"""Shapes macro factors as known at one day: rows of ``causal.external_factors``."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd

FACTORS = {
    "umcsent": ("UMCSENT", "index 1966Q1=100", 100),
    "unrate": ("UNRATE", "percent", 80),
    "inflation": ("CPIAUCSL", "percent over 12 months", 85),
    "nominal_gdp_growth": ("GDP", "percent a year, log change over a quarter, nominal", 225),
    "log_vix": ("VIXCLS", "log index", 8),
}
"""Series, unit, and the age in days of the newest observation's period beyond which a release is overdue."""


def external_factors(known: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """One row per factor. A factor that nothing is known of has no value and is stale.

    Parameters
    ----------
    known : DataFrame
        factor, series_id, value, unit, observation_date, realtime_start as known at the end of the day.
    as_of : date
        The day.
    """
    rows = known.set_index("factor").reindex(pd.Index(FACTORS, name="factor")).reset_index()
    rows["series_id"] = [FACTORS[name][0] for name in rows["factor"]]
    rows["unit"] = [FACTORS[name][1] for name in rows["factor"]]
    observed = pd.to_datetime(rows["observation_date"])
    oldest = [pd.Timestamp(as_of - timedelta(days=FACTORS[name][2])) for name in rows["factor"]]
    rows["is_stale"] = ~(observed >= pd.Series(oldest, index=rows.index)) | rows["value"].isna()
    for name in ("observation_date", "realtime_start"):
        rows[name] = [None if pd.isna(day) else pd.Timestamp(day).date() for day in rows[name]]
    return rows
