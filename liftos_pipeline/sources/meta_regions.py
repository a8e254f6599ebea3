"""Meta insights of an account by region and day. Purchases are not asked for: they add up over campaigns only."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
import pyarrow as pa

from liftos_pipeline.schema import raw
from liftos_pipeline.sources.columns import Columns, extras
from liftos_pipeline.sources.meta_insights import put_days
from liftos_pipeline.sources.meta_wire import next_link
from liftos_pipeline.sources.stream import Query

_BREAKDOWN = "region"
_FIELDS = (
    *("account_id", "account_currency", "date_start", "date_stop"),
    *("spend", "impressions", "inline_link_clicks"),
)


def read_regions(query: Query) -> pa.Table:
    """Additive metrics by region; an account that does not advertise by region has no rows."""
    span = {"since": query.start.isoformat(), "until": query.end.isoformat()}
    params: Mapping[str, str | int] = {
        "level": "account",
        "breakdowns": _BREAKDOWN,
        "time_increment": 1,
        "time_range": orjson.dumps(span).decode(),
        "fields": ",".join(_FIELDS),
        "limit": 500,
    }
    for _ in query.pull.walk(f"act_{query.account_id}/insights", params, next_link):
        continue
    rows = query.pull.rows
    columns = Columns(raw.META_INSIGHTS_GEO_DAILY, query.pull, query.account_id, len(rows))
    columns.put("geo_type", [_BREAKDOWN] * len(rows))
    columns.put("geo_id", [row.get(_BREAKDOWN) for row in rows], _BREAKDOWN)
    put_days(columns, query.pull, rows)
    codes = [row.get("account_currency") for row in rows]
    columns.put("currency_code", [code or query.account.currency_code for code in codes], "account_currency")
    columns.put("spend", [row.get("spend") for row in rows], minimum=0, required=True)
    columns.put("impressions", [row.get("impressions") for row in rows], minimum=0, required=True)
    columns.put("link_clicks", [row.get("inline_link_clicks") for row in rows], "inline_link_clicks", minimum=0)
    return columns.finish(extras([("", rows, frozenset((*_FIELDS, _BREAKDOWN)))], len(rows)))
