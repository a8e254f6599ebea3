"""What the published database holds of one as-of day. Reads through ``PublicDatabase``; what rows mean is told elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date

import pandas as pd

from liftos_pipeline.schema import Table
from liftos_pipeline.schema.ops import AS_OF_RUN, HOME, RESULT_RECEIPT
from liftos_pipeline.schema.results import ATTRIBUTION, CAUSAL_MARKETING_DATA, EFFECT_HISTORY, GATES
from liftos_pipeline.schema.truth import EFFECTS
from liftos_pipeline.warehouse.public import PublicDatabase

FOLLOWED_DAYS = 28
"""Days after a start that an effect is of."""


def home_mode(database: PublicDatabase) -> str:
    """live or simulated."""
    return str(database.rows(f"SELECT source_mode FROM {{home}}.{HOME.full_name}")[0]["source_mode"])


def result_days(database: PublicDatabase) -> list[date]:
    """As-of days that were computed to their end, in order; their results may be empty."""
    found = database.rows(
        f"SELECT as_of FROM {{home}}.{RESULT_RECEIPT.full_name} WHERE table_name IN ($attribution, $gates) "
        "GROUP BY 1 HAVING count(*) = 2 ORDER BY 1",
        {"attribution": ATTRIBUTION.full_name, "gates": GATES.full_name},
    )
    return [day for row in found if isinstance(day := row["as_of"], date)]


def rows_of_day(database: PublicDatabase, tables: Sequence[Table], as_of: date) -> dict[str, pd.DataFrame]:
    """Rows of result tables by full name, in the order of their keys."""
    return {
        table.full_name: database.frame(
            f"SELECT * FROM {{home}}.{table.full_name} WHERE as_of = $as_of ORDER BY {', '.join(table.key)}",
            {"as_of": as_of},
        )
        for table in tables
    }


def effects_given(database: PublicDatabase, as_of: date) -> pd.DataFrame:
    """What the newest run of a day gave, of ``causal.effect_history``."""
    history = f"{{home}}.{EFFECT_HISTORY.full_name}"
    return database.frame(
        f"SELECT * FROM {history} WHERE as_of = $as_of AND run_id = ("
        f"SELECT run_id FROM {history} WHERE as_of = $as_of ORDER BY finished_at DESC LIMIT 1) ORDER BY ALL",
        {"as_of": as_of},
    )


def run_settings(database: PublicDatabase, as_of: date) -> dict[str, object]:
    """Settings behind the results of a day; empty where its run was not recorded."""
    found = database.rows(
        f"SELECT settings FROM {{home}}.{AS_OF_RUN.full_name} WHERE as_of = $as_of ORDER BY finished_at DESC LIMIT 1",
        {"as_of": as_of},
    )
    return dict(json.loads(str(found[0]["settings"]))) if found else {}


def vintages(database: PublicDatabase, as_of: date) -> pd.DataFrame:
    """platform, vintage, n_rows: how the causal-ready rows of a day came to be known."""
    return database.frame(
        f"SELECT platform, vintage, count(*) AS n_rows FROM {{home}}.{CAUSAL_MARKETING_DATA.full_name} "
        "WHERE as_of = $as_of GROUP BY ALL ORDER BY ALL",
        {"as_of": as_of},
    )


def true_effects(database: PublicDatabase, as_of: date) -> pd.DataFrame:
    """platform, treatment_type, design, true_reported, true_orders: summed over the treated unit-days of a simulated
    home, where the truth is known."""
    return database.frame(
        "SELECT t.platform, t.treatment_type, t.design, "
        "list_sum(list(e.effect_on_reported ORDER BY e.unit_id, e.date_day)) AS true_reported, "
        "list_sum(list(e.effect_on_orders ORDER BY e.unit_id, e.date_day)) AS true_orders "
        f"FROM {{home}}.{CAUSAL_MARKETING_DATA.full_name} t JOIN {{home}}.{EFFECTS.full_name} e "
        "ON e.unit_id = t.unit_id AND e.treatment_type = t.treatment_type "
        "AND e.date_day BETWEEN t.started_on AND t.started_on + $days "
        "WHERE t.as_of = $as_of AND t.is_treated = 1 GROUP BY ALL ORDER BY ALL",
        {"as_of": as_of, "days": FOLLOWED_DAYS - 1},
    )
