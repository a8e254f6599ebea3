"""The daily job, its schedule, and the alarm for failed runs."""

import dagster as dg

from liftos_pipeline.defs.alarm import post_alarm
from liftos_pipeline.defs.stage import REPLAY_TAG

DAILY_JOB = "daily"
REPLAY_JOB = "replay"

daily_job = dg.define_asset_job(
    DAILY_JOB,
    selection=dg.AssetSelection.all(),
    executor_def=dg.in_process_executor,
    description="Everything, from raw pulls to the public database, as of one day or a range of days.",
)

replay_job = dg.define_asset_job(
    REPLAY_JOB,
    selection=dg.AssetSelection.all() - dg.AssetSelection.groups("raw", "truth"),
    executor_def=dg.in_process_executor,
    tags={REPLAY_TAG: "true"},
    description="A past as-of day once more, from what was stored by then; pulls nothing.",
)

daily_schedule = dg.build_schedule_from_partitioned_job(
    daily_job, hour_of_day=6, description="Every morning, as of yesterday."
)


@dg.run_failure_sensor(
    description="Writes every failed run to the log and posts it to LIFTOS_ALERT_WEBHOOK_URL if set.",
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def failed_run_alarm(context: dg.RunFailureSensorContext) -> None:
    message = f"run {context.dagster_run.run_id[:8]} of {context.dagster_run.job_name} failed: {context.failure_event.message}"
    context.log.error(message)
    post_alarm(message)
