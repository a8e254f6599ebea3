"""What a home holds, platform by platform, as ``liftos doctor`` tells it. Reads tables that Python writes, no relations
that dbt builds: a home may have been pulled only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import duckdb
import pandas as pd

from liftos_pipeline.schema import Table
from liftos_pipeline.schema.results import EXTERNAL_FACTORS


@dataclass(frozen=True)
class Inventory:
    """One frame per question.

    accounts : platform, account_id, account_name, account_timezone, currency_code; the newest version.
    changes : platform, account_id, what, before, after, seen_at; changes of time zone or currency.
    pulls : source, stream, n_accounts, newest_day, pulled_at (wall clock, UTC).
    days : source, stream, account_id, date_day; days that were pulled, each once.
    gaps : source, stream, account_id, first_day, last_day; days that a platform no longer serves.
    drift : source, stream, kind, name, first_seen, last_seen.
    rejected : source, stream, account_id, date_day, n_rows, is_newest_day; of the newest pull of each day.
    late : series_id; FRED series whose next release was late as of the newest day that has results.
    newest_as_of : newest as-of day that any receipt knows; the first day of all without receipts.
    """

    accounts: pd.DataFrame
    changes: pd.DataFrame
    pulls: pd.DataFrame
    days: pd.DataFrame
    gaps: pd.DataFrame
    drift: pd.DataFrame
    rejected: pd.DataFrame
    late: pd.DataFrame
    newest_as_of: date


def take_inventory(connection: duckdb.DuckDBPyConnection, account_tables: Mapping[str, Table]) -> Inventory:
    """Read what the home holds.

    Parameters
    ----------
    account_tables : mapping of platform to table
        Tables that hold the versions of the platforms' accounts.
    """
    versions = " UNION ALL ".join(
        f"SELECT '{platform}' AS platform, account_id, account_name, account_timezone, currency_code, observed_from "
        f"FROM {table.full_name}"
        for platform, table in account_tables.items()
    )
    changed = " UNION ALL ".join(
        f"SELECT platform, account_id, '{what}' AS what, lag({column}) OVER (PARTITION BY platform, account_id "
        f"ORDER BY observed_from) AS before, {column} AS after, observed_from AS seen_at FROM ({versions})"
        for column, what in (("account_timezone", "time zone"), ("currency_code", "currency"))
    )

    def ask(query: str) -> pd.DataFrame:
        return connection.execute(f"{query} ORDER BY ALL").df()

    return Inventory(
        accounts=ask(
            f"SELECT * EXCLUDE (observed_from) FROM ({versions}) "
            "QUALIFY row_number() OVER (PARTITION BY platform, account_id ORDER BY observed_from DESC) = 1"
        ),
        changes=ask(f"SELECT * FROM ({changed}) WHERE before <> after"),
        pulls=ask(
            "SELECT source, stream, count(DISTINCT account_id) AS n_accounts, max(date_day) AS newest_day, "
            "max(finished_at) AS pulled_at FROM ops.load_receipt GROUP BY ALL"
        ),
        days=ask("SELECT DISTINCT source, stream, account_id, date_day FROM ops.load_receipt"),
        gaps=ask("SELECT source, stream, account_id, first_day, last_day FROM ops.history_gap"),
        drift=ask("SELECT source, stream, kind, name, first_seen, last_seen FROM ops.schema_drift"),
        rejected=ask(
            "SELECT source, stream, account_id, date_day, rows_rejected AS n_rows, "
            "date_day = max(date_day) OVER (PARTITION BY source, stream, account_id) AS is_newest_day "
            "FROM ops.load_receipt QUALIFY rows_rejected > 0 AND observed_at = max(observed_at) "
            "OVER (PARTITION BY source, stream, account_id, date_day)"
        ),
        late=ask(
            f"SELECT series_id FROM {EXTERNAL_FACTORS.full_name} "
            f"WHERE is_stale AND as_of = (SELECT max(as_of) FROM {EXTERNAL_FACTORS.full_name})"
        ),
        newest_as_of=connection.execute(
            "SELECT coalesce(max(observed_at)::DATE - 1, DATE '0001-01-01') FROM ops.load_receipt"
        ).fetchall()[0][0],
    )
