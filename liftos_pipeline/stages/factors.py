"""Shapes macro factors as known at one day, and their release calendar."""

from __future__ import annotations

from datetime import date

import pandas as pd

from liftos_pipeline.schema.releases import expected_on, next_period, overdue_after

FACTORS = {
    "umcsent": ("UMCSENT", "index 1966Q1=100"),
    "unrate": ("UNRATE", "percent"),
    "inflation": ("CPIAUCSL", "percent over 12 months"),
    "nominal_gdp_growth": ("GDP", "percent a year, log change over a quarter, nominal"),
    "log_vix": ("VIXCLS", "log index"),
}
"""Series and unit."""
_SHOWN = 3


def external_factors(known: pd.DataFrame, releases: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """One row per factor. A factor that nothing is known of has no value and is stale.

    Parameters
    ----------
    known : DataFrame
        factor, series_id, value, unit, observation_date, realtime_start as known at the end of the day.
    releases : DataFrame
        series_id, observation_date, released_on, has_value of what had come out by then.
    as_of : date
        The day.
    """
    rows = known.set_index("factor").reindex(pd.Index(FACTORS, name="factor")).reset_index()
    rows["series_id"] = [FACTORS[name][0] for name in rows["factor"]]
    rows["unit"] = [FACTORS[name][1] for name in rows["factor"]]
    for name in ("observation_date", "realtime_start"):
        rows[name] = [_day(value) for value in rows[name]]
    following = [_next(releases, series) for series in rows["series_id"]]
    rows["expected_on"] = [
        None if period is None else expected_on(series, period)
        for series, period in zip(rows["series_id"], following, strict=True)
    ]
    rows["overdue_after"] = [
        None if period is None else overdue_after(series, period)
        for series, period in zip(rows["series_id"], following, strict=True)
    ]
    is_late = pd.Series([day is None or day < as_of for day in rows["expected_on"]], index=rows.index)
    rows["is_stale"] = is_late | rows["value"].isna()
    return rows


def release_calendar(releases: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """The last releases of every series and the next one.

    Parameters
    ----------
    releases, as_of
        As for ``external_factors``.
    """
    rows = []
    for series, _ in FACTORS.values():
        mine = releases[releases["series_id"] == series].sort_values("observation_date").tail(_SHOWN)
        rows += [
            {
                "series_id": series,
                "observation_date": _day(row.observation_date),
                "expected_on": expected_on(series, pd.Timestamp(row.observation_date).date()),
                "released_on": _day(row.released_on),
                "status": "released" if row.has_value else "not_published",
            }
            for row in mine.itertuples()
        ]
        following = _next(releases, series)
        if following is not None:
            rows.append(
                {
                    "series_id": series,
                    "observation_date": following,
                    "expected_on": expected_on(series, following),
                    "released_on": None,
                    "status": _awaited(series, following, as_of),
                }
            )
    return pd.DataFrame(rows)


def _next(releases: pd.DataFrame, series: str) -> date | None:
    """The period after the newest that came out, with a value or without; None if none did."""
    newest = releases.loc[releases["series_id"] == series, "observation_date"].max()
    return None if pd.isna(newest) else next_period(series, pd.Timestamp(newest).date())


def _awaited(series: str, period: date, as_of: date) -> str:
    if as_of <= expected_on(series, period):
        return "expected"
    return "due" if as_of <= overdue_after(series, period) else "overdue"


def _day(value: object) -> date | None:
    return None if value is None or pd.isna(value) else pd.Timestamp(value).date()
