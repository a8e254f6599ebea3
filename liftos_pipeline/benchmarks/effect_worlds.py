"""Estimators in worlds whose effect is identified and known: bias, errors, coverage, size, unit effects, announced power.

Each world is drawn from its own seed. The oracle knows the nuisances: its error is the best that there is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from liftos_pipeline.benchmarks.operating_points import Cell, proportion
from liftos_pipeline.benchmarks.side_by_side import side_by_side
from liftos_pipeline.causal import Panel, estimate, power

DETECTOR = "effects"
FIXED_SEED = 500_000
_CHUNK = 25
EFFECT = 1.0
"""Mean effect of every world with one; the null worlds have none for anybody."""
_SELECTION = np.array([0.5, -0.3, 0.2, 0.0, 0.0])
_PROGNOSIS = np.array([1.0, 0.5, 0.3, 0.2, 0.0])
_MODIFIERS = np.array([0.5, -0.3, 0.0, 0.0, 0.0])
N_UNITS = 3_000
N_POWER = 400
_HELD_LOW, _HELD_HIGH = 0.935, 0.965


@dataclass(frozen=True)
class Drawn:
    """What one method said of one world. ``oracle``: the oracle's standard error, NaN where there is none."""

    method: str
    estimate: float
    truth: float
    held: bool
    found: bool
    oracle: float = math.nan
    r_squared: float = math.nan
    pehe: float = math.nan


def cells(n_worlds: int) -> Iterator[Cell]:
    """Of every method over ``n_worlds`` worlds with an effect and as many without; power over ``N_POWER`` at most."""
    drawn = pd.DataFrame([vars(one) for one in _all("effects", n_worlds)])
    null = pd.DataFrame([vars(one) for one in _all("null", n_worlds)])
    for method, part in drawn.groupby("method", sort=True):
        yield from _of_effects(str(method), part)
    for method, part in null.groupby("method", sort=True):
        yield proportion(DETECTOR, f"{method}, size", "at most", 0.05, int(part["found"].sum()), len(part))
    yield from _of_units(drawn.dropna(subset=["pehe"]), n_worlds)
    yield from _announced_power(min(n_worlds, N_POWER))


def _of_effects(method: str, part: pd.DataFrame) -> Iterator[Cell]:
    error = ((part["estimate"] - part["truth"]) / EFFECT).to_numpy()
    n, name = len(part), f"{method}, "
    spread = float(error.std(ddof=1)) / math.sqrt(n)
    yield Cell(DETECTOR, f"{name}abs(bias) over the effect", "at most", 0.01, n, abs(float(error.mean())), spread)
    root = math.sqrt(float(np.mean(error**2)))
    of_root = float(np.std(error**2, ddof=1)) / math.sqrt(n) / (2.0 * root)
    oracle = float(part["oracle"].mean())
    if oracle <= 0.09 * EFFECT or math.isnan(oracle):
        yield Cell(DETECTOR, f"{name}RMSE over the effect", "at most", 0.10, n, root, of_root)
    if not math.isnan(oracle):
        yield Cell(
            DETECTOR, f"{name}RMSE over the oracle's error", "at most", 1.1, n, root / oracle, of_root / oracle
        )
    absolute = np.abs(error)
    mean_error = float(absolute.std(ddof=1)) / math.sqrt(n)
    yield Cell(DETECTOR, f"{name}MAE over the effect", "shown", math.nan, n, float(absolute.mean()), mean_error)
    held = int(part["held"].sum())
    yield proportion(DETECTOR, f"{name}coverage, at least", "at least", _HELD_LOW, held, n)
    yield proportion(DETECTOR, f"{name}coverage, at most", "at most", _HELD_HIGH, held, n)


