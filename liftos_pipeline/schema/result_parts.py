"""What the tables of results have in common."""

from __future__ import annotations

from liftos_pipeline.schema.core import Column, Table, columns

PROVENANCE = columns(
    ("run_id", "VARCHAR", "Run that wrote the row.", False),
    ("code_version", "VARCHAR", "Version of the code.", False),
    ("seed", "BIGINT", "Seed of everything random behind the row.", False),
    ("source_mode", "VARCHAR", "live, simulated or recorded.", False),
)
_AS_OF = Column("as_of", "DATE", "What was known at the end of this day.", False)


def result_table(schema: str, name: str, key: tuple[str, ...], meaning: str, *spec: tuple) -> Table:
    """A table keyed by as-of day, with the columns that say where its rows come from."""
    return Table(schema, name, ("as_of", *key), (_AS_OF, *columns(*spec), *PROVENANCE), meaning, "as_of")


UNIT = (
    ("platform", "VARCHAR", "Platform.", False),
    ("unit_id", "VARCHAR", "Unit: platform, account and entity.", False),
)
ANALYSIS = (
    ("platform", "VARCHAR", "Platform.", False),
    ("treatment_type", "VARCHAR", "budget_change, targeting_change or creative_change.", False),
)
DESIGN = (
    "design",
    "VARCHAR",
    "How the treatments came about, and so what they are compared with: experiment, geo_experiment, staggered, cutoff, "
    "instrument, landmarked or single_unit.",
    False,
)
