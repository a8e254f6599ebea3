"""A copy of a home's public database in which everything that was seen from some instant on can be hidden.

``SET VARIABLE cutoff`` hides what was seen from an instant on, ``SET VARIABLE published`` the FRED vintages that came out
after a day; NULL shows all.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb

from liftos_pipeline.schema import FOREVER, RAW_TABLES
from liftos_pipeline.warehouse.ledger import knowledge_end

PUBLISHED = "coalesce(getvariable('published')::DATE, DATE '9999-12-30')"
CUTOFF = "coalesce(getvariable('cutoff')::TIMESTAMP, TIMESTAMP '9999-12-30')"


@contextmanager
def curtained(home: Path, folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The copy, nothing hidden yet."""
    copy = folder / "liftos.duckdb"
    shutil.copy(home / "liftos.duckdb", copy)
    with duckdb.connect(str(copy)) as connection:
        for table in RAW_TABLES:
            connection.execute(f"ALTER TABLE {table.full_name} RENAME TO {table.name}__all")
            fred = ""
            replaced = (
                f"CASE WHEN observed_to >= {CUTOFF} THEN TIMESTAMP '{FOREVER}' ELSE observed_to END AS observed_to"
            )
            if table.name == "fred_observations":
                fred = f" AND realtime_start <= {PUBLISHED}"
                ends = f"CASE WHEN realtime_end >= {PUBLISHED} THEN DATE '9999-12-31' ELSE realtime_end END"
                replaced += f", {ends} AS realtime_end"
            connection.execute(
                f"CREATE VIEW {table.full_name} AS SELECT * REPLACE ({replaced}) FROM {table.full_name}__all "
                f"WHERE observed_from < {CUTOFF}{fred}"
            )
        connection.execute("ALTER TABLE ops.load_receipt RENAME TO load_receipt__all")
        connection.execute(
            f"CREATE VIEW ops.load_receipt AS SELECT * FROM ops.load_receipt__all WHERE observed_at < {CUTOFF}"
        )
        yield connection


def changed_features(
    connection: duckdb.DuckDBPyConnection, as_of: date, look_back: int, cutoff: datetime
) -> list[tuple]:
    """Panel rows as of a day that differ once everything from the cutoff on is hidden."""
    panel = f"mart.marketing_panel_as_of(DATE '{as_of}', {look_back})"
    shown = f"shown_{as_of:%Y%m%d}_{look_back}"
    connection.execute(f"CREATE TEMP TABLE IF NOT EXISTS {shown} AS FROM {panel}")
    connection.execute(f"SET VARIABLE cutoff = TIMESTAMP '{cutoff}'")
    connection.execute(f"SET VARIABLE published = DATE '{as_of}'")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE hidden AS FROM {panel}")
    connection.execute("SET VARIABLE cutoff = NULL")
    connection.execute("SET VARIABLE published = NULL")
    assert connection.execute(f"SELECT count(*) FROM {shown}").fetchall()[0][0] > 0
    return connection.execute(
        f"(FROM {shown} EXCEPT ALL FROM hidden) UNION ALL (FROM hidden EXCEPT ALL FROM {shown}) LIMIT 5"
    ).fetchall()


def changed_macro(connection: duckdb.DuckDBPyConnection, as_of: date, day: date) -> list[tuple]:
    """Macro factors of the days up to one that differ once the vintages that came out after it are hidden."""
    macro = f"FROM intermediate.int_macro__by_day(DATE '{as_of}', 120) WHERE date_day <= DATE '{day}'"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE shown AS {macro}")
    connection.execute(f"SET VARIABLE published = DATE '{day}'")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE hidden AS {macro}")
    connection.execute("SET VARIABLE published = NULL")
    assert connection.execute("SELECT count(*) FROM shown").fetchall()[0][0] > 0
    return connection.execute(
        "(FROM shown EXCEPT ALL FROM hidden) UNION ALL (FROM hidden EXCEPT ALL FROM shown) LIMIT 5"
    ).fetchall()


def probe(
    connection: duckdb.DuckDBPyConnection, as_of_days: list[date], seed: int
) -> tuple[date, int, datetime, list[tuple]]:
    """One drawn look: as-of day, look-back and cutoff, the cutoff not before the end of what the day may know."""
    rng = random.Random(seed)
    as_of, look_back = rng.choice(as_of_days), rng.choice((30, 60, 120))
    cutoff = knowledge_end(as_of) + timedelta(hours=rng.choice((0, rng.randint(1, 960))))
    return as_of, look_back, cutoff, changed_features(connection, as_of, look_back, cutoff)
