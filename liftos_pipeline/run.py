"""Runs the daily job in this process, as the schedule does, for one as-of day or a range. Used by the command line.

``definitions`` is imported inside the functions only: a command that runs nothing does not load Dagster.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from liftos_pipeline import errors
from liftos_pipeline.settings import Settings

if TYPE_CHECKING:
    from dagster import DagsterEvent, DagsterInstance, ExecuteInProcessResult
    from dagster_shared.error import SerializableErrorInfo

_DAGSTER_YAML = """# Made by liftos. Runs, events and schedules of this home.
telemetry:
  enabled: false
nux:
  enabled: false
"""
_SHARED_YAML = """storage:
  postgres:
    postgres_url:
      env: LIFTOS_DAGSTER_STORAGE
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
  config:
    max_concurrent_runs: {max_runs}
    dequeue_interval_seconds: 2
    tag_concurrency_limits:
      - key: liftos/results
        limit: 1
run_monitoring:
  enabled: true
  start_timeout_seconds: 180
  poll_interval_seconds: 15
  free_slots_after_run_end_seconds: 60
run_retries:
  enabled: true
  max_retries: 2
  retry_on_asset_or_op_failure: false
"""
"""Runs, events and schedules in Postgres, for several run workers. A worker that is lost is noticed; its run starts again."""


_STOPPED = "DagsterAssetCheckFailedError"
"""What Dagster raises for a blocking check, which has its own message."""
PULLED = "pulled"
"""Check of every raw asset: whether its platform answered."""


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended. ``messages`` has one line per failure."""

    run_id: str
    exit_code: int
    messages: tuple[str, ...]


Progress = Callable[[str, str], None]
"""(step, state), state one of started, done, failed."""


def dagster_home(settings: Settings) -> Path:
    """Dagster's folder in the home, with our ``dagster.yaml``; made if it is not there.

    Raises
    ------
    WarehouseError
        The home cannot be written.
    """
    folder = settings.home / "dagster"
    url, shared = settings.liftos_dagster_postgres_url, ""
    if url is not None:
        os.environ["LIFTOS_DAGSTER_STORAGE"] = _with_driver(url.get_secret_value())
        shared = _SHARED_YAML.format(max_runs=settings.liftos_dagster_max_runs)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "dagster.yaml").write_text(_DAGSTER_YAML + shared)
    except OSError as error:
        raise errors.WarehouseError(
            "a home that can be written",
            f"{settings.home} ({error.strerror})",
            "Set LIFTOS_HOME to a folder of yours.",
        ) from error
    return folder


def open_instance(settings: Settings) -> DagsterInstance:
    """Dagster's instance of the home. Its databases are made under a lock: two first runs at once would both make them."""
    from dagster import DagsterInstance

    from liftos_pipeline.warehouse.locks import file_lock

    folder = dagster_home(settings)
    os.environ["DAGSTER_HOME"] = str(folder)
    if settings.liftos_dagster_postgres_url is not None:
        _require_postgres(settings.liftos_dagster_postgres_url.get_secret_value())
    with file_lock(folder, exclusive=True):
        return DagsterInstance.get()


def delete_failed_runs(settings: Settings, oldest: datetime) -> int:
    """Delete what Dagster knows of runs that failed or were cancelled before ``oldest``; how many."""
    from dagster import DagsterRunStatus, RunsFilter

    wanted = RunsFilter(statuses=[DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED], created_before=oldest)
    with open_instance(settings) as instance:
        runs = instance.get_runs(wanted)
        for run in runs:
            instance.delete_run(run.run_id)
    return len(runs)


def _with_driver(url: str) -> str:
    """The address as SQLAlchemy reads it, whose own choice of a driver is not the one that Dagster brings."""
    return "postgresql+psycopg2://" + url.split("://", 1)[-1]


def _require_postgres(url: str) -> None:
    """Ask before Dagster does, which would try for minutes."""
    from urllib.parse import urlsplit

    shown = f"{urlsplit(url).hostname}:{urlsplit(url).port or 5432}{urlsplit(url).path}"
    try:
        import dagster_postgres  # noqa: F401
        import psycopg2
    except ImportError as error:
        raise errors.LiftosError(
            "dagster-postgres for LIFTOS_DAGSTER_POSTGRES_URL",
            str(error),
            "Install the extra: pip install -e '.[cluster]' in the clone.",
        ) from error
    try:
        psycopg2.connect(url, connect_timeout=10).close()
    except psycopg2.Error as error:
        raise errors.WarehouseError(
            f"a Postgres that answers at {shown}",
            str(error).strip().splitlines()[0],
            "Start it, create the database, and check LIFTOS_DAGSTER_POSTGRES_URL.",
        ) from error


