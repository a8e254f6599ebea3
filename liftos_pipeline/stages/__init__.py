"""One function per stage of the pipeline: tables in, tables out. No Dagster, no connection."""
