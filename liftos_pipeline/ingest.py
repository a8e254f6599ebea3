"""Joins the sources, the bundled platforms and the warehouse of one home: what is missing is planned, pulled and
loaded. The only place outside ``defs`` that opens a connection to a platform."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx

from liftos_pipeline.errors import AuthExpired, PlatformError
from liftos_pipeline.platforms import SIMULATED_ORIGIN, simulated_app
from liftos_pipeline.platforms.app import world_at
from liftos_pipeline.schema import Window
from liftos_pipeline.settings import Settings, last_ended_day
from liftos_pipeline.simulator import World
from liftos_pipeline.simulator.scenario import Scenario, scenario_named
from liftos_pipeline.sources import SOURCES
from liftos_pipeline.sources.stream import Connection, Source, Stream
from liftos_pipeline.warehouse import Warehouse
from liftos_pipeline.warehouse.load import LoadSummary, load_windows
from liftos_pipeline.warehouse.receipts import receipts

HISTORY_STEP_DAYS = 7
"""A simulated home is given the change logs that weekly pulls since its first day would have saved."""

LAST_VINTAGE_SERVES = ("fred",)
"""Sources that may be unreachable: what was pulled before serves on, and the freshness gate says for how long."""

_BATCH_ROWS = 50_000
_BATCH_WINDOWS = 60
_LONGEST_WINDOW_DAYS = 31
_BEGINNING = date(2000, 1, 1)
_SIMULATED_KEY = b"simulated"


@dataclass(frozen=True)
class Home:
    """An opened home. ``transport`` leads to the bundled platforms in a simulated home and is None in a live one."""

    settings: Settings
    warehouse: Warehouse
    transport: httpx.BaseTransport | None
    hash_key: bytes

    @property
    def is_simulated(self) -> bool:
        return self.transport is not None

    def scenario(self) -> Scenario:
        return scenario_named(self.settings.liftos_scenario)

    def world(self, through: date) -> World:
        """The simulated world behind this home, drawn at least through a day."""
        return world_at(self.scenario(), self.settings.liftos_seed, end_of(through).replace(tzinfo=UTC))


def open_home(settings: Settings) -> Home:
    """Open the home that the settings name: with the bundled platforms behind it if it is simulated."""
    mode = settings.source_mode
    warehouse = Warehouse(settings.home, mode)
    if mode == "live":
        return Home(settings, warehouse, None, _hash_key(settings.home))
    scenario = scenario_named(settings.liftos_scenario)
    start = datetime.combine(scenario.start, datetime.min.time(), UTC)
    accounts = world_at(scenario, settings.liftos_seed, start).accounts()
    transport = httpx.WSGITransport(app=simulated_app(scenario, settings.liftos_seed))
    return Home(settings.as_simulated(accounts, SIMULATED_ORIGIN), warehouse, transport, _SIMULATED_KEY)


def _hash_key(home: Path) -> bytes:
    """Secret of the home that stands behind the hashes of people; made once, readable by the owner only."""
    path = home / "hash.key"
    if not path.exists():
        import secrets

        home.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(secrets.token_hex(32).encode())
    return path.read_bytes()


def end_of(as_of: date) -> datetime:
    """Instant (UTC) at which a day has ended."""
    return datetime.combine(as_of + timedelta(days=1), datetime.min.time())


@dataclass(frozen=True)
class Pull:
    """Ask for ``start``..``end`` as it stands at ``observed_at``."""

    observed_at: datetime
    start: date
    end: date


@dataclass(frozen=True)
class PullSummary:
    """What one stream's pulls brought, in rows and pages. ``unreachable``: why nothing more came, where that is borne."""

    windows: int
    rows: int
    rows_restated: int
    rows_vanished: int
    pages: int
    unreachable: str | None = None


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
    start = max(oldest, step - timedelta(days=stream.restatement_days - 1))
    if stream.mode == "window":
        missing = [day for day in _range(oldest, step) if not _is_settled(stream, day, clocks, observed_at)]
        start = min([start, *missing[:1]])
    if stream.reaches_back_days is not None:
        start = max(start, step - timedelta(days=stream.reaches_back_days - 1))
    return Pull(observed_at, min(start, step), step)


def _is_history_step(day: date, first_day: date) -> bool:
    return (day - first_day).days % HISTORY_STEP_DAYS == HISTORY_STEP_DAYS - 1


