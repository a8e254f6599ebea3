"""What all units of a world share: calendar, macro economy with its releases and revisions, rivals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from liftos_pipeline.simulator.draws import stream
from liftos_pipeline.simulator.switches import MarketShock

PAST_DAYS = 640
"""Days of macro history before the world starts."""

_FOREVER = date(9999, 12, 31)


@dataclass(frozen=True, eq=False)
class Environment:
    """Shared paths, each shape (T,): ``week`` and ``annual`` in log points, ``demand`` their sum with macro, rivals and
    market shocks, ``price`` the shocks to prices in log points, ``macro`` and ``rival`` in standard units, ``jumps`` of
    rivals likewise. ``macro_past`` starts ``PAST_DAYS`` before the world."""

    days: np.ndarray
    week: np.ndarray
    annual: np.ndarray
    demand: np.ndarray
    macro: np.ndarray
    rival: np.ndarray
    jumps: np.ndarray
    price: np.ndarray
    macro_past: np.ndarray


def environment(start: date, seed: int, n_days: int, shocks: tuple[MarketShock, ...] = ()) -> Environment:
    """Calendar demand: week + annual cycle + year-end bump + .08 macro - .10 rival + market shocks."""
    days = np.datetime64(start) + np.arange(n_days)
    weekday = (days.astype(int) + 3) % 7
    profile = stream(seed, "week").uniform(-0.12, 0.12, 7)
    week = (profile - profile.mean())[weekday]
    year = days.astype("datetime64[Y]")
    position = (days - year.astype("datetime64[D]")).astype(int)
    angle = 2 * np.pi * position / 365.25
    annual = 0.12 * np.cos(angle) + 0.05 * np.sin(2 * angle)
    bump = 0.6 * np.exp(-0.5 * ((position - 330) / 3.5) ** 2)
    pushes = stream(seed, "macro").standard_normal(PAST_DAYS + n_days) * np.sqrt(1 - 0.97**2)
    hit_demand, price = np.zeros(n_days), np.zeros(n_days)
    for shock in shocks:
        hit_demand[shock.day : shock.day + shock.days] += shock.demand
        price[shock.day : shock.day + shock.days] += shock.price
        pushes[PAST_DAYS + shock.day : PAST_DAYS + shock.day + 1] += shock.macro
    macro = _persistent(pushes, 0.97)
    draws = stream(seed, "rival").random((n_days, 2))
    jumps = np.where(draws[:, 0] < 1 / 60, -0.5 * (np.log1p(-draws[:, 1]) * 2), 0.0)
    rival = _persistent(jumps, 0.85)
    demand = week + annual + bump + 0.08 * macro[PAST_DAYS:] - 0.10 * rival + hit_demand
    return Environment(days, week, annual, demand, macro[PAST_DAYS:], rival, jumps, price, macro)


def _persistent(shocks: np.ndarray, rho: float) -> np.ndarray:
    out = np.empty_like(shocks)
    level = 0.0
    for t, shock in enumerate(shocks):
        level = rho * level + shock
        out[t] = level
    return out


def fred_vintages(start: date, seed: int, env: Environment) -> pa.Table:
    """Every value that FRED ever showed: series_id, date, realtime_start, realtime_end, value.

    First prints carry noise; a later release corrects them. A value exists from its release day on.
    """
    first = start - timedelta(days=PAST_DAYS)
    rows: list[tuple[str, date, date, float]] = []
    noise = stream(seed, "fred")
    price, nominal = 310.0, 28_000.0
    for month_start, month_end in _months(first, start + timedelta(days=len(env.days) - 1)):
        low, high = (month_start - first).days, (month_end - first).days
        level = float(env.macro_past[max(low, 0) : high + 1].mean())
        price *= 1.0 + 0.0024 + 0.0006 * level
        prints = noise.normal(0.0, 1.0, 5)
        unemployment = 4.2 - 0.25 * level
        release = _weekday_from(month_end + timedelta(days=1), 4)
        rows.append(("UNRATE", month_start, release, round(unemployment + 0.05 * prints[0], 1)))
        rows.append(("UNRATE", month_start, release + timedelta(days=35), round(unemployment, 1)))
        cpi_day = month_end + timedelta(days=12)
        rows.append(("CPIAUCSL", month_start, cpi_day, round(price * (1 + 0.0002 * prints[1]), 3)))
        rows.append(("CPIAUCSL", month_start, cpi_day + timedelta(days=30), round(price, 3)))
        mood = 75.0 + 6.0 * level + 1.5 * prints[2]
        rows.append(("UMCSENT", month_start, month_end + timedelta(days=28), round(mood, 1)))
        nominal *= 1.0 + 0.0040 + 0.0010 * level
        if month_start.month % 3 == 0:
            quarter = date(month_start.year, month_start.month - 2, 1)
            for step, size in enumerate((0.002, 0.0007, 0.0)):
                seen = month_end + timedelta(days=30 * (step + 1))
                rows.append(("GDP", quarter, seen, round(nominal * (1 + size * prints[3]), 3)))
    rows.extend(_volatility(first, env, stream(seed, "vix")))
    return _as_vintages(rows)


def _volatility(first: date, env: Environment, noise: np.random.Generator) -> list[tuple[str, date, date, float]]:
    draws = noise.standard_normal(len(env.macro_past))
    rows = []
    for offset, (level, draw) in enumerate(zip(env.macro_past, draws, strict=True)):
        day = first + timedelta(days=offset)
        if day.weekday() < 5:
            value = round(float(np.exp(2.9 - 0.15 * level + 0.05 * draw)), 2)
            rows.append(("VIXCLS", day, day + timedelta(days=1), value))
    return rows


def _months(first: date, last: date) -> list[tuple[date, date]]:
    """Whole months that begin on or after ``first`` and end on or before ``last``."""
    months = []
    month = date(first.year, first.month, 1) if first.day == 1 else _next_month(first)
    while _next_month(month) - timedelta(days=1) <= last:
        months.append((month, _next_month(month) - timedelta(days=1)))
        month = _next_month(month)
    return months


def _next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def _weekday_from(day: date, weekday: int) -> date:
    return day + timedelta(days=(weekday - day.weekday()) % 7)


def _as_vintages(rows: list[tuple[str, date, date, float]]) -> pa.Table:
    ordered = sorted(rows)
    ends = [
        following[2] - timedelta(days=1) if following is not None and following[:2] == row[:2] else _FOREVER
        for row, following in zip(ordered, [*ordered[1:], None], strict=True)
    ]
    return pa.table(
        {
            "series_id": [row[0] for row in ordered],
            "date": pa.array([row[1] for row in ordered], pa.date32()),
            "realtime_start": pa.array([row[2] for row in ordered], pa.date32()),
            "realtime_end": pa.array(ends, pa.date32()),
            "value": [row[3] for row in ordered],
        }
    )
