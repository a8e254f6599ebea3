"""Shapes macro factors as known at one day: rows of ``causal.external_factors``."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd

MAX_AGE_DAYS = {"umcsent": 100, "unrate": 80, "inflation": 85, "nominal_gdp_growth": 225, "log_vix": 8}
"""Age of the newest observation's period from which a release is overdue: publication lag, one period, ten days."""


def external_factors(known: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """One row per factor. A factor that nothing is known of has no value and is stale.

    Parameters
    ----------
    known : DataFrame
        factor, series_id, value, unit, observation_date, realtime_start as known at the end of the day.
    as_of : date
        The day.
    """
    if len(known) == 0:
        return known.assign(is_stale=pd.Series(dtype=bool))
    rows = known.copy()
    observed = pd.to_datetime(rows["observation_date"])
    oldest = [pd.Timestamp(as_of - timedelta(days=MAX_AGE_DAYS[name])) for name in rows["factor"]]
    rows["is_stale"] = (observed < pd.Series(oldest, index=rows.index)) | rows["value"].isna()
    for name in ("observation_date", "realtime_start"):
        rows[name] = pd.to_datetime(rows[name]).dt.date
    return rows
