"""Meta Marketing API: what is asked, what its errors mean, how its rows become columns. Insights and the change
log are in ``meta_insights`` and ``meta_activities``; HTTP, paging and casting are elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from datetime import datetime

import httpx
import orjson
import pyarrow as pa

from liftos_pipeline.schema import raw
from liftos_pipeline.settings import Settings
from liftos_pipeline.sources.client import Client, Limits, Problem, http_problem
from liftos_pipeline.sources.columns import Columns, extras, json_text
from liftos_pipeline.sources.localtime import checked_zone
from liftos_pipeline.sources.meta_activities import read_activities
from liftos_pipeline.sources.meta_insights import read_insights
from liftos_pipeline.sources.meta_regions import read_regions
from liftos_pipeline.sources.meta_studies import read_ad_studies
from liftos_pipeline.sources.meta_wire import (
    AD_STATUSES,
    ADSET_STATUSES,
    CAMPAIGN_STATUSES,
    major_units,
    next_link,
)
from liftos_pipeline.sources.pull import Pull, Row
from liftos_pipeline.sources.redact import Redactor
from liftos_pipeline.sources.stream import Account, Connection, Query, Source, Stream

_ACCOUNT_FIELDS = ("name", "currency", "timezone_name", "timezone_offset_hours_utc", "account_status")
_RATE_CODES = {4, 17, 32, 613, *range(80000, 80015)}
_TRANSIENT_CODES = {1, 2, 960}
_AUTH_CODES = {102, 190}
_PERMISSION_CODES = {10, *range(200, 300)}
_TOO_MUCH_SUBCODE = 1487534
_TOO_MUCH_TEXT = "reduce the amount of data"
_OLD_VERSION_CODE = 2635
_NEWER_VERSION = "This interface version is gone: set META_API_VERSION to a newer one."


def classify(status: int, payload: object) -> Problem | None:
    """Meta's error body decides, under whatever HTTP status it comes; rate limits mostly come as 400."""
    error = payload.get("error") if isinstance(payload, dict) else None
    if not isinstance(error, dict):
        return http_problem(status, "META_ACCESS_TOKEN", "no error body")
    code, subcode = error.get("code"), error.get("error_subcode")
    message = str(error.get("message", ""))
    found = f"HTTP {status}, error {code}{f'/{subcode}' if subcode else ''}: {message}"
    if code in _AUTH_CODES or code in _PERMISSION_CODES:
        return Problem("auth", found, "Renew META_ACCESS_TOKEN (ads_read), then re-run the same days.")
    if subcode == _TOO_MUCH_SUBCODE or _TOO_MUCH_TEXT in message.lower():
        return Problem("split", found, "Narrow the window to fewer days.")
    if code in _RATE_CODES or status == 429:
        return Problem("rate", found)
    if code in _TRANSIENT_CODES or error.get("is_transient") is True or subcode == 99 or status >= 500:
        return Problem("transient", found)
    is_old = code == _OLD_VERSION_CODE
    return Problem("fatal", found, _NEWER_VERSION if is_old else "Check META_AD_ACCOUNT_IDS and META_API_VERSION.")


def connect(
    settings: Settings,
    *,
    clock: datetime | None,
    transport: httpx.BaseTransport | None,
    hash_key: bytes,
    sleep: Callable[[float], None] = time.sleep,
) -> Connection:
    """Connection with META_ACCESS_TOKEN; asks nothing yet."""
    token = settings.meta_access_token.get_secret_value() if settings.meta_access_token else ""
    secret = settings.meta_app_secret.get_secret_value() if settings.meta_app_secret else ""
    proof = hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest() if secret else ""
    client = Client(
        "meta",
        f"{settings.liftos_meta_base_url.rstrip('/')}/{settings.meta_api_version}",
        lambda: {"Authorization": f"Bearer {token}"},
        classify,
        redactor=Redactor(hash_key, "meta", (token, secret, proof)),
        limits=Limits(wait_budget_s=settings.liftos_http_wait_budget_s),
        secret_params={"appsecret_proof": proof} if proof else None,
        transport=transport,
        clock=clock,
        sleep=sleep,
    )
    return Connection("meta", client, settings, settings.meta_api_version, clock, _ask_account)


def accounts(settings: Settings, connection: Connection) -> tuple[str, ...]:  # noqa: ARG001
    """Ids of META_AD_ACCOUNT_IDS, without ``act_``."""
    ids = (settings.meta_ad_account_ids or "").split(",")
    return tuple(entry.strip().removeprefix("act_") for entry in ids if entry.strip())


def _account(pull: Pull, account_id: str) -> tuple[Account, Row]:
    row = pull.get(f"act_{account_id}", {"fields": ",".join(_ACCOUNT_FIELDS)})
    for field in ("currency", "timezone_name"):
        if not isinstance(row.get(field), str):
            raise pull.malformed(field, row.get(field), "text")
    zone = checked_zone(str(row["timezone_name"]), "meta", account_id)
    name, status = row.get("name"), row.get("account_status")
    account = Account(
        account_id,
        None if name is None else str(name),
        str(row["currency"]),
        zone,
        None if status is None else str(status),
    )
    return account, row


def _ask_account(connection: Connection, account_id: str) -> Account:
    return _account(Pull(connection.client, "meta.account"), account_id)[0]


