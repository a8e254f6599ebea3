"""Events of one simulated day as JSON texts, in time order: sends, what people did with them, orders, refunds."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from liftos_pipeline.platforms.wire import midnight
from liftos_pipeline.simulator import World
from liftos_pipeline.simulator.draws import stream
from liftos_pipeline.simulator.geos import SHOPPERS_PER_GEO
from liftos_pipeline.simulator.lists import ListsPanel

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
SHOPPERS = 2000
"""People who buy without being on any list."""

SEND_SECOND = 9 * 3600
_KEPT_DAYS = 40

_Event = tuple[int, str, str, str]
"""Second of the day, metric, profile, properties as JSON text."""


def metric_id(name: str) -> str:
    """Six characters, the same in every world."""
    return f"K{zlib.crc32(name.encode()) % 10**5:05d}"


def profile_id(person: int) -> str:
    """Id of a person on a list."""
    return f"P{person:07d}"


def shopper_id(shopper: int) -> str:
    """Id of a person on no list."""
    return f"S{shopper:07d}"


def resident_id(geo: int, number: int) -> str:
    """Id of a person who lives in a region of a geo experiment and is on no list."""
    return f"G{geo:03d}{number:04d}"


def message_id(list_id: str, day: int) -> str:
    """Id of the message that went to a list on a day."""
    return f"M{list_id}{day:04d}"


def joined_second(person: int | np.ndarray) -> int | np.ndarray:
    """Second of the day at which a person joins the list: before the end of the day."""
    return 3600 + 61 * (person % 1000)


def left_second(person: int | np.ndarray) -> int | np.ndarray:
    """Second of the day at which a person leaves: after that day's send, before the end of the day."""
    return SEND_SECOND + 3600 + 31 * (person % 1000)


@dataclass(frozen=True)
class DayEvents:
    """Events of one day: Unix seconds (never falling) and one JSON text each."""

    seconds: list[int]
    rows: list[str]


@lru_cache(maxsize=_KEPT_DAYS)
def day_events(world: World, index: int) -> DayEvents:
    """All events of one day of the world, oldest first."""
    start = int(midnight(world.start).timestamp()) + 86_400 * index
    prefix = np.datetime_as_string(np.datetime64(world.start) + index)
    events = [*_mail(world.klaviyo, index), *_orders(world, index), *_refunds(world, index)]
    events.sort()
    rows = [
        f'{{"type":"event","id":"E{index:04d}{number:06d}","attributes":{{"timestamp":{start + second},"datetime":'
        f'"{prefix}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}+00:00",'
        f'"uuid":"{index:08x}-0000-1000-8000-{number:012x}","event_properties":{properties}}},'
        f'"relationships":{{"metric":{{"data":{{"type":"metric","id":"{metric}"}}}},'
        f'"profile":{{"data":{{"type":"profile","id":"{profile}"}}}}}}}}'
        for number, (second, metric, profile, properties) in enumerate(events)
    ]
    return DayEvents([start + event[0] for event in events], rows)


def _mail(panel: ListsPanel, index: int) -> Iterator[_Event]:
    properties = [
        f'{{"$message":"{message_id(name, index)}","Campaign Name":"{name}"}}' for name in panel.list_ids.tolist()
    ]
    for name, pairs, delay in (
        ("Received Email", panel.received, 0),
        ("Opened Email", panel.opened, 1800),
        ("Clicked Email", panel.clicked, 2400),
    ):
        metric = metric_id(name)
        low, high = np.searchsorted(pairs[:, 0], [index, index + 1])
        people = pairs[low:high, 1]
        for person, unit in zip(people.tolist(), panel.people_list[people].tolist(), strict=True):
            yield SEND_SECOND + delay + person % 600, metric, profile_id(person), properties[unit]
    for name, days, second_of, how in (
        ("Unsubscribed from Email Marketing", panel.left, left_second, "link"),
        ("Subscribed to Email Marketing", panel.joined, joined_second, "FORM"),
    ):
        for person in np.flatnonzero(days == index).tolist():
            yield int(second_of(person)), metric_id(name), profile_id(person), f'{{"method":"{how}"}}'


