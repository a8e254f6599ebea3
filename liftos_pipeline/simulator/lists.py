"""Subscriber lists of one e-mail account: sends, opens, clicks, unsubscribes and orders, person by person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liftos_pipeline.simulator.draws import autoregression, carry_over, first_hits, response_path, saturate, stream
from liftos_pipeline.simulator.environment import Environment
from liftos_pipeline.simulator.scenario import Scenario

USUAL_GAP_DAYS = 7
SHORT_GAP_DAYS = 4
_NEVER = 10**6
_SHOCK_SD = 0.20
_RESPONSES = ("targeting_change", "creative_change")
_JOINS_PER_LIST_DAY = 0.25
_UNSUBSCRIBE_PER_SEND = 0.004
_OLDEST_CONSENT_DAYS = 360


@dataclass(frozen=True, eq=False)
class ListsPanel:
    """All lists. Arrays are (T, L), (L,) or per person (P,); days are indices from the start.

    ``starts``: first day on which a treatment shows in the schedule, -1 never. ``people_list``, ``consented``,
    ``joined``, ``left``: list and days of each person; the first ones were brought into the account on the eve of
    the world with an older consent; ``left`` is a large number while subscribed. ``received``, ``opened`` and
    ``clicked`` hold (day, person) pairs, ordered by day.
    """

    list_ids: np.ndarray
    quality: np.ndarray
    starts: dict[str, np.ndarray]
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
    active: np.ndarray
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
    shock = autoregression(stream(seed, "klaviyo.shock").standard_normal((n_days, n)), rho, _SHOCK_SD)
    wished = _wishes(scenario, seed, env, shock, quality)
    sends_without = (np.arange(n_days)[:, None] - phase[None, :]) % USUAL_GAP_DAYS == 0
    sends, starts = _schedule(sends_without, phase, wished)
    keep = 0.8
    stock = saturate(carry_over(sends * float(USUAL_GAP_DAYS), keep), 1.0)
    stock_without = saturate(carry_over(sends_without * float(USUAL_GAP_DAYS), keep), 1.0)
    responses = {}
    for kind in _RESPONSES:
        tau, rise, decay = scenario.response[kind]
        strength = tau * np.maximum(1.0 + 0.3 * quality + 0.25 * shift[kind], 0.0)
        responses[kind] = response_path(n_days, starts[kind], strength, rise, decay)
    level = alpha + scenario.quality_lift * quality
    organic = 0.5 * scenario.list_orders * np.exp(level + env.demand[:, None] + shock)
    driven_scale = scenario.list_orders * np.exp(alpha + env.demand[:, None] + 0.5 * shock)
    driven = driven_scale * stock * np.exp(responses["targeting_change"] + responses["creative_change"])
    people = _people(scenario, seed, n_days, sends)
    value = scenario.order_value_usd * np.exp(0.08 * stream(seed, "klaviyo.value").standard_normal((n_days, n)))
    return ListsPanel(
        list_ids=np.array([f"L{seed % 97:02d}{i:04d}" for i in range(n)]),
        quality=quality,
        starts=starts,
        sends=sends,
        orders=stream(seed, "klaviyo.orders").poisson(organic + driven),
        order_value=np.round(value, 2),
        organic_mean=organic,
        driven_scale=driven_scale,
        stock=stock,
        stock_without_step=stock_without,
        responses=responses,
        **people,
    )


def _wishes(
    scenario: Scenario, seed: int, env: Environment, shock: np.ndarray, quality: np.ndarray
) -> dict[str, np.ndarray]:
    """Days on which the changes are decided; they show at the next send."""
    lagged = np.vstack([np.zeros((1, shock.shape[1])), shock[:-1]]) / _SHOCK_SD
    wished = {}
    for kind, (c_shock, c_quality, c_macro) in scenario.selection.items():
        log_hazard = c_shock * lagged + c_quality * quality - 0.5
        log_hazard += (c_macro * env.macro + 0.3 * env.rival)[:, None]
        uniforms = stream(seed, f"klaviyo.adopt.{kind}").random(shock.shape)
        wished[kind] = first_hits(uniforms, scenario.base_hazard * np.exp(log_hazard), scenario.first_adoption_day)
    return wished


def _schedule(
    sends_without: np.ndarray, phase: np.ndarray, wished: dict[str, np.ndarray]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Sends with the volume change, and the first day on which each change shows in the schedule."""
    n_days, n = sends_without.shape
    sends = sends_without.copy()
    starts = {kind: np.full(n, -1) for kind in wished}
    for unit in range(n):
        wish = wished["budget_change"][unit]
        if wish >= 0:
            last_usual = wish + (phase[unit] - wish) % USUAL_GAP_DAYS
            first_short = last_usual + SHORT_GAP_DAYS
            sends[last_usual + 1 :, unit] = False
            sends[first_short::SHORT_GAP_DAYS, unit] = True
            starts["budget_change"][unit] = first_short if first_short < n_days else -1
        for kind in _RESPONSES:
            wish = wished[kind][unit]
            following = np.flatnonzero(sends[wish:, unit]) if wish >= 0 else np.array([], dtype=int)
            if len(following):
                starts[kind][unit] = wish + following[0]
    return sends, starts


def _people(scenario: Scenario, seed: int, n_days: int, sends: np.ndarray) -> dict[str, np.ndarray]:
    """Subscribers come at a constant rate and may leave after any send; half never open."""
    n = sends.shape[1]
    at_start = scenario.lists * scenario.subscribers_per_list
    joins = stream(seed, "klaviyo.joins").poisson(_JOINS_PER_LIST_DAY, (n_days, n))
    joined_day, joined_list = np.nonzero(joins)
    times = joins[joined_day, joined_list]
    people_list = np.concatenate(
        [np.repeat(np.arange(n), scenario.subscribers_per_list), np.repeat(joined_list, times)]
    )
    joined = np.concatenate([np.full(at_start, -1), np.repeat(joined_day, times)])
    older = stream(seed, "klaviyo.consents").integers(0, _OLDEST_CONSENT_DAYS, at_start)
    consented = np.concatenate([-1 - older, joined[at_start:]])
    left = np.full(len(joined), _NEVER)
    events: dict[str, list[np.ndarray]] = {"received": [], "opened": [], "clicked": []}
    active = np.zeros((n_days, n), dtype=np.int64)
    for day in range(n_days):
        subscribed = np.flatnonzero((joined < day) & (left > day))
        active[day] = np.bincount(people_list[subscribed], minlength=n)
        reached = subscribed[sends[day, people_list[subscribed]]]
        luck = stream(seed, f"klaviyo.day.{day}").random((len(reached), 3))
        keen = reached % 2 == 0
        opened = luck[:, 0] < np.where(keen, 0.5, 0.1)
        for name, chosen in (
            ("received", np.ones(len(reached), dtype=bool)),
            ("opened", opened),
            ("clicked", opened & (luck[:, 1] < 0.2)),
        ):
            events[name].append(np.column_stack([np.full(chosen.sum(), day), reached[chosen]]))
        left[reached[luck[:, 2] < _UNSUBSCRIBE_PER_SEND]] = day
    pairs = {name: np.concatenate(parts) for name, parts in events.items()}
    people = {"people_list": people_list, "consented": consented, "joined": joined, "left": left}
    return {**people, "active": active, **pairs}
