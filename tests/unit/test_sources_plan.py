"""What is pulled, and as of when: nothing twice, nothing forgotten, whatever the order of the days."""

from __future__ import annotations

import itertools
from collections import defaultdict
from datetime import date, datetime, timedelta

import pytest

from liftos_pipeline.sources import SOURCES
from liftos_pipeline.sources.plan import Pull, end_of, lost_days, plan_pulls
from liftos_pipeline.sources.stream import Stream

FIRST_DAY = date(2026, 1, 1)
LOOK_BACK = 120
INSIGHTS = SOURCES["meta"].stream("insights_daily")
DAILY = SOURCES["google_ads"].stream("daily")
EVENTS = SOURCES["klaviyo"].stream("events")
CHANGES = SOURCES["google_ads"].stream("change_events")
PROFILES = SOURCES["klaviyo"].stream("profiles")
CAMPAIGNS = SOURCES["meta"].stream("campaigns")
DAY = date(2026, 5, 30)


def said(pulls: list[Pull], seen: dict[date, list[datetime]]) -> None:
    for pull in pulls:
        for offset in range((pull.end - pull.start).days + 1):
            seen[pull.start + timedelta(days=offset)].append(pull.observed_at)


def known(stream: Stream, days: list[date], *, one_by_one: bool) -> set[tuple[date, datetime]]:
    """(day, clock) pairs that were asked for, each once."""
    seen: dict[date, list[datetime]] = defaultdict(list)
    for group in [[day] for day in days] if one_by_one else [days]:
        said(plan_pulls(stream, group, seen, FIRST_DAY, LOOK_BACK, None), seen)
    return {(day, clock) for day, clocks in seen.items() for clock in clocks}


def test_a_first_pull_goes_back_to_the_look_back() -> None:
    pulls = plan_pulls(INSIGHTS, [DAY], {}, FIRST_DAY, LOOK_BACK, None)
    assert pulls == [Pull(end_of(DAY), DAY - timedelta(days=LOOK_BACK - 1), DAY)]


def test_a_later_pull_repeats_the_restatement_window() -> None:
    seen = {DAY - timedelta(days=n): [end_of(DAY)] for n in range(LOOK_BACK)}
    following = DAY + timedelta(days=1)
    pulls = plan_pulls(INSIGHTS, [following], seen, FIRST_DAY, LOOK_BACK, None)
    assert pulls == [Pull(end_of(following), following - timedelta(days=27), following)]


@pytest.mark.parametrize("is_live", [False, True])
@pytest.mark.parametrize("gap", [1, 2, 20, 40])
def test_after_a_gap_the_days_that_were_still_open_are_pulled_again(gap: int, is_live: bool) -> None:
    """Meta leaves a day alone after 27 more; one that was open when the runs stopped would never be final."""
    seen = {DAY - timedelta(days=n): [end_of(DAY)] for n in range(LOOK_BACK)}
    following = DAY + timedelta(days=gap)
    clock = end_of(following) + timedelta(hours=6)
    pulls = plan_pulls(INSIGHTS, [following], seen, FIRST_DAY, LOOK_BACK, clock if is_live else None)
    assert [(pull.start, pull.end) for pull in pulls] == [(DAY - timedelta(days=26), following)]


def test_nothing_before_the_worlds_first_day_is_asked_for() -> None:
    pulls = plan_pulls(INSIGHTS, [date(2026, 1, 10)], {}, FIRST_DAY, LOOK_BACK, None)
    assert pulls[0].start == FIRST_DAY


@pytest.mark.parametrize(("stream", "daily", "weekly"), [(DAILY, 30, 90), (EVENTS, 3, 30)])
def test_once_a_week_more_days_are_pulled_again(stream: Stream, daily: int, weekly: int) -> None:
    seen: dict[date, list[datetime]] = defaultdict(list)
    lengths = []
    for offset in range(30):
        pulls = plan_pulls(stream, [DAY + timedelta(days=offset)], seen, FIRST_DAY, LOOK_BACK, None)
        said(pulls, seen)
        lengths.append((pulls[0].end - pulls[0].start).days + 1)
    later = lengths[1:]
    assert lengths[0] == LOOK_BACK and set(later) == {daily, weekly}
    long = [number for number, length in enumerate(later) if length == weekly]
    assert {after - before for before, after in itertools.pairwise(long)} == {7} and len(long) >= 3


def test_a_week_pulled_again_at_its_clock_is_asked_as_the_first_time() -> None:
    seen: dict[date, list[datetime]] = defaultdict(list)
    asked = {}
    days = [DAY + timedelta(days=offset) for offset in range(15)]
    for day in days:
        (asked[day],) = plan_pulls(EVENTS, [day], seen, FIRST_DAY, LOOK_BACK, None)
        said([asked[day]], seen)
    assert [plan_pulls(EVENTS, [day], seen, FIRST_DAY, LOOK_BACK, None) for day in days[1:]] == [
        [asked[day]] for day in days[1:]
    ]


