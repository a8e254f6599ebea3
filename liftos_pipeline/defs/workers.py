"""The daily job in parts that several run workers take: one pull per platform, then everything behind the pulls.

As-of days stay in order: what a day's results remember was written by the day before.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg

from liftos_pipeline.settings import load_settings

RESULTS_JOB = "results"
RESULTS_TAG = "liftos/results"
"""On every results run; the queue starts one of them at a time."""
_START, _END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
_REMEMBERED = timedelta(days=14)
_PLATFORMS = load_settings().platforms()

pull_jobs = [
    dg.define_asset_job(
        f"pull_{platform}",
        selection=dg.AssetSelection.tag("source", platform),
        executor_def=dg.in_process_executor,
        description=f"What {platform} says, as of one day or a range of days: one worker's part of a daily run.",
    )
    for platform in _PLATFORMS
]

results_job = dg.define_asset_job(
    RESULTS_JOB,
    selection=dg.AssetSelection.all() - dg.AssetSelection.groups("raw"),
    executor_def=dg.in_process_executor,
    tags={RESULTS_TAG: "true"},
    description="Everything behind the pulls, to the public database. Starts by itself once all platforms are pulled.",
)


pull_schedules = [
    dg.build_schedule_from_partitioned_job(
        job,
        hour_of_day=6,
        description="Every morning, as of yesterday; in place of the schedule of the daily job.",
    )
    for job in pull_jobs
]


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=pull_jobs,
    request_job=results_job,
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts the results of every range of days that all platforms were pulled for, oldest first.",
)
def results_after_pulls(context: dg.RunStatusSensorContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    ready = ready_days(_newest_pulls(context.instance))
    if not ready:
        yield dg.SkipReason("some platform is not pulled yet")
    for (first, last), pulls in ready:
        yield dg.RunRequest(f"{first}/{last}/{pulls}", tags={_START: first, _END: last})


def ready_days(newest: Mapping[tuple[str, tuple[str, str]], dg.DagsterRun]) -> list[tuple[tuple[str, str], str]]:
    """Ranges of days that every platform was pulled for, oldest first, each with its pulls' names in one word.

    The first range that lacks a pull ends the list: later days wait for earlier ones.
    """
    ready = []
    for days in sorted({days for _, days in newest}):
        runs = [newest.get((job.name, days)) for job in pull_jobs]
        done = [run for run in runs if run is not None and run.status == dg.DagsterRunStatus.SUCCESS]
        if len(done) < len(pull_jobs):
            break
        ready.append((days, "-".join(run.run_id[:8] for run in done)))
    return ready


def _newest_pulls(instance: dg.DagsterInstance) -> Mapping[tuple[str, tuple[str, str]], dg.DagsterRun]:
    """Newest run of each pull job and range of days."""
    found: dict[tuple[str, tuple[str, str]], dg.DagsterRun] = {}
    since = datetime.now(UTC) - _REMEMBERED
    for job in pull_jobs:
        for run in instance.get_runs(dg.RunsFilter(job_name=job.name, created_after=since)):
            days = _days(run)
            if days is not None:
                found.setdefault((job.name, days), run)
    return found


def _days(run: dg.DagsterRun) -> tuple[str, str] | None:
    """First and last as-of day of a run."""
    one = run.tags.get("dagster/partition")
    first, last = run.tags.get(_START, one), run.tags.get(_END, one)
    return None if first is None or last is None else (first, last)
