"""Real runs of the command in homes of their own, and the comparison of what they hold."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb

FIRST, LAST = "2026-05-30", "2026-05-31"
"""As-of days of the homes that several modules look into."""
LIFTOS = Path(sys.executable).parent / "liftos"
SCENARIO = {"LIFTOS_SCENARIO": "small_rollout", "LIFTOS_LOOK_BACK_DAYS": "120"}
CREDENTIAL_PREFIXES = ("META_", "GOOGLE_ADS_", "KLAVIYO_", "FRED_", "LIFTOS_")
IGNORED_COLUMNS = {"run_id", "fetched_at", "finished_at", "created_at"}
PER_RUN = {"api_page", "effect_history", "treatments_replaced"}
"""Tables that hold what each run did; homes that came about in other ways differ in them."""
RESULT_SCHEMAS = ("causal", "quality")
COMPARED_SCHEMAS = ("raw", "causal", "quality", "truth", "mart")


def environment(home: Path, **more: str) -> dict[str, str]:
    """This process's environment without anybody's settings, for one home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(CREDENTIAL_PREFIXES)}
    return {**kept, **SCENARIO, "LIFTOS_HOME": str(home), **more}


def liftos(home: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(LIFTOS), *arguments],
        env=environment(home, **more),
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def start_run(home: Path, day: str) -> subprocess.Popen[str]:
    """A run in a session of its own, so that it can be killed with everything it started."""
    return subprocess.Popen(
        [str(LIFTOS), "run", "--date", day],
        env=environment(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def differences(left: Path, right: Path, as_of: str | None = None) -> dict[str, tuple[int, int]]:
    """Rows that only one of two public databases has, by table; run ids and wall clocks aside.

    With ``as_of``, only results of that day are compared.
    """
    found = {}
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{left / 'liftos.duckdb'}' AS l (READ_ONLY)")
        connection.execute(f"ATTACH '{right / 'liftos.duckdb'}' AS r (READ_ONLY)")
        for schema, table, columns in _tables(connection):
            names = ", ".join(name for name in columns if name not in IGNORED_COLUMNS)
            if as_of is not None and (schema not in RESULT_SCHEMAS or "as_of" not in columns):
                continue
            chosen = "" if as_of is None else f"WHERE as_of = DATE '{as_of}'"
            only = [
                connection.execute(
                    f"SELECT count(*) FROM (SELECT {names} FROM {a}.{schema}.{table} {chosen} "
                    f"EXCEPT ALL SELECT {names} FROM {b}.{schema}.{table} {chosen})"
                ).fetchall()[0][0]
                for a, b in (("l", "r"), ("r", "l"))
            ]
            if any(only):
                found[f"{schema}.{table}"] = (only[0], only[1])
    return found


def _tables(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, list[str]]]:
    rows = connection.execute(
        "SELECT schema_name, table_name, list(column_name ORDER BY column_index) FROM duckdb_columns() "
        "WHERE database_name = 'l' AND table_name IN (SELECT table_name FROM duckdb_tables() WHERE database_name = 'l') "
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    return [row for row in rows if row[0] in COMPARED_SCHEMAS and row[1] not in PER_RUN]