def _read_account(query: Query) -> pa.Table:
    account, row = _account(query.pull, query.account_id)
    query.connection.accounts_seen[query.account_id] = account
    query.pull.add([row], "the body")
    columns = Columns(raw.META_ACCOUNT, query.pull, query.account_id, 1)
    columns.put("account_name", [account.name], "name")
    columns.put("currency_code", [account.currency_code], "currency")
    columns.put("account_timezone", [account.timezone], "timezone_name")
    columns.put("status", [account.status], "account_status")
    return columns.finish(extras([("", query.pull.rows, frozenset((*_ACCOUNT_FIELDS, "id")))], 1))


def _entities(query: Query, edge: str, fields: tuple[str, ...], statuses: tuple[str, ...]) -> list[str | None]:
    """Pull one entity list; its ``extra`` column."""
    params: Mapping[str, str | int] = {
        "fields": ",".join(fields),
        "effective_status": orjson.dumps(statuses).decode(),
        "limit": 500,
    }
    for _ in query.pull.walk(f"act_{query.account_id}/{edge}", params, next_link):
        continue
    return extras([("", query.pull.rows, frozenset(fields))], len(query.pull.rows))


def _read_campaigns(query: Query) -> pa.Table:
    fields = ("id", "name", "effective_status", "objective", "daily_budget", "lifetime_budget")
    extra = _entities(query, "campaigns", fields, CAMPAIGN_STATUSES)
    rows = query.pull.rows
    columns = Columns(raw.META_CAMPAIGNS, query.pull, query.account_id, len(rows))
    columns.put("campaign_id", [row.get("id") for row in rows], "id")
    columns.put("campaign_name", [row.get("name") for row in rows], "name")
    columns.put(
        "status",
        [row.get("effective_status") for row in rows],
        "effective_status",
        known=frozenset(CAMPAIGN_STATUSES),
    )
    columns.put("objective", [row.get("objective") for row in rows])
    _put_budgets(query, columns, ("daily_budget", "lifetime_budget"))
    return columns.finish(extra)


def _read_adsets(query: Query) -> pa.Table:
    fields = ("id", "campaign_id", "name", "effective_status", "optimization_goal", "daily_budget", "targeting")
    extra = _entities(query, "adsets", fields, ADSET_STATUSES)
    rows = query.pull.rows
    columns = Columns(raw.META_ADSETS, query.pull, query.account_id, len(rows))
    columns.put("adset_id", [row.get("id") for row in rows], "id")
    columns.put("campaign_id", [row.get("campaign_id") for row in rows])
    columns.put("adset_name", [row.get("name") for row in rows], "name")
    columns.put(
        "status",
        [row.get("effective_status") for row in rows],
        "effective_status",
        known=frozenset(ADSET_STATUSES),
    )
    columns.put("optimization_goal", [row.get("optimization_goal") for row in rows])
    _put_budgets(query, columns, ("daily_budget",))
    targeting = [row.get("targeting") for row in rows]
    columns.put("targeting", [None if value is None else json_text(value) for value in targeting])
    return columns.finish(extra)


def _read_ads(query: Query) -> pa.Table:
    fields = ("id", "adset_id", "campaign_id", "name", "effective_status", "creative")
    extra = _entities(query, "ads", fields, AD_STATUSES)
    rows = query.pull.rows
    columns = Columns(raw.META_ADS, query.pull, query.account_id, len(rows))
    columns.put("ad_id", [row.get("id") for row in rows], "id")
    columns.put("adset_id", [row.get("adset_id") for row in rows])
    columns.put("campaign_id", [row.get("campaign_id") for row in rows])
    columns.put("ad_name", [row.get("name") for row in rows], "name")
    columns.put(
        "status", [row.get("effective_status") for row in rows], "effective_status", known=frozenset(AD_STATUSES)
    )
    creatives = [row.get("creative") for row in rows]
    columns.put("creative_id", [c.get("id") if isinstance(c, dict) else c for c in creatives], "creative")
    return columns.finish(extra)


def _put_budgets(query: Query, columns: Columns, names: tuple[str, ...]) -> None:
    """Budgets are whole numbers of the currency's smallest unit."""
    currency = query.account.currency_code
    for name in names:
        columns.put(
            name, [major_units(query.pull, name, row.get(name), currency) for row in query.pull.rows], minimum=0
        )


SOURCE = Source(
    name="meta",
    streams=(
        Stream("account", raw.META_ACCOUNT, "snapshot", 1, _read_account),
        Stream(
            "insights_daily",
            raw.META_INSIGHTS_DAILY,
            "window",
            28,
            read_insights,
            max_days=90,
            reaches_back_days=1123,
        ),
        Stream(
            "insights_geo_daily",
            raw.META_INSIGHTS_GEO_DAILY,
            "window",
            28,
            read_regions,
            max_days=90,
            reaches_back_days=1123,
        ),
        Stream("activities", raw.META_ACTIVITIES, "window", 7, read_activities, max_days=90),
        Stream("campaigns", raw.META_CAMPAIGNS, "snapshot", 1, _read_campaigns),
        Stream("adsets", raw.META_ADSETS, "snapshot", 1, _read_adsets),
        Stream("ads", raw.META_ADS, "snapshot", 1, _read_ads),
        Stream("ad_studies", raw.META_AD_STUDIES, "snapshot", 1, read_ad_studies),
    ),
    connect=connect,
    accounts=accounts,
)
