"""Operating points of temporal precedence: pairs of series of which neither leads, and pairs of which one does."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.benchmarks.list_worlds import autoregression
from liftos_pipeline.benchmarks.operating_points import Cell, proportion
from liftos_pipeline.causal.diagnostics.precedence import temporal_precedence

Floats = NDArray[np.float64]
Pair = tuple[Floats, Floats]

SEED = 73_000
N_PERIODS = 180
DETECTOR = "temporal precedence"


def cells(draws: int) -> Iterator[Cell]:
    """Alarms where nothing leads, at most 5 % (7 % on heavy tails and ARMA), then power."""
    for place, (name, (asked, world)) in enumerate(NULLS.items()):
        x, y = world(draws, np.random.default_rng([SEED, place]))
        yield proportion(DETECTOR, name, "at most", asked, _alarms(x, y), draws)
    for place, (name, (floor, lag, effect)) in enumerate(LEADS.items(), start=100):
        x, y = _led(draws, lag, effect, np.random.default_rng([SEED, place]))
        if floor is None:
            yield proportion(DETECTOR, name, "shown", math.nan, _alarms(x, y), draws)
        else:
            yield proportion(DETECTOR, name, "at least", floor, _alarms(x, y), draws)


def _alarms(x: Floats, y: Floats) -> int:
    return int((temporal_precedence(x, y).p_value <= 0.05).sum())


def _both(one: Callable[[int, np.random.Generator], Floats]) -> Callable[[int, np.random.Generator], Pair]:
    return lambda n, rng: (one(n, rng), one(n, rng))


def _ar(rho: float) -> Callable[[int, np.random.Generator], Floats]:
    return lambda n, rng: autoregression(n, N_PERIODS, rho, rng)


def _weekly(n: int, rng: np.random.Generator) -> Floats:
    week = 2.0 * np.sin(2.0 * np.pi * np.arange(N_PERIODS) / 7.0)
    series: Floats = autoregression(n, N_PERIODS, 0.5, rng) + week
    return series


def _walk(n: int, rng: np.random.Generator) -> Floats:
    walk: Floats = np.cumsum(rng.standard_normal((n, N_PERIODS)), axis=1)
    return walk


def _arma(n: int, rng: np.random.Generator) -> Floats:
    series: Floats = autoregression(n, N_PERIODS, 0.8, rng) / 0.6 + rng.standard_normal((n, N_PERIODS))
    return series


def _heavy(n: int, rng: np.random.Generator) -> Floats:
    from scipy.signal import lfilter

    series: Floats = lfilter([1.0], [1.0, -0.5], rng.standard_t(3, (n, N_PERIODS + 100)), axis=1)[:, 100:]
    return series


def _outliers(n: int, rng: np.random.Generator) -> Floats:
    series: Floats = autoregression(n, N_PERIODS, 0.5, rng) + 6.0 * (rng.random((n, N_PERIODS)) < 0.01)
    return series


def _led(n: int, lag: int, effect: float, rng: np.random.Generator) -> Pair:
    """AR(.5) with unit innovations, of which one moves the other ``lag`` days later."""
    from scipy.signal import lfilter

    cause, own = rng.standard_normal((2, n, N_PERIODS + 100))
    cause = lfilter([1.0], [1.0, -0.5], cause, axis=1)
    own[:, lag:] += effect * cause[:, :-lag]
    return cause[:, 100:], lfilter([1.0], [1.0, -0.5], own, axis=1)[:, 100:]


NULLS: dict[str, tuple[float, Callable[[int, np.random.Generator], Pair]]] = {
    "independent": (0.05, _both(_ar(0.0))),
    "AR(.5)": (0.05, _both(_ar(0.5))),
    "AR(.7)": (0.05, _both(_ar(0.7))),
    "AR(.8)": (0.05, _both(_ar(0.8))),
    "AR(.5) with a shared week": (0.05, _both(_weekly)),
    "AR(.5) with outliers": (0.05, _both(_outliers)),
    "random walks": (0.05, _both(_walk)),
    "random walk before AR(.5)": (0.05, lambda n, rng: (_walk(n, rng), _ar(0.5)(n, rng))),
    "AR(.5) before random walk": (0.05, lambda n, rng: (_ar(0.5)(n, rng), _walk(n, rng))),
    "ARMA": (0.07, _both(_arma)),
    "AR(.5), t(3)": (0.07, _both(_heavy)),
}
LEADS: dict[str, tuple[float | None, int, float]] = {
    "lead of 2 days, .15": (0.31, 2, 0.15),
    "lead of 2 days, .25": (0.73, 2, 0.25),
    "lead of 1 day, .25": (None, 1, 0.25),
    "lead of 5 days, .25": (None, 5, 0.25),
}
