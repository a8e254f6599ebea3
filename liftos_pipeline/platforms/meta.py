"""Meta Marketing API of a simulated world: strings for numbers, absent keys for zeros, cursors and `next` links."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

import numpy as np
import orjson

from liftos_pipeline.platforms.wire import (
    SIMULATED,
    Request,
    Response,
    as_json,
    from_cursor,
    listing,
    midnight,
    to_cursor,
)
from liftos_pipeline.simulator.ads import AdsPanel

_CHANGES = {
    "budget_change": ("update_campaign_budget", "CAMPAIGN"),
    "targeting_change": ("update_ad_set_target_spec", "ADSET"),
    "creative_change": ("update_ad_creative", "AD"),
}
_PURCHASES = ("purchase", "omni_purchase", "offsite_conversion.fb_pixel_purchase")
_SHARES = {"1d_click": 0.6, "7d_click": 0.85, "28d_click": 1.0, "1d_view": 0.1}


def answer(request: Request) -> Response:
    """Answer a Graph request."""
    token = request.headers.get("authorization", "").removeprefix("Bearer ") or request.query.get("access_token")
    if token != SIMULATED:
        return _error(400, "Error validating access token: the session has expired.", "OAuthException", 190, 463)
    _, _, node, *edge = request.path.split("/")
    panel = request.world.meta
    account = node.removeprefix("act_")
    if not node.startswith("act_") or account not in panel.account_ids:
        return _error(
            400, f"Unsupported get request. Object with ID '{node}' does not exist", "GraphMethodException", 100
        )
    units = np.flatnonzero(panel.account_ids == account)
    if not edge:
        return as_json(_account(account))
    edges = {
        "insights": _insights,
        "activities": _activities,
        "campaigns": _campaigns,
        "adsets": _adsets,
        "ads": _ads,
    }
    if edge[0] not in edges:
        return _error(400, f"(#100) Tried accessing nonexisting field ({edge[0]})", "OAuthException", 100)
    return _paged(request, listing(request, lambda: list(edges[edge[0]](request, panel, units))))


def _error(status: int, message: str, kind: str, code: int, subcode: int | None = None) -> Response:
    error: dict[str, object] = {"message": message, "type": kind, "code": code, "fbtrace_id": "A0"}
    if subcode is not None:
        error["error_subcode"] = subcode
    return as_json({"error": error}, status)


def _account(account: str) -> dict[str, object]:
    return {
        "id": f"act_{account}",
        "name": f"Simulated shop {account[-4:]}",
        "currency": "USD",
        "timezone_name": "Etc/UTC",
        "timezone_offset_hours_utc": 0,
        "account_status": 1,
    }


def _paged(request: Request, rows: list[dict]) -> Response:
    limit = int(request.query.get("limit", 25))
    position = from_cursor(request.query["after"]) if "after" in request.query else (0,)
    if position is None:
        return _error(400, "(#100) Invalid cursor", "OAuthException", 100)
    first = position[0]
    payload: dict[str, object] = {"data": rows[first : first + limit]}
    if rows:
        cursors = {"before": to_cursor(first), "after": to_cursor(first + limit)}
        payload["paging"] = {"cursors": cursors}
        if first + limit < len(rows):
            query = {**request.query, "access_token": SIMULATED, "after": cursors["after"]}
            payload["paging"] = {"cursors": cursors, "next": f"{request.origin}{request.path}?{urlencode(query)}"}
    return as_json(payload)


def _children(panel: AdsPanel, unit: int) -> list[tuple[str, float]]:
    """Suffix and share of each ad of a campaign; the last one takes what is left."""
    return [("1", float(panel.share[unit])), ("2", 1.0)] if panel.has_two_children[unit] else [("1", 1.0)]


def _split(total: int, shares: list[tuple[str, float]]) -> list[int]:
    first = int(total * shares[0][1])
    return [first, total - first] if len(shares) == 2 else [total]


def _insights(request: Request, panel: AdsPanel, units: np.ndarray) -> Iterator[dict]:
    span = orjson.loads(request.query["time_range"])
    level = request.query.get("level", "account")
    for index in request.day_range(date.fromisoformat(span["since"]), date.fromisoformat(span["until"])):
        day = request.day(index).isoformat()
        conversions = panel.reported(index, request.age_days(index), units)
        columns = zip(
            units.tolist(),
            np.round(panel.spend[index, units] * 100).astype(int).tolist(),
            panel.impressions[index, units].tolist(),
            panel.clicks[index, units].tolist(),
            conversions.tolist(),
            panel.order_value[index, units].tolist(),
            panel.frequency[index, units].tolist(),
            strict=True,
        )
        for unit, cents, impressions, clicks, bought, value, frequency in columns:
            if impressions == 0:
                continue
            base = _insight_base(panel, unit, day, frequency)
            if level == "campaign":
                yield _insight(base, cents, impressions, clicks, bought, value, frequency)
            elif level == "ad":
                shares = _children(panel, unit)
                parts = zip(
                    *(_split(total, shares) for total in (cents, impressions, clicks, bought)), strict=True
                )
                for (suffix, _), part in zip(shares, parts, strict=True):
                    if part[1] > 0:
                        ids = {
                            "adset_id": f"{base['campaign_id']}{suffix}",
                            "ad_id": f"{base['campaign_id']}9{suffix}",
                        }
                        yield _insight({**base, **ids}, *part, value, frequency)


def _insight_base(panel: AdsPanel, unit: int, day: str, frequency: float) -> dict[str, object]:
    campaign = str(panel.campaign_ids[unit])
    score = panel.quality[unit]
    ranking = "ABOVE_AVERAGE" if score > 0.6 else "AVERAGE" if score > -0.6 else "BELOW_AVERAGE_35"
    return {
        "account_id": str(panel.account_ids[unit]),
        "account_currency": "USD",
        "campaign_id": campaign,
        "campaign_name": f"Campaign {campaign[-6:]}",
        "date_start": day,
        "date_stop": day,
        "frequency": f"{frequency:.6f}",
        "attribution_setting": "7d_click_1d_view",
        "quality_ranking": ranking,
    }


def _insight(
    base: dict, cents: int, impressions: int, clicks: int, bought: int, value: float, frequency: float
) -> dict[str, object]:
    row = {
        **base,
        "spend": f"{cents // 100}.{cents % 100:02d}",
        "impressions": str(impressions),
        "reach": str(max(1, int(impressions / frequency))),
        "ctr": f"{100 * clicks / impressions:.6f}",
    }
    if clicks:
        row["clicks"] = str(clicks)
        row["inline_link_clicks"] = str(clicks - clicks // 8)
    if bought:
        windows = {name: str(int(bought * share)) for name, share in _SHARES.items()}
        counted = {"value": str(bought), **windows}
        row["actions"] = [{"action_type": "link_click", "value": str(clicks)}]
        row["actions"] += [{"action_type": kind, **counted} for kind in _PURCHASES]
        money = f"{bought * value:.2f}"
        row["action_values"] = [{"action_type": kind, "value": money} for kind in _PURCHASES]
    return row


def _activities(request: Request, panel: AdsPanel, units: np.ndarray) -> Iterator[dict]:
    until = _instant(request.query.get("until"), request.clock)
    since = _instant(request.query.get("since"), request.clock - timedelta(days=7))
    events = []
    for kind, (event_type, object_type) in _CHANGES.items():
        for unit in units[panel.starts[kind][units] >= 0].tolist():
            day = int(panel.starts[kind][unit])
            at = midnight(request.day(day), 300 + 17 * (unit % 50))
            if since <= at < until and at < request.clock:
                events.append((at, _activity(panel, unit, kind, day, at, event_type, object_type)))
    yield from (
        event for _, event in sorted(events, key=lambda entry: (entry[0], entry[1]["object_id"]), reverse=True)
    )


def _instant(text: str | None, default: datetime) -> datetime:
    if text is None:
        return default
    if text.isdigit():
        return datetime.fromtimestamp(int(text), UTC)
    return midnight(date.fromisoformat(text))


def _activity(
    panel: AdsPanel, unit: int, kind: str, day: int, at: datetime, event_type: str, object_type: str
) -> dict[str, object]:
    campaign = str(panel.campaign_ids[unit])
    objects = {"CAMPAIGN": campaign, "ADSET": f"{campaign}1", "AD": f"{campaign}91"}
    if kind == "budget_change":
        old, new = int(panel.budget[day - 1, unit] * 100), int(panel.budget[day, unit] * 100)
        money = {"type": "payment_amount", "currency": "USD"}
        extra = {"old_value": {**money, "old_value": old}, "new_value": {**money, "new_value": new}}
    else:
        extra = {"old_value": f"{kind}-a", "new_value": f"{kind}-b"}
    return {
        "event_time": at.strftime("%Y-%m-%dT%H:%M:%S+0000"),
        "event_type": event_type,
        "object_id": objects[object_type],
        "object_type": object_type,
        "object_name": f"{object_type.title()} {campaign[-6:]}",
        "actor_id": "100001",
        "actor_name": "Media Buyer",
        "application_name": "Ads Manager",
        "date_time_in_timezone": at.strftime("%m/%d/%Y at %I:%M %p"),
        "extra_data": orjson.dumps(extra).decode(),
        "translated_event_type": event_type.replace("_", " "),
    }


def _campaigns(request: Request, panel: AdsPanel, units: np.ndarray) -> Iterator[dict]:
    for unit in units.tolist():
        campaign = str(panel.campaign_ids[unit])
        yield {
            "id": campaign,
            "name": f"Campaign {campaign[-6:]}",
            "effective_status": "ACTIVE",
            "objective": "OUTCOME_SALES",
            "daily_budget": str(int(panel.budget[request.last_day, unit] * 100)),
        }


def _adsets(request: Request, panel: AdsPanel, units: np.ndarray) -> Iterator[dict]:
    for unit in units.tolist():
        campaign = str(panel.campaign_ids[unit])
        start = panel.starts["targeting_change"][unit]
        audience = "b" if 0 <= start <= request.last_day else "a"
        for suffix, _ in _children(panel, unit):
            yield {
                "id": f"{campaign}{suffix}",
                "campaign_id": campaign,
                "name": f"Ad set {campaign[-6:]}-{suffix}",
                "effective_status": "ACTIVE",
                "optimization_goal": "OFFSITE_CONVERSIONS",
                "targeting": {"custom_audiences": [{"id": f"{campaign[-6:]}{audience}"}]},
            }


def _ads(request: Request, panel: AdsPanel, units: np.ndarray) -> Iterator[dict]:
    for unit in units.tolist():
        campaign = str(panel.campaign_ids[unit])
        start = panel.starts["creative_change"][unit]
        version = 2 if 0 <= start <= request.last_day else 1
        for suffix, _ in _children(panel, unit):
            yield {
                "id": f"{campaign}9{suffix}",
                "campaign_id": campaign,
                "adset_id": f"{campaign}{suffix}",
                "name": f"Ad {campaign[-6:]}-{suffix}",
                "effective_status": "ACTIVE",
                "creative": {"id": f"{campaign}{version}0{suffix}"},
            }
