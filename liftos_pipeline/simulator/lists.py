"""Subscriber lists of one e-mail account: their sends, and the orders that these cause. People are in ``people``."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from liftos_pipeline.simulator.adoption import SHOCK_SD, adoptions
from liftos_pipeline.simulator.draws import autoregression, carry_over, response_path, saturate, stream
from liftos_pipeline.simulator.environment import Environment
from liftos_pipeline.simulator.parameters import Scenario
from liftos_pipeline.simulator.people import People, people

USUAL_GAP_DAYS = 7
SHORT_GAP_DAYS = 4
_RESPONSES = ("targeting_change", "creative_change")


@dataclass(frozen=True, eq=False)
class ListsPanel:
    """All lists. Arrays are (T, L), (L,) or per person (P,); days are indices from the start.

    ``starts``: first day on which a treatment shows in the schedule, ``stops``: first day on which it no longer does, -1
    never. ``method``: how a list came to its treatments. The fields of ``People`` are here too.
    """

    list_ids: np.ndarray
    quality: np.ndarray
    shock: np.ndarray
    starts: dict[str, np.ndarray]
    stops: dict[str, np.ndarray]
    method: np.ndarray
    sends: np.ndarray
    people_list: np.ndarray
    consented: np.ndarray
    joined: np.ndarray
    left: np.ndarray
    received: np.ndarray
    opened: np.ndarray
    clicked: np.ndarray
    orders: np.ndarray
    order_value: np.ndarray
    drift: np.ndarray
    log_hazard: np.ndarray
    organic_mean: np.ndarray
    driven_scale: np.ndarray
    stock: np.ndarray
    stock_without_step: np.ndarray
    responses: dict[str, np.ndarray]

    def means(self, without: str | None = None) -> np.ndarray:
        """Expected orders, shape (T, L), without one treatment if named."""
        stock = self.stock_without_step if without == "budget_change" else self.stock
        response = sum(
            (path for kind, path in self.responses.items() if kind != without), np.zeros_like(self.stock)
        )
        orders: np.ndarray = self.organic_mean + self.driven_scale * stock * np.exp(response)
        return orders


def lists_panel(scenario: Scenario, seed: int, env: Environment) -> ListsPanel:
    """Draw the lists. Orders ~ Poisson(organic + driven * saturation(carry-over of sends) * exp(responses))."""
    n, n_days = scenario.lists, len(env.days)
    fixed = stream(seed, "klaviyo.units")
    quality = fixed.standard_normal(n)
    alpha = fixed.normal(0.0, 0.3, n)
    phase = fixed.integers(0, USUAL_GAP_DAYS, n)
    shift = {kind: fixed.standard_normal(n) for kind in _RESPONSES}
    rho = fixed.uniform(0.3, 0.7, n)
    shock = autoregression(stream(seed, "klaviyo.shock").standard_normal((n_days, n)), rho, SHOCK_SD)
    wishes = adoptions(scenario, seed, "klaviyo", env, shock, quality, np.zeros(n, dtype=int))
    sends_without = (np.arange(n_days)[:, None] - phase[None, :]) % USUAL_GAP_DAYS == 0
    sends, starts, stops = _schedule(sends_without, phase, wishes.starts, wishes.stops)
    keep = 0.8
    stock = saturate(carry_over(sends * float(USUAL_GAP_DAYS), keep), 1.0)
    stock_without = saturate(carry_over(sends_without * float(USUAL_GAP_DAYS), keep), 1.0)
    responses = {}
    for kind in _RESPONSES:
        tau, rise, decay = scenario.response[kind]
        strength = tau * np.maximum(1.0 + 0.3 * quality + 0.25 * shift[kind], 0.0)
        responses[kind] = response_path(n_days, starts[kind], stops[kind], strength, rise, decay)
    level = alpha + scenario.quality_lift * quality
    organic = scenario.list_organic_orders * np.exp(level + env.demand[:, None] + shock)
    driven_scale = scenario.list_orders * np.exp(alpha + env.demand[:, None] + 0.5 * shock)
    driven = driven_scale * stock * np.exp(responses["targeting_change"] + responses["creative_change"])
    who = people(scenario, seed, sends)
    value = scenario.order_value_usd * np.exp(0.08 * stream(seed, "klaviyo.value").standard_normal((n_days, n)))
    return ListsPanel(
        list_ids=np.array([f"L{seed % 97:02d}{i:04d}" for i in range(n)]),
        quality=quality,
        shock=shock,
        starts=starts,
        stops=stops,
        method=wishes.method,
        sends=sends,
        orders=stream(seed, "klaviyo.orders").poisson(organic + driven),
        order_value=np.round(value, 2),
        organic_mean=organic,
        driven_scale=driven_scale,
        stock=stock,
        stock_without_step=stock_without,
        responses=responses,
        **{field.name: getattr(who, field.name) for field in fields(People)},
    )


def _schedule(
    sends_without: np.ndarray,
    phase: np.ndarray,
    wished: dict[str, np.ndarray],
    unwished: dict[str, np.ndarray],
) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Sends with the volume change, and the first days on which each change shows, and no longer shows, in them."""
    n = sends_without.shape[1]
    sends = sends_without.copy()
    starts = {kind: np.full(n, -1) for kind in wished}
    stops = {kind: np.full(n, -1) for kind in wished}
    for unit in range(n):
        wish, back = int(wished["budget_change"][unit]), int(unwished["budget_change"][unit])
        if wish >= 0:
            last_usual = wish + (int(phase[unit]) - wish) % USUAL_GAP_DAYS
            starts["budget_change"][unit], stops["budget_change"][unit] = _volume(sends[:, unit], last_usual, back)
        for kind in _RESPONSES:
            starts[kind][unit] = _next_send(sends[:, unit], int(wished[kind][unit]))
            stops[kind][unit] = _next_send(sends[:, unit], int(unwished[kind][unit]))
    return sends, starts, stops


def _volume(sends: np.ndarray, last_usual: int, back: int) -> tuple[int, int]:
    """Write short gaps into one list's sends, from its last usual send on; from ``back`` on, gaps are usual again."""
    n_days = len(sends)
    first_short = last_usual + SHORT_GAP_DAYS
    sends[last_usual + 1 :] = False
    sends[first_short::SHORT_GAP_DAYS] = True
    first_usual = n_days
    if back >= 0:
        last_short = first_short + max(back - first_short, 0) // SHORT_GAP_DAYS * SHORT_GAP_DAYS
        first_usual = last_short + USUAL_GAP_DAYS
        sends[last_short + 1 :] = False
        sends[first_usual::USUAL_GAP_DAYS] = True
    return first_short if first_short < n_days else -1, first_usual if first_usual < n_days else -1


def _next_send(sends: np.ndarray, day: int) -> int:
    following = np.flatnonzero(sends[day:]) if day >= 0 else np.array([], dtype=int)
    return day + int(following[0]) if len(following) else -1
