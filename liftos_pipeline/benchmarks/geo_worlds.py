"""Made-up geo tests with known lift: the published design, and what it leaves out. Nothing is estimated here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LIFT = 0.075
N_AFTER = 28
SPREAD = 0.05
"""Median standard deviation of a region's noise, on logarithms; regions differ by 30 %."""
SHARED_SPREAD = 0.02
"""Of what moves all regions on a day, beside the weekdays, in the cells beyond the published design."""
WEEK = 7
SEARCHED = 120
"""Days within which the start is chosen where budgets react to demand."""
MATURITY = np.log([0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.4])
"""Share of conversions that is reported on the last days."""


@dataclass(frozen=True)
class Cell:
    """One design.

    ``n_donors`` regions beside the treated one; ``correlation`` is the range from which each region's autocorrelation is
    drawn. The published design has weekdays and noise alone, and an oracle; the others have a ``hazard`` of ``HAZARDS``.
    """

    name: str
    n_donors: int = 20
    n_before: int = 90
    correlation: tuple[float, float] = (0.3, 0.7)
    is_outlier: bool = False
    hazard: str = ""

    @property
    def is_published(self) -> bool:
        return self.hazard == ""


@dataclass(frozen=True, eq=False)
class World:
    """One draw.

    Attributes
    ----------
    logs : ndarray, shape (T, 1 + J)
        Logarithm of the outcome, the treated region first.
    start : int
    correlation, spread : ndarray, shape (1 + J,)
        Of the noise.
    """

    logs: Floats
    start: int
    correlation: Floats
    spread: Floats


def draw(cell: Cell, lift: float, rng: np.random.Generator) -> World:
    """Draw a world; the same generator state gives the same noise at every lift."""
    n_regions, searched = cell.n_donors + 1, SEARCHED if cell.hazard == "reacting" else 0
    n_days = cell.n_before + N_AFTER
    correlation = rng.uniform(*cell.correlation, n_regions)
    spread = SPREAD * np.exp(0.3 * rng.standard_normal(n_regions))
    noise = autoregressive(rng, n_days + searched, correlation) * spread
    first = _first_low_week(noise[:, 0], spread[0], cell.n_before) if searched else 0
    level = 6.0 + 0.7 * rng.standard_normal(n_regions)
    if cell.is_outlier:
        level[0] = level[1:].max() + np.log(10.0)
    day = np.arange(n_days)
    calendar: Floats = np.asarray(0.2 * np.sin(2 * np.pi * day / WEEK + 1.0))
    if not cell.is_published:
        calendar = calendar + SHARED_SPREAD * autoregressive(rng, n_days, np.array([0.5]))[:, 0]
    world = World(level + calendar[:, None] + noise[first : first + n_days], cell.n_before, correlation, spread)
    if cell.hazard:
        world = replace(world, logs=world.logs + HAZARDS[cell.hazard](world, lift, rng))
    logs = world.logs.copy()
    logs[cell.n_before :, 0] += np.log1p(lift)
    return replace(world, logs=logs)


def autoregressive(rng: np.random.Generator, n_days: int, correlation: Floats) -> Floats:
    """Stationary first-order series of unit variance, shape (n_days, n)."""
    series = rng.standard_normal((n_days, len(correlation)))
    series[1:] *= np.sqrt(1.0 - correlation**2)
    for day in range(1, n_days):
        series[day] += correlation * series[day - 1]
    return series


def _first_low_week(noise: Floats, spread: float, n_before: int) -> int:
    """Where the window begins that starts treatment after the first week whose mean is low, or at the end of the search."""
    weeks = np.convolve(noise, np.full(WEEK, 1.0 / WEEK), "valid")
    is_low = weeks[n_before - WEEK : n_before - WEEK + SEARCHED + 1] < -spread
    return int(np.argmax(is_low)) if is_low.any() else SEARCHED


def _factors(world: World, _lift: float, rng: np.random.Generator) -> Floats:
    n_days, n_regions = world.logs.shape
    factors = 0.04 * autoregressive(rng, n_days, np.array([0.9, 0.9]))
    found: Floats = factors @ rng.normal(1.0, 0.5, (2, n_regions))
    return found


def _trends(world: World, _lift: float, rng: np.random.Generator) -> Floats:
    n_days, n_regions = world.logs.shape
    slopes = rng.normal(0.0, 0.1, n_regions)
    return np.outer(np.arange(n_days) / n_days, slopes)


def _treated_only(size: float, first: Callable[[int], int], n_days: int | None) -> Hazard:
    def added(world: World, _lift: float, _rng: np.random.Generator) -> Floats:
        moved = np.zeros_like(world.logs)
        begun = first(world.start)
        moved[begun : None if n_days is None else begun + n_days, 0] = size
        return moved

    return added


def _spillover(share_of_donors: float) -> Hazard:
    """Half of the lift reaches donors."""

    def added(world: World, lift: float, _rng: np.random.Generator) -> Floats:
        moved = np.zeros_like(world.logs)
        n_reached = round(share_of_donors * (world.logs.shape[1] - 1))
        moved[world.start :, 1 : 1 + n_reached] = np.log1p(0.5 * lift)
        return moved

    return added


def _maturing(slower: float) -> Hazard:
    """Last days are reported in part; in the treated region the logarithm of the share is ``slower`` times that."""

    def added(world: World, _lift: float, _rng: np.random.Generator) -> Floats:
        moved = np.zeros_like(world.logs)
        moved[-len(MATURITY) :] = MATURITY[:, None]
        moved[:, 0] *= slower
        return moved

    return added


def _nothing(world: World, _lift: float, _rng: np.random.Generator) -> Floats:
    return np.zeros_like(world.logs)


Hazard = Callable[[World, float, np.random.Generator], Floats]
HAZARDS: dict[str, Hazard] = {
    "factors": _factors,
    "trends": _trends,
    "shock before": _treated_only(0.15, lambda start: start // 2, None),
    "shock after": _treated_only(0.3, lambda start: start + 10, 5),
    "shock at start": _treated_only(0.3, lambda start: start, 5),
    "spillover, some": _spillover(0.3),
    "spillover, all": _spillover(1.0),
    "reacting": _nothing,
    "maturing": _maturing(1.0),
    "uneven maturing": _maturing(1.5),
}

CELLS = (
    Cell("published"),
    Cell("treated outlier", is_outlier=True),
    Cell("10 regions", n_donors=9),
    Cell("30 days before", n_before=30),
    Cell("10 regions, 30 d", n_donors=9, n_before=30),
    Cell("correlation .3", correlation=(0.3, 0.3)),
    Cell("correlation .7", correlation=(0.7, 0.7)),
    *(Cell(name, hazard=name) for name in HAZARDS),
)
