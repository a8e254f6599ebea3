"""The published database, read as of one day. Opens it read-only; what the rows mean is told elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd

from liftos_pipeline.errors import LiftosError, WarehouseError
from liftos_pipeline.schema import Table
from liftos_pipeline.schema.ops import AS_OF_RUN
from liftos_pipeline.schema.results import ATTRIBUTION, CAUSAL_MARKETING_DATA, EFFECT_HISTORY, GATES
from liftos_pipeline.schema.truth import EFFECTS

FOLLOWED_DAYS = 28
"""Days after a start that an effect is of."""


@contextmanager
def open_public(home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Read-only connection to ``liftos.duckdb`` of a home, beside any run.

    Raises
    ------
    LiftosError
        Nothing was published yet.
    WarehouseError
        The file cannot be opened.
    """
    file = home / "liftos.duckdb"
    if not file.exists():
        raise LiftosError(
            f"a published database at {file}",
            "none",
            "`liftos run` makes it, `liftos demo` one of a simulated home; LIFTOS_HOME names another home.",
        )
    try:
        connection = duckdb.connect(str(file), read_only=True)
    except duckdb.Error as error:
        raise WarehouseError(
            f"a database that opens at {file}",
            str(error).splitlines()[0],
            "`liftos run` publishes it anew.",
        ) from error
    try:
        yield connection
    except duckdb.CatalogException as error:
        raise WarehouseError(
            f"a database of this version at {file}",
            str(error).splitlines()[0],
            "`liftos run` brings the home up to date and publishes it anew.",
        ) from error
    finally:
        connection.close()


def home_mode(connection: duckdb.DuckDBPyConnection) -> str:
    """live or simulated."""
    return str(connection.execute("SELECT source_mode FROM ops.home").fetchall()[0][0])


def result_days(connection: duckdb.DuckDBPyConnection) -> list[date]:
    """As-of days that were computed to their end, in order; their results may be empty."""
    found = connection.execute(
        "SELECT as_of FROM ops.result_receipt WHERE table_name IN (?, ?) GROUP BY 1 HAVING count(*) = 2 ORDER BY 1",
        [ATTRIBUTION.full_name, GATES.full_name],
    ).fetchall()
    return [row[0] for row in found]


def rows_of_day(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[Table], as_of: date
) -> dict[str, pd.DataFrame]:
    """Rows of result tables by full name, in the order of their keys."""
    return {
        table.full_name: connection.execute(
            f"SELECT * FROM {table.full_name} WHERE as_of = ? ORDER BY {', '.join(table.key)}", [as_of]
        ).df()
        for table in tables
    }


def effects_given(connection: duckdb.DuckDBPyConnection, as_of: date) -> pd.DataFrame:
    """What the newest run of a day gave, of ``causal.effect_history``."""
    return connection.execute(
        f"SELECT * FROM {EFFECT_HISTORY.full_name} WHERE as_of = $as_of AND run_id = ("
        f"SELECT run_id FROM {EFFECT_HISTORY.full_name} WHERE as_of = $as_of ORDER BY finished_at DESC LIMIT 1) "
        "ORDER BY ALL",
        {"as_of": as_of},
    ).df()


def run_settings(connection: duckdb.DuckDBPyConnection, as_of: date) -> dict[str, object]:
    """Settings behind the results of a day; empty where its run was not recorded."""
    found = connection.execute(
        f"SELECT settings FROM {AS_OF_RUN.full_name} WHERE as_of = ? ORDER BY finished_at DESC LIMIT 1", [as_of]
    ).fetchone()
    return {} if found is None else dict(json.loads(found[0]))


def vintages(connection: duckdb.DuckDBPyConnection, as_of: date) -> pd.DataFrame:
    """platform, vintage, n_rows: how the causal-ready rows of a day came to be known."""
    return connection.execute(
        f"SELECT platform, vintage, count(*) AS n_rows FROM {CAUSAL_MARKETING_DATA.full_name} WHERE as_of = ? "
        "GROUP BY ALL ORDER BY ALL",
        [as_of],
    ).df()


def true_effects(connection: duckdb.DuckDBPyConnection, as_of: date) -> pd.DataFrame:
    """platform, treatment_type, design, true_reported, true_orders: summed over the treated unit-days of a simulated
    home, where the truth is known."""
    return connection.execute(
        "SELECT t.platform, t.treatment_type, t.design, "
        "list_sum(list(e.effect_on_reported ORDER BY e.unit_id, e.date_day)) AS true_reported, "
        "list_sum(list(e.effect_on_orders ORDER BY e.unit_id, e.date_day)) AS true_orders "
        f"FROM {CAUSAL_MARKETING_DATA.full_name} t JOIN {EFFECTS.full_name} e "
        "ON e.unit_id = t.unit_id AND e.treatment_type = t.treatment_type "
        "AND e.date_day BETWEEN t.started_on AND t.started_on + $days "
        "WHERE t.as_of = $as_of AND t.is_treated = 1 GROUP BY ALL ORDER BY ALL",
        {"as_of": as_of, "days": FOLLOWED_DAYS - 1},
    ).df()
