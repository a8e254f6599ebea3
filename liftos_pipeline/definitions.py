"""Assembly only."""

from pathlib import Path

import dagster as dg

from liftos_pipeline.defs.resources import HomeResource, dbt_resource


@dg.definitions
def defs() -> dg.Definitions:
    """Everything in ``defs`` with its resources."""
    found = dg.load_from_defs_folder(path_within_project=Path(__file__).parent / "defs")
    shared = dg.Definitions(
        resources={"home": HomeResource(), "dbt": dbt_resource()}, executor=dg.in_process_executor
    )
    return dg.Definitions.merge(found, shared)
