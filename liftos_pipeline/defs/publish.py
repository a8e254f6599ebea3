"""Publishing: the simulated truth beside the results in simulated homes, then the public database."""

import dagster as dg

from liftos_pipeline.defs.partitions import daily, one_run
from liftos_pipeline.defs.presentation import OWNERS, column_schema
from liftos_pipeline.defs.resources import HomeResource, as_of_days
from liftos_pipeline.schema.truth import EFFECTS, TRUTH_TABLES
from liftos_pipeline.settings import load_settings
from liftos_pipeline.warehouse.publish import publish
from liftos_pipeline.warehouse.receipts import newest_as_of
from liftos_pipeline.warehouse.results import replace_table

_RESULTS = (
    "adjustment_sets",
    "attribution",
    "causal_graph",
    "confounders",
    "effect_estimates",
    "effect_paths",
    "external_factors",
    "maturity_curves",
    "release_calendar",
    "verdicts",
)


def truth_asset() -> dg.AssetsDefinition:
    """Asset of a simulated home. A live one has none: what stands at the top of a module is always loaded."""

    @dg.asset(
        key=["truth", "effects"],
        deps=[dg.AssetKey(["raw", "meta_insights_daily"])],
        partitions_def=daily,
        backfill_policy=one_run,
        group_name="truth",
        owners=OWNERS,
        kinds={"duckdb", "python"},
        description="What is true of the simulated world. Read by the demo's table, validation and tests only.",
        metadata=column_schema(EFFECTS),
    )
    def truth(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
        opened = home.open()
        through = max([*as_of_days(context), newest_as_of(opened.warehouse)])
        tables = opened.world(through).tables(through)
        rows = {table.name: replace_table(opened.warehouse, table, tables[table.name]) for table in TRUTH_TABLES}
        return dg.MaterializeResult(metadata={"dagster/row_count": rows[EFFECTS.name], **rows})

    return truth


simulated_truth = [truth_asset()] if load_settings().source_mode == "simulated" else []


@dg.asset(
    key=["published", "liftos"],
    deps=[
        *(dg.AssetKey(["causal", name]) for name in _RESULTS),
        *(dg.AssetKey(["quality", name]) for name in ("gates", "placebos", "scores")),
        dg.AssetKey(["mart", "marketing_panel"]),
        dg.AssetKey(["mart", "ad_performance_daily"]),
        dg.AssetKey(["mart", "experiments"]),
        dg.AssetKey(["mart", "subscriber_survival"]),
        *(asset.key for asset in simulated_truth),
    ],
    partitions_def=daily,
    backfill_policy=one_run,
    group_name="published",
    owners=OWNERS,
    kinds={"duckdb"},
    description="The public database `liftos.duckdb` in the home: everything but page bodies, swapped in whole.",
)
def published(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
    opened = home.open()
    size = publish(opened.warehouse)
    context.log.info("published %s", opened.warehouse.public_file)
    return dg.MaterializeResult(metadata={"path": str(opened.warehouse.public_file), "bytes": size})