def replay_day(settings: Settings, as_of: date, progress: Progress) -> RunOutcome:
    """Compute one past as-of day once more from what was stored by then. Pulls nothing.

    Raises
    ------
    LiftosError
        The day has not ended, lies before the home's start, or nothing was pulled yet.
    """
    from liftos_pipeline.ingest import open_home
    from liftos_pipeline.warehouse.receipts import newest_as_of

    settings.check_as_of(as_of, datetime.now(UTC))
    newest_as_of(open_home(settings).warehouse)
    return _run_job("replay", settings, as_of, as_of, progress)


def run_daily(settings: Settings, first: date, last: date, progress: Progress) -> RunOutcome:
    """Materialise everything as of the days ``first``..``last``.

    Raises
    ------
    LiftosError
        A day has not ended or lies before the home's start; a home that is newer, of the other mode, or of no scenario.
    """
    from liftos_pipeline.ingest import open_home

    if first > last:
        raise errors.LiftosError("a first day that is not after the last", f"{first} to {last}", "Exchange them.")
    for day in (first, last):
        settings.check_as_of(day, datetime.now(UTC))
    with open_home(settings).warehouse.read():
        pass
    return _run_job("daily", settings, first, last, progress)


def _run_job(job: str, settings: Settings, first: date, last: date, progress: Progress) -> RunOutcome:
    from dagster._core.utils import make_new_run_id

    from liftos_pipeline.definitions import defs

    run_id = make_new_run_id()
    with open_instance(settings) as instance:
        instance.add_event_listener(run_id, lambda entry: _report(entry.dagster_event, progress))
        log = settings.home / "logs" / f"{run_id}.log"
        log.parent.mkdir(exist_ok=True)
        with log.open("w") as stream, contextlib.redirect_stdout(stream):
            result = (
                defs()
                .resolve_job_def(job)
                .execute_in_process(
                    instance=instance,
                    run_id=run_id,
                    tags={
                        "dagster/asset_partition_range_start": first.isoformat(),
                        "dagster/asset_partition_range_end": last.isoformat(),
                    },
                    run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                    raise_on_error=False,
                )
            )
    return outcome_of(run_id, result)


def _report(event: DagsterEvent | None, progress: Progress) -> None:
    states = {"STEP_START": "started", "STEP_SUCCESS": "done", "STEP_FAILURE": "failed"}
    if event is not None and event.event_type_value in states and event.step_key:
        progress(event.step_key, states[event.event_type_value])


def outcome_of(run_id: str, result: ExecuteInProcessResult) -> RunOutcome:
    """What the command line says of a run."""
    messages, codes = [], []
    for evaluation in result.get_asset_check_evaluations():
        if evaluation.passed or evaluation.severity.value != "ERROR":
            continue
        if evaluation.check_name == PULLED:
            said = {name: str(value.value) for name, value in evaluation.metadata.items()}
            messages.append(
                f"{evaluation.asset_key.to_user_string()} was not pulled: expected {said['expected']}; "
                f"found {said['seen']}. {said['way_out']} Everything else was done with what is there."
            )
            codes.append(errors.PlatformError.exit_code)
        elif evaluation.blocking:
            said = {name: str(value.value) for name, value in evaluation.metadata.items()}
            messages.append(
                f"check {evaluation.check_name} of {evaluation.asset_key.to_user_string()} stopped the run: expected "
                f"{said['expected']}; found {said['seen']}. {said['way_out']}"
            )
            codes.append(errors.GateRefused.exit_code)
    for event in result.all_events:
        if event.event_type_value == "STEP_FAILURE":
            error = event.step_failure_data.error
            name, text = _root(error) if error is not None else ("", "no error was recorded")
            if name == _STOPPED:
                continue
            known = getattr(errors, name, None)
            codes.append(known.exit_code if known is not None else errors.PlatformError.exit_code)
            messages.append(f"{event.step_key}: {text}")
    if not result.success and not codes:
        codes.append(errors.PlatformError.exit_code)
    return RunOutcome(run_id, max(codes, default=0), tuple(messages))


def _root(error: SerializableErrorInfo) -> tuple[str, str]:
    """Class name and first line of the error at the bottom of a chain."""
    while error.cause is not None:
        error = error.cause
    lines = [line for line in error.message.strip().splitlines() if line.strip()]
    name = error.cls_name or ""
    return name, lines[0].split(": ", 1)[-1] if lines else name
