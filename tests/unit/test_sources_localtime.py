"""Local days, also where the clock is set forward or back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from liftos_pipeline.sources.localtime import first_whole_day, local_days, midnight

ZONES = ["Etc/UTC", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia"]


@pytest.mark.parametrize("zone", ZONES)
def test_days_equal_those_of_the_tz_database(zone: str) -> None:
    rng = np.random.default_rng(20260301)
    seconds = rng.integers(1_767_225_600, 1_798_761_600, 2000)
    found = local_days((seconds * 1_000_000).astype("datetime64[us]"), ZoneInfo(zone))
    expected = [datetime.fromtimestamp(int(s), ZoneInfo(zone)).date() for s in seconds]
    assert found.astype(object).tolist() == expected


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 8), 23), (date(2026, 3, 9), 24), (date(2026, 11, 1), 25)]
)
def test_days_are_as_long_as_the_clock_says(day: date, hours: int) -> None:
    zone = ZoneInfo("America/New_York")
    assert midnight(day + timedelta(days=1), zone) - midnight(day, zone) == timedelta(hours=hours)


def test_the_first_whole_day_begins_at_the_moment_or_later() -> None:
    zone = ZoneInfo("America/New_York")
    start = datetime(2026, 3, 1, 5, tzinfo=UTC)
    assert first_whole_day(start, zone) == date(2026, 3, 1)
    assert first_whole_day(start + timedelta(seconds=1), zone) == date(2026, 3, 2)


def test_no_instants_have_no_days() -> None:
    assert local_days(np.array([], dtype="datetime64[us]"), ZoneInfo("Asia/Kathmandu")).tolist() == []
