"""The five series: how often they come, what values they can have, when they are published. No requests here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Literal

from liftos_pipeline.schema.releases import RELEASES, expected_on
from liftos_pipeline.sources.pull import Pull


@dataclass(frozen=True)
class Series:
    """One series. ``low`` and ``high``: bounds, in its unit, that no true value passes."""

    frequency: Literal["daily", "monthly", "quarterly"]
    low: float
    high: float


SERIES: dict[str, Series] = {
    "UMCSENT": Series(RELEASES["UMCSENT"].frequency, 20.0, 150.0),
    "UNRATE": Series(RELEASES["UNRATE"].frequency, 0.1, 40.0),
    "CPIAUCSL": Series(RELEASES["CPIAUCSL"].frequency, 10.0, 5000.0),
    "GDP": Series(RELEASES["GDP"].frequency, 100.0, 500_000.0),
    "VIXCLS": Series(RELEASES["VIXCLS"].frequency, 3.0, 200.0),
}


def published_on(series_id: str, observed: date) -> date:
    """Day on which a period's first value usually comes out; for history that was never seen being published."""
    return observed + timedelta(days=1) if series_id == "VIXCLS" else expected_on(series_id, observed)


def check_observations(
    pull: Pull, series_id: str, days: Sequence[date], values: Sequence[float | None], strictly: bool
) -> None:
    """Refuse what cannot be this series: wrong order, dates between periods, values out of range, nothing at all.

    Raises
    ------
    MalformedPage
    """
    if not days:
        raise pull.malformed("observations", None, f"at least one value of {series_id}")
    for row, (before, day) in enumerate(pairwise(days), start=1):
        if day < before or (strictly and day == before):
            raise pull.malformed("date", day.isoformat(), f"days after {before}", row)
    series = SERIES.get(series_id)
    if series is None:
        return
    for row, (day, value) in enumerate(zip(days, values, strict=True)):
        if not _begins_period(series, day):
            raise pull.malformed("date", day.isoformat(), f"first days of {series.frequency} periods", row)
        if value is not None and not series.low <= value <= series.high:
            raise pull.malformed("value", value, f"{series_id} from {series.low:g} to {series.high:g}", row)


def _begins_period(series: Series, day: date) -> bool:
    if series.frequency == "daily":
        return True
    return day.day == 1 and (series.frequency == "monthly" or day.month in (1, 4, 7, 10))
