"""How often a method tells an injected effect from zero on placebo treatments of a panel. Plans nothing."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.diagnostics.replays import Replays
from liftos_pipeline.causal.estimators import ESTIMATORS
from liftos_pipeline.causal.inference.replay_bounds import (
    Membership,
    percentile_limits,
    resampled_weights,
    simultaneous_rates,
    weighted_quantile,
)
from liftos_pipeline.causal.trials import Progress, Trial, Trials, run_trials
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]

CHECKED = 6
"""Replays on which it is tried whether an effect moves a method's interval by just as much."""
TOLERANCE = 1e-6
"""Of the effect: what rounding may add."""


@dataclass(frozen=True, eq=False)
class SimulatedPower:
    """Power of one method in one design.

    Attributes
    ----------
    effects, power, power_low, power_high : ndarray, shape (m,)
        Effects in outcome units, without sign, and the share of replays in which each is seen: the interval leaves out
        zero on its side. Limits hold for all effects together.
    detectable, detectable_low, detectable_high : float
        Effect seen with the power asked for, in outcome units, without sign; infinite where none tried is.
    size, size_low, size_high : float
        Share of replays without effect whose interval leaves out zero; NaN where no replay was answered.
    is_exact_shift : bool
        Whether effects were added to the answers without any (an effect moves the interval by just as much), rather
        than to the outcomes one by one.
    answered, n_replays, n_dates, n_treated : int
        Unanswered replays count as not seen. Units treated, on average.
    """

    effects: Floats
    power: Floats
    power_low: Floats
    power_high: Floats
    detectable: float
    detectable_low: float
    detectable_high: float
    size: float
    size_low: float
    size_high: float
    is_exact_shift: bool
    answered: int
    n_replays: int
    n_dates: int
    n_treated: int


@dataclass(frozen=True)
class Asked:
    """Method, its options, and how its answers are judged. ``sign`` is the effects' side; ``mean`` that of the untreated
    outcome, which proportions are of."""

    method: str
    options: Mapping[str, object]
    level: float
    power: float
    sign: int
    mean: float
    seed: int

    @property
    def is_proportional(self) -> bool:
        return ESTIMATORS[self.method].scale == "proportion"

    def trial(self, effect: float) -> Trial:
        """With an effect in outcome units, without sign."""
        own = self.sign * (effect / self.mean if self.is_proportional else effect)
        return Trial(self.method, own, self.options)


def simulate_power(
    replays: Replays, asked: Asked, effects: Floats, workers: int = 1, progress: Progress | None = None
) -> SimulatedPower:
    """Share of placebo treatments in which a method sees each effect.

    Parameters
    ----------
    effects : ndarray, shape (m,)
        Ascending, in outcome units, without sign.

    Raises
    ------
    LiftosError
        No replay was answered.
    """
    is_shift = _is_shift(replays, asked, float(np.median(effects)))
    trials = [asked.trial(effect) for effect in (0.0, *([] if is_shift else effects))]
    null, *lifted = run_trials(
        replays, trials, level=asked.level, seed=asked.seed, workers=workers, progress=progress
    )
    if not null.answered.any():
        reason = next(reason for reason in null.reasons if reason is not None)
        raise LiftosError(
            "a method that answers on this design", f"{asked.method}: {reason}", "Choose another method or design."
        )
    weights = resampled_weights(_members(replays), asked.seed)
    weights = weights[weights[:, null.answered].any(axis=1)]
    needed = _needed(null, asked) if is_shift else np.empty(0)
    hits = (
        [(needed < effect).astype(np.float64) for effect in effects]
        if is_shift
        else [_hits(part, asked) for part in lifted]
    )
    rates = simultaneous_rates(hits, weights, asked.level)
    size = simultaneous_rates([np.where(null.answered, null.rejects, np.nan)], weights, asked.level)
    if is_shift:
        place = math.ceil((len(needed) + 1) * asked.power) - 1
        value = float(np.sort(needed)[min(place, len(needed) - 1)])
        low, high = percentile_limits(weighted_quantile(needed, weights, asked.power), asked.level)
    else:
        value, low, high = (_crossing(effects, r, asked.power) for r in (rates.value, rates.high, rates.low))
    return SimulatedPower(
        effects=effects,
        power=rates.value,
        power_low=rates.low,
        power_high=rates.high,
        detectable=value,
        detectable_low=low,
        detectable_high=high,
        size=float(size.value[0]),
        size_low=float(size.low[0]),
        size_high=float(size.high[0]),
        is_exact_shift=is_shift,
        answered=int(null.answered.sum()),
        n_replays=len(replays.draws),
        n_dates=len({draw.start for draw in replays.draws}),
        n_treated=round(float(np.mean([len(draw.units) for draw in replays.draws]))),
    )


def _is_shift(replays: Replays, asked: Asked, effect: float) -> bool:
    few = dataclasses.replace(replays, draws=replays.draws[:CHECKED])
    null, lifted = run_trials(few, [asked.trial(0.0), asked.trial(effect)], level=asked.level, seed=asked.seed)
    if null.reasons != lifted.reasons or not null.answered.any():
        return False
    own = asked.trial(effect).effect
    for name in ("estimate", "ci_low", "ci_high"):
        before, after = getattr(null, name)[null.answered], getattr(lifted, name)[null.answered]
        moved = (1.0 + before) * (1.0 + own) - 1.0 if asked.is_proportional else before + own
        error = np.subtract(moved, after, out=np.zeros_like(after), where=moved != after)
        close = np.abs(error) <= TOLERANCE * abs(own)
        if not close.all():
            return False
    return True


def _needed(null: Trials, asked: Asked) -> Floats:
    """Effect from which on each interval leaves zero behind, in outcome units; infinite without an answer."""
    limit = -null.ci_low if asked.sign > 0 else null.ci_high
    if asked.is_proportional:
        left = 1.0 + (null.ci_low if asked.sign > 0 else null.ci_high)
        limit = asked.mean * np.divide(limit, left, out=np.full_like(limit, math.inf), where=left > 0)
    needed: Floats = np.where(null.answered, limit, math.inf)
    return needed


def _hits(part: Trials, asked: Asked) -> Floats:
    seen = part.ci_low > 0 if asked.sign > 0 else part.ci_high < 0
    return (seen & part.answered).astype(np.float64)


def _crossing(effects: Floats, rates: Floats, power: float) -> float:
    """Effect at which a rising curve of rates reaches the power, by straight lines from (0, 0); infinite if never."""
    raised = np.maximum.accumulate(np.concatenate([[0.0], rates]))
    at = np.concatenate([[0.0], effects])
    above = np.flatnonzero(raised >= power)
    if len(above) == 0:
        return math.inf
    end = int(above[0])
    share = (power - raised[end - 1]) / (raised[end] - raised[end - 1])
    return float(at[end - 1] + share * (at[end] - at[end - 1]))


def _members(replays: Replays) -> Membership:
    draws = replays.draws
    replay = np.repeat(np.arange(len(draws)), [len(draw.units) for draw in draws])
    dates = np.concatenate([draw.starts for draw in draws])
    units = np.concatenate([draw.units for draw in draws])
    n_dates = int(np.ptp(dates)) + 1
    return Membership(
        replay, units, dates - dates.min(), len(draws), replays.panel.n_units, n_dates, max(1, replays.n_post)
    )
