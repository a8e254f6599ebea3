"""Meta insights: delivery and attributed purchases per campaign and per ad, and day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import orjson
import pyarrow as pa

from liftos_pipeline.schema import raw
from liftos_pipeline.sources.client import TooMuchData
from liftos_pipeline.sources.columns import Columns, extras
from liftos_pipeline.sources.meta_jobs import walk_job
from liftos_pipeline.sources.meta_wire import AD_STATUSES, CAMPAIGN_STATUSES, next_link
from liftos_pipeline.sources.pull import Pull, Row
from liftos_pipeline.sources.stream import Query

LEVELS: tuple[Literal["campaign", "ad"], ...] = ("campaign", "ad")
PURCHASES = ("omni_purchase", "offsite_conversion.fb_pixel_purchase", "purchase")
"""Action types under which Meta reports one and the same purchase. The first that a row names is counted, never a
sum: ``omni_purchase`` covers web, app and shops without repeats, the pixel's type the web only, ``purchase`` is
what older accounts have."""
ATTRIBUTION_WINDOWS = ("1d_click", "7d_click", "28d_click", "1d_view")
FIELDS = (
    *(
        "account_id",
        "account_currency",
        "campaign_id",
        "campaign_name",
        "adset_id",
        "adset_name",
        "ad_id",
        "ad_name",
    ),
    *("date_start", "date_stop", "impressions", "reach", "frequency", "clicks"),
    *("inline_link_clicks", "ctr", "spend", "actions", "action_values"),
    *("attribution_setting", "objective", "optimization_goal", "buying_type"),
    *("quality_ranking", "engagement_rate_ranking", "conversion_rate_ranking"),
)
QUALITY_RANKINGS = frozenset(
    ("ABOVE_AVERAGE", "AVERAGE", "BELOW_AVERAGE_10", "BELOW_AVERAGE_20", "BELOW_AVERAGE_35", "UNKNOWN")
)
_KNOWN = frozenset(FIELDS)
_STATUSES = {"campaign": CAMPAIGN_STATUSES, "ad": AD_STATUSES}
_PAGE_ROWS = 500
_NONE: Row = {"value": "0"}
_PREFERENCE: Mapping[object, int] = {name: position for position, name in enumerate(PURCHASES)}


def _params(query: Query, level: str) -> Mapping[str, str | int]:
    return {
        "level": level,
        "time_increment": 1,
        "time_range": _json({"since": query.start.isoformat(), "until": query.end.isoformat()}),
        "fields": ",".join(FIELDS),
        "action_attribution_windows": _json(ATTRIBUTION_WINDOWS),
        "action_report_time": "impression",
        "use_unified_attribution_setting": "true",
        "filtering": _json([{"field": f"{level}.effective_status", "operator": "IN", "value": _STATUSES[level]}]),
        "limit": _PAGE_ROWS,
    }


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def read_insights(query: Query) -> Iterator[pa.Table]:
    """Insights of both levels; a row that was not delivered is not sent."""
    for level in LEVELS:
        yield from _level(query, level)


def _level(query: Query, level: str) -> list[pa.Table]:
    """Rows of one level: in one answer, or by a job where Meta finds that too much."""
    pull, path, params = query.pull, f"act_{query.account_id}/insights", _params(query, level)
    n_rejected = len(pull.rejected)
    try:
        return [_table(query, level, rows) for rows in pull.batches(pull.walk(path, params, next_link))]
    except TooMuchData:
        del pull.rejected[n_rejected:]
        pages = walk_job(pull, path, params, _PAGE_ROWS)
        return [_table(query, level, rows) for rows in pull.batches(pages)]


def _table(query: Query, level: str, rows: Sequence[Row]) -> pa.Table:
    pull = query.pull
    columns = Columns(raw.META_INSIGHTS_DAILY, pull, query.account_id, len(rows))
    columns.put("level", [level] * len(rows))
    columns.put("campaign_id", [row.get("campaign_id") for row in rows])
    columns.put("campaign_name", [row.get("campaign_name") for row in rows])
    for name in ("adset_id", "ad_id"):
        columns.put(name, [row.get(name) if level == "ad" else None for row in rows])
    columns.put("entity_id", [row.get(f"{level}_id") for row in rows], f"{level}_id")
    put_days(columns, pull, rows)
    currency = query.account.currency_code
    columns.put("currency_code", [row.get("account_currency") or currency for row in rows], "account_currency")
    columns.put("spend", [row.get("spend") for row in rows], minimum=0, required=True)
    _put_delivery(columns, rows)
    _put_purchases(columns, pull, rows)
    columns.put("attribution_setting", [row.get("attribution_setting") for row in rows])
    columns.put("quality_ranking", [row.get("quality_ranking") for row in rows], known=QUALITY_RANKINGS)
    return columns.finish(extras([("", rows, _KNOWN)], len(rows)))


def put_days(columns: Columns, pull: Pull, rows: Sequence[Row]) -> None:
    """The day of each row, which has to be one day."""
    starts, stops = [row.get("date_start") for row in rows], [row.get("date_stop") for row in rows]
    columns.put("date_day", starts, "date_start")
    if starts != stops:
        row = next(i for i, pair in enumerate(zip(starts, stops, strict=True)) if pair[0] != pair[1])
        raise pull.malformed("date_stop", stops[row], f"the same day as date_start, {starts[row]},", row)


def _put_delivery(columns: Columns, rows: Sequence[Row]) -> None:
    """Counts of a delivered row. Clicks that are absent are 0 only where the click rate beside them is 0."""
    columns.put("impressions", [row.get("impressions") for row in rows], minimum=0, required=True)
    columns.put("reach", [row.get("reach") for row in rows], minimum=0)
    columns.put("frequency", [row.get("frequency") for row in rows])
    rate = columns.put("ctr_pct", [row.get("ctr") for row in rows], "ctr").to_pylist()
    clicks = [
        0 if count is None and share == 0.0 else count
        for count, share in zip([row.get("clicks") for row in rows], rate, strict=True)
    ]
    links = [
        0 if count is None and shown is not None else count
        for count, shown in zip([row.get("inline_link_clicks") for row in rows], clicks, strict=True)
    ]
    columns.put("clicks_all", clicks, "clicks", minimum=0)
    columns.put("link_clicks", links, "inline_link_clicks", minimum=0)
    columns.at_most("clicks_all", "impressions")
    columns.at_most("reach", "impressions")


def _put_purchases(columns: Columns, pull: Pull, rows: Sequence[Row]) -> None:
    """Purchases of the preferred type. Meta leaves zero actions out, and they were asked for: absent is 0."""
    actions = [row.get("actions") for row in rows]
    bought = [_purchase(pull, entries, i) if entries else _NONE for i, entries in enumerate(actions)]
    kinds = [b.get("action_type") for b in bought]
    columns.put("conversion_action_type", kinds)
    columns.put("conversions", [b.get("value") for b in bought], "actions.value", minimum=0, required=True)
    for window in ATTRIBUTION_WINDOWS:
        columns.put(f"conversions_{window}", [b.get(window, "0") for b in bought], f"actions.{window}", 0)
    values = [row.get("action_values") for row in rows]
    paid = [
        _purchase(pull, entries, i, {kind: 0}) if entries and kind else _NONE
        for i, (kind, entries) in enumerate(zip(kinds, values, strict=True))
    ]
    columns.put("conversions_value", [p.get("value") for p in paid], "action_values.value", required=True)


def _purchase(pull: Pull, entries: object, row: int, ranks: Mapping[object, int] = _PREFERENCE) -> Row:
    """Entry of the purchase type with the lowest rank; zero if there is none."""
    if not isinstance(entries, list):
        raise pull.malformed("actions", entries, "a list", row)
    best, lowest = _NONE, len(PURCHASES)
    try:
        for entry in entries:
            rank = ranks.get(entry.get("action_type"), lowest)
            if rank < lowest:
                best, lowest = entry, rank
                if rank == 0:
                    break
    except (AttributeError, TypeError) as error:
        raise pull.malformed("actions", entries, "a list of objects with a name each", row) from error
    return best