def _orders(world: World, index: int) -> Iterator[_Event]:
    metric = metric_id("Placed Order")
    yield from ((second, metric, profile, paid) for second, profile, paid, _ in day_orders(world, index))


def _refunds(world: World, index: int) -> Iterator[_Event]:
    if index < REFUND_AFTER_DAYS:
        return
    metric = metric_id("Refunded Order")
    for second, profile, paid, is_refunded in day_orders(world, index - REFUND_AFTER_DAYS):
        if is_refunded:
            yield second, metric, profile, paid


@lru_cache(maxsize=_KEPT_DAYS)
def day_orders(world: World, index: int) -> list[tuple[int, str, str, bool]]:
    """Orders of one day: second, profile, properties as JSON text, whether it will be refunded. Those that came
    through or beside the campaigns are shoppers', those of a list its subscribers', those of a region its residents'."""
    lists = world.klaviyo
    counts = np.concatenate([world.meta.orders[index], world.google_ads.orders[index], lists.orders[index]])
    values = np.concatenate(
        [world.meta.order_value[index], world.google_ads.order_value[index], lists.order_value[index]]
    )
    unit = np.repeat(np.arange(len(counts)), counts)
    luck = stream(world.seed, f"klaviyo.orders.day.{index}").random((len(unit), 3))
    n_campaigns = len(counts) - len(lists.list_ids)
    by_shoppers = int(np.searchsorted(unit, n_campaigns))
    profiles = [shopper_id(shopper) for shopper in (luck[:by_shoppers, 1] * SHOPPERS).astype(int).tolist()]
    pools: dict[int, np.ndarray] = {}
    for position in range(by_shoppers, len(unit)):
        place = int(unit[position]) - n_campaigns
        if place not in pools:
            pools[place] = _subscribers(world, index, place)
        profiles.append(profile_id(int(pools[place][int(luck[position, 1] * len(pools[place]))])))
    columns = zip(
        (luck[:, 0] * 86_400).astype(int).tolist(),
        profiles,
        values[unit].tolist(),
        (luck[:, 2] < world.scenario.refund_rate).tolist(),
        strict=True,
    )
    return [
        (second, profile, _paid(value, f"O{index:04d}{number:05d}"), back)
        for number, (second, profile, value, back) in enumerate([*columns, *_geo_orders(world, index)])
    ]


def _paid(value: float, order: str) -> str:
    return f'{{"$value":{value},"OrderId":"{order}","$currency_code":"USD"}}'


def _geo_orders(world: World, index: int) -> Iterator[tuple[int, str, float, bool]]:
    """Second, profile, value and whether it will be refunded of each order of the regions."""
    geo = world.geo
    if geo is None:
        return
    places = np.repeat(np.arange(len(geo.geo_ids)), geo.orders[index])
    luck = stream(world.seed, f"geo.orders.day.{index}").random((len(places), 3))
    for place, (second, person, back) in zip(places.tolist(), luck.tolist(), strict=True):
        profile = resident_id(place, int(person * SHOPPERS_PER_GEO))
        value = float(geo.order_value[index, place])
        yield int(second * 86_400), profile, value, back < world.scenario.refund_rate


def _subscribers(world: World, index: int, unit: int) -> np.ndarray:
    """People who are on the list that day (everyone who was there from the start, if nobody is)."""
    people = world.klaviyo
    first = _first_people(world, unit)
    subscribed = first[people.left[first] >= index]
    return subscribed if len(subscribed) else first


@lru_cache(maxsize=512)
def _first_people(world: World, unit: int) -> np.ndarray:
    return np.flatnonzero((world.klaviyo.people_list == unit) & (world.klaviyo.joined < 0))
