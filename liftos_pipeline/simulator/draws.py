"""Random streams and the few recursions of the worlds.

Every block of draws has its own stream and is drawn day by day, so that a longer world begins with the shorter
one.
"""

from __future__ import annotations

import zlib

import numpy as np

from liftos_pipeline.errors import LiftosError


def stream(seed: int, block: str) -> np.random.Generator:
    """Generator of one block, independent of all others."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(zlib.crc32(block.encode()),)))


def autoregression(innovations: np.ndarray, rho: np.ndarray | float, sd: float) -> np.ndarray:
    """Stationary AR(1), shape (T, N), with marginal standard deviation ``sd``."""
    out = np.empty_like(innovations)
    scale = sd * np.sqrt(1.0 - np.square(rho))
    out[0] = sd * innovations[0]
    for t in range(1, len(innovations)):
        out[t] = rho * out[t - 1] + scale * innovations[t]
    return out


def carry_over(values: np.ndarray, keep: np.ndarray | float) -> np.ndarray:
    """Adstock: A[t] = keep * A[t-1] + (1 - keep) * values[t], shape (T, N)."""
    out = np.empty_like(values)
    out[0] = values[0]
    for t in range(1, len(values)):
        out[t] = keep * out[t - 1] + (1.0 - keep) * values[t]
    return out


def saturate(stock: np.ndarray, half: np.ndarray | float, power: float = 1.2) -> np.ndarray:
    """Hill curve: 0 at no stock, one half at ``half``."""
    ratio = np.power(stock / half, power)
    return ratio / (1.0 + ratio)


def two_states(uniforms: np.ndarray, stay: tuple[float, float]) -> np.ndarray:
    """Markov chain of 0 and 1 that starts at 0, shape (T, N): it stays at a state while ``uniforms < stay[state]``."""
    out = np.zeros(uniforms.shape, dtype=np.int8)
    for t in range(1, len(uniforms)):
        moves = uniforms[t] >= np.where(out[t - 1] == 1, stay[1], stay[0])
        out[t] = out[t - 1] ^ moves
    return out


def first_hits(uniforms: np.ndarray, hazard: np.ndarray, first_day: int) -> np.ndarray:
    """Day of the first ``uniforms < hazard`` from ``first_day`` on, shape (N,); -1 if there is none."""
    hit = uniforms < hazard
    hit[:first_day] = False
    return np.where(hit.any(axis=0), hit.argmax(axis=0), -1)


def in_force(n_days: int, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Whether a change is in force, shape (T, N), from its start to the day before its stop; -1 is never."""
    day = np.arange(n_days)[:, None]
    return (day >= np.where(start < 0, n_days, start)) & (day < np.where(stop < 0, n_days, stop))


def response_path(
    n_days: int, start: np.ndarray, stop: np.ndarray, tau: np.ndarray, rise: float, decay: float
) -> np.ndarray:
    """Log response to a change, shape (T, N): it rises over ``rise`` days, fades over ``decay`` days and ends with it."""
    age = np.arange(n_days)
    shape = (1.0 - np.exp(-(age + 1.0) / rise)) * np.exp(-age / decay)
    path = np.zeros((n_days, len(start)))
    for unit in np.flatnonzero(start >= 0).tolist():
        first, last = int(start[unit]), int(stop[unit]) if stop[unit] >= 0 else n_days
        path[first:last, unit] = tau[unit] * shape[: last - first]
    return path


def binomial_quantile(uniforms: np.ndarray, trials: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Smallest k with P(Binomial(trials, share) <= k) >= uniforms; grows with ``share`` at a fixed uniform.

    All arguments have one shape. The sum runs over the rarer of hits and misses, so that it starts at a mass that
    a double can hold.
    """
    u, n, p = (np.ascontiguousarray(values).ravel() for values in (uniforms, trials, share))
    by_misses = p > 0.5
    rare = np.where(by_misses, 1.0 - p, p)
    goal = np.where(by_misses, 1.0 - u, u)
    mass = np.exp(n * np.log1p(-rare))
    if np.any((mass == 0.0) & (n > 0)):
        raise LiftosError(
            "at most about 1,000 conversions per unit and day",
            f"{int(n.max())} conversions",
            "Lower the order volume of the scenario.",
        )
    total = mass.copy()
    count = np.zeros(len(n), dtype=np.int64)
    pending = np.flatnonzero(_is_below(total, goal, by_misses) & (count < n))
    while len(pending):
        k = count[pending] + 1
        mass[pending] *= (n[pending] - k + 1) / k * rare[pending] / (1.0 - rare[pending])
        total[pending] += mass[pending]
        count[pending] = k
        is_open = _is_below(total[pending], goal[pending], by_misses[pending]) & (k < n[pending])
        pending = pending[is_open]
    return np.where(by_misses, n - count, count).reshape(trials.shape)


def _is_below(total: np.ndarray, goal: np.ndarray, by_misses: np.ndarray) -> np.ndarray:
    """P(X <= k) >= u is P(misses <= n - k - 1) <= 1 - u: the tie falls on the other side."""
    return np.where(by_misses, total <= goal, total < goal)
