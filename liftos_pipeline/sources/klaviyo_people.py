"""Klaviyo's events and profiles. People come here as keyed hashes only (see ``redact``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import numpy as np
import pyarrow as pa

from liftos_pipeline.schema import raw
from liftos_pipeline.sources.columns import Columns, extras, part
from liftos_pipeline.sources.klaviyo_wire import attributes, next_link, related_id
from liftos_pipeline.sources.localtime import local_days, midnight
from liftos_pipeline.sources.pull import Pull, Row
from liftos_pipeline.sources.stream import Connection, Query

EVENT_PAGE_ROWS = 1000
PROFILE_PAGE_ROWS = 100
_OVERLAP = timedelta(hours=1)
_EVENT_ATTRIBUTES = frozenset({"timestamp", "datetime", "uuid", "event_properties"})
_PROFILE_FIELDS = "email,created,updated,last_event_date,location,subscriptions"


def read_events(query: Query) -> Iterator[pa.Table]:
    """Events of the account's local days, each once; a time ahead of the clock is kept as it was sent."""
    pull, zone = query.pull, query.account.zone
    since, until = midnight(query.start, zone), midnight(query.end + timedelta(days=1), zone)
    params: dict[str, str | int] = {
        "filter": f"greater-or-equal(datetime,{since.isoformat()}),less-than(datetime,{until.isoformat()})",
        "sort": "datetime",
        "page[size]": EVENT_PAGE_ROWS,
        "include": "metric",
        "fields[event]": "timestamp,datetime,uuid,event_properties",
        "fields[metric]": "name",
    }
    names: dict[str, object] = {}
    pages = pull.walk("events", params, next_link)
    for rows in pull.batches(pages, lambda page: names.update(_metric_names(pull, page))):
        yield _events(query, rows, names)


def _events(query: Query, rows: Sequence[Row], names: dict[str, object]) -> pa.Table:
    pull, told = query.pull, attributes(rows, query.pull)
    columns = Columns(raw.KLAVIYO_EVENTS, pull, query.account_id, len(rows))
    columns.put("event_id", [row.get("id") for row in rows], "id")
    at = columns.put("occurred_at", _times(told), "timestamp")
    days = local_days(at.to_numpy(zero_copy_only=False), query.account.zone)
    columns.keep("date_day", pa.array(days, pa.date32()))
    metrics = [related_id(row, "metric") for row in rows]
    columns.put("metric_id", metrics, "metric.id")
    columns.put("metric_name", _named(query.connection, metrics, names), "metric.name")
    columns.put("profile_id", [related_id(row, "profile") for row in rows], "profile.id")
    properties = part(told, "event_properties", pull)
    for column, member in (
        ("message_id", "$message"),
        ("flow_id", "$flow"),
        ("numeric_value", "$value"),
        ("currency_code", "$currency_code"),
        ("order_id", "OrderId"),
        ("is_machine_open", "machine_open"),
    ):
        columns.put(column, [p.get(member) for p in properties], f"event_properties.{member}")
    table = columns.finish(extras([("", told, _EVENT_ATTRIBUTES)], len(rows)))
    inside = (days >= np.datetime64(query.start)) & (days <= np.datetime64(query.end))
    return table.filter(pa.array(inside))


def _times(told: Sequence[Row]) -> list[object]:
    """``timestamp`` (seconds or ISO 8601), else ``datetime``."""
    return [a["timestamp"] if a.get("timestamp") is not None else a.get("datetime") for a in told]


def _metric_names(pull: Pull, page: Row) -> dict[str, object]:
    entries = page.get("included") or []
    if not isinstance(entries, list):
        raise pull.malformed("included", entries, "a list")
    metrics = [entry for entry in entries if isinstance(entry, dict) and entry.get("type") == "metric"]
    return {
        str(metric.get("id")): told.get("name")
        for metric, told in zip(metrics, attributes(metrics, pull), strict=True)
    }


def _named(connection: Connection, metric_ids: Sequence[object], names: dict[str, object]) -> list[object]:
    """Names of metrics; those that the pages did not include are looked up once."""
    if any(metric is not None and metric not in names for metric in metric_ids):
        names = {**_all_metrics(connection), **names}
    return [names.get(str(metric)) for metric in metric_ids]


def _all_metrics(connection: Connection) -> dict[str, str]:
    if "metrics" not in connection.names_seen:
        pull = Pull(connection.client, "klaviyo.metrics")
        for _ in pull.walk("metrics", {"fields[metric]": "name"}, next_link):
            continue
        told = attributes(pull.rows, pull)
        pairs = zip(pull.rows, told, strict=True)
        connection.names_seen["metrics"] = {str(row.get("id")): str(a.get("name")) for row, a in pairs}
    return connection.names_seen["metrics"]


def read_profiles(query: Query) -> pa.Table:
    """Profiles that changed since an hour before the window: the filter is strict, and seconds have ties."""
    pull = query.pull
    since = midnight(query.start, query.account.zone) - _OVERLAP
    params: dict[str, str | int] = {
        "filter": f"greater-than(updated,{since.isoformat()})",
        "sort": "updated",
        "page[size]": PROFILE_PAGE_ROWS,
        "additional-fields[profile]": "subscriptions",
        "fields[profile]": _PROFILE_FIELDS,
    }
    for _ in pull.walk("profiles", params, next_link):
        continue
    rows = _newest(pull)
    told = attributes(rows, pull)
    subscriptions = part(told, "subscriptions", pull)
    email = part(part(subscriptions, "email", pull), "marketing", pull)
    places = part(told, "location", pull)
    first = [_first_suppression(pull, i, m.get("suppression")) for i, m in enumerate(email)]
    columns = Columns(raw.KLAVIYO_PROFILES, pull, query.account_id, len(rows))
    columns.put("profile_id", [row.get("id") for row in rows], "id")
    columns.put("email_hash", [a.get("email") for a in told], "email")
    columns.put("created_at", [a.get("created") for a in told], "created")
    columns.put("updated_at", [a.get("updated") for a in told], "updated")
    columns.put("last_event_at", [a.get("last_event_date") for a in told], "last_event_date")
    columns.put("email_consent", [m.get("consent") for m in email], "email.marketing.consent")
    columns.put("consent_at", [m.get("consent_timestamp") for m in email], "email.marketing.consent_timestamp")
    columns.put("consent_method", [m.get("method") for m in email], "email.marketing.method")
    columns.put("double_optin", [m.get("double_optin") for m in email], "email.marketing.double_optin")
    columns.put("suppressed_at", [s.get("timestamp") for s in first], "suppression.timestamp")
    columns.put("suppression_reason", [s.get("reason") for s in first], "suppression.reason")
    columns.put("country", [p.get("country") for p in places], "location.country")
    columns.put("region", [p.get("region") for p in places], "location.region")
    return columns.finish()


def _newest(pull: Pull) -> list[Row]:
    """Each profile as it was changed last: it may move to a later page while pages are read."""
    updated = [a.get("updated") for a in attributes(pull.rows, pull)]
    last = {str(row.get("id")): at for row, at in zip(pull.rows, updated, strict=True)}
    return [row for row, at in zip(pull.rows, updated, strict=True) if last[str(row.get("id"))] == at]


def _first_suppression(pull: Pull, row: int, suppressions: object) -> Row:
    """Earliest entry; an empty object if there is none."""
    entries = suppressions or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise pull.malformed("suppression", suppressions, "a list of objects", row)
    return min(entries, key=lambda entry: str(entry.get("timestamp")), default={})