def test_a_live_home_that_rested_catches_up_with_its_week() -> None:
    now = datetime(2026, 6, 1, 6, 30)
    newest = date(2026, 5, 31)
    for days_ago, length in ((6, 35), (7, 90)):  # 35: the days that were open six days ago
        clock = now - timedelta(days=days_ago, minutes=20)
        seen = {newest - timedelta(days=n): [clock] for n in range(days_ago, LOOK_BACK)}
        (pull,) = plan_pulls(DAILY, [newest], seen, date(1970, 1, 1), LOOK_BACK, now)
        assert (pull.end - pull.start).days + 1 == length


def test_days_that_a_platform_no_longer_serves_are_lost_once_and_for_all() -> None:
    now = datetime(2026, 6, 1, 6, 0)
    seen = {date(2026, 4, day): [now] for day in range(1, 11)}
    lost = lost_days(CHANGES, [date(2026, 5, 31)], seen, 60, now)
    assert lost == [(date(2026, 4, 11), date(2026, 5, 2))]
    assert lost_days(INSIGHTS, [date(2026, 5, 31)], {}, 60, now) == []


@pytest.mark.parametrize("stream", [INSIGHTS, CHANGES, DAILY, EVENTS], ids=lambda stream: stream.name)
def test_a_range_asks_for_what_single_days_ask_for(stream: Stream) -> None:
    days = [DAY + timedelta(days=n) for n in range(9)]
    assert known(stream, days, one_by_one=False) == known(stream, days, one_by_one=True)


def test_days_in_the_wrong_order_leave_no_gap_in_a_change_log() -> None:
    """The later day's look-back begins a day later; the earlier day must still get its own first day."""
    days = [DAY, DAY + timedelta(days=1)]
    forward, backward = (known(CHANGES, order, one_by_one=True) for order in (days, days[::-1]))
    assert {day for day, _ in backward} == {day for day, _ in forward}
    assert min(day for day, _ in backward) == DAY - timedelta(days=LOOK_BACK - 1)


def test_a_change_log_is_never_asked_for_more_than_the_platform_keeps() -> None:
    pulls = plan_pulls(CHANGES, [DAY], {}, FIRST_DAY, LOOK_BACK, None)
    assert max((pull.end - pull.start).days + 1 for pull in pulls) <= 30
    asked = {pull.start + timedelta(days=n) for pull in pulls for n in range((pull.end - pull.start).days + 1)}
    assert asked == {DAY - timedelta(days=n) for n in range(LOOK_BACK)}


def test_keyed_changes_go_back_to_the_beginning_once() -> None:
    first = plan_pulls(PROFILES, [DAY], {}, FIRST_DAY, LOOK_BACK, None)
    second = plan_pulls(PROFILES, [DAY + timedelta(days=2)], {DAY: [end_of(DAY)]}, FIRST_DAY, LOOK_BACK, None)
    assert (first[0].start, second[0].start) == (date(2000, 1, 1), DAY)


def test_entities_are_asked_for_as_they_stand() -> None:
    assert plan_pulls(CAMPAIGNS, [DAY], {}, FIRST_DAY, LOOK_BACK, None) == [Pull(end_of(DAY), DAY, DAY)]


def test_a_live_home_asks_once_for_missing_and_restated_days() -> None:
    now = datetime(2026, 6, 1, 6, 0)
    gap = {date(2026, 4, 10), date(2026, 4, 11)}
    seen = {DAY + timedelta(days=1 - n): [now] for n in range(LOOK_BACK + 1)}
    seen = {day: clocks for day, clocks in seen.items() if day not in gap}
    pulls = plan_pulls(INSIGHTS, [date(2026, 5, 31)], seen, date(1970, 1, 1), LOOK_BACK, now)
    assert pulls == [
        Pull(now, date(2026, 4, 10), date(2026, 4, 11)),
        Pull(now, date(2026, 5, 4), date(2026, 5, 31)),
    ]


def test_keyed_changes_pulled_again_at_their_clock_are_asked_as_the_first_time() -> None:
    days = [DAY - timedelta(days=1), DAY]
    seen: dict[date, list[datetime]] = defaultdict(list)
    first = plan_pulls(PROFILES, days, seen, FIRST_DAY, LOOK_BACK, None)
    for pull in first:
        seen[pull.end].append(pull.observed_at)
    assert plan_pulls(PROFILES, days, seen, FIRST_DAY, LOOK_BACK, None) == first
    assert plan_pulls(PROFILES, days[1:], seen, FIRST_DAY, LOOK_BACK, None) == first[1:]
