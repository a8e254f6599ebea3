"""Fault campaign: 60 days of all streams of all platforms under a random schedule of faults and kills. Afterwards the
tables are those of a load without faults. Called with ``python -m tests.faults.campaign FOLDER DAYS SEED...``; one line
of JSON per schedule. The assertions are in ``test_campaign``.

Every run of a schedule is a fork of this process, which itself opens neither warehouse nor platform.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import shutil
import signal
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random

import httpx

from liftos_pipeline import ingest
from liftos_pipeline.errors import PlatformError, WarehouseError
from liftos_pipeline.ingest import FAULTS_FILE, Home, pull_stream
from liftos_pipeline.platforms import SIMULATED_ORIGIN, FaultPlan, simulated_app, world_at
from liftos_pipeline.settings import Settings
from liftos_pipeline.simulator.scenario import scenario_named
from liftos_pipeline.sources import SOURCES, fred, klaviyo_people, meta_insights
from liftos_pipeline.warehouse import Warehouse
from tests.pipeline.homes import IGNORED_COLUMNS

N_DAYS = 60
SCENARIO = replace(
    scenario_named("small_rollout"),
    campaigns_per_platform=2,
    accounts_per_platform=1,
    lists=2,
    subscribers_per_list=6,
    base_hazard=0.05,
)
FIRST = SCENARIO.start
WORLD_SEEDS = (3, 4)
STREAMS = tuple((name, stream.name) for name, source in SOURCES.items() for stream in source.streams)
RANGES = (1, 2)
RATES = (0.001, 0.012)
KILLS = (1, 4)
LAST_REQUEST, LAST_LOAD, LATEST_KILL_S = 2500, 60, 0.12
PAGE_ROWS = 40
MACRO_LEAD_DAYS = 200
UNLIKE = IGNORED_COLUMNS | {"rows_duplicate"}
"""What a repeated row leaves behind, where it did no harm, is that it was counted."""
A_WEEK_AND_A_DAY = 8
"""Days that are not pulled every day are pulled again within a week."""
JOURNAL, RESULT = "journal.jsonl", "result.json"
SIGKILLED = 128 + signal.SIGKILL


@dataclass(frozen=True)
class Kill:
    """``kill -9`` at the n-th request, or some time after the n-th load began."""

    request: int | None
    load: int | None
    after_s: float


@dataclass(frozen=True)
class Task:
    """Days ``first``..``last`` of one stream, pulled by one run."""

    source: str
    stream: str
    first: int
    last: int

    @property
    def days(self) -> list[date]:
        return [FIRST + timedelta(days=day) for day in range(self.first, self.last + 1)]


@dataclass(frozen=True)
class Schedule:
    """All that a seed and the number of days decide."""

    seed: int
    n_days: int
    world_seed: int
    rate: float
    kills: tuple[Kill, ...]
    tasks: tuple[Task, ...]

    @classmethod
    def drawn(cls, seed: int, n_days: int) -> Schedule:
        rng = Random(seed)
        kills = tuple(_kill(rng, n_days) for _ in range(rng.randint(*KILLS)))
        queues = {stream: _ranges(*stream, n_days, rng) for stream in STREAMS}
        order = [stream for stream, tasks in queues.items() for _ in tasks]
        rng.shuffle(order)
        tasks = tuple(queues[stream].popleft() for stream in order)
        return cls(
            seed, n_days, rng.choice(WORLD_SEEDS), rng.uniform(*RATES) * (N_DAYS / n_days) ** 0.5, kills, tasks
        )


def _kill(rng: Random, n_days: int) -> Kill:
    if rng.random() < 0.5:
        return Kill(rng.randint(1, LAST_REQUEST * n_days // N_DAYS), None, 0.0)
    return Kill(None, rng.randint(1, LAST_LOAD), rng.uniform(0, LATEST_KILL_S))


def _ranges(source: str, stream: str, n_days: int, rng: Random) -> deque[Task]:
    cuts = sorted(rng.sample(range(1, n_days), rng.randint(*RANGES) - 1))
    return deque(Task(source, stream, a, b - 1) for a, b in itertools.pairwise([0, *cuts, n_days]))


def home_of(folder: Path, world_seed: int, plan: FaultPlan | None = None, app: Callable | None = None) -> Home:
    """A simulated home of the campaign's world; nothing waits."""
    server = app or simulated_app(SCENARIO, world_seed)
    world = world_at(SCENARIO, world_seed, datetime.combine(FIRST, datetime.min.time(), UTC))
    settings = Settings(
        liftos_home=folder, liftos_scenario="small_rollout", liftos_seed=world_seed, liftos_look_back_days=N_DAYS
    )
    transport = httpx.WSGITransport(plan.around(server) if plan is not None else server)
    warehouse = Warehouse(folder, "simulated")
    return Home(settings.as_simulated(world.accounts(), SIMULATED_ORIGIN), warehouse, transport, b"key", _no_wait)


