"""What is pulled, and as of when: nothing twice, nothing forgotten, whatever the order of the days."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from liftos_pipeline import ingest
from liftos_pipeline.errors import AuthExpired, PlatformError
from liftos_pipeline.ingest import Pull, end_of, open_home, plan_pulls, pull_or_keep, pull_stream
from liftos_pipeline.settings import Settings
from liftos_pipeline.sources import SOURCES
from liftos_pipeline.sources.stream import Stream

FIRST_DAY = date(2026, 1, 1)
LOOK_BACK = 120
INSIGHTS = SOURCES["meta"].stream("insights_daily")
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


@pytest.mark.parametrize("stream", [INSIGHTS, CHANGES], ids=lambda stream: stream.name)
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


@pytest.mark.parametrize(
    ("source", "stream", "was_pulled", "error", "is_borne"),
    [
        ("fred", "observations", True, PlatformError("a", "b", "c"), True),
        ("fred", "observations", False, PlatformError("a", "b", "c"), False),
        ("fred", "observations", True, AuthExpired("a", "b", "c"), False),
        ("meta", "campaigns", True, PlatformError("a", "b", "c"), False),
    ],
    ids=["fred", "fred, first pull", "fred, wrong key", "another source"],
)
def test_the_last_vintage_serves_on_where_fred_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    source: str,
    stream: str,
    was_pulled: bool,
    error: PlatformError,
    is_borne: bool,
) -> None:
    home = open_home(Settings(liftos_home=tmp_path, liftos_scenario="small_rollout"))
    if was_pulled:
        pull_stream(home, source, stream, [FIRST_DAY], "r1")

    def fails(*_args: object) -> None:
        raise error

    monkeypatch.setattr(ingest, "connect", fails)
    if is_borne:
        done = pull_or_keep(home, source, stream, [FIRST_DAY + timedelta(days=1)], "r2")
        assert (done.rows, done.unreachable) == (0, str(error))
    else:
        with pytest.raises(type(error)):
            pull_or_keep(home, source, stream, [FIRST_DAY + timedelta(days=1)], "r2")
