"""FRED: observations by vintage with a key, today's view without one. The account of this source is the series."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Literal

import httpx
import pyarrow as pa

from liftos_pipeline.schema import FOREVER, raw
from liftos_pipeline.settings import Settings
from liftos_pipeline.sources.client import Client, Limits, Problem, http_problem
from liftos_pipeline.sources.columns import Columns
from liftos_pipeline.sources.fred_download import Observations, download
from liftos_pipeline.sources.fred_series import SERIES, check_observations, published_on
from liftos_pipeline.sources.pull import Pull
from liftos_pipeline.sources.redact import Redactor
from liftos_pipeline.sources.stream import Account, Connection, Query, Source, Stream

API_URL, DOWNLOAD_URL = "https://api.stlouisfed.org", "https://fred.stlouisfed.org"
LEAD_DAYS = 548
"""Observations begin this long before the home does: growth over 12 months needs the months before them, and the
newest period known on the first day is up to two quarters old."""
_FIRST_VINTAGE, _LAST_VINTAGE = "1776-07-04", "9999-12-31"
_PAGE_ROWS = 100_000
Backend = Literal["api", "csv", "pandas_datareader"]


def classify(status: int, payload: object) -> Problem | None:
    """FRED's error object; a wrong key comes as 400."""
    body = payload if isinstance(payload, dict) else {}
    code = body.get("error_code")
    if not isinstance(code, int):
        return http_problem(status, "FRED_API_KEY", "no error body")
    message = str(body.get("error_message", ""))
    found = f"HTTP {status}, error {code}: {message}"
    if "api_key" in message:
        return Problem("auth", found, "Renew FRED_API_KEY, or unset it to use the download without vintages.")
    return http_problem(status if status >= 300 else code, "FRED_API_KEY", found)


def backend_of(settings: Settings) -> Backend:
    """How the series are pulled: as LIFTOS_FRED_BACKEND says, else by the interface if there is a key."""
    if settings.liftos_fred_backend == "pandas_datareader":
        return "pandas_datareader"
    return "api" if settings.fred_api_key else "csv"


def connect(
    settings: Settings,
    *,
    clock: datetime | None,
    transport: httpx.BaseTransport | None,
    hash_key: bytes,
    sleep: Callable[[float], None] = time.sleep,
) -> Connection:
    """Connection with FRED_API_KEY if it is set; asks nothing yet."""
    uses_api = backend_of(settings) == "api"
    key = settings.fred_api_key.get_secret_value() if settings.fred_api_key and uses_api else ""
    client = Client(
        "fred",
        settings.liftos_fred_base_url or (API_URL if uses_api else DOWNLOAD_URL),
        dict,
        classify,
        redactor=Redactor(hash_key, "fred", (key,)),
        limits=Limits(wait_budget_s=settings.liftos_http_wait_budget_s),
        secret_params={"api_key": key} if key else None,
        transport=transport,
        clock=clock,
        sleep=sleep,
    )
    return Connection("fred", client, settings, "v1", clock, _ask_account)


def accounts(settings: Settings, connection: Connection) -> tuple[str, ...]:  # noqa: ARG001
    """The series."""
    return tuple(SERIES)


def _ask_account(connection: Connection, account_id: str) -> Account:  # noqa: ARG001
    return Account(account_id, account_id, "USD", "Etc/UTC", None)


def _read_observations(query: Query) -> pa.Table:
    since = query.connection.settings.liftos_start_date - timedelta(days=LEAD_DAYS)
    backend = backend_of(query.connection.settings)
    return _vintages(query, since) if backend == "api" else _today(query, since, backend)


def _vintages(query: Query, since: date) -> pa.Table:
    """Every value that was ever the published one, with its first and last day."""
    pull, series_id = query.pull, query.account_id
    is_daily = series_id in SERIES and SERIES[series_id].frequency == "daily"
    while True:
        page = pull.get(
            "fred/series/observations",
            {
                "series_id": series_id,
                "file_type": "json",
                "realtime_start": since.isoformat() if is_daily else _FIRST_VINTAGE,
                "realtime_end": _LAST_VINTAGE,
                "observation_start": since.isoformat(),
                "offset": len(pull.rows),
                "limit": _PAGE_ROWS,
            },
        )
        before = len(pull.rows)
        pull.add(page.get("observations"), "observations")
        count = page.get("count")
        if type(count) is not int:
            raise pull.malformed("count", count, "a whole number")
        if len(pull.rows) >= count:
            break
        if len(pull.rows) == before:
            raise pull.malformed("observations", None, f"{count} of them, {before} came before")
    rows = pull.rows
    columns = Columns(raw.FRED_OBSERVATIONS, pull, series_id, len(rows))
    days = columns.put("observation_date", [row.get("date") for row in rows], "date")
    columns.put("realtime_start", [row.get("realtime_start") for row in rows])
    columns.put("realtime_end", [row.get("realtime_end") for row in rows])
    texts = [row.get("value") for row in rows]
    if None in texts:
        raise pull.malformed("value", None, "a number or '.'", texts.index(None))
    values = columns.put("value", [None if text == "." else text for text in texts])
    check_observations(pull, series_id, days.to_pylist(), values.to_pylist(), strictly=False)
    kind = "alfred" if query.connection.clock is None else "simulated"
    columns.put("vintage_kind", [kind] * len(rows))
    columns.put("backend", ["api"] * len(rows))
    return columns.finish()


def _today(query: Query, since: date, backend: Backend) -> pa.Table:
    """Today's view. What cannot have been out before today was captured; for the rest, a rule says since when."""
    pull, series_id, today = query.pull, query.account_id, query.observed_at.date()
    days, values = _downloaded(pull, series_id, since, today, backend)
    for row, value in enumerate(values):
        if value is not None and not math.isfinite(value):
            raise pull.malformed("value", value, "a finite number", row)
    check_observations(pull, series_id, days, values, strictly=True)
    published = [published_on(series_id, day) for day in days]
    columns = Columns(raw.FRED_OBSERVATIONS, pull, series_id, len(days))
    columns.keep("observation_date", pa.array(days, pa.date32()))
    columns.keep("realtime_start", pa.array([min(day, today) for day in published], pa.date32()))
    columns.keep("realtime_end", pa.array([FOREVER.date()] * len(days), pa.date32()))
    columns.keep("value", pa.array(values, pa.float64()))
    columns.put("vintage_kind", ["lag_rule" if day <= today else "captured" for day in published])
    columns.put("backend", [backend] * len(days))
    return columns.finish()


def _downloaded(pull: Pull, series_id: str, since: date, until: date, backend: Backend) -> Observations:
    if backend == "csv":
        return download(pull, series_id, since, until)
    from liftos_pipeline.sources.fred_pandas import download_with_pandas_datareader

    return download_with_pandas_datareader(pull, series_id, since, until)


SOURCE = Source(
    name="fred",
    streams=(Stream("observations", raw.FRED_OBSERVATIONS, "snapshot", 1, _read_observations),),
    connect=connect,
    accounts=accounts,
)