def _of_units(part: pd.DataFrame, n_asked: int) -> Iterator[Cell]:
    """Effects of single units where they were released, and how near the mean is."""
    n = len(part)
    yield proportion(DETECTOR, "unit effects released", "shown", math.nan, n, n_asked)
    if n < 2:
        return
    for name, sense, asked in (("r_squared", "at least", 0.70), ("pehe", "at most", 0.15)):
        spread = float(part[name].std(ddof=1)) / math.sqrt(n)
        told = {"r_squared": "R-squared of unit effects", "pehe": "PEHE over the mean effect"}[name]
        yield Cell(DETECTOR, told, sense, asked, n, float(part[name].mean()), spread)  # type: ignore[arg-type]
    accuracy = 1.0 - (part["estimate"] - part["truth"]).abs() / EFFECT
    spread = float(accuracy.std(ddof=1)) / math.sqrt(n)
    yield Cell(DETECTOR, "ATE accuracy", "at least", 0.90, n, float(accuracy.mean()), spread)


def _all(kind: str, n_worlds: int) -> Iterator[Drawn]:
    seeds = range(FIXED_SEED, FIXED_SEED + n_worlds)
    chunks = [(kind, list(seeds[first : first + _CHUNK])) for first in range(0, n_worlds, _CHUNK)]
    for found in side_by_side(_chunk, chunks):
        yield from found


def _chunk(kind: str, seeds: list[int]) -> list[Drawn]:
    worlds: Mapping[str, Callable[[np.random.Generator, float], Drawn]] = {
        "doubly_robust": _chosen,
        "iv": _encouraged,
        "staggered_did": _staggered,
    }
    mean = EFFECT if kind == "effects" else 0.0
    return [
        draw(np.random.default_rng([seed, place, int(mean)]), mean)
        for seed in seeds
        for place, draw in enumerate(worlds.values())
    ]


def _chosen(rng: np.random.Generator, mean: float) -> Drawn:
    """Units choose by covariates that sell too, and each has an effect of its own::

    P(d = 1) = 1 / (1 + exp(-x s)),   y = x p + (1 + x m) d + N(0, 1)   with five standard normal covariates
    """
    x = rng.normal(size=(N_UNITS, 5))
    e = 1.0 / (1.0 + np.exp(-x @ _SELECTION))
    d = rng.random(N_UNITS) < e
    effect = mean * (1.0 + x @ _MODIFIERS)
    y = x @ _PROGNOSIS + effect * d + rng.normal(size=N_UNITS)
    names = [f"x{k}" for k in range(5)]
    frame = pd.DataFrame(x, columns=names).assign(y=y, d=d.astype(int), unit=np.arange(N_UNITS))
    panel = Panel.from_frame(frame, outcome="y", treatment="d", unit="unit", covariates=names)
    found = estimate("doubly_robust", panel, effects="unit" if mean else "average")
    r_squared = pehe = math.nan
    if found.unit_effects is not None:
        told = found.unit_effects.set_index("unit")["estimate"].reindex(range(N_UNITS)).to_numpy()
        lost = float(np.mean((told - effect) ** 2))
        r_squared, pehe = 1.0 - lost / float(np.var(effect)), math.sqrt(lost) / mean
    oracle = math.sqrt(float(np.mean(1.0 / (e * (1.0 - e)))) + float(np.var(effect))) / math.sqrt(N_UNITS)
    return _drawn("doubly_robust", found, mean, oracle, r_squared, pehe)


def _encouraged(rng: np.random.Generator, mean: float) -> Drawn:
    """A lot asks half of the units; seven in ten do as asked, and luck that sells decides on the others."""
    n = 2 * N_UNITS
    luck, asked, follows = rng.normal(size=n), rng.random(n) < 0.5, rng.random(n) < 0.7
    d = np.where(follows, asked, luck > 0)
    y = luck + mean * d + rng.normal(size=n)
    frame = pd.DataFrame({"y": y, "d": d.astype(int), "z": asked.astype(int), "unit": np.arange(n)})
    panel = Panel.from_frame(frame, outcome="y", treatment="d", unit="unit", instruments=["z"])
    return _drawn("iv", estimate("iv", panel), mean)


