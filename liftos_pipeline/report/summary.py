"""What each treatment type did, beside what the platform reported and, in a simulated home, beside the truth."""

from __future__ import annotations

from datetime import date

import duckdb
import pandas as pd

CHANNELS = {"meta": "Meta", "google_ads": "Google Ads", "klaviyo": "Klaviyo"}
OUTCOMES = {"conversions_reported": "conversions", "orders": "orders"}

_SUMMARY = """
WITH treated AS (
    SELECT platform, treatment_type, design, unit_id, started_on
    FROM causal.causal_marketing_data
    WHERE as_of = $as_of AND is_treated = 1
),
truth AS (
    SELECT t.platform, t.treatment_type, t.design,
        list_sum(list(e.effect_on_reported ORDER BY e.unit_id, e.date_day)) AS true_reported,
        list_sum(list(e.effect_on_orders ORDER BY e.unit_id, e.date_day)) AS true_orders
    FROM treated t
    JOIN truth.effects e ON e.unit_id = t.unit_id AND e.treatment_type = t.treatment_type
        AND e.date_day BETWEEN t.started_on AND t.started_on + 27
    GROUP BY ALL
)
SELECT a.platform, a.treatment_type, a.design, v.tier, v.verdict, v.direction, a.outcome, a.label,
    a.treated_units, a.treated_unit_days, a.reported_change,
    a.incremental, a.incremental_low, a.incremental_high, a.level, a.refused,
    CASE WHEN a.label = 'effect_on_orders' THEN t.true_orders ELSE t.true_reported END AS true_effect,
    t.true_orders
FROM causal.attribution a
JOIN causal.verdicts v USING (as_of, platform, treatment_type, design, outcome)
LEFT JOIN truth t USING (platform, treatment_type, design)
WHERE a.as_of = $as_of AND a.scope = 'treatment' AND a.outcome IN ('conversions_reported', 'orders')
ORDER BY a.platform, a.treatment_type, a.design
"""


def effect_summary(connection: duckdb.DuckDBPyConnection, as_of: date) -> pd.DataFrame:
    """One row per platform, treatment type and design, all quantities summed over the same treated unit-days.

    ``true_effect`` is the simulator's truth of the estimated quantity, ``true_orders`` that of orders; both are
    missing in a live home.
    """
    return connection.execute(_SUMMARY, {"as_of": as_of}).df()


def to_markdown(summary: pd.DataFrame, as_of: date, source_mode: str) -> str:
    """The summary as a Markdown page."""
    lines = [f"# What our marketing caused, as of {as_of}", ""]
    if source_mode == "simulated":
        lines += ["**SIMULATED**: every number comes from a made-up world whose truth is known.", ""]
    lines += ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    lines += ["| " + " | ".join(cells) + " |" for cells in summary_cells(summary)]
    return "\n".join([*lines, ""])


HEAD = (
    "channel",
    "change",
    "evidence",
    "outcome",
    "units",
    "platform's change",
    "caused",
    "95 % interval",
    "truth",
    "true orders",
)


def summary_cells(summary: pd.DataFrame) -> list[list[str]]:
    """Cells of the summary as text, one list per row, in the order of ``HEAD``."""
    return [
        [
            CHANNELS[row["platform"]],
            row["treatment_type"].removesuffix("_change"),
            f"{row['tier']} {row['verdict'].replace('_', ' ')}",
            OUTCOMES[row["outcome"]],
            str(row["treated_units"]),
            _number(row["reported_change"]),
            *_effect(row),
            _number(row["true_effect"]),
            _number(row["true_orders"]),
        ]
        for row in summary.to_dict("records")
    ]


def _effect(row: dict) -> tuple[str, str]:
    if isinstance(row["refused"], str):
        return "refused" if row["verdict"] == "refuse" else row["direction"], row["refused"]
    return _number(row["incremental"]), f"{_number(row['incremental_low'])} to {_number(row['incremental_high'])}"


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{value:+,.0f}"
