"""Null distribution of the switching likelihood ratio under Gaussian AR(1) series: a table, and p-values read from it.

A screen only: heavy tails and moving averages exceed it. ``regenerate()`` made the table (5,000 draws per cell).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SERIES_LENGTHS = (60, 120, 240, 365, 730)
PERSISTENCES = (0.0, 0.3, 0.5, 0.7, 0.85, 0.95)
PROBABILITIES = (0.5, 0.2, 0.1, 0.05, 0.01)


# Per series length one row per persistence; columns are PROBABILITIES.
CRITICAL_VALUES = (
    # 60 observations
    (0.0, 0.92, 2.45, 4.01, 7.85),
    (0.0, 1.81, 3.55, 5.21, 9.27),
    (0.02, 2.39, 4.18, 5.96, 9.66),
    (0.45, 2.8, 4.44, 6.09, 9.6),
    (0.13, 2.18, 3.83, 5.46, 9.2),
    (0.0, 1.24, 2.83, 4.43, 8.03),
    # 120 observations
    (0.0, 1.34, 2.89, 4.48, 7.86),
    (0.0, 1.86, 3.36, 4.88, 8.4),
    (0.28, 2.53, 4.16, 5.75, 9.59),
    (0.62, 2.81, 4.5, 6.21, 9.46),
    (0.27, 2.1, 3.66, 5.45, 8.68),
    (0.0, 1.2, 2.64, 4.13, 7.54),
    # 240 observations
    (0.0, 1.44, 2.78, 4.3, 7.73),
    (0.0, 2.0, 3.62, 5.24, 8.52),
    (0.5, 2.81, 4.51, 6.3, 10.19),
    (0.86, 2.96, 4.62, 6.17, 9.88),
    (0.47, 2.41, 3.91, 5.5, 8.8),
    (0.0, 1.39, 2.89, 4.15, 7.45),
    # 365 observations
    (0.0, 1.68, 3.11, 4.52, 7.63),
    (0.0, 2.14, 3.71, 5.37, 8.71),
    (0.54, 2.66, 4.3, 5.87, 9.18),
    (1.0, 3.19, 4.89, 6.55, 9.61),
    (0.58, 2.53, 3.99, 5.5, 8.79),
    (0.01, 1.49, 2.97, 4.38, 8.08),
    # 730 observations
    (0.0, 1.89, 3.45, 4.83, 8.18),
    (0.04, 2.27, 3.81, 5.48, 8.54),
    (0.51, 2.84, 4.55, 5.99, 9.05),
    (1.04, 3.18, 4.8, 6.38, 9.67),
    (0.74, 2.75, 4.35, 5.94, 9.8),
    (0.08, 1.64, 2.99, 4.42, 7.42),
)


def p_values(statistic: Floats, lengths: Integers, persistence: Floats) -> Floats:
    """Probability of a statistic as large, shape (m,), for each length and autocorrelation under one mean.

    Linear between lengths and autocorrelations, in logarithms between probabilities; never below the smallest of
    them, and one at zero.
    """
    values: Floats = np.array(CRITICAL_VALUES, dtype=np.float64).reshape(
        len(SERIES_LENGTHS), len(PERSISTENCES), len(PROBABILITIES)
    )
    low, share = _between(lengths.astype(np.float64), np.array(SERIES_LENGTHS, dtype=np.float64))
    left, weight = _between(persistence, np.array(PERSISTENCES))
    near = _mixed(values[low, left], values[low, left + 1], weight)
    far = _mixed(values[low + 1, left], values[low + 1, left + 1], weight)
    critical = _mixed(near, far, share)
    levels = np.log(np.array([1.0, *PROBABILITIES]))
    knots = np.maximum.accumulate(np.column_stack([np.zeros(len(critical)), critical]), axis=1)
    log_p = [np.interp(found, row, levels) for found, row in zip(statistic, knots + _RISING, strict=True)]
    p_value: Floats = np.exp(np.array(log_p, dtype=np.float64))
    return p_value


_RISING = 1e-9 * np.arange(len(PROBABILITIES) + 1)
"""Keeps equal critical values in order."""


def _between(at: Floats, nodes: Floats) -> tuple[Integers, Floats]:
    """Node below and the share of the way to the next one; the end nodes beyond them."""
    held = np.clip(at, nodes[0], nodes[-1])
    low = np.clip(np.searchsorted(nodes, held, side="right") - 1, 0, len(nodes) - 2).astype(np.int64)
    return low, (held - nodes[low]) / (nodes[low + 1] - nodes[low])


def _mixed(one: Floats, other: Floats, share: Floats) -> Floats:
    mixed: Floats = one + share[:, None] * (other - one)
    return mixed


def regenerate(draws: int = 5_000, seed: int = 20_261_127) -> Floats:
    """The table, shape (n_lengths, n_persistences, n_probabilities)."""
    streams = np.random.SeedSequence(seed).spawn(len(SERIES_LENGTHS))
    return np.stack(
        [
            np.stack(
                [
                    quantiles(rho, length, draws, np.random.default_rng(part))
                    for rho, part in zip(PERSISTENCES, stream.spawn(len(PERSISTENCES)), strict=True)
                ]
            )
            for length, stream in zip(SERIES_LENGTHS, streams, strict=True)
        ]
    )


def quantiles(rho: float, length: int, draws: int, rng: np.random.Generator) -> Floats:
    """Of the likelihood ratio of ``draws`` series without regimes, at ``PROBABILITIES``."""
    from liftos_pipeline.causal.confounders.calibration import autoregressive_series
    from liftos_pipeline.causal.confounders.markov_switching import fit_regimes

    found = fit_regimes(autoregressive_series(rho, draws, length, rng), np.full(draws, length))
    above: Floats = np.quantile(found.statistic, 1.0 - np.array(PROBABILITIES))
    return above
