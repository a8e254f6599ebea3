"""Klaviyo: connection, errors, and the lists of what exists (account, metrics, lists, members, campaigns). Events
and profiles are in ``klaviyo_people``; HTTP, paging and casting are elsewhere.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from datetime import datetime

import httpx
import pyarrow as pa

from liftos_pipeline.schema import raw
from liftos_pipeline.settings import Settings
from liftos_pipeline.sources.client import Client, Limits, Problem, http_problem
from liftos_pipeline.sources.columns import Columns, extras, json_text, part
from liftos_pipeline.sources.klaviyo_people import read_events, read_profiles
from liftos_pipeline.sources.klaviyo_wire import attributes, next_link, related_id
from liftos_pipeline.sources.localtime import checked_zone
from liftos_pipeline.sources.pull import Pull, Row
from liftos_pipeline.sources.redact import Redactor
from liftos_pipeline.sources.stream import Account, Connection, Query, Source, Stream

_CHANNEL = "equals(messages.channel,'email')"
_CAMPAIGN_FILTERS = (_CHANNEL, f"and({_CHANNEL},equals(archived,true))")
"""The plain list leaves archived campaigns out, and what was sent stays sent."""


def classify(status: int, payload: object) -> Problem | None:
    """JSON:API errors; their texts say what, the HTTP status says what to do."""
    errors = payload.get("errors") if isinstance(payload, dict) else None
    if not isinstance(errors, list) or not errors:
        return http_problem(status, "KLAVIYO_PRIVATE_API_KEY", "no error body")
    first = errors[0] if isinstance(errors[0], dict) else {}
    found = f"{first.get('code')}: {first.get('detail') or first.get('title')}"
    own = first.get("status")
    said = int(own) if isinstance(own, int) or (isinstance(own, str) and own.isdigit()) else 400
    if status in (400, 404, 410) and "revision" in found.lower():
        return Problem(
            "fatal", f"HTTP {status}: {found}", "This revision is gone: set KLAVIYO_REVISION to a newer one."
        )
    return http_problem(status if status >= 300 else said, "KLAVIYO_PRIVATE_API_KEY", found)


def connect(
    settings: Settings,
    *,
    clock: datetime | None,
    transport: httpx.BaseTransport | None,
    hash_key: bytes,
    sleep: Callable[[float], None] = time.sleep,
) -> Connection:
    """Connection with KLAVIYO_PRIVATE_API_KEY; asks nothing yet."""
    key = settings.klaviyo_private_api_key.get_secret_value() if settings.klaviyo_private_api_key else ""
    client = Client(
        "klaviyo",
        f"{settings.liftos_klaviyo_base_url.rstrip('/')}/api",
        lambda: {
            "Authorization": f"Klaviyo-API-Key {key}",
            "revision": settings.klaviyo_revision,
            "Accept": "application/vnd.api+json",
        },
        classify,
        redactor=Redactor(hash_key, "klaviyo", (key,)),
        limits=Limits(wait_budget_s=settings.liftos_http_wait_budget_s),
        transport=transport,
        clock=clock,
        sleep=sleep,
    )
    return Connection("klaviyo", client, settings, settings.klaviyo_revision, clock, _ask_account)


def accounts(settings: Settings, connection: Connection) -> tuple[str, ...]:  # noqa: ARG001
    """The account that the key belongs to; the platform is asked once."""
    if not connection.accounts_seen:
        account = _account(Pull(connection.client, "klaviyo.account"))
        connection.accounts_seen[account.account_id] = account
    return tuple(connection.accounts_seen)


def _account(pull: Pull) -> Account:
    page = pull.get("accounts")
    pull.add(page.get("data"), "data")
    if len(pull.rows) != 1:
        raise pull.malformed("data", len(pull.rows), "one account")
    entry, told = pull.rows[0], attributes(pull.rows, pull)[0]
    for field, value in (("id", entry.get("id")), *((f, told.get(f)) for f in ("preferred_currency", "timezone"))):
        if not isinstance(value, str):
            raise pull.malformed(field, value, "text", 0)
    name = part([told], "contact_information", pull)[0].get("organization_name")
    return Account(
        str(entry["id"]),
        None if name is None else str(name),
        str(told["preferred_currency"]),
        checked_zone(str(told["timezone"]), "klaviyo", str(entry["id"])),
        None,
    )


def _ask_account(connection: Connection, account_id: str) -> Account:
    pull = Pull(connection.client, "klaviyo.account")
    return _expect(pull, _account(pull), account_id)


def _expect(pull: Pull, account: Account, account_id: str) -> Account:
    if account.account_id != account_id:
        raise pull.malformed("id", account.account_id, f"account {account_id}", 0)
    return account


def _read_account(query: Query) -> pa.Table:
    account = _expect(query.pull, _account(query.pull), query.account_id)
    query.connection.accounts_seen[account.account_id] = account
    columns = Columns(raw.KLAVIYO_ACCOUNT, query.pull, query.account_id, 1)
    columns.put("account_name", [account.name], "organization_name")
    columns.put("currency_code", [account.currency_code], "preferred_currency")
    columns.put("account_timezone", [account.timezone], "timezone")
    return columns.finish()


def _pull_all(pull: Pull, path: str, params: Mapping[str, str | int]) -> None:
    for _ in pull.walk(path, params, next_link):
        continue


def _read_metrics(query: Query) -> pa.Table:
    pull = query.pull
    _pull_all(pull, "metrics", {"fields[metric]": "name,integration"})
    rows, told = pull.rows, attributes(pull.rows, pull)
    columns = Columns(raw.KLAVIYO_METRICS, pull, query.account_id, len(rows))
    columns.put("metric_id", [row.get("id") for row in rows], "id")
    columns.put("metric_name", [a.get("name") for a in told], "name")
    integrations = [i.get("name") for i in part(told, "integration", pull)]
    columns.put("integration_name", integrations, "integration.name")
    known = frozenset({"name", "integration", "created", "updated"})
    return columns.finish(extras([("", told, known)], len(rows)))


def _read_lists(query: Query) -> pa.Table:
    pull = query.pull
    _pull_all(pull, "lists", {"fields[list]": "name,created"})
    rows, told = pull.rows, attributes(pull.rows, pull)
    columns = Columns(raw.KLAVIYO_LISTS, pull, query.account_id, len(rows))
    columns.put("list_id", [row.get("id") for row in rows], "id")
    columns.put("list_name", [a.get("name") for a in told], "name")
    columns.put("created_at", [a.get("created") for a in told], "created")
    known = frozenset({"name", "created", "updated", "opt_in_process"})
    return columns.finish(extras([("", told, known)], len(rows)))


def _read_memberships(query: Query) -> pa.Table:
    """Members of every list; their addresses are not asked for."""
    pull = query.pull
    _pull_all(pull, "lists", {"fields[list]": "name,created"})
    list_ids = [str(row.get("id")) for row in pull.rows]
    pull.restart()
    of_list: list[str] = []
    for list_id in list_ids:
        _pull_all(pull, f"lists/{list_id}/profiles", {"fields[profile]": "joined_group_at", "page[size]": 100})
        of_list += [list_id] * (len(pull.rows) - len(of_list))
    rows, told = pull.rows, attributes(pull.rows, pull)
    columns = Columns(raw.KLAVIYO_LIST_MEMBERSHIPS, pull, query.account_id, len(rows))
    columns.put("list_id", of_list)
    columns.put("profile_id", [row.get("id") for row in rows], "id")
    columns.put("joined_at", [a.get("joined_group_at") for a in told], "joined_group_at")
    return columns.finish()


def _read_campaigns(query: Query) -> pa.Table:
    """One row per campaign and message; the messages stand in ``included``."""
    pull = query.pull
    messages: dict[str, Row] = {}
    for filters in _CAMPAIGN_FILTERS:
        for page in pull.walk("campaigns", {"filter": filters, "include": "campaign-messages"}, next_link):
            messages.update(_included(pull, page, "campaign-message"))
    pairs = [(row, message) for row in pull.rows for message in _message_ids(row)]
    campaigns = [row for row, _ in pairs]
    told = attributes(campaigns, pull)
    found = [messages.get(message, {}) for _, message in pairs]
    definitions = part(attributes(found, pull), "definition", pull)
    audiences = part(told, "audiences", pull)
    included, excluded = ([a.get(side) or [] for a in audiences] for side in ("included", "excluded"))
    subjects = [c.get("subject") for c in part(definitions, "content", pull)]
    columns = Columns(raw.KLAVIYO_CAMPAIGNS, pull, query.account_id, len(pairs))
    columns.put("campaign_id", [row.get("id") for row in campaigns], "id")
    columns.put("message_id", [message for _, message in pairs])
    columns.put("campaign_name", [a.get("name") for a in told], "name")
    columns.put("status", [a.get("status") for a in told], "status")
    columns.put("channel", [d.get("channel") for d in definitions], "definition.channel")
    columns.put("send_at", [a.get("send_time") for a in told], "send_time")
    columns.put("list_id", [_first(pull, i, ids) for i, ids in enumerate(included)], "audiences.included")
    columns.put("included_ids", [json_text(ids) for ids in included])
    columns.put("excluded_ids", [json_text(ids) for ids in excluded])
    columns.put("template_id", [related_id(message, "template") for message in found], "template.id")
    columns.put("subject_hash", [None if s is None else _sha256(str(s)) for s in subjects])
    return columns.finish()


def _included(pull: Pull, page: Row, kind: str) -> dict[str, Row]:
    entries = page.get("included") or []
    if not isinstance(entries, list):
        raise pull.malformed("included", entries, "a list")
    return {str(e.get("id")): e for e in entries if isinstance(e, dict) and e.get("type") == kind}


def _message_ids(campaign: Row) -> list[str]:
    relationships = campaign.get("relationships")
    link = relationships.get("campaign-messages") if isinstance(relationships, dict) else None
    entries = link.get("data") if isinstance(link, dict) else None
    return (
        [str(entry.get("id")) for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    )


def _first(pull: Pull, row: int, ids: object) -> object:
    if not isinstance(ids, list):
        raise pull.malformed("audiences.included", ids, "a list", row)
    return ids[0] if ids else None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


SOURCE = Source(
    name="klaviyo",
    streams=(
        Stream("account", raw.KLAVIYO_ACCOUNT, "snapshot", 1, _read_account),
        Stream("metrics", raw.KLAVIYO_METRICS, "snapshot", 1, _read_metrics),
        Stream("lists", raw.KLAVIYO_LISTS, "snapshot", 1, _read_lists),
        Stream("list_memberships", raw.KLAVIYO_LIST_MEMBERSHIPS, "snapshot", 1, _read_memberships),
        Stream("campaigns", raw.KLAVIYO_CAMPAIGNS, "snapshot", 1, _read_campaigns),
        Stream("profiles", raw.KLAVIYO_PROFILES, "upsert", 1, read_profiles),
        Stream("events", raw.KLAVIYO_EVENTS, "window", 3, read_events, max_days=14, weekly_days=30),
    ),
    connect=connect,
    accounts=accounts,
)
