"""When each FRED series comes out: shared by the source that captures it and the stage that says what is overdue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

_FRIDAY = 4


@dataclass(frozen=True)
class Releases:
    """How often a series comes, and how long after the expected day its absence is borne.

    ``grace_days``: business days for a daily series, calendar days for others.
    """

    frequency: Literal["daily", "monthly", "quarterly"]
    grace_days: int


RELEASES: dict[str, Releases] = {
    "UMCSENT": Releases("monthly", 10),
    "UNRATE": Releases("monthly", 10),
    "CPIAUCSL": Releases("monthly", 10),
    "GDP": Releases("quarterly", 20),
    "VIXCLS": Releases("daily", 4),
}


def expected_on(series_id: str, period: date) -> date:
    """Day on which the first value of a period usually comes out.

    The consumer survey reaches FRED about a month after its period, unemployment on the first Friday after it, prices
    on the 15th, the advance GDP 30 days after the quarter, the market index on the next business day.
    """
    if series_id == "VIXCLS":
        return business_days_later(period, 1)
    if series_id == "GDP":
        return months_later(period, 3) + timedelta(days=29)
    following = months_later(period, 1)
    if series_id == "UNRATE":
        return following + timedelta(days=(_FRIDAY - following.weekday()) % 7)
    return following.replace(day=15) if series_id == "CPIAUCSL" else following.replace(day=28)


def overdue_after(series_id: str, period: date) -> date:
    """Last day on which the absence of a period is still borne."""
    expected, releases = expected_on(series_id, period), RELEASES[series_id]
    if releases.frequency == "daily":
        return business_days_later(expected, releases.grace_days)
    return expected + timedelta(days=releases.grace_days)


def next_period(series_id: str, period: date) -> date:
    """First day of the period after one."""
    frequency = RELEASES[series_id].frequency
    if frequency == "daily":
        return business_days_later(period, 1)
    return months_later(period, 1 if frequency == "monthly" else 3)


def months_later(day: date, months: int) -> date:
    """First day of the month some months after a day's."""
    years, month = divmod(day.month - 1 + months, 12)
    return date(day.year + years, month + 1, 1)


def business_days_later(day: date, number: int) -> date:
    """Monday to Friday; the graces cover holidays."""
    for _ in range(number):
        day += timedelta(days=max(1, 7 - day.weekday()) if day.weekday() >= _FRIDAY else 1)
    return day
