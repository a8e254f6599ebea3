"""Events of one simulated day, in time order: sends and what people did with them, orders, refunds."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import date
from functools import lru_cache

import numpy as np

from liftos_pipeline.platforms.wire import midnight
from liftos_pipeline.simulator import World
from liftos_pipeline.simulator.draws import stream

METRICS = {
    "Received Email": "Klaviyo",
    "Opened Email": "Klaviyo",
    "Clicked Email": "Klaviyo",
    "Unsubscribed from Email Marketing": "Klaviyo",
    "Subscribed to Email Marketing": "Klaviyo",
    "Placed Order": "Shopify",
    "Refunded Order": "Shopify",
}
REFUND_AFTER_DAYS = 5
_SHOPPERS = 2000
_SEND_SECOND = 9 * 3600


def metric_id(name: str) -> str:
    return f"K{zlib.crc32(name.encode()) % 10**5:05d}"


@lru_cache(maxsize=48)
def day_events(world: World, index: int) -> list[dict]:
    """All events of one day, oldest first."""
    start = int(midnight(world.start).timestamp()) + 86_400 * index
    day = date.fromordinal(world.start.toordinal() + index)
    events = [*_mail(world, index), *_orders(world, index), *_refunds(world, index)]
    events.sort(key=lambda entry: (entry[0], entry[2]))
    prefix = day.isoformat()
    return [
        {
            "type": "event",
            "id": f"E{index:04d}{number:06d}",
            "attributes": {
                "timestamp": start + second,
                "datetime": f"{prefix}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}+00:00",
                "event_properties": properties,
            },
            "relationships": {
                "metric": {"data": {"type": "metric", "id": _METRIC_IDS[name]}},
                "profile": {"data": {"type": "profile", "id": profile}},
            },
        }
        for number, (second, name, profile, properties) in enumerate(events)
    ]


_METRIC_IDS = {name: metric_id(name) for name in METRICS}


def _mail(world: World, index: int) -> Iterator[tuple[int, str, str, dict]]:
    panel = world.klaviyo
    for name, pairs, delay in (
        ("Received Email", panel.received, 0),
        ("Opened Email", panel.opened, 1800),
        ("Clicked Email", panel.clicked, 2400),
    ):
        low, high = np.searchsorted(pairs[:, 0], [index, index + 1])
        for person in pairs[low:high, 1].tolist():
            list_id = panel.list_ids[panel.people_list[person]]
            second = _SEND_SECOND + delay + person % 600
            yield second, name, f"P{person:07d}", {"$message": f"M{list_id}{index:04d}", "Campaign Name": list_id}
    for person in np.flatnonzero(panel.left == index).tolist():
        second = 8 * 3600 + 3600 + 61 * (person % 1000)
        yield second, "Unsubscribed from Email Marketing", f"P{person:07d}", {"method": "link"}
    for person in np.flatnonzero(panel.joined == index).tolist():
        yield 3600 + 61 * (person % 1000), "Subscribed to Email Marketing", f"P{person:07d}", {"method": "FORM"}


def _orders(world: World, index: int) -> Iterator[tuple[int, str, str, dict]]:
    for order, second, profile, value, _ in _day_orders(world, index):
        yield second, "Placed Order", profile, {"$value": value, "OrderId": order, "$currency_code": "USD"}


def _refunds(world: World, index: int) -> Iterator[tuple[int, str, str, dict]]:
    ordered_on = index - REFUND_AFTER_DAYS
    if ordered_on < 0:
        return
    for order, second, profile, value, refunded in _day_orders(world, ordered_on):
        if refunded:
            yield second, "Refunded Order", profile, {"$value": value, "OrderId": order, "$currency_code": "USD"}


@lru_cache(maxsize=48)
def _day_orders(world: World, index: int) -> list[tuple[str, int, str, float, bool]]:
    """Order id, second of the day, profile, value, whether it will be refunded: campaigns' orders, then lists'."""
    lists = world.klaviyo
    counts = np.concatenate([world.meta.orders[index], world.google_ads.orders[index], lists.orders[index]])
    values = np.concatenate(
        [world.meta.order_value[index], world.google_ads.order_value[index], lists.order_value[index]]
    )
    unit = np.repeat(np.arange(len(counts)), counts)
    luck = stream(world.seed, f"klaviyo.orders.day.{index}").random((len(unit), 3))
    profiles = [f"S{shopper:06d}" for shopper in (luck[:, 1] * _SHOPPERS).astype(int).tolist()]
    n_campaigns = len(counts) - len(lists.list_ids)
    for position in np.flatnonzero(unit >= n_campaigns).tolist():
        profiles[position] = _subscriber(world, index, int(unit[position]) - n_campaigns, float(luck[position, 1]))
    seconds = (luck[:, 0] * 86_400).astype(int).tolist()
    refunded = (luck[:, 2] < world.scenario.refund_rate).tolist()
    return [
        (f"O{index:04d}{number:05d}", second, profile, value, back)
        for number, (second, profile, value, back) in enumerate(
            zip(seconds, profiles, values[unit].tolist(), refunded, strict=True)
        )
    ]


def _subscriber(world: World, index: int, unit: int, luck: float) -> str:
    """A person who is on the list that day (anyone who ever was, if nobody is)."""
    people = world.klaviyo
    on_list = _people_of(world, unit)
    subscribed = on_list[(people.joined[on_list] < index) & (people.left[on_list] >= index)]
    pool = subscribed if len(subscribed) else on_list
    return f"P{pool[int(luck * len(pool))]:07d}"


@lru_cache(maxsize=512)
def _people_of(world: World, unit: int) -> np.ndarray:
    return np.flatnonzero((world.klaviyo.people_list == unit) & (world.klaviyo.joined < 0))
