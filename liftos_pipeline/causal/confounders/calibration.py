"""Regenerates the table of ``critical_values``: run when the statistic of ``break_test`` changes.

``python -m liftos_pipeline.causal.confounders.calibration > table.txt`` prints the literals (some minutes).
Nothing in the library imports it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.confounders.break_test import sup_lr
from liftos_pipeline.causal.confounders.critical_values import PROBABILITIES, SERIES_LENGTHS

Floats = NDArray[np.float64]

PERSISTENCES = (0.0, 0.3, 0.5, 0.7, 0.85, 0.95)
BURN_IN = 200
BATCH = 2_000
CONTROLLED_UP_TO = 0.85


def simulate_null(rho: float, length: int, draws: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Statistic and estimated persistence of ``draws`` Gaussian AR(1) series without a break."""
    statistics, persistences = [], []
    for start in range(0, draws, BATCH):
        series = autoregressive_series(rho, min(BATCH, draws - start), length, rng)
        result = sup_lr(series, np.full(len(series), length, dtype=np.int64))
        statistics.append(result.statistic)
        persistences.append(result.persistence)
    return np.concatenate(statistics), np.concatenate(persistences)


def autoregressive_series(rho: float, n_series: int, length: int, rng: np.random.Generator) -> Floats:
    """Gaussian AR(1) series with unit innovations, shape (n_series, length)."""
    shocks = rng.standard_normal((length + BURN_IN, n_series))
    for now in range(1, len(shocks)):
        shocks[now] += rho * shocks[now - 1]
    return np.ascontiguousarray(shocks[BURN_IN:].T)


def regenerate(draws: int = 50_000, seed: int = 20_240_501) -> tuple[Floats, Floats]:
    """Nodes and critical values.

    The critical value is a function of the *estimated* persistence, which is random and falls when the statistic
    rises by chance. Plain quantiles would therefore reject too often in short series: those of each length and
    level are multiplied by one factor, so that the largest size over the persistences up to
    ``CONTROLLED_UP_TO`` is the nominal one.

    Returns
    -------
    nodes : ndarray, shape (n_lengths, n_persistences)
        Median estimated persistence of each simulated one.
    values : ndarray, shape (n_lengths, n_persistences, n_probabilities)
        Critical values at the nodes, linear in between.
    """
    streams = np.random.SeedSequence(seed).spawn(len(SERIES_LENGTHS))
    nodes, values = [], []
    for length, stream in zip(SERIES_LENGTHS, streams, strict=True):
        rng = np.random.default_rng(stream)
        cells = [simulate_null(rho, length, draws, rng) for rho in PERSISTENCES]
        at = np.array([np.median(persistence) for _, persistence in cells])
        nodes.append(at)
        values.append(np.stack([_controlled(cells, at, level) for level in PROBABILITIES], axis=1))
    return np.stack(nodes), np.stack(values)


def _controlled(cells: list[tuple[Floats, Floats]], at: Floats, level: float) -> Floats:
    quantiles = np.array([np.quantile(statistic, 1.0 - level) for statistic, _ in cells])
    factors = [
        np.quantile(statistic / np.interp(seen, at, quantiles), 1.0 - level)
        for rho, (statistic, seen) in zip(PERSISTENCES, cells, strict=True)
        if rho <= CONTROLLED_UP_TO
    ]
    controlled: Floats = quantiles * max(1.0, *factors)
    return controlled


def main() -> None:
    """Print the table as literals."""
    import sys

    nodes, values = regenerate()
    lines = [f"    {tuple(float(v) for v in row.round(3))}," for row in nodes]
    for length, block in zip(SERIES_LENGTHS, values, strict=True):
        lines.append(f"    # {length} observations")
        lines += [f"    {tuple(float(v) for v in row.round(2))}," for row in block]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