def _no_wait(seconds: float) -> None:
    del seconds


def load_without_faults(folder: Path, world_seed: int, n_days: int) -> None:
    """The tables that every schedule has to end with."""
    home = home_of(folder, world_seed)
    days = [FIRST + timedelta(days=day) for day in range(n_days)]
    for source, stream in STREAMS:
        pull_stream(home, source, stream, days, "undisturbed")


def run(folder: Path, schedule: Schedule, kill: Kill | None) -> None:
    """One process of a schedule: pull what is left, a red task again after the others, until all are done or killed."""
    plan = FaultPlan(schedule.seed, schedule.rate, folder / FAULTS_FILE)
    app = simulated_app(SCENARIO, schedule.world_seed)
    home = home_of(folder, schedule.world_seed, plan, _killing(app, kill))
    done = {entry["task"] for entry in journal(folder) if entry["state"] == "green"}
    left = deque(number for number in range(len(schedule.tasks)) if number not in done)
    while left:
        number = _first_of_its_stream(left, schedule.tasks)
        task = schedule.tasks[number]
        note(folder, number, "started", "")
        try:
            summary = pull_stream(home, task.source, task.stream, task.days, f"run-{number}")
        except (PlatformError, WarehouseError) as error:
            note(folder, number, "red", str(error))
            left.rotate(-1)
        else:
            state = "deferred" if summary.deferred_until is not None else "green"
            note(folder, number, state, "")
            if state == "green":
                left.remove(number)
            else:
                left.rotate(-1)


def _first_of_its_stream(left: deque[int], tasks: tuple[Task, ...]) -> int:
    """Days of one stream are pulled in their order, as the daily runs do."""
    wanted = tasks[left[0]]
    return min(
        number
        for number in left
        if tasks[number].stream == wanted.stream and tasks[number].source == wanted.source
    )


def _killing(app: Callable, kill: Kill | None) -> Callable:
    """The server, and a load, that end this process as the kill says."""
    if kill is None:
        return app
    requests, loads = itertools.count(1), itertools.count(1)
    plain_load = ingest.load_windows

    def killed_load(*arguments: object) -> object:
        if next(loads) == kill.load:
            threading.Timer(kill.after_s, _die).start()
        return plain_load(*arguments)

    def killed_app(environ: dict, start_response: Callable) -> object:
        if next(requests) == kill.request:
            _die()
        return app(environ, start_response)

    ingest.load_windows = killed_load
    return killed_app


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def note(folder: Path, task: int, state: str, message: str) -> None:
    record = folder / FAULTS_FILE
    n_faults = len(record.read_text().splitlines()) if record.exists() else 0
    with (folder / JOURNAL).open("a") as stream:
        stream.write(json.dumps({"task": task, "state": state, "message": message, "n_faults": n_faults}) + "\n")


def journal(folder: Path) -> list[dict]:
    path = folder / JOURNAL
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def faults(folder: Path) -> list[dict]:
    path = folder / FAULTS_FILE
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def pull_again(folder: Path, schedule: Schedule) -> None:
    """What a fault made the platform say wrongly is pulled once more at its own clock and at those of the week after it:
    the receipt of the next pull of these days counts what it changed."""
    given, entries = faults(folder), journal(folder)
    starts = [(entry["n_faults"], entry["task"]) for entry in entries if entry["state"] == "started"]
    wanted: dict[tuple[str, str], set[date]] = {}
    for number, fault in enumerate(given):
        if fault["kind"] != "content":
            continue
        task = schedule.tasks[next(task for n_faults, task in reversed(starts) if n_faults <= number)]
        as_of = (datetime.fromisoformat(fault["clock"]) - timedelta(microseconds=1)).date()
        later = {as_of + timedelta(days=ahead) for ahead in range(A_WEEK_AND_A_DAY)} & {
            FIRST + timedelta(days=day) for day in range(schedule.n_days)
        }
        wanted.setdefault((task.source, task.stream), set()).update(later)
    home = home_of(folder, schedule.world_seed)
    for (source, stream), days in wanted.items():
        pull_stream(home, source, stream, sorted(days), "again")