def _staggered(rng: np.random.Generator, mean: float) -> Drawn:
    """Three cohorts and as many never treated; units have levels, shocks last (AR .5), effects grow over six periods."""
    n_units, n_periods = 240, 24
    start = rng.permutation(np.repeat([8, 12, 16, 99], n_units // 4))
    age = np.arange(n_periods) - start[:, None]
    growth = np.where(age >= 0, np.minimum((age + 1.0) / 6.0, 1.0), 0.0)
    treated = age >= 0
    effect = growth * mean * treated.sum() / growth.sum()
    y = (
        rng.normal(size=(n_units, 1))
        + 0.1 * np.arange(n_periods)
        + effect
        + 0.5 * _shocks(rng, n_units, n_periods)
    )
    frame = pd.DataFrame(
        {
            "y": y.ravel(),
            "d": treated.ravel().astype(int),
            "unit": np.repeat(np.arange(n_units), n_periods),
            "t": np.tile(np.arange(n_periods), n_units),
        }
    )
    panel = Panel.from_frame(frame, outcome="y", treatment="d", unit="unit", period="t")
    return _drawn("staggered_did", estimate("staggered_did", panel), mean)


def _drawn(
    method: str,
    found: object,
    truth: float,
    oracle: float = math.nan,
    r_squared: float = math.nan,
    pehe: float = math.nan,
) -> Drawn:
    low, high, value = (float(getattr(found, name)) for name in ("ci_low", "ci_high", "estimate"))
    return Drawn(method, value, truth, low <= truth <= high, low > 0.0 or high < 0.0, oracle, r_squared, pehe)


_POWER_UNITS, _POWER_BEFORE, _POWER_AFTER, _POWER_TREATED = 60, 24, 8, 20
_POWER_REPLAYS = 200


def _announced_power(n_worlds: int) -> Iterator[Cell]:
    """``power`` announces on a panel's history what ``did`` could see in 80 % of cases; a new panel holds it to that."""
    n_found = sum(side_by_side(_is_seen, [(number,) for number in range(n_worlds)]))
    yield proportion(DETECTOR, "did, power at the announced effect, at least", "at least", 0.75, n_found, n_worlds)
    yield proportion(DETECTOR, "did, power at the announced effect, at most", "at most", 0.85, n_found, n_worlds)


def _is_seen(number: int) -> bool:
    rng = np.random.default_rng([FIXED_SEED, 10, number])
    panel = Panel.untreated(_history(rng), outcome="y", unit="unit", period="t")
    told = power(
        panel,
        "did",
        n_treated=_POWER_TREATED,
        n_pre=_POWER_BEFORE,
        n_post=_POWER_AFTER,
        n_replays=_POWER_REPLAYS,
        seed=number,
    )
    table = _history(rng)
    chosen = rng.permutation(_POWER_UNITS)[:_POWER_TREATED]
    treated = table["unit"].isin(chosen) & (table["t"] >= _POWER_BEFORE)
    table = table.assign(d=treated.astype(int), y=table["y"] + told.detectable * treated)
    found = estimate("did", Panel.from_frame(table, outcome="y", treatment="d", unit="unit", period="t"))
    return bool(found.ci_low > 0.0)


def _history(rng: np.random.Generator) -> pd.DataFrame:
    n_periods = _POWER_BEFORE + _POWER_AFTER
    y = rng.normal(size=(_POWER_UNITS, 1)) + _shocks(rng, _POWER_UNITS, n_periods)
    return pd.DataFrame(
        {
            "y": y.ravel(),
            "unit": np.repeat(np.arange(_POWER_UNITS), n_periods),
            "t": np.tile(np.arange(n_periods), _POWER_UNITS),
        }
    )


def _shocks(rng: np.random.Generator, n_units: int, n_periods: int) -> np.ndarray:
    """First-order autoregression with correlation .5 and unit innovations, shape (n_units, n_periods)."""
    shocks = np.empty((n_units, n_periods))
    shocks[:, 0] = rng.normal(size=n_units) / math.sqrt(0.75)
    for t in range(1, n_periods):
        shocks[:, t] = 0.5 * shocks[:, t - 1] + rng.normal(size=n_units)
    return shocks
