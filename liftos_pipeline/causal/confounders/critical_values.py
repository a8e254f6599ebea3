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
    (-0.549, -0.236, -0.023, 0.175, 0.296, 0.35),
    (-0.415, -0.086, 0.137, 0.346, 0.484, 0.548),
    (-0.294, 0.039, 0.258, 0.473, 0.621, 0.696),
    (-0.217, 0.108, 0.326, 0.541, 0.697, 0.783),
    (-0.165, 0.157, 0.371, 0.585, 0.742, 0.834),
    (-0.12, 0.197, 0.408, 0.619, 0.776, 0.873),
    (-0.088, 0.224, 0.432, 0.642, 0.797, 0.898),
    (-0.048, 0.259, 0.464, 0.669, 0.823, 0.925),
)

# Per series length one row per persistence node; columns are PROBABILITIES.
CRITICAL_VALUES = (
    # 42 observations
    (5.34, 15.64, 28.99, 46.96, 77.41, 104.45, 142.15, 246.52),
    (6.4, 19.24, 36.46, 59.56, 99.82, 139.88, 196.88, 341.19),
    (7.77, 23.67, 44.95, 75.19, 127.39, 178.12, 245.37, 428.74),
    (10.63, 34.64, 68.29, 115.0, 196.09, 270.6, 382.85, 650.63),
    (16.22, 56.77, 112.61, 192.88, 332.84, 463.03, 648.56, 1140.66),
    (26.26, 93.77, 182.92, 308.78, 512.4, 710.72, 983.69, 1602.51),
    # 60 observations
    (5.31, 12.9, 22.06, 33.8, 53.03, 70.12, 94.38, 159.78),
    (6.2, 15.03, 26.01, 40.43, 64.67, 85.25, 113.43, 185.82),
    (7.33, 17.91, 31.43, 49.24, 79.42, 105.56, 143.34, 254.34),
    (9.59, 24.32, 43.55, 70.2, 115.59, 158.45, 214.19, 354.71),
    (14.12, 39.17, 73.38, 119.93, 200.29, 275.18, 371.12, 645.46),
    (23.69, 71.56, 134.07, 220.3, 361.47, 496.07, 669.31, 1179.3),
    # 90 observations
    (5.29, 10.96, 16.38, 23.15, 34.54, 44.74, 56.77, 92.55),
    (5.96, 12.24, 18.35, 26.4, 39.72, 50.98, 65.71, 109.89),
    (6.87, 14.06, 21.14, 30.44, 46.53, 60.17, 77.44, 128.23),
    (8.67, 18.05, 27.6, 40.46, 63.45, 83.41, 106.88, 182.64),
    (12.03, 26.8, 43.2, 65.03, 104.02, 137.65, 183.97, 325.38),
    (20.16, 52.13, 87.61, 136.87, 225.29, 308.43, 403.16, 686.79),
    # 130 observations
    (5.06, 9.6, 13.7, 18.37, 25.55, 32.47, 40.68, 60.99),
    (5.65, 10.65, 15.3, 20.6, 28.6, 36.29, 46.16, 69.56),
    (6.47, 12.09, 17.22, 23.05, 32.14, 41.26, 52.41, 79.96),
    (8.04, 14.89, 21.5, 29.41, 41.41, 53.48, 67.58, 103.78),
    (10.92, 21.15, 31.89, 44.36, 65.0, 86.59, 113.08, 183.82),
    (17.29, 38.92, 62.06, 91.96, 142.09, 187.9, 253.34, 440.51),
    # 180 observations
    (4.92, 8.77, 12.24, 15.76, 20.52, 25.07, 29.97, 42.77),
    (5.45, 9.6, 13.35, 17.35, 23.01, 27.97, 33.9, 46.02),
    (6.14, 10.7, 14.84, 19.0, 25.25, 31.1, 37.33, 53.95),
    (7.6, 12.93, 17.85, 23.25, 30.91, 38.31, 46.93, 71.22),
    (10.16, 17.49, 24.64, 32.7, 45.01, 57.53, 70.24, 106.35),
    (15.41, 30.24, 46.1, 64.96, 95.16, 124.1, 157.33, 252.53),
    # 260 observations
    (4.69, 8.22, 11.03, 14.04, 18.22, 21.62, 25.15, 35.11),
    (5.19, 8.93, 12.0, 15.15, 19.66, 23.31, 27.49, 38.85),
    (5.78, 9.83, 13.11, 16.58, 21.65, 25.92, 29.98, 42.81),
    (7.14, 11.8, 15.78, 19.85, 26.09, 31.15, 36.16, 52.85),
    (9.48, 15.35, 20.37, 25.75, 34.21, 41.96, 49.87, 74.34),
    (13.72, 24.42, 34.97, 47.45, 66.59, 84.49, 105.02, 166.24),
    # 365 observations
    (4.57, 7.74, 10.36, 12.98, 16.62, 19.36, 22.31, 30.27),
    (4.94, 8.33, 11.01, 13.83, 17.68, 20.46, 23.46, 32.1),
    (5.45, 9.07, 11.95, 14.84, 19.09, 22.23, 25.87, 35.81),
    (6.68, 10.73, 13.96, 17.28, 22.04, 25.63, 29.87, 42.22),
    (9.05, 13.96, 18.04, 22.33, 28.84, 33.86, 38.78, 57.65),
    (12.79, 20.46, 27.58, 36.09, 48.96, 59.48, 71.44, 115.14),
    # 730 observations
    (4.4, 7.17, 9.41, 11.81, 15.22, 18.19, 21.34, 34.15),
    (4.66, 7.57, 9.92, 12.41, 15.92, 18.92, 22.17, 34.96),
    (5.06, 8.13, 10.62, 13.18, 16.96, 20.21, 23.74, 37.41),
    (6.04, 9.34, 11.95, 14.72, 18.77, 22.45, 26.24, 41.23),
    (8.26, 12.08, 15.19, 18.39, 23.39, 27.63, 32.34, 51.84),
    (11.88, 16.69, 20.99, 25.84, 33.42, 41.12, 49.69, 82.98),
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


def critical_at(alpha: float, lengths: Integers, persistences: Floats) -> Floats:
    """Critical value at one level for each length and persistence, shape (m, k): where ``p_values`` is ``alpha``."""
    distinct, place = np.unique(lengths, return_inverse=True)
    n, k = len(distinct), len(persistences)
    critical = critical_values(np.repeat(distinct, k), np.tile(persistences, n))
    log_p, wanted = np.log(PROBABILITIES), np.log(max(alpha, SMALLEST_P_VALUE))
    right = int(np.clip(np.sum(log_p >= wanted), 1, len(log_p) - 1))
    share = (wanted - log_p[right - 1]) / (log_p[right] - log_p[right - 1])
    found = critical[:, right - 1] + share * (critical[:, right] - critical[:, right - 1])
    laid_out: Floats = found.reshape(n, k)[place]
    return laid_out


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
