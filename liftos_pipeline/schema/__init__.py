"""Names of every table and column that Python touches, spelled once. Tables that dbt builds are spelled in
``dbt_models``. No queries, no connections."""

from liftos_pipeline.schema.core import (
    AD_PLATFORMS,
    FACT_COLUMN_NAMES,
    FOREVER,
    PLATFORMS,
    PROFILE_ID,
    SCHEMA_VERSION,
    TREATMENT_TYPES,
    Column,
    Drift,
    Page,
    Rejected,
    SourceMode,
    Table,
    Window,
    source_columns,
)
from liftos_pipeline.schema.ops import OPS_TABLES
from liftos_pipeline.schema.raw import RAW_TABLES
from liftos_pipeline.schema.results import HISTORY_TABLES, PROVENANCE, RESULT_TABLES
from liftos_pipeline.schema.truth import TRUTH_TABLES

TABLES: dict[str, Table] = {
    table.full_name: table for table in (*OPS_TABLES, *RAW_TABLES, *TRUTH_TABLES, *RESULT_TABLES, *HISTORY_TABLES)
}

__all__ = [
    "AD_PLATFORMS",
    "FACT_COLUMN_NAMES",
    "FOREVER",
    "HISTORY_TABLES",
    "OPS_TABLES",
    "PLATFORMS",
    "PROFILE_ID",
    "PROVENANCE",
    "RAW_TABLES",
    "RESULT_TABLES",
    "SCHEMA_VERSION",
    "TABLES",
    "TREATMENT_TYPES",
    "TRUTH_TABLES",
    "Column",
    "Drift",
    "Page",
    "Rejected",
    "SourceMode",
    "Table",
    "Window",
    "source_columns",
]
