"""Delivery of campaigns or of their children over a span of days, as columns. Rendering is the platforms' own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liftos_pipeline.platforms.wire import Request
from liftos_pipeline.simulator.ads import AdsPanel


@dataclass(frozen=True)
class Delivered:
    """One row per delivered entity and day, ordered by day and campaign. All lists have the same length.

    ``day`` indexes the world's days, ``unit`` the campaigns, ``child`` is 0 or 1. Money in cents;
    ``order_value`` in USD per conversion.
    """

    day: list[int]
    unit: list[int]
    child: list[int]
    cents: list[int]
    impressions: list[int]
    clicks: list[int]
    conversions: list[int]
    order_value: list[float]


def delivered(request: Request, panel: AdsPanel, units: np.ndarray, days: range, by_child: bool) -> Delivered:
    """What was delivered and claimed by the clock; a day without impressions has no row, nor has one that was lost.

    Children share their campaign's numbers and add up to them exactly.
    """
    span = slice(days.start, days.stop)
    ages = np.array([request.age_days(index) for index in days], dtype=np.int64)
    counts = (
        np.rint(panel.spend[span][:, units] * 100).astype(np.int64),
        panel.impressions[span][:, units],
        panel.clicks[span][:, units],
        panel.reported(span, ages, units),
    )
    shares = panel.share[units]
    if by_child:
        alone = ~panel.has_two_children[units] | (np.floor(counts[1] * shares) < 1)
        parts = [split(total, shares, alone) for total in counts]
    else:
        parts = [total[:, :, None] for total in counts]
    day, unit, child = np.nonzero((parts[1] > 0) & panel.shown[span][:, units][:, :, None])
    cents, impressions, clicks, conversions = (part[day, unit, child].tolist() for part in parts)
    return Delivered(
        day=(day + days.start).tolist(),
        unit=units[unit].tolist(),
        child=child.tolist(),
        cents=cents,
        impressions=impressions,
        clicks=clicks,
        conversions=conversions,
        order_value=panel.order_value[span][:, units][day, unit].tolist(),
    )


def split(total: np.ndarray, shares: np.ndarray, alone: np.ndarray) -> np.ndarray:
    """Two children's parts of whole numbers, shape (D, U, 2); the first child gets all where it is alone."""
    first = np.where(alone, total, np.floor(total * shares).astype(np.int64))
    return np.stack([first, total - first], axis=2)


def children(panel: AdsPanel, unit: int) -> tuple[int, ...]:
    """Numbers of a campaign's children."""
    return (0, 1) if panel.has_two_children[unit] else (0,)


def child_id(campaign_id: str, kind: int, child: int = 0) -> str:
    """Id of something below a campaign: ``kind`` keeps ad sets, ads, creatives, budgets and keywords apart."""
    return str(int(campaign_id) + 10 * kind + child + 1)
