"""Meta's change log. Its entries have no id, so one is made from what they say."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import orjson
import pyarrow as pa

from liftos_pipeline.schema import raw
from liftos_pipeline.sources.columns import Columns, extras
from liftos_pipeline.sources.localtime import local_days, midnight
from liftos_pipeline.sources.meta_wire import major_units, next_link
from liftos_pipeline.sources.pull import Pull, Row
from liftos_pipeline.sources.stream import Query

FIELDS = (
    "event_time",
    "event_type",
    "object_id",
    "object_type",
    "actor_id",
    "application_name",
    "date_time_in_timezone",
    "extra_data",
    "translated_event_type",
)
"""Not asked for: names of people and objects."""
CHANGE_CLASSES: dict[str, tuple[str, ...]] = {
    "budget": (
        "update_campaign_budget",
        "update_ad_set_budget",
        "update_campaign_group_spend_cap",
        "update_ad_set_spend_cap",
        "update_campaign_budget_optimization_toggling_status",
        "update_campaign_budget_scheduling_state",
    ),
    "targeting": ("update_ad_set_target_spec", "update_ad_targets_spec", "update_audience"),
    "creative": ("update_ad_creative", "edit_and_update_ad_creative", "create_ad"),
    "bid": ("update_ad_set_bidding", "update_ad_set_bid_strategy", "update_ad_bid_info"),
}
_CLASS_OF = {event_type: kind for kind, event_types in CHANGE_CLASSES.items() for event_type in event_types}
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_KNOWN = frozenset((*FIELDS, "object_name", "actor_name"))


def read_activities(query: Query) -> pa.Table:
    """Changes whose local day lies in the window. The bounds are always sent: without them only a week comes."""
    pull, zone = query.pull, query.account.zone
    params: dict[str, str | int] = {
        "since": int(midnight(query.start, zone).timestamp()),
        "until": int(midnight(query.end + timedelta(days=1), zone).timestamp()),
        "fields": ",".join(FIELDS),
        "limit": 500,
    }
    for _ in pull.walk(f"act_{query.account_id}/activities", params, next_link):
        continue
    rows = pull.rows
    columns = Columns(raw.META_ACTIVITIES, pull, query.account_id, len(rows))
    at = columns.put("event_at", [row.get("event_time") for row in rows], "event_time")
    days = local_days(at.to_numpy(zero_copy_only=False), zone)
    columns.keep("date_day", pa.array(days, pa.date32()))
    types = [row.get("event_type") for row in rows]
    columns.put("event_type", types)
    classes = [_change_class(kind) for kind in types]
    columns.put("change_class", classes)
    columns.put("object_type", [row.get("object_type") for row in rows])
    columns.put("object_id", [row.get("object_id") for row in rows])
    columns.put("actor_hash", [row.get("actor_id") for row in rows], "actor_id")
    details = columns.put("detail", [row.get("extra_data") for row in rows], "extra_data")
    columns.put("activity_key", _keys(query.account_id, rows, [pull.page_of(row) for row in range(len(rows))]))
    currency = query.account.currency_code
    sides = zip(classes, details.to_pylist(), strict=True)
    budgets = [_budgets(pull, row, kind, text, currency) for row, (kind, text) in enumerate(sides)]
    columns.put("old_budget", [old for old, _ in budgets], "extra_data.old_value")
    columns.put("new_budget", [new for _, new in budgets], "extra_data.new_value")
    table = columns.finish(extras([("", rows, _KNOWN)], len(rows)))
    inside = (days >= np.datetime64(query.start)) & (days <= np.datetime64(query.end))
    return table.filter(pa.array(inside))


def _change_class(event_type: object) -> str:
    kind = str(event_type)
    return _CLASS_OF.get(kind, "status" if kind.endswith("_status") else "other")


def _keys(account_id: str, rows: Sequence[Row], pages: Sequence[int]) -> list[str]:
    """Hash of account, time, type, object and detail, and how often the same was seen before on its page: what two
    pages both hold is one change."""
    seen: Counter[tuple[str, int]] = Counter()
    keys = []
    for row, page in zip(rows, pages, strict=True):
        content = [account_id, *(row.get(f) for f in ("event_time", "event_type", "object_id", "extra_data"))]
        digest = hashlib.sha256(orjson.dumps(content)).hexdigest()
        keys.append(f"{digest}:{seen[digest, page]}")
        seen[digest, page] += 1
    return keys


def _budgets(
    pull: Pull, row: int, change_class: str, text: str | None, currency: str
) -> tuple[str | None, str | None]:
    """Budget before and after; None where the change is not one of an amount."""
    if change_class != "budget" or not text:
        return None, None
    try:
        detail = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise pull.malformed("extra_data", text, "JSON", row) from error
    if not isinstance(detail, dict):
        return None, None
    return (
        _amount(pull, detail.get("old_value"), "old_value", currency),
        _amount(pull, detail.get("new_value"), "new_value", currency),
    )


def _amount(pull: Pull, side: object, member: str, currency: str) -> str | None:
    if isinstance(side, dict):
        if side.get("type") != "payment_amount":
            return None
        currency = str(side.get("currency") or currency)
        side = side.get(member)
    if type(side) not in (int, str) or not _NUMBER.fullmatch(str(side)):
        return None
    return major_units(pull, f"extra_data.{member}", side, currency)
