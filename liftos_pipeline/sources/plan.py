"""Which windows are asked for, and as of when: what is missing, what platforms may have restated, nothing twice.
No requests, no tables.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from liftos_pipeline.settings import last_ended_day
from liftos_pipeline.sources.stream import Stream

HISTORY_STEP_DAYS = 7
"""A simulated home is given the change logs that weekly pulls since its first day would have saved."""

_LONGEST_WINDOW_DAYS = 31
_WINDOW_ROWS = 20_000
"""About as many rows are pulled and held at a time."""
_BEGINNING = date(2000, 1, 1)
_ALMOST_A_WEEK = timedelta(days=6, hours=12)
"""Daily runs do not start at the same minute."""


def end_of(as_of: date) -> datetime:
    """Instant (UTC) at which a day has ended."""
    return datetime.combine(as_of + timedelta(days=1), datetime.min.time())


@dataclass(frozen=True)
class Pull:
    """Ask for ``start``..``end`` as it stands at ``observed_at``."""

    observed_at: datetime
    start: date
    end: date


def plan_pulls(
    stream: Stream,
    as_of_days: Sequence[date],
    seen: Mapping[date, Sequence[datetime]],
    first_day: date,
    look_back_days: int,
    now: datetime | None,
) -> list[Pull]:
    """Pulls of one account that make the as-of days known.

    In a simulated home every as-of day has its own clock, its end, so that a range of days asks for exactly what the
    single days would. In a live home there is one clock, now.

    Parameters
    ----------
    seen : mapping of day to clocks
        Receipts of the account.
    first_day : date
        Nothing exists before it.
    look_back_days : int
        Days before an as-of day that its results look at.
    now : datetime, optional
        Wall clock (UTC) of a live home; None in a simulated one.
    """
    days = sorted(as_of_days)
    if now is not None:
        return _live_pulls(stream, days, seen, look_back_days, now)
    clocks: dict[date, list[datetime]] = defaultdict(list, {day: list(at) for day, at in seen.items()})
    pulls = []
    for as_of in days:
        oldest = max(first_day, as_of - timedelta(days=look_back_days - 1))
        steps = [as_of]
        if stream.reaches_back_days is not None and stream.reaches_back_days < look_back_days:
            steps = [day for day in _range(oldest, as_of) if _is_history_step(day, first_day) or day == as_of]
        for step in steps:
            if step != as_of and _is_complete(stream, step, oldest, clocks):
                continue
            pull = _pull_at(stream, step, oldest, clocks)
            pulls.append(pull)
            for day in _range(pull.start if stream.mode == "window" else pull.end, pull.end):
                clocks[day].append(pull.observed_at)
    return pulls


def _is_complete(stream: Stream, step: date, oldest: date, clocks: Mapping[date, Sequence[datetime]]) -> bool:
    """Whether every day that the platform still answers for at the step was pulled by then."""
    reach = step - timedelta(days=(stream.reaches_back_days or 1) - 1)
    return all(_is_seen(clocks.get(day, ()), end_of(step)) for day in _range(max(oldest, reach), step))


def _pull_at(stream: Stream, step: date, oldest: date, clocks: Mapping[date, Sequence[datetime]]) -> Pull:
    observed_at = end_of(step)
    if stream.mode == "upsert":
        return Pull(observed_at, _last_seen(clocks, observed_at), step)
    start = max(oldest, step - timedelta(days=_days_again(stream, step, clocks, observed_at) - 1))
    if stream.mode == "window":
        missing = [day for day in _range(oldest, step) if not _is_settled(stream, day, clocks, observed_at)]
        start = min([start, *missing[:1]])
    if stream.reaches_back_days is not None:
        start = max(start, step - timedelta(days=stream.reaches_back_days - 1))
    return Pull(observed_at, min(start, step), step)


def _days_again(stream: Stream, step: date, clocks: Mapping[date, Sequence[datetime]], at: datetime) -> int:
    """How many of the newest days are pulled again at a moment: more once a week.

    The week is over where a day that left the daily window a week ago was not pulled since.
    """
    if stream.weekly_days is None:
        return stream.restatement_days
    left = step - timedelta(days=stream.restatement_days + 6)
    known = [clock for clock in clocks.get(left, ()) if clock < at]
    is_due = bool(known) and max(known) <= at - _ALMOST_A_WEEK
    return stream.weekly_days if is_due else stream.restatement_days


def _is_history_step(day: date, first_day: date) -> bool:
    return (day - first_day).days % HISTORY_STEP_DAYS == HISTORY_STEP_DAYS - 1


def _last_seen(clocks: Mapping[date, Sequence[datetime]], by: datetime) -> date:
    """Day of the newest pull before a clock; a first pull of keyed changes goes back to the beginning.

    A pull that is repeated at its own clock asks what it asked the first time."""
    return max((day for day, at in clocks.items() if any(clock < by for clock in at)), default=_BEGINNING)


def _is_settled(stream: Stream, day: date, clocks: Mapping[date, Sequence[datetime]], by: datetime) -> bool:
    """Whether a day was pulled when it was old enough for the platform to leave it alone: after a gap in the runs the days
    that were still open at its beginning are pulled again."""
    settled = end_of(day) + timedelta(days=stream.restatement_days - 1)
    return any(settled <= clock <= by for clock in clocks.get(day, ()))


def _is_seen(clocks: Iterable[datetime], by: datetime) -> bool:
    return any(clock <= by for clock in clocks)


def _live_pulls(
    stream: Stream,
    days: Sequence[date],
    seen: Mapping[date, Sequence[datetime]],
    look_back_days: int,
    now: datetime,
) -> list[Pull]:
    newest = min(days[-1], last_ended_day(now.replace(tzinfo=UTC)))
    again = _days_again(stream, newest, seen, now)
    wanted = set(_range(newest - timedelta(days=again - 1), newest))
    if stream.mode == "upsert":
        return [Pull(now, min(_last_seen(seen, now), newest), newest)]
    if stream.mode == "window":
        oldest = days[0] - timedelta(days=look_back_days - 1)
        wanted |= {day for day in _range(oldest, newest) if not _is_settled(stream, day, seen, now)}
    if stream.reaches_back_days is not None:
        earliest = _earliest(stream, now)
        wanted = {day for day in wanted if day >= earliest}
    return [Pull(now, start, end) for start, end in _stretches(sorted(wanted))]


def _earliest(stream: Stream, now: datetime) -> date:
    """First day that the platform still serves."""
    return now.date() - timedelta(days=(stream.reaches_back_days or 1) - 1)


def lost_days(
    stream: Stream, as_of_days: Sequence[date], seen: Mapping[date, object], look_back_days: int, now: datetime
) -> list[tuple[date, date]]:
    """Stretches of days that were never pulled and that the platform no longer serves."""
    if stream.mode != "window" or stream.reaches_back_days is None:
        return []
    oldest = min(as_of_days) - timedelta(days=look_back_days - 1)
    return _stretches(
        [day for day in _range(oldest, _earliest(stream, now) - timedelta(days=1)) if day not in seen]
    )


def _stretches(days: Sequence[date]) -> list[tuple[date, date]]:
    """Runs of consecutive days."""
    found: list[tuple[date, date]] = []
    for day in days:
        if found and day - found[-1][1] == timedelta(days=1):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def _range(first: date, last: date) -> list[date]:
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def next_part(pull: Pull, rows_a_day: int | None) -> Pull:
    """The pull's first days: few enough to be held in memory, at most a month; one day where nothing is known yet."""
    fitting = 1 if rows_a_day is None else _WINDOW_ROWS // max(rows_a_day, 1)
    days = min(max(fitting, 1), _LONGEST_WINDOW_DAYS)
    return Pull(pull.observed_at, pull.start, min(pull.end, pull.start + timedelta(days=days - 1)))
