"""Null distribution of the sup-LR statistic: simulated critical values, and the p-values read from them.

Numbers only. ``calibration.regenerate()`` made the table (50,000 draws per cell) and makes it again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SERIES_LENGTHS = (42, 60, 90, 130, 180, 260, 365, 730)
PROBABILITIES = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.001)
SMALLEST_P_VALUE = 1e-6
"""Below 0.001 the tail is extrapolated, never further than this."""

# One row per series length: median estimated persistence of series with persistence 0, .3, .5, .7, .85, .95.
PERSISTENCE_NODES = (
    (-0.359, -0.031, 0.186, 0.396, 0.533, 0.599),
    (-0.262, 0.064, 0.284, 0.497, 0.644, 0.719),
    (-0.182, 0.14, 0.355, 0.567, 0.721, 0.806),
    (-0.132, 0.183, 0.396, 0.608, 0.764, 0.857),
    (-0.101, 0.214, 0.423, 0.632, 0.789, 0.888),
    (-0.072, 0.238, 0.445, 0.651, 0.808, 0.909),
    (-0.053, 0.254, 0.459, 0.665, 0.82, 0.922),
    (-0.028, 0.276, 0.479, 0.681, 0.834, 0.937),
)

# Per series length one row per persistence node; columns are PROBABILITIES.
CRITICAL_VALUES = (
    # 42 observations
    (4.52, 10.79, 19.02, 31.03, 51.49, 69.5, 95.55, 179.4),
    (5.23, 12.5, 22.39, 36.93, 61.91, 86.3, 121.54, 239.2),
    (6.08, 14.42, 26.2, 43.47, 73.7, 105.14, 145.7, 296.07),
    (7.69, 19.19, 35.48, 60.5, 106.5, 149.14, 208.82, 414.0),
    (10.17, 27.57, 53.39, 94.14, 169.68, 243.23, 346.31, 746.65),
    (14.02, 41.93, 82.9, 147.51, 266.01, 383.24, 551.53, 1123.41),
    # 60 observations
    (4.59, 9.27, 15.07, 22.74, 34.6, 46.37, 61.15, 100.55),
    (5.25, 10.38, 16.93, 26.03, 40.68, 54.83, 71.37, 116.84),
    (6.03, 11.92, 19.42, 29.79, 47.39, 64.59, 86.74, 155.44),
    (7.48, 14.97, 24.84, 38.98, 62.9, 87.61, 117.98, 208.51),
    (9.67, 20.54, 35.83, 58.93, 98.23, 138.35, 184.87, 339.1),
    (13.2, 31.85, 58.16, 98.63, 168.76, 239.28, 334.62, 591.82),
    # 90 observations
    (4.7, 8.31, 12.25, 16.93, 24.78, 31.81, 39.56, 63.9),
    (5.26, 9.12, 13.41, 18.71, 27.52, 35.63, 45.04, 73.01),
    (5.96, 10.16, 14.85, 20.68, 30.77, 39.67, 50.5, 83.93),
    (7.31, 12.27, 18.1, 25.7, 38.8, 52.03, 66.47, 112.37),
    (9.13, 15.86, 24.51, 35.89, 56.22, 75.57, 100.76, 181.89),
    (12.08, 24.11, 40.33, 62.73, 105.47, 146.88, 201.22, 376.5),
    # 130 observations
    (4.59, 7.66, 10.57, 14.06, 19.37, 24.35, 29.76, 45.07),
    (5.08, 8.36, 11.58, 15.35, 21.04, 26.52, 32.65, 52.0),
    (5.77, 9.32, 12.76, 16.77, 23.06, 29.19, 35.52, 56.42),
    (7.03, 11.06, 15.15, 20.11, 28.25, 35.62, 44.06, 68.11),
    (8.93, 14.01, 19.61, 26.7, 38.28, 50.37, 64.15, 109.65),
    (11.39, 19.67, 29.72, 43.34, 67.77, 93.9, 124.74, 225.33),
    # 180 observations
    (4.54, 7.42, 9.89, 12.63, 16.73, 19.93, 23.55, 33.02),
    (4.99, 8.02, 10.64, 13.73, 18.39, 21.82, 26.13, 34.9),
    (5.58, 8.82, 11.64, 14.77, 19.72, 23.92, 28.5, 39.08),
    (6.84, 10.4, 13.57, 17.23, 23.03, 28.21, 33.52, 49.63),
    (8.75, 13.04, 17.06, 21.88, 29.9, 37.13, 44.39, 65.96),
    (11.05, 17.28, 23.98, 33.18, 48.96, 63.75, 81.29, 130.27),
    # 260 observations
    (4.39, 7.07, 9.15, 11.4, 14.51, 16.98, 19.95, 27.22),
    (4.83, 7.63, 9.85, 12.15, 15.47, 18.06, 21.26, 29.82),
    (5.36, 8.32, 10.65, 13.14, 16.72, 19.69, 23.12, 31.86),
    (6.59, 9.84, 12.44, 15.29, 19.48, 22.7, 26.59, 37.26),
    (8.53, 12.15, 15.18, 18.44, 23.35, 28.07, 33.72, 48.08),
    (10.88, 15.66, 20.19, 26.04, 35.59, 44.42, 55.07, 88.0),
    # 365 observations
    (4.33, 6.92, 8.98, 11.01, 13.93, 16.33, 18.61, 23.57),
    (4.66, 7.4, 9.44, 11.6, 14.62, 17.0, 19.36, 24.73),
    (5.14, 8.0, 10.17, 12.42, 15.62, 18.29, 21.01, 27.44),
    (6.26, 9.31, 11.68, 14.11, 17.63, 20.53, 23.26, 31.9),
    (8.37, 11.79, 14.54, 17.36, 21.79, 25.15, 28.85, 39.57),
    (10.84, 14.84, 18.34, 22.54, 29.47, 35.62, 42.55, 63.05),
    # 730 observations
    (4.27, 6.73, 8.52, 10.35, 12.67, 14.49, 16.3, 21.73),
    (4.49, 7.06, 8.93, 10.82, 13.2, 15.08, 16.85, 21.98),
    (4.87, 7.55, 9.51, 11.45, 13.94, 16.03, 17.91, 23.32),
    (5.8, 8.63, 10.62, 12.63, 15.25, 17.47, 19.67, 25.15),
    (7.89, 10.99, 13.22, 15.48, 18.47, 21.03, 23.12, 30.37),
    (11.01, 14.31, 16.82, 19.59, 23.34, 26.9, 30.43, 41.05),
)


def critical_values(lengths: Integers, persistence: Floats) -> Floats:
    """Critical values of each series at every level of ``PROBABILITIES``, shape (m, n_probabilities).

    Linear in the estimated persistence and in the log of the length; held constant outside the table.
    """
    nodes = np.array(PERSISTENCE_NODES)
    table = np.array(CRITICAL_VALUES).reshape(len(SERIES_LENGTHS), nodes.shape[1], len(PROBABILITIES))
    grid = np.log(SERIES_LENGTHS)
    where = np.interp(np.log(lengths), grid, np.arange(len(grid)))
    below = np.minimum(where.astype(np.int64), len(grid) - 2)
    share = (where - below)[:, None]
    found = np.zeros((len(lengths), len(PROBABILITIES)))
    for offset, weight in ((0, 1.0 - share), (1, share)):
        for row in np.unique(below + offset):
            chosen = np.flatnonzero(below + offset == row)
            at = _interpolate(persistence[chosen], nodes[row], table[row])
            found[chosen] += weight[chosen] * at
    return found


def p_values(statistic: Floats, lengths: Integers, persistence: Floats) -> Floats:
    """p-value of each statistic, shape (m,): log-linear between the tabulated levels."""
    critical = critical_values(lengths, persistence)
    knots = np.concatenate([np.zeros((len(critical), 1)), critical], axis=1)
    log_p = np.log(np.concatenate([[1.0], PROBABILITIES]))
    segment = np.sum(statistic[:, None] >= knots[:, 1:], axis=1)
    segment = np.minimum(segment, len(log_p) - 2)
    rows = np.arange(len(critical))
    low, high = knots[rows, segment], knots[rows, segment + 1]
    slope = (log_p[segment + 1] - log_p[segment]) / (high - low)
    log_value = log_p[segment] + slope * (statistic - low)
    chance: Floats = np.clip(np.exp(np.minimum(log_value, 0.0)), SMALLEST_P_VALUE, 1.0)
    return chance


def _interpolate(at: Floats, nodes: Floats, values: Floats) -> Floats:
    return np.stack([np.interp(at, nodes, column) for column in values.T], axis=1)
