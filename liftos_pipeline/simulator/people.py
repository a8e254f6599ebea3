"""Subscribers of the lists, person by person: joining, opening, clicking, leaving."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liftos_pipeline.simulator.draws import stream
from liftos_pipeline.simulator.parameters import Scenario

NEVER = 10**6
WEEK_DAYS = 7
_UNSUBSCRIBE_PER_SEND = 0.004
_OLDEST_CONSENT_DAYS = 360


@dataclass(frozen=True, eq=False)
class People:
    """Arrays per person (P,), per list (L,) or per day and list (T, L); days are indices from the start.

    ``people_list``, ``consented``, ``joined``, ``left``: list and days of each person; the first ones were brought into
    the account on the eve of the world with an older consent; ``left`` is a large number while subscribed.
    ``received``, ``opened`` and ``clicked`` hold (day, person) pairs, ordered by day. ``drift``: of the log hazard a
    month. ``log_hazard``: log weekly hazard of leaving at age zero, NaN in a world without ``Churn``, in which one in
    250 leaves at a send.
    """

    people_list: np.ndarray
    consented: np.ndarray
    joined: np.ndarray
    left: np.ndarray
    received: np.ndarray
    opened: np.ndarray
    clicked: np.ndarray
    drift: np.ndarray
    log_hazard: np.ndarray


def people(scenario: Scenario, seed: int, sends: np.ndarray) -> People:
    """Draw them: they come at a constant rate and may leave after any send; half never open.

    Parameters
    ----------
    sends : ndarray of bool, shape (T, L)
    """
    n_days, n = sends.shape
    at_start = n * scenario.subscribers_per_list
    joins = stream(seed, "klaviyo.joins").poisson(scenario.joins_per_list_day, (n_days, n))
    joined_day, joined_list = np.nonzero(joins)
    times = joins[joined_day, joined_list]
    people_list = np.concatenate(
        [np.repeat(np.arange(n), scenario.subscribers_per_list), np.repeat(joined_list, times)]
    )
    joined = np.concatenate([np.full(at_start, -1), np.repeat(joined_day, times)])
    older = stream(seed, "klaviyo.consents").integers(0, _OLDEST_CONSENT_DAYS, at_start)
    consented = np.concatenate([-1 - older, joined[at_start:]])
    left = np.full(len(joined), NEVER)
    drift, log_hazard = _hazards(scenario, seed, n_days, n)
    gaps = _gaps(sends)
    events: dict[str, list[np.ndarray]] = {"received": [], "opened": [], "clicked": []}
    for day in range(n_days):
        reached = np.flatnonzero(sends[day][people_list] & (joined < day) & (left > day))
        luck = stream(seed, f"klaviyo.day.{day}").random((len(reached), 3))
        keen = reached % 2 == 0
        opened = luck[:, 0] < np.where(keen, 0.5, 0.1)
        for name, chosen in (
            ("received", np.ones(len(reached), dtype=bool)),
            ("opened", opened),
            ("clicked", opened & (luck[:, 1] < 0.2)),
        ):
            events[name].append(np.column_stack([np.full(chosen.sum(), day), reached[chosen]]))
        chance: np.ndarray | float = _UNSUBSCRIBE_PER_SEND
        if scenario.churn is not None:
            unit, weeks = people_list[reached], (day - consented[reached]) / WEEK_DAYS
            hazard = np.exp(log_hazard[day, unit] + scenario.churn.age_slope * np.log1p(weeks))
            chance = -np.expm1(-hazard * gaps[day, unit] / WEEK_DAYS)
        left[reached[luck[:, 2] < chance]] = day
    pairs = {name: np.concatenate(parts) for name, parts in events.items()}
    return People(
        people_list=people_list,
        consented=consented,
        joined=joined,
        left=left,
        drift=drift,
        log_hazard=log_hazard,
        **pairs,
    )


def _hazards(scenario: Scenario, seed: int, n_days: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    churn = scenario.churn
    if churn is None:
        return np.zeros(n), np.broadcast_to(np.nan, (n_days, n))
    draws = stream(seed, "klaviyo.drift").random((n, 2))
    drift = np.where(draws[:, 0] < churn.share, churn.drift[0] + np.ptp(churn.drift) * draws[:, 1], 0.0)
    weeks = stream(seed, "klaviyo.send_shock").standard_normal((-(-n_days // WEEK_DAYS), n)) * churn.shock_sd
    day = np.arange(n_days)
    return drift, np.log(churn.weekly_hazard) + drift * day[:, None] / 30.0 + weeks[day // WEEK_DAYS]


def _gaps(sends: np.ndarray) -> np.ndarray:
    """Days since the send before, shape (T, L); a week at the first one."""
    out = np.zeros(sends.shape)
    before = np.full(sends.shape[1], -1)
    for day, today in enumerate(sends):
        out[day] = np.where(before < 0, WEEK_DAYS, day - before)
        before = np.where(today, day, before)
    return out
