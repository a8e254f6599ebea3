"""Joins the sources, the bundled platforms and the warehouse of one home: what is missing is planned, pulled and
loaded. The only place outside ``defs`` that opens a connection to a platform."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
import pyarrow.compute as pc

from liftos_pipeline.errors import LiftosError, PlatformError, QuotaSpent
from liftos_pipeline.platforms import SIMULATED_ORIGIN, FaultPlan, simulated_app
from liftos_pipeline.platforms.app import world_at
from liftos_pipeline.schema import Page, Window
from liftos_pipeline.settings import Settings
from liftos_pipeline.simulator import World
from liftos_pipeline.simulator.scenario import Scenario, scenario_named
from liftos_pipeline.sources import SOURCES
from liftos_pipeline.sources.client import Effort
from liftos_pipeline.sources.localtime import naive_utc
from liftos_pipeline.sources.plan import Pull, end_of, lost_days, next_part, plan_pulls
from liftos_pipeline.sources.stream import Connection, Source, Stream
from liftos_pipeline.warehouse import Warehouse, warehouse_of
from liftos_pipeline.warehouse.archive import Archivist, keep_bodies
from liftos_pipeline.warehouse.erasure import erased_profiles
from liftos_pipeline.warehouse.load import LoadSummary, load_windows
from liftos_pipeline.warehouse.pages import keep_failed
from liftos_pipeline.warehouse.receipts import most_rows_a_day, receipts, record_gaps

FAULTS_FILE = "faults.jsonl"
"""In a simulated home with LIFTOS_FAULT_SEED: every fault that the bundled platforms gave."""

_BATCH_ROWS = 25_000
_BATCH_WINDOWS = 60
_SIMULATED_KEY = b"simulated"


@dataclass(frozen=True)
class Home:
    """An opened home. ``transport`` leads to the bundled platforms in a simulated home and is None in a live one;
    ``sleep`` is how clients wait."""

    settings: Settings
    warehouse: Warehouse
    transport: httpx.BaseTransport | None
    hash_key: bytes
    sleep: Callable[[float], None] = time.sleep

    @property
    def is_simulated(self) -> bool:
        return self.transport is not None

    def scenario(self) -> Scenario:
        return scenario_of(self.settings)

    def world(self, through: date) -> World:
        """The simulated world behind this home, drawn at least through a day."""
        return world_at(self.scenario(), self.settings.liftos_seed, end_of(through).replace(tzinfo=UTC))


def scenario_of(settings: Settings) -> Scenario:
    """The scenario of a simulated home, whose world begins on the home's first as-of day."""
    return replace(scenario_named(settings.liftos_scenario), start=settings.liftos_start_date)


def open_home(settings: Settings) -> Home:
    """Open the home that the settings name: with the bundled platforms behind it if it is simulated."""
    mode = settings.source_mode
    warehouse = warehouse_of(settings)
    if mode == "live":
        if settings.liftos_fault_seed is not None:
            raise LiftosError(
                "a fault plan in a simulated home only",
                "LIFTOS_FAULT_SEED in a live home",
                "Unset LIFTOS_FAULT_SEED: no fault is put between a real platform and its data.",
            )
        return Home(settings, warehouse, None, _hash_key(settings.home))
    scenario = scenario_of(settings)
    start = datetime.combine(scenario.start, datetime.min.time(), UTC)
    accounts = world_at(scenario, settings.liftos_seed, start).accounts()
    app = simulated_app(scenario, settings.liftos_seed)
    if settings.liftos_fault_seed is not None:
        plan = FaultPlan(settings.liftos_fault_seed, settings.liftos_fault_rate, settings.home / FAULTS_FILE)
        app = plan.around(app)
    transport = httpx.WSGITransport(app=app)
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


@dataclass(frozen=True)
class PullSummary:
    """What one stream's pulls brought, in rows and pages, and what it took: repeated requests, seconds of waiting.

    ``deferred_until``: the platform's quota of the day was used up; it answers again at that moment (UTC). The days
    that are left have no receipt, and the next run pulls them.
    """

    windows: int
    rows: int
    rows_restated: int
    rows_vanished: int
    rows_rejected: int
    rows_duplicate: int
    pages: int
    retries: int
    throttled_s: float
    deferred_until: datetime | None = None


def pull_stream(
    home: Home, source_name: str, stream_name: str, as_of_days: Sequence[date], run_id: str
) -> PullSummary:
    """Pull and load what one stream lacks for the as-of days, for every account.

    Windows that arrived before an error are loaded, and the other accounts are pulled; the error is raised after that.
    A quota of the day that is used up is no error: what is left is put off.
    """
    source = SOURCES[source_name]
    stream = source.stream(stream_name)
    known = receipts(home.warehouse, source_name, stream_name)
    now = None if home.is_simulated else datetime.now(UTC).replace(tzinfo=None)
    first_day = home.scenario().start if home.is_simulated else date(1970, 1, 1)
    try:
        accounts = _accounts(home, source, as_of_days)
    except QuotaSpent as error:
        return PullSummary(0, 0, 0, 0, 0, 0, 0, 0, 0.0, error.until)
    if now is not None:
        gaps = {
            account: lost_days(
                stream, as_of_days, known.get(account, {}), home.settings.liftos_look_back_days, now
            )
            for account in accounts
        }
        record_gaps(home.warehouse, (source_name, stream_name), gaps, now, run_id)
    tasks = [
        (pull, account)
        for account in accounts
        for pull in plan_pulls(
            stream, as_of_days, known.get(account, {}), first_day, home.settings.liftos_look_back_days, now
        )
    ]
    tasks.sort(key=lambda task: (task[0].observed_at, task[1], task[0].start))
    return _run(home, source, stream, tasks, run_id)


