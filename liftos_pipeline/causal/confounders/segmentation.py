"""Binary segmentation of many series: where their level may shift, and by how much."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.confounders.break_test import sup_lr
from liftos_pipeline.causal.confounders.critical_values import SERIES_LENGTHS, p_values
from liftos_pipeline.causal.kernels.threads import for_each_block

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MIN_LENGTH = SERIES_LENGTHS[0]
"""Shortest stretch that is tested: the shortest that has critical values."""

BLOCK = 256
"""Stretches that are tested together: their work space of a year stays in the processor's cache."""


@dataclass(frozen=True)
class Stretches:
    """Stretches ``start``..``stop - 1`` of series, and the break test on each; all arrays have shape (m,).

    ``position`` is the first period after the shift, ``size`` the shift in units of the series.
    """

    series: Integers
    start: Integers
    stop: Integers
    position: Integers
    size: Floats
    statistic: Floats
    p_value: Floats

    def where(self, chosen: NDArray[np.bool_]) -> Stretches:
        return Stretches(
            self.series[chosen],
            self.start[chosen],
            self.stop[chosen],
            self.position[chosen],
            self.size[chosen],
            self.statistic[chosen],
            self.p_value[chosen],
        )


def tested_stretches(values: Floats, series: Integers, start: Integers, stop: Integers) -> Stretches:
    """Test each stretch for one level shift."""
    lengths = stop - start
    if len(series) == 0:
        nothing = np.zeros(0)
        return Stretches(series, start, stop, start, nothing, nothing, nothing)
    time = np.arange(lengths.max())
    statistic, size, persistence = np.empty((3, len(series)))
    position = np.empty(len(series), dtype=np.int64)

    def work(first: int, last: int) -> None:
        rows = slice(first, last)
        index = np.minimum(start[rows, None] + time, values.shape[1] - 1)
        result = sup_lr(values[series[rows, None], index], lengths[rows])
        statistic[rows], position[rows] = result.statistic, result.position
        size[rows], persistence[rows] = result.size, result.persistence

    for_each_block(work, len(series), BLOCK)
    chance = p_values(statistic, lengths, persistence)
    return Stretches(series, start, stop, start + position, size, statistic, chance)


def segment(
    values: Floats, start: Integers, stop: Integers, alpha: float, min_size: float
) -> tuple[Stretches, Stretches]:
    """Split each series where its level shifts, again and again.

    Parameters
    ----------
    values : ndarray, shape (n_series, n_periods)
        No NaN between ``start`` and ``stop``.
    start, stop : ndarray, shape (n_series,)
        Observed span of each series, at least ``MIN_LENGTH`` long.
    alpha : float
        Level of each single test.
    min_size : float
        Smallest shift that counts, in units of the series.

    Returns
    -------
    whole : Stretches
        The test on each whole series.
    shifts : Stretches
        Accepted shifts, by series and date.

    References
    ----------
    Bai (1997), Econometric Theory 13(3): shifts one after another.
    """
    whole = tested_stretches(values, np.arange(len(values), dtype=np.int64), start, stop)
    found = [whole.where(np.zeros(len(whole.series), dtype=np.bool_))]
    current = whole
    while len(current.series):
        accepted = current.where(_accepted(current, alpha, min_size))
        found.append(accepted)
        series = np.concatenate([accepted.series, accepted.series])
        begin = np.concatenate([accepted.start, accepted.position])
        end = np.concatenate([accepted.position, accepted.stop])
        long_enough = end - begin >= MIN_LENGTH
        current = tested_stretches(values, series[long_enough], begin[long_enough], end[long_enough])
    return whole, _joined(found)


def _accepted(stretches: Stretches, alpha: float, min_size: float) -> NDArray[np.bool_]:
    return (stretches.p_value <= alpha) & (np.abs(stretches.size) >= min_size)


def _joined(parts: list[Stretches]) -> Stretches:
    """All parts, by series and date."""
    columns = [np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Stretches)]
    joined = Stretches(*columns)
    order = np.lexsort((joined.position, joined.series))
    return Stretches(*(column[order] for column in columns))
