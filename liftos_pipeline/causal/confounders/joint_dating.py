"""Level shifts of a series dated together: each beside all the others, by generalised least squares on the whole span.

Candidates come from ``segmentation``, critical values from ``critical_values``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.confounders.critical_values import critical_at, p_values
from liftos_pipeline.causal.confounders.segmentation import Stretches
from liftos_pipeline.causal.kernels.threads import for_each_block

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MAX_SHIFTS = 24
PERSISTENCES = np.linspace(-0.6, 0.96, 40)
"""At which critical values are laid out."""
BLOCK = 32
"""Series that one thread dates before it asks for more."""


def dated_together(
    values: Floats, shifts: Stretches, start: Integers, stop: Integers, alpha: float, min_size: float
) -> Stretches:
    """Move, drop and add shifts of each series that has some, until none changes.

    In each round an AR(4) is fitted to what is left around the levels; then every shift moves to the date that
    explains most beside the others, and goes if it is no longer significant there; the best new one is added if it
    is. A stretch between two shifts may thus be shorter than a test of it alone could be, and an early mistake of the
    segmentation is mended.

    Parameters
    ----------
    values : ndarray, shape (n_series, n_periods)
        No NaN between ``start`` and ``stop``.
    shifts : Stretches
        Candidates, by series and date.
    start, stop : ndarray, shape (n_series,)
        Observed span of each series.
    alpha : float
        Level of each test: the critical value is that of one shift in a series of this length and persistence.
    min_size : float
        Smallest shift that counts, in units of the series.

    Returns
    -------
    Stretches
        Of whole series; ``size`` and ``statistic`` are those of one shift beside the others.

    References
    ----------
    Bai and Perron (1998), Econometrica 66(1): several shifts, their dates estimated together.
    """
    from liftos_pipeline.causal.confounders.joint_dating_kernel import date_together

    chosen = np.unique(shifts.series)
    if len(chosen) == 0:
        return shifts
    critical = critical_at(alpha, stop[chosen] - start[chosen], PERSISTENCES)
    begin = np.searchsorted(shifts.series, [chosen, chosen + 1])
    parts: dict[int, tuple[Integers, Floats, Floats, Floats]] = {}

    def work(begun: int, end: int) -> None:
        for place, series in enumerate(chosen[begun:end], begun):
            span = values[series, start[series] : stop[series]]
            first = shifts.position[begin[0, place] : begin[1, place]] - start[series]
            parts[place] = date_together(
                span - span.mean(), first, PERSISTENCES, critical[place], min_size, MAX_SHIFTS
            )

    for_each_block(work, len(chosen), BLOCK)
    found = [parts[place] for place in range(len(chosen))]
    counts = [len(columns[0]) for columns in found]
    position, size, statistic, persistence = (np.concatenate(column) for column in zip(*found, strict=True))
    series = np.repeat(chosen, counts)
    chance = p_values(statistic, (stop - start)[series], persistence)
    return Stretches(series, start[series], stop[series], start[series] + position, size, statistic, chance)
