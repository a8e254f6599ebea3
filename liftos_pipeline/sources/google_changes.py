"""Google Ads' change log. The platform keeps 30 days and gives at most 10,000 rows at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa

from liftos_pipeline.errors import PlatformError
from liftos_pipeline.schema import raw
from liftos_pipeline.sources.columns import Columns, extras, json_text, part
from liftos_pipeline.sources.google_wire import known_fields, last_id, search
from liftos_pipeline.sources.pull import Pull, Row
from liftos_pipeline.sources.stream import Query

PAGE_ROWS = 10_000
_FIELDS = (
    "change_event.resource_name, change_event.change_date_time, change_event.change_resource_type, "
    "change_event.change_resource_name, change_event.client_type, change_event.user_email, "
    "change_event.old_resource, change_event.new_resource, change_event.resource_change_operation, "
    "change_event.changed_fields, change_event.campaign, change_event.ad_group"
)
_CLASS_OF_TYPE = {
    "CAMPAIGN_CRITERION": "targeting",
    "AD_GROUP_CRITERION": "targeting",
    "AD_GROUP_AD": "creative",
    "AD": "creative",
    "ASSET": "creative",
    "AD_GROUP_ASSET": "creative",
    "CAMPAIGN_ASSET": "creative",
    "AD_GROUP_BID_MODIFIER": "bid",
}


def read_change_events(query: Query) -> pa.Table:
    """Changes of the account's local days; a full answer is continued from its last timestamp on."""
    pull = query.pull
    events = _all_events(query)
    columns = Columns(raw.GOOGLE_ADS_CHANGE_EVENTS, pull, query.account_id, len(events))
    columns.put("resource_name", [e.get("resourceName") for e in events], "changeEvent.resourceName")
    zone = query.account.zone
    moments = [_moment(pull, i, e.get("changeDateTime")) for i, e in enumerate(events)]
    columns.keep("date_day", pa.array([moment.date() for moment in moments], pa.date32()))
    columns.keep("changed_at", pa.array([_utc(moment, zone) for moment in moments], pa.timestamp("us")))
    types = [e.get("changeResourceType") for e in events]
    masks = [_mask(e.get("changedFields")) for e in events]
    columns.put("change_class", [_change_class(t, m) for t, m in zip(types, masks, strict=True)])
    columns.put("change_resource_type", types, "changeEvent.changeResourceType")
    columns.put("operation", [e.get("resourceChangeOperation") for e in events])
    columns.put("campaign_id", [last_id(e.get("campaign")) for e in events], "changeEvent.campaign")
    columns.put("ad_group_id", [last_id(e.get("adGroup")) for e in events], "changeEvent.adGroup")
    columns.put("changed_fields", masks, "changeEvent.changedFields")
    old, new = part(events, "oldResource", pull), part(events, "newResource", pull)
    columns.put("old_budget_micros", _budget_micros(old, pull), "changeEvent.oldResource")
    columns.put("new_budget_micros", _budget_micros(new, pull), "changeEvent.newResource")
    columns.put("client_type", [e.get("clientType") for e in events], "changeEvent.clientType")
    columns.put("actor_hash", [e.get("userEmail") for e in events], "changeEvent.userEmail")
    columns.put("detail", [json_text({"old": o, "new": n}) for o, n in zip(old, new, strict=True)])
    known = known_fields(_FIELDS)["changeEvent"]
    return columns.finish(extras([("changeEvent.", events, known)], len(events)))


def _all_events(query: Query) -> list[Row]:
    """Events once each, in the order of their time; one that came with two contents is there twice."""
    pull = query.pull
    found: dict[str, Row] = {}
    since, until = f"{query.start} 00:00:00", f"{query.end} 23:59:59.999999"
    while True:
        rows = search(
            pull,
            query.account_id,
            f"SELECT {_FIELDS} FROM change_event WHERE change_event.change_date_time >= '{since}' "
            f"AND change_event.change_date_time <= '{until}' "
            f"ORDER BY change_event.change_date_time LIMIT {PAGE_ROWS}",
        )
        events = part(rows, "changeEvent", pull)
        found.update({json_text(event): event for event in events})
        if len(rows) < PAGE_ROWS:
            return list(found.values())
        last = max(str(event.get("changeDateTime")) for event in events)
        if last <= since:
            raise PlatformError(
                f"fewer than {PAGE_ROWS} changes at one moment in {pull.stream}",
                f"{len(rows)} at {last}",
                "The log cannot be read past this moment; pull the days after it.",
            )
        since = last


def _moment(pull: Pull, row: int, value: object) -> datetime:
    """Local time of a change, without a zone."""
    try:
        return datetime.fromisoformat(str(value))
    except ValueError as error:
        raise pull.malformed("changeEvent.changeDateTime", value, "a local time", row) from error


def _utc(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None)


def _mask(fields: object) -> str | None:
    """Field mask as one comma-separated string; REST sends it as that or as a list."""
    if isinstance(fields, list):
        return ",".join(str(field) for field in fields)
    return None if fields is None else str(fields)


def _change_class(resource_type: object, mask: str | None) -> str:
    fields = (mask or "").lower()
    if resource_type == "CAMPAIGN_BUDGET":
        return "budget" if "amount" in fields else "other"
    if "bid" in fields or "cpc" in fields or "target_roas" in fields:
        return "bid"
    if fields == "status":
        return "status"
    return _CLASS_OF_TYPE.get(str(resource_type), "other")


def _budget_micros(resources: Sequence[Row], pull: Pull) -> list[object]:
    return [budget.get("amountMicros") for budget in part(resources, "campaignBudget", pull)]
