"""Days in an account's own time zone. Zone rules come from Python's tz database; no platform is known here."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from liftos_pipeline.errors import MalformedPage

_QUARTER_US = 15 * 60 * 1_000_000
_DAY_US = 86_400 * 1_000_000


def checked_zone(name: str, source: str, account_id: str) -> str:
    """Name of a zone that the tz database knows.

    Raises
    ------
    MalformedPage
        It does not.
    """
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise MalformedPage(
            f"an IANA time zone of {source} account {account_id}", repr(name), "Update the tzdata package."
        ) from error


def naive_utc(moment: datetime) -> datetime:
    """The moment in UTC without a zone; a moment without a zone is UTC already."""
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """First instant of a local day, in UTC."""
    return datetime.combine(day, datetime.min.time(), zone).astimezone(UTC)


def first_whole_day(moment: datetime, zone: ZoneInfo) -> date:
    """First local day that begins at the moment or later."""
    day = moment.astimezone(zone).date()
    return day if midnight(day, zone) >= moment else day + timedelta(days=1)


def local_days(instants: np.ndarray, zone: ZoneInfo) -> np.ndarray:
    """Local day of each instant.

    Parameters
    ----------
    instants : ndarray of datetime64[us], shape (n,)
        UTC.

    Returns
    -------
    ndarray of datetime64[D], shape (n,)

    Notes
    -----
    Offsets change at quarters of an hour only, so they are looked up once per quarter that occurs.
    """
    microseconds = instants.astype("datetime64[us]").astype(np.int64)
    quarters, position = np.unique(microseconds // _QUARTER_US, return_inverse=True)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    offsets = [
        _offset_us(epoch + timedelta(microseconds=int(quarter) * _QUARTER_US), zone) for quarter in quarters
    ]
    shifted = microseconds + np.array(offsets, dtype=np.int64)[position] if len(offsets) else microseconds
    return (shifted // _DAY_US).astype("datetime64[D]")


def _offset_us(moment: datetime, zone: ZoneInfo) -> int:
    offset = moment.astimezone(zone).utcoffset() or timedelta()
    return offset // timedelta(microseconds=1)