def _most_rows_a_day(window: Window) -> int:
    counts = pc.value_counts(window.rows.column(str(window.table.day))).field("counts")
    return int(pc.max(counts).as_py() or 0)


def _accounts(home: Home, source: Source, as_of_days: Sequence[date]) -> tuple[str, ...]:
    connection = connect(home, source, end_of(max(as_of_days)))
    try:
        return source.accounts(home.settings, connection)
    finally:
        connection.close()


def _run(
    home: Home, source: Source, stream: Stream, tasks: Sequence[tuple[Pull, str]], run_id: str
) -> PullSummary:
    """Pull in order, load beside it. An account that fails is given up; the others are pulled all the same."""
    rows_a_day = most_rows_a_day(home.warehouse, source.name, stream.name) if stream.mode == "window" else {}
    erased = erased_profiles(home.warehouse) if source.name == "klaviyo" else frozenset()
    failed: dict[str, LiftosError] = {}
    effort = Effort()
    n_windows = 0
    deferred_until: datetime | None = None
    with Loads(home, run_id) as loads:
        for observed_at, group in itertools.groupby(tasks, key=lambda task: task[0].observed_at):
            connection = connect(home, source, observed_at, erased)
            connection.keep = loads.bodies.keep
            try:
                for pull, account in group:
                    while pull.start <= pull.end and account not in failed:
                        part = next_part(pull, rows_a_day.get(account)) if stream.mode == "window" else pull
                        try:
                            window = _fetch(home, connection, stream, account, part, run_id)
                        except QuotaSpent as error:
                            failed[account], deferred_until = error, error.until
                            break
                        except PlatformError as error:
                            failed[account] = error
                            break
                        n_windows += 1
                        if stream.mode == "window":
                            rows_a_day[account] = max(rows_a_day.get(account, 0), _most_rows_a_day(window))
                        loads.add(window)
                        pull = replace(pull, start=part.end + timedelta(days=1))
            finally:
                effort.retries += connection.client.effort.retries
                effort.waited_s += connection.client.effort.waited_s
                connection.close()
    refused = [error for error in failed.values() if not isinstance(error, QuotaSpent)]
    if refused:
        raise refused[0]
    return PullSummary(
        windows=n_windows,
        rows=sum(load.rows_in for load in loads.done),
        rows_restated=sum(load.rows_restated for load in loads.done),
        rows_vanished=sum(load.rows_vanished for load in loads.done),
        rows_rejected=sum(load.rows_rejected for load in loads.done),
        rows_duplicate=sum(load.rows_duplicate for load in loads.done),
        pages=sum(load.pages for load in loads.done),
        retries=effort.retries,
        throttled_s=effort.waited_s,
        deferred_until=deferred_until,
    )


class Loads:
    """Loads batches of windows beside the next pulls; at most one batch waits. ``done`` is known on leaving.

    ``bodies`` stores pages beside both; a window is loaded when its pages are in the archive.
    """

    def __init__(self, home: Home, run_id: str) -> None:
        self.done: list[LoadSummary] = []
        self.bodies = Archivist(home.warehouse.archive_file)
        self._home = home
        self._run_id = run_id
        self._batch: list[Window] = []
        self._loads: list[Future[LoadSummary]] = []
        self._loader = ThreadPoolExecutor(1, "load")

    def add(self, window: Window) -> None:
        self._batch.append(window)
        if len(self._batch) >= _BATCH_WINDOWS or sum(len(entry.rows) for entry in self._batch) >= _BATCH_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._loads:
            self._loads[-1].result()
        if self._batch:
            self._loads.append(self._loader.submit(self._load, tuple(self._batch)))
            self._batch.clear()

    def _load(self, batch: Sequence[Window]) -> LoadSummary:
        self.bodies.settle()
        return load_windows(self._home.warehouse, batch, self._run_id, self._home.settings.liftos_accept_vanished)

    def __enter__(self) -> Loads:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._flush()
            self.done = [load.result() for load in self._loads]
        finally:
            self._loader.shutdown()
            self.bodies.close()


def _fetch(home: Home, connection: Connection, stream: Stream, account: str, pull: Pull, run_id: str) -> Window:
    """One window; if it fails, its pages are kept all the same."""
    pages: list[Page] = []
    try:
        return stream.fetch(connection, account, pull.start, pull.end, pull.observed_at, pages)
    except LiftosError:
        keep_failed(
            home.warehouse,
            stream.window(connection, account, (pull.start, pull.end), naive_utc(pull.observed_at), pages),
            run_id,
        )
        raise


def connect(home: Home, source: Source, observed_at: datetime, erased: frozenset[str] = frozenset()) -> Connection:
    """Connection to one platform; in a simulated home it answers as of ``observed_at``. ``erased``: people to leave out."""
    clock = observed_at.replace(tzinfo=UTC) if home.is_simulated else None
    opened = source.connect(
        home.settings, clock=clock, transport=home.transport, hash_key=home.hash_key, sleep=home.sleep
    )
    opened.client.redactor.leave_out(erased)
    opened.keep = partial(keep_bodies, home.warehouse.archive_file)
    return opened