def differences(left: Path, right: Path) -> dict[str, list[int]]:
    """Rows that only one of two warehouses has, by table."""
    found = {}
    warehouse = Warehouse(left, "simulated")
    with warehouse.read() as connection:
        connection.execute(f"ATTACH '{Warehouse(right, 'simulated').working_file}' AS other (READ_ONLY)")
        own = connection.execute("SELECT current_database()").fetchall()[0][0]
        tables = connection.execute(
            "SELECT schema_name, table_name, list(column_name ORDER BY column_index) FROM duckdb_columns() "
            "WHERE database_name = ? AND (schema_name = 'raw' OR table_name = 'load_receipt') "
            "AND table_name <> 'api_page' GROUP BY ALL ORDER BY ALL",
            [own],
        ).fetchall()
        for schema, table, columns in tables:
            names = ", ".join(name for name in columns if name not in UNLIKE)
            sides = [f"FROM {own}.{schema}.{table} SELECT {names}", f"FROM other.{schema}.{table} SELECT {names}"]
            only = [
                connection.execute(f"SELECT count(*) FROM (({a}) EXCEPT ALL ({b}))").fetchall()[0][0]
                for a, b in (sides, sides[::-1])
            ]
            if any(only):
                found[f"{schema}.{table}"] = only
    return found


def forked(job: Callable[[], object]) -> int:
    """Run a job in a fork; its exit code, as a shell tells it."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            logging.disable(logging.CRITICAL)
            job()
        except BaseException as error:  # noqa: BLE001
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)  # noqa: T201
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return 128 - status if status < 0 else status


@cache
def undisturbed(folder: Path, world_seed: int, n_days: int) -> Path:
    home = folder / f"undisturbed-{world_seed}"
    if not home.exists() and forked(lambda: load_without_faults(home, world_seed, n_days)):
        raise RuntimeError("the load without faults failed")
    return home


def play(folder: Path, seed: int, n_days: int) -> dict:
    """One schedule to its end; what happened, and in which tables it differs from the load without faults."""
    schedule = Schedule.drawn(seed, n_days)
    truth = undisturbed(folder, schedule.world_seed, n_days)
    home = folder / f"schedule-{seed}"
    home.mkdir()
    began, spent = time.monotonic(), os.times()
    kills = iter(schedule.kills)
    codes = [SIGKILLED]
    while codes[-1] == SIGKILLED:
        kill = next(kills, None)
        codes.append(forked(lambda kill=kill: run(home, schedule, kill)))

    def compare() -> None:
        pull_again(home, schedule)
        (home / RESULT).write_text(json.dumps(differences(home, truth)))

    codes.append(forked(compare) if codes[-1] == 0 else -1)
    used = os.times()
    entries = journal(home)
    played = {
        "seed": seed,
        "world_seed": schedule.world_seed,
        "rate": round(schedule.rate, 4),
        "kills": codes[1:].count(SIGKILLED),
        "runs": Counter(entry["state"] for entry in entries),
        "faults": Counter(fault["fault"] for fault in faults(home)),
        "passed_over": passed_over(home),
        "exit_codes": codes[1:],
        "differences": json.loads((home / RESULT).read_text()) if codes[-1] == 0 else None,
        "cpu_s": round(sum(used[2:4]) - sum(spent[2:4]), 1),
        "wall_s": round(time.monotonic() - began, 1),
    }
    if is_sound(played):
        shutil.rmtree(home)
    return played


def is_sound(played: dict) -> bool:
    """Whether a schedule ended, with the tables of a load without faults, and no fault that has to stop a run did not."""
    return played["differences"] == {} and played["passed_over"] == []


def passed_over(folder: Path) -> list[str]:
    """Standing faults that were given to a run which ended green."""
    given, entries, found = faults(folder), journal(folder), []
    for before, after in itertools.pairwise(entries):
        if before["state"] == "started" and after["state"] == "green":
            during = given[before["n_faults"] : after["n_faults"]]
            found += [f"{f['fault']} {f['request']}" for f in during if f["kind"] == "standing" and f["ask"] == 1]
    return found


def main(folder: Path, n_days: int, seeds: list[int]) -> None:
    """Play schedules one after the other."""
    fred.LEAD_DAYS = MACRO_LEAD_DAYS
    meta_insights._PAGE_ROWS = PAGE_ROWS
    klaviyo_people.EVENT_PAGE_ROWS = PAGE_ROWS
    klaviyo_people.PROFILE_PAGE_ROWS = PAGE_ROWS // 2
    for seed in seeds:
        print(json.dumps(play(folder, seed, n_days)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), [int(seed) for seed in sys.argv[3:]])
