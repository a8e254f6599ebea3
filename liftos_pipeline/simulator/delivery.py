"""What spend buys on one ad platform: impressions, clicks, frequency, and the quality that the platform sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liftos_pipeline.simulator.draws import autoregression, stream, two_states
from liftos_pipeline.simulator.environment import Environment
from liftos_pipeline.simulator.switches import Fatigue, Regimes

_CLICK_RATE = 0.014
_USD_PER_MILLE = 9.0
_AUDIENCE_DAYS = 32.0


@dataclass(frozen=True, eq=False)
class Delivery:
    """Shapes (T, N) or (N,). ``decay``: b of the fatigue, ``regime``: 1 while clicks are cheaper by ``saving`` log points;
    all zero without these blocks. ``quality_score``: 1 to 10, as logged."""

    impressions: np.ndarray
    clicks: np.ndarray
    frequency: np.ndarray
    quality_score: np.ndarray
    decay: np.ndarray
    regime: np.ndarray
    saving: np.ndarray


def refresh_days(fatigue: Fatigue, seed: int, platform: str, n_days: int, n: int, first_day: int) -> np.ndarray:
    """Creative refreshes, shape (T, N) of bool: the first one within a gap of ``first_day``, then one every gap."""
    draws = stream(seed, f"{platform}.refresh").random((n, 3))
    low, high = fatigue.refresh_gap_days
    gap = np.round(low + (high - low) * draws[:, 0]).astype(int)
    first = first_day + (draws[:, 1] * gap).astype(int)
    age = np.arange(n_days)[:, None] - first
    days: np.ndarray = (age >= 0) & (age % gap == 0) & (draws[:, 2] < fatigue.share_refreshed)
    return days


def deliver(
    seed: int,
    platform: str,
    env: Environment,
    spend: np.ndarray,
    spend_level: np.ndarray,
    quality: np.ndarray,
    fresh: np.ndarray,
    fatigue: Fatigue | None,
    regimes: Regimes | None,
) -> Delivery:
    """Impressions that spend buys, and the clicks on them::

        log USD per thousand = log 9 + .1 rival + .3 demand + market shocks
        log click rate = log .014 + .1 quality + .05 N(0, 1)

    with the last term replaced by what ``Fatigue`` or ``Regimes`` says.

    Parameters
    ----------
    fresh : ndarray of bool, shape (T, N)
        Days on which the creative changes: frequency falls to a fifth.
    """
    n_days, n = spend.shape
    price = _USD_PER_MILLE * np.exp(0.10 * env.rival + 0.3 * env.demand + env.price)[:, None]
    impressions = np.round(spend / price * 1000.0).astype(np.int64)
    audience = spend_level / _USD_PER_MILLE * 1000.0 * (fatigue.audience_days if fatigue else _AUDIENCE_DAYS)
    load = _load(impressions, audience, fresh)
    decay, saving = np.zeros(n), np.zeros(n)
    regime: np.ndarray = np.broadcast_to(np.int8(0), spend.shape)
    score: np.ndarray = np.broadcast_to(np.clip(np.round(6.0 + 1.6 * quality), 1, 10).astype(int), spend.shape)
    if fatigue is not None:
        draws = stream(seed, f"{platform}.decay").random((n, 2))
        low, high = fatigue.decay
        decay = np.where(draws[:, 0] < fatigue.share, low + (high - low) * draws[:, 1], 0.0)
        noise = stream(seed, f"{platform}.click").standard_normal(spend.shape)
        log_rate = autoregression(noise, fatigue.shock_rho, fatigue.shock_sd) - decay * load
        log_rate += (fatigue.trend_per_day * np.arange(n_days) + 0.5 * env.week)[:, None]
    elif regimes is not None:
        saving, regime, score, log_rate = _regimes(regimes, seed, platform, quality, n_days)
    else:
        log_rate = 0.05 * stream(seed, f"{platform}.click").standard_normal(spend.shape)
    rate = _CLICK_RATE * np.exp(0.1 * quality + log_rate)
    clicks = np.round(impressions * rate).astype(np.int64)
    return Delivery(impressions, clicks, 1.0 + load, score, decay, regime, saving)


def _load(impressions: np.ndarray, audience: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    load = np.empty(impressions.shape)
    level = np.full(impressions.shape[1], 1.0)
    for t in range(len(impressions)):
        level = (0.95 * level + impressions[t] / audience) * np.where(fresh[t], 0.2, 1.0)
        load[t] = level
    return load


def _regimes(
    regimes: Regimes, seed: int, platform: str, quality: np.ndarray, n_days: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Saving per unit; regime, quality score and log click rate beside the unit's own, shape (T, N)."""
    n = len(quality)
    draws = stream(seed, f"{platform}.saving").random((n, 3))
    low, high = regimes.saving
    saving = np.where(draws[:, 0] < regimes.share, low + (high - low) * draws[:, 1], 0.0)
    rho = regimes.shock_rho[0] + (regimes.shock_rho[1] - regimes.shock_rho[0]) * draws[:, 2]
    noise = stream(seed, f"{platform}.click").standard_normal((n_days, n))
    regime = two_states(stream(seed, f"{platform}.regime").random((n_days, n)), regimes.stay)
    regime *= saving > 0
    first_days = np.arange(n_days) // 7 * 7
    looks = stream(seed, f"{platform}.look").standard_normal((-(-n_days // 7), n))
    seen = 5.5 + 1.2 * quality + 2.0 * regime[::7] + 0.7 * looks
    score = np.clip(np.round(seen), 1, 10).astype(int)[first_days // 7]
    return saving, regime, score, saving * regime - autoregression(noise, rho, regimes.shock_sd)
