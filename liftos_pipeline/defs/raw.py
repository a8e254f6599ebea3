"""Raw pulls: one asset per stream of every source. A platform that is down does not stop the others."""

from collections.abc import Sequence

import dagster as dg

from liftos_pipeline.defs.alarm import post_alarm
from liftos_pipeline.defs.partitions import daily, one_run
from liftos_pipeline.defs.presentation import OWNERS, column_schema
from liftos_pipeline.defs.resources import HomeResource, as_of_days
from liftos_pipeline.errors import LiftosError, PlatformError, WindowRefused
from liftos_pipeline.ingest import PullSummary, pull_stream
from liftos_pipeline.run import PULLED
from liftos_pipeline.schema import Table
from liftos_pipeline.schema.ops import HOME, LOAD_RECEIPT
from liftos_pipeline.settings import load_settings
from liftos_pipeline.sources import SOURCES
from liftos_pipeline.sources.stream import Source, Stream


def raw_asset(source: Source, stream: Stream) -> dg.AssetsDefinition:
    """Asset of one stream: pulls what its as-of days lack and loads it.

    If the platform refuses, its check ``pulled`` fails and everything behind it goes on with what is there: the next
    run pulls what is missing, and ``quality.gates`` says until when the platform is known.
    """

    @dg.asset(
        key=["raw", stream.table.name],
        partitions_def=daily,
        backfill_policy=one_run,
        group_name="raw",
        owners=OWNERS,
        kinds={"duckdb", "python"},
        description=f"{stream.table.meaning} Pulled from {source.name}, every version kept.",
        metadata=column_schema(stream.table),
        tags={"source": source.name},
        check_specs=[
            dg.AssetCheckSpec(
                PULLED,
                asset=["raw", stream.table.name],
                description="The platform answered, and no value had to be rejected.",
            )
        ],
    )
    def pull(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
        try:
            done = pull_stream(home.open(), source.name, stream.name, as_of_days(context), context.run.run_id)
        except (PlatformError, WindowRefused) as error:
            message = f"{source.name}.{stream.name}: {error}"
            context.log.error(message)
            post_alarm(message)
            return dg.MaterializeResult(check_results=[_refused(error)])
        deferred = (
            {} if done.deferred_until is None else {"deferred_until": f"{done.deferred_until:%Y-%m-%d %H:%M} UTC"}
        )
        return dg.MaterializeResult(
            metadata={
                **deferred,
                "dagster/row_count": done.rows,
                "windows": done.windows,
                "pages": done.pages,
                "rows_restated": done.rows_restated,
                "rows_vanished": done.rows_vanished,
                "rows_rejected": done.rows_rejected,
                "rows_duplicate": done.rows_duplicate,
                "retries": done.retries,
                "throttled_seconds": done.throttled_s,
            },
            check_results=[_judged(done)],
        )

    return pull


def _refused(error: LiftosError) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=PULLED,
        passed=False,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "error": type(error).__name__,
            "seen": error.found,
            "expected": error.expected,
            "way_out": error.way_out,
        },
    )


def _judged(done: PullSummary) -> dg.AssetCheckResult:
    passed = done.rows_rejected == 0
    way_out = "" if passed else "Look at ops.rejected_row; the values are unknown until the platform sends others."
    return dg.AssetCheckResult(
        check_name=PULLED,
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "seen": f"{done.rows_rejected} of {done.rows} rows with values that cannot be true",
            "expected": "none",
            "way_out": way_out,
        },
    )


def kept_beside(table: Table, streams: Sequence[dg.AssetsDefinition]) -> dg.AssetSpec:
    """A table that every pull writes beside its own."""
    return dg.AssetSpec(
        [table.schema, table.name],
        deps=[key for stream in streams for key in stream.keys],
        group_name="raw",
        owners=OWNERS,
        kinds={"duckdb"},
        description=f"{table.meaning} Every pull writes it beside its own rows.",
        metadata=column_schema(table),
    )


raw_assets = [
    raw_asset(SOURCES[name], stream) for name in load_settings().platforms() for stream in SOURCES[name].streams
]
accounts_kept = [kept_beside(table, raw_assets) for table in (HOME, LOAD_RECEIPT)]
