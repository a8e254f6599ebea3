"""Limits of rates and means over replays that overlap: they share units and stretches of time, so both are resampled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Statistic = Callable[[Floats], Floats]

N_DRAWS = 1_000


@dataclass(frozen=True, eq=False)
class Membership:
    """Which units are treated when, in each replay.

    Attributes
    ----------
    replay, unit, date : ndarray, shape (m,)
        One entry per treated unit of a replay: codes from 0; ``replay`` ascends.
    n_replays, n_units, n_dates : int
    block : int
        Successive dates that stay together.
    """

    replay: Integers
    unit: Integers
    date: Integers
    n_replays: int
    n_units: int
    n_dates: int
    block: int


def resampled_weights(members: Membership, seed: int, n_draws: int = N_DRAWS) -> Floats:
    """Weights of the replays, shape (n_draws, n_replays), mean 1.

    A draw takes units with replacement, circular blocks of dates with replacement, and replays with replacement; the
    weight of a replay is its own count times the mean, over its treated units, of the unit's count times the date's.

    References
    ----------
    Owen (2007), Annals of Applied Statistics 1(2): resampling rows and columns of crossed data errs on the safe side.
    Politis and Romano (1992): circular blocks.
    """
    rng = np.random.default_rng(seed)
    counts = np.maximum(np.bincount(members.replay, minlength=members.n_replays), 1)
    block = min(members.block, members.n_dates)
    n_blocks = -(-members.n_dates // block)
    weights = np.empty((n_draws, members.n_replays))
    for draw in range(n_draws):
        units = rng.multinomial(members.n_units, np.full(members.n_units, 1.0 / members.n_units))
        starts = rng.integers(members.n_dates, size=n_blocks)
        dates = np.bincount(
            ((starts[:, None] + np.arange(block)) % members.n_dates).ravel(), minlength=members.n_dates
        ) * (members.n_dates / (n_blocks * block))
        own = rng.multinomial(members.n_replays, np.full(members.n_replays, 1.0 / members.n_replays))
        shared = np.bincount(
            members.replay, weights=units[members.unit] * dates[members.date], minlength=members.n_replays
        )
        weights[draw] = own * shared / counts
    return weights


def weighted_mean(values: Floats, weights: Floats) -> Floats:
    """Mean under each draw, shape (n_draws,); NaN values are left out. A draw without any weight is NaN."""
    known = np.isfinite(values)
    total = weights[:, known].sum(axis=1)
    mean: Floats = np.full(len(weights), np.nan)
    np.divide(weights[:, known] @ values[known], total, out=mean, where=total > 0)
    return mean


def weighted_quantile(values: Floats, weights: Floats, share: float) -> Floats:
    """Smallest value with at least ``share`` of the weight at or below it, for each draw, shape (n_draws,)."""
    order = np.argsort(values)
    mass = np.cumsum(weights[:, order], axis=1)
    place = np.argmax(mass >= share * mass[:, -1:] * (1 - 1e-12), axis=1)
    found: Floats = np.where(mass[:, -1] > 0, values[order][place], np.nan)
    return found


@dataclass(frozen=True, eq=False)
class Bounds:
    """Values with limits that hold together, each shape (m,)."""

    value: Floats
    low: Floats
    high: Floats


def simultaneous_rates(hits: Sequence[Floats], weights: Floats, level: float) -> Bounds:
    """Rates with limits that hold for all of them together with probability ``level``; NaN without any answer.

    Parameters
    ----------
    hits : sequence of ndarray, each shape (n_replays,)
        1, 0, or NaN where there is no answer.
    weights : ndarray, shape (n_draws, n_replays)

    Notes
    -----
    On the scale of log odds, where a small rate does not make its own limits short, limits are the rate plus and minus
    ``c`` standard errors, ``c`` the quantile of the largest absolute studentised deviation among the draws, or that of
    independent rates if it is larger. A standard error is at least that of as many independent replays, and rates have
    one hit and one miss more than were seen.

    References
    ----------
    Montiel Olea and Plagborg-Moller (2019), Journal of Applied Econometrics 34(1): sup-t bands.
    """
    count = np.array([np.isfinite(part).sum() for part in hits], dtype=np.int64)
    bounds = Bounds(*(np.full(len(hits), np.nan) for _ in range(3)))
    known = [place for place, n in enumerate(count) if n > 0]
    if len(known) == 0:
        return bounds
    drawn = np.stack([weighted_mean(hits[place], weights) for place in known])
    values, n = np.array([np.nanmean(hits[place]) for place in known]), count[known]
    smoothed = (values * n + 1) / (n + 2)
    error = np.maximum(np.nanstd(drawn, axis=1), np.sqrt(smoothed * (1 - smoothed) / n))
    largest = np.fmax.reduce(np.abs(drawn - values[:, None]) / error[:, None], axis=0)
    margin = max(float(np.nanquantile(largest, level)), _normal(level, len(known))) * error
    odds, factor = smoothed / (1 - smoothed), np.exp(margin / (smoothed * (1 - smoothed)))
    bounds.value[known] = values
    bounds.low[known] = np.minimum(odds / factor / (1 + odds / factor), values)
    bounds.high[known] = np.maximum(1 - 1 / (1 + odds * factor), values)
    return bounds


def _normal(level: float, n_rates: int) -> float:
    """Critical value of that many independent normal deviations: what it falls to where a rate hardly varies."""
    from scipy.special import ndtri

    return float(ndtri(0.5 * (1.0 + level ** (1.0 / n_rates))))


def percentile_limits(drawn: Floats, level: float) -> tuple[float, float]:
    """Central quantiles of a statistic's draws, NaN ones left out; infinite ones count."""
    known = drawn[~np.isnan(drawn)]
    if len(known) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2], method="nearest")
    return float(low), float(high)
