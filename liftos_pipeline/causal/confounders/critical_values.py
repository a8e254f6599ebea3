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
    (5.29, 10.45, 16.21, 23.15, 34.54, 44.74, 56.77, 92.55),
    (5.96, 11.67, 18.16, 26.4, 39.72, 50.98, 65.71, 109.89),
    (6.87, 13.41, 20.93, 30.44, 46.53, 60.17, 77.44, 128.23),
    (8.67, 17.21, 27.32, 40.46, 63.45, 83.41, 106.88, 182.64),
    (12.03, 25.56, 42.76, 65.03, 104.02, 137.65, 183.97, 325.38),
    (20.16, 49.72, 86.72, 136.87, 225.29, 308.43, 403.16, 686.79),
    # 130 observations
    (5.06, 8.98, 13.08, 17.81, 25.55, 32.47, 40.68, 60.99),
    (5.65, 9.97, 14.6, 19.97, 28.6, 36.29, 46.16, 69.56),
    (6.47, 11.31, 16.43, 22.34, 32.14, 41.26, 52.41, 79.96),
    (8.04, 13.93, 20.52, 28.51, 41.41, 53.48, 67.58, 103.78),
    (10.92, 19.79, 30.44, 43.0, 65.0, 86.59, 113.08, 183.82),
    (17.29, 36.42, 59.24, 89.15, 142.09, 187.9, 253.34, 440.51),
    # 180 observations
    (4.92, 8.25, 11.45, 14.91, 20.07, 25.07, 29.97, 41.67),
    (5.45, 9.03, 12.49, 16.41, 22.51, 27.97, 33.9, 44.84),
    (6.14, 10.06, 13.89, 17.97, 24.7, 31.1, 37.33, 52.57),
    (7.6, 12.17, 16.7, 21.99, 30.24, 38.31, 46.93, 69.4),
    (10.16, 16.45, 23.05, 30.94, 44.04, 57.53, 70.24, 103.63),
    (15.41, 28.44, 43.12, 61.45, 93.1, 124.1, 157.33, 246.07),
    # 260 observations
    (4.69, 7.63, 10.06, 12.75, 16.55, 19.58, 22.87, 31.65),
    (5.19, 8.29, 10.95, 13.76, 17.86, 21.11, 25.0, 35.02),
    (5.78, 9.12, 11.96, 15.06, 19.66, 23.47, 27.26, 38.59),
    (7.14, 10.95, 14.4, 18.03, 23.7, 28.21, 32.88, 47.64),
    (9.48, 14.24, 18.58, 23.39, 31.08, 37.99, 45.34, 67.0),
    (13.72, 22.65, 31.91, 43.1, 60.49, 76.51, 95.5, 149.84),
    # 365 observations
    (4.57, 7.33, 9.59, 11.88, 15.14, 17.71, 20.29, 26.48),
    (4.94, 7.89, 10.19, 12.66, 16.11, 18.72, 21.34, 28.08),
    (5.45, 8.59, 11.06, 13.58, 17.39, 20.34, 23.53, 31.33),
    (6.68, 10.16, 12.92, 15.82, 20.08, 23.45, 27.17, 36.94),
    (9.05, 13.22, 16.7, 20.44, 26.27, 30.99, 35.27, 50.44),
    (12.79, 19.38, 25.53, 33.03, 44.6, 54.43, 64.97, 100.74),
    # 730 observations
    (4.4, 6.97, 8.83, 10.73, 13.25, 15.13, 17.08, 22.74),
    (4.66, 7.35, 9.31, 11.28, 13.86, 15.74, 17.75, 23.28),
    (5.06, 7.89, 9.97, 11.98, 14.76, 16.81, 19.0, 24.91),
    (6.04, 9.07, 11.21, 13.38, 16.34, 18.68, 21.0, 27.45),
    (8.26, 11.73, 14.25, 16.72, 20.36, 22.98, 25.89, 34.52),
    (11.88, 16.21, 19.69, 23.49, 29.09, 34.21, 39.77, 55.26),
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
