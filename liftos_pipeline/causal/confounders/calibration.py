"""Regenerates the table of ``critical_values``: run when the statistic of ``break_test`` changes.

``python -m liftos_pipeline.causal.confounders.calibration > table.txt`` prints the literals (some minutes).
Nothing in the library imports it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.confounders.break_test import sup_lr
from liftos_pipeline.causal.confounders.critical_values import PROBABILITIES, SERIES_LENGTHS
from liftos_pipeline.causal.kernels.medians import replace_outliers

Floats = NDArray[np.float64]

PERSISTENCES = (0.0, 0.3, 0.5, 0.7, 0.85, 0.95)
BURN_IN = 200
BATCH = 2_000
CONTROLLED_UP_TO = 0.85
OTHERS_SHARE = 1.3
"""Of the nominal size: what the nulls that are no Gaussian AR(1) may reach. 7 % is asked for at 5 %."""


Simulated = tuple[Floats, Floats]
Draw = Callable[[int, int, np.random.Generator], Floats]
"""Number of series, length and generator to series without a break, shape (n_series, length)."""


def simulate_null(draw: Draw, length: int, draws: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Statistic and estimated persistence of ``draws`` series without a break."""
    statistics, persistences = [], []
    for start in range(0, draws, BATCH):
        series = draw(min(BATCH, draws - start), length, rng)
        result = sup_lr(series, np.full(len(series), length, dtype=np.int64))
        statistics.append(result.statistic)
        persistences.append(result.persistence)
    return np.concatenate(statistics), np.concatenate(persistences)


def autoregressive_series(
    rho: float, n_series: int, length: int, rng: np.random.Generator, degrees: float | None = None
) -> Floats:
    """AR(1) series with standard normal innovations, or of Student's t, shape (n_series, length)."""
    shape = (length + BURN_IN, n_series)
    shocks = rng.standard_normal(shape) if degrees is None else rng.standard_t(degrees, shape)
    for now in range(1, len(shocks)):
        shocks[now] += rho * shocks[now - 1]
    return np.ascontiguousarray(shocks[BURN_IN:].T)


def noisy_series(n_series: int, length: int, rng: np.random.Generator) -> Floats:
    """AR(.8) with as much independent noise on it, an ARMA(1, 1)."""
    smooth = 0.6 * autoregressive_series(0.8, n_series, length, rng)
    return smooth + rng.standard_normal(smooth.shape)


def heavy_series(n_series: int, length: int, rng: np.random.Generator) -> Floats:
    """AR(.7) with innovations of t(3), outliers replaced as in the detector."""
    return replace_outliers(autoregressive_series(0.7, n_series, length, rng, degrees=3))


OTHERS: tuple[Draw, ...] = (noisy_series, heavy_series)


def regenerate(draws: int = 50_000, seed: int = 20_240_501) -> tuple[Floats, Floats]:
    """Nodes and critical values.

    The critical value is a function of the *estimated* persistence, which is random and falls when the statistic
    rises by chance. Plain quantiles would therefore reject too often in short series: those of each length and
    level are multiplied by one factor, so that the largest size over the persistences up to
    ``CONTROLLED_UP_TO`` is the nominal one, and that of ``OTHERS`` at most ``OTHERS_SHARE`` times it.

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
        cells = [simulate_null(partial(autoregressive_series, rho), length, draws, rng) for rho in PERSISTENCES]
        others = [simulate_null(draw, length, draws, rng) for draw in OTHERS]
        at = np.array([np.median(persistence) for _, persistence in cells])
        nodes.append(at)
        values.append(np.stack([_controlled(cells, others, at, level) for level in PROBABILITIES], axis=1))
    return np.stack(nodes), np.stack(values)


def _controlled(cells: list[Simulated], others: list[Simulated], at: Floats, level: float) -> Floats:
    quantiles = np.array([np.quantile(statistic, 1.0 - level) for statistic, _ in cells])
    controlled = [cell for rho, cell in zip(PERSISTENCES, cells, strict=True) if rho <= CONTROLLED_UP_TO]
    factors = [
        np.quantile(statistic / np.interp(seen, at, quantiles), 1.0 - share * level)
        for share, group in ((1.0, controlled), (OTHERS_SHARE, others))
        for statistic, seen in group
    ]
    found: Floats = quantiles * max(1.0, *factors)
    return found


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
