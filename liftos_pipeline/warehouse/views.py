"""Relations that put results beside the panel, for readers of the public database. No model of ours reads them."""

from __future__ import annotations

import duckdb

from liftos_pipeline.schema.results import MATURITY_CURVES

_PANEL = "marketing_panel_as_of"
COMPLETED = "causal.completed_as_of"
"""``completed_as_of(day, look_back)``: campaign-days with how complete their counts are, and completed counts."""


def make_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Make or renew the relations; nothing where the panel was not built yet."""
    is_built = connection.execute("SELECT count(*) FROM duckdb_functions() WHERE function_name = ?", [_PANEL])
    if is_built.fetchall()[0][0]:
        connection.execute(_COMPLETED)


def _limits(name: str, curve: str) -> str:
    """Completed value and its limits: those of the curve, and the chance of a single day. A count of 0 has none."""
    value = f"{name}_reported / {curve}.completeness"
    far = f"sqrt({curve}.spread * {value} + pow({value} * ln({curve}.completeness_high / {curve}.completeness_low) / 2, 2))"
    is_open = f"p.{name}_reported > 0 AND NOT p.is_final"
    return (
        f"CASE WHEN p.is_final THEN {name}_reported ELSE {value} END AS {name}_completed, "
        f"CASE WHEN {is_open} THEN greatest({value} - {far}, 0) END AS {name}_completed_low, "
        f"CASE WHEN {is_open} THEN {value} + {far} END AS {name}_completed_high"
    )


_JOIN = "ON {0}.as_of = p.as_of AND {0}.platform = p.platform AND {0}.age_days = p.age_days AND {0}.metric = '{1}'"
_COMPLETED = f"""
CREATE OR REPLACE MACRO {COMPLETED}(as_of_day, look_back) AS TABLE (
    WITH p AS (
        SELECT *, date_diff('day', date_day, as_of)::INTEGER AS age_days
        FROM mart.{_PANEL}(as_of_day, look_back) WHERE unit_type = 'campaign'
    )
    SELECT
        p.as_of, p.platform, p.account_id, p.unit_id, p.date_day, p.age_days, p.is_final, p.conversions_reported,
        CASE WHEN p.is_final THEN 1.0 ELSE c.completeness END AS completeness,
        CASE WHEN p.is_final THEN 1.0 ELSE c.completeness_low END AS completeness_low,
        CASE WHEN p.is_final THEN 1.0 ELSE c.completeness_high END AS completeness_high,
        {_limits("conversions", "c")},
        p.revenue_reported,
        {_limits("revenue", "r")}
    FROM p
    LEFT JOIN {MATURITY_CURVES.full_name} AS c {_JOIN.format("c", "conversions_reported")}
    LEFT JOIN {MATURITY_CURVES.full_name} AS r {_JOIN.format("r", "revenue_reported")}
)
"""
