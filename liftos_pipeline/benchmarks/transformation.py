"""Typed raw rows to the marketing panel, in records per second; beside it a scan of the same columns and dbt's start."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from liftos_pipeline.schema import Table
from liftos_pipeline.schema.raw import GOOGLE_ADS_DAILY, META_INSIGHTS_DAILY
from liftos_pipeline.warehouse import Warehouse

if TYPE_CHECKING:
    import duckdb

DAYS = 180
AS_OF = "2026-06-29"
REPEATS = 3
_PROJECT = Path(__file__).parents[2] / "dbt_models"
_META = "'campaign' AS level, c::VARCHAR AS entity_id, c::VARCHAR AS campaign_id, 10 + c % 7 AS spend, 1000 + c AS impressions"
_GOOGLE = (
    "'campaign' AS level, c::VARCHAR AS entity_id, c::VARCHAR AS campaign_id, "
    "(10 + c % 7) * 1000000 AS cost_micros, 1000 + c AS impressions"
)
_RECEIPTS = f"""
INSERT INTO ops.load_receipt BY NAME
SELECT s.source, s.stream, a::VARCHAR AS account_id, DATE '{AS_OF}' - d::INTEGER AS date_day,
    TIMESTAMP '{AS_OF}' + INTERVAL 1 DAY AS observed_at, 1 AS rows_in, 0 AS rows_restated, 0 AS rows_vanished,
    'bench' AS run_id, 'simulated' AS source_mode, TIMESTAMP '{AS_OF}' AS finished_at
FROM range({DAYS}) days(d), range(10) accounts(a),
    (VALUES ('meta', 'insights_daily'), ('google_ads', 'daily')) s(source, stream)
"""
_SCAN = (
    "SELECT sum(spend), sum(impressions), sum(conversions), max(observed_to) FROM raw.meta_insights_daily UNION ALL "
    "SELECT sum(cost_micros), sum(impressions), sum(conversions), max(observed_to) FROM raw.google_ads_daily"
)


@dataclass(frozen=True)
class TransformationTimes:
    """Seconds, medians of ``REPEATS``; ``records`` are raw rows."""

    records: int
    panel_s: float
    scan_s: float
    dbt_start_s: float
    dbt_run_s: float

    @property
    def records_per_s(self) -> float:
        return self.records / self.panel_s


def measure(n_records: int = 5_000_000) -> TransformationTimes:
    """Fill a home with made-up campaign-days of two platforms, build the models, time the panel.

    Parameters
    ----------
    n_records : int
        Raw rows; rounded down to whole campaigns of 180 days.
    """
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse(Path(folder), "simulated")
        campaigns = n_records // (2 * DAYS)
        with warehouse.write() as connection:
            for table, own in ((META_INSIGHTS_DAILY, _META), (GOOGLE_ADS_DAILY, _GOOGLE)):
                connection.execute(_rows(table, own, campaigns))
            connection.execute(_RECEIPTS)
        start_s, run_s = _dbt(folder, "parse"), _dbt(folder, "run")
        query = f"SELECT * FROM mart.marketing_panel_as_of(DATE '{AS_OF}', {DAYS})"
        panel, scan = [], []
        with warehouse.write() as connection:
            for _ in range(REPEATS):
                panel.append(_timed(connection, f"CREATE OR REPLACE TEMP TABLE panel AS {query}"))
                scan.append(_timed(connection, _SCAN))
        middle = REPEATS // 2
        return TransformationTimes(
            2 * campaigns * DAYS, sorted(panel)[middle], sorted(scan)[middle], start_s, run_s
        )


def _rows(table: Table, own: str, campaigns: int) -> str:
    return f"""
INSERT INTO {table.full_name} BY NAME
SELECT (c % 10)::VARCHAR AS account_id, DATE '{AS_OF}' - d::INTEGER AS date_day, {own}, 'USD' AS currency_code,
    c % 5 AS conversions, c % 5 * 60 AS conversions_value, TIMESTAMP '{AS_OF}' + INTERVAL 1 DAY AS observed_from,
    TIMESTAMP '9999-12-31' AS observed_to, 'h' AS row_hash, 'bench' AS run_id, 'simulated' AS source_mode, 'v' AS api_version
FROM range({DAYS}) days(d), range({campaigns}) campaigns(c)
"""


def _dbt(home: str, command: str) -> float:
    started = time.monotonic()
    subprocess.run(
        [str(Path(sys.executable).parent / "liftos-dbt"), "--quiet", command],
        cwd=_PROJECT,
        env={**os.environ, "LIFTOS_HOME": home, "DBT_TARGET_PATH": f"{home}/dbt", "DBT_LOG_PATH": f"{home}/dbt"},
        check=True,
    )
    return time.monotonic() - started


def _timed(connection: duckdb.DuckDBPyConnection, query: str) -> float:
    started = time.monotonic()
    connection.execute(query).fetchall()
    return time.monotonic() - started
