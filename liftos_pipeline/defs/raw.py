"""Raw pulls: one asset per stream of every source."""

import dagster as dg

from liftos_pipeline.defs.partitions import daily, one_run
from liftos_pipeline.defs.presentation import OWNERS, column_schema
from liftos_pipeline.defs.resources import HomeResource, as_of_days
from liftos_pipeline.ingest import pull_or_keep
from liftos_pipeline.settings import load_settings
from liftos_pipeline.sources import SOURCES
from liftos_pipeline.sources.stream import Source, Stream


def raw_asset(source: Source, stream: Stream) -> dg.AssetsDefinition:
    """Asset of one stream: pulls what its as-of days lack and loads it."""

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
    )
    def pull(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
        done = pull_or_keep(home.open(), source.name, stream.name, as_of_days(context), context.run.run_id)
        if done.unreachable is not None:
            context.log.warning("the last good vintage serves on: %s", done.unreachable)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": done.rows,
                "windows": done.windows,
                "pages": done.pages,
                "rows_restated": done.rows_restated,
                "rows_vanished": done.rows_vanished,
                **({} if done.unreachable is None else {"unreachable": done.unreachable}),
            }
        )

    return pull


raw_assets = [
    raw_asset(SOURCES[name], stream) for name in load_settings().platforms() for stream in SOURCES[name].streams
]