def _last_seen(clocks: Mapping[date, Sequence[datetime]], by: datetime) -> date:
    """Day of the newest pull; a first pull of keyed changes goes back to the beginning."""
    return max((day for day, at in clocks.items() if _is_seen(at, by)), default=_BEGINNING)


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
    wanted = set(_range(newest - timedelta(days=stream.restatement_days - 1), newest))
    if stream.mode == "upsert":
        return [Pull(now, min(_last_seen(seen, now), newest), newest)]
    if stream.mode == "window":
        oldest = days[0] - timedelta(days=look_back_days - 1)
        wanted |= {day for day in _range(oldest, newest) if not _is_settled(stream, day, seen, now)}
    if stream.reaches_back_days is not None:
        earliest = now.date() - timedelta(days=stream.reaches_back_days - 1)
        wanted = {day for day in wanted if day >= earliest}
    return [Pull(now, start, end) for start, end in _stretches(sorted(wanted))]


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


def pull_stream(
    home: Home, source_name: str, stream_name: str, as_of_days: Sequence[date], run_id: str
) -> PullSummary:
    """Pull and load what one stream lacks for the as-of days, for every account.

    Windows that arrived before an error are loaded; the error is raised after that.
    """
    source = SOURCES[source_name]
    stream = source.stream(stream_name)
    known = receipts(home.warehouse, source_name, stream_name)
    now = None if home.is_simulated else datetime.now(UTC).replace(tzinfo=None)
    first_day = home.scenario().start if home.is_simulated else date(1970, 1, 1)
    tasks = [
        (part, account)
        for account in _accounts(home, source, as_of_days)
        for pull in plan_pulls(
            stream, as_of_days, known.get(account, {}), first_day, home.settings.liftos_look_back_days, now
        )
        for part in (_parts(pull) if stream.mode == "window" else [pull])
    ]
    tasks.sort(key=lambda task: (task[0].observed_at, task[1], task[0].start))
    return _run(home, source, stream, tasks, run_id)


def pull_or_keep(
    home: Home, source_name: str, stream_name: str, as_of_days: Sequence[date], run_id: str
) -> PullSummary:
    """As ``pull_stream``, but the last good vintage serves on where a source of ``LAST_VINTAGE_SERVES`` fails.

    Raises
    ------
    PlatformError
        Another source fails, the credentials are refused, or nothing was pulled yet.
    """
    try:
        return pull_stream(home, source_name, stream_name, as_of_days, run_id)
    except PlatformError as error:
        is_borne = source_name in LAST_VINTAGE_SERVES and not isinstance(error, AuthExpired)
        if not is_borne or not receipts(home.warehouse, source_name, stream_name):
            raise
        return PullSummary(0, 0, 0, 0, 0, unreachable=str(error))


def _parts(pull: Pull) -> list[Pull]:
    """A long pull as windows of about a month, so that no window has to fit in memory whole."""
    starts = _range(pull.start, pull.end)[::_LONGEST_WINDOW_DAYS]
    ends = [*(start - timedelta(days=1) for start in starts[1:]), pull.end]
    return [Pull(pull.observed_at, start, end) for start, end in zip(starts, ends, strict=True)]


def _accounts(home: Home, source: Source, as_of_days: Sequence[date]) -> tuple[str, ...]:
    connection = connect(home, source, end_of(max(as_of_days)))
    try:
        return source.accounts(home.settings, connection)
    finally:
        connection.close()


def _run(
    home: Home, source: Source, stream: Stream, tasks: Sequence[tuple[Pull, str]], run_id: str
) -> PullSummary:
    clock: datetime | None = None
    connection: Connection | None = None
    batch: list[Window] = []
    loads: list[Future[LoadSummary]] = []
    with ThreadPoolExecutor(1, "load") as loader:

        def flush() -> None:
            """Load the batch beside the next pulls; at most one batch waits."""
            if loads:
                loads[-1].result()
            if batch:
                loads.append(loader.submit(load_windows, home.warehouse, tuple(batch), run_id))
                batch.clear()

        try:
            for pull, account in tasks:
                if connection is None or pull.observed_at != clock:
                    _close(connection)
                    clock, connection = pull.observed_at, connect(home, source, pull.observed_at)
                batch.append(stream.fetch(connection, account, pull.start, pull.end, pull.observed_at))
                if len(batch) >= _BATCH_WINDOWS or sum(len(window.rows) for window in batch) >= _BATCH_ROWS:
                    flush()
        finally:
            _close(connection)
            flush()
    done = [load.result() for load in loads]
    return PullSummary(
        windows=len(tasks),
        rows=sum(load.rows_in for load in done),
        rows_restated=sum(load.rows_restated for load in done),
        rows_vanished=sum(load.rows_vanished for load in done),
        pages=sum(load.pages for load in done),
    )


def _close(connection: Connection | None) -> None:
    if connection is not None:
        connection.close()


def connect(home: Home, source: Source, observed_at: datetime) -> Connection:
    """Connection to one platform; in a simulated home it answers as of ``observed_at``."""
    clock = observed_at.replace(tzinfo=UTC) if home.is_simulated else None
    return source.connect(home.settings, clock=clock, transport=home.transport, hash_key=home.hash_key)
