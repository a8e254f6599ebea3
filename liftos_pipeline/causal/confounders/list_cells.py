"""Subscribers of many lists as cells of age and calendar week, with exact exposure. Reading and tests stand elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

WEEK = 7


@dataclass(frozen=True, eq=False)
class Cells:
    """Events and exposure of lists by age and calendar week.

    Attributes
    ----------
    events, exposure : ndarray, shape (n_lists, n_ages, n_weeks)
        By list, week of age and calendar week; exposure in subscriber-days.
    """

    events: Floats
    exposure: Floats

    def last_weeks(self, n_weeks: int) -> Cells:
        """The latest calendar weeks, all ages."""
        return Cells(self.events[:, :, -n_weeks:], self.exposure[:, :, -n_weeks:])


def count_cells(
    unit: Integers, start: Integers, end: Integers, event: NDArray[np.bool_], n_lists: int, n_weeks: int
) -> Cells:
    """Count events and days at risk.

    A subscriber is at risk from the start day to the end day, both included. The work does not grow with the length
    of subscriptions: full weeks of age are counted by the week of the start and the weeks that were completed.

    Parameters
    ----------
    unit : ndarray, shape (n,)
        List of each subscriber, from 0.
    start, end : ndarray, shape (n,)
        Days since the first day of week 0, ``start <= end < 7 * n_weeks``.
    event : ndarray of bool, shape (n,)
        Whether the subscriber left on the end day.
    """
    n_days = end - start + 1
    joined, weekday = np.divmod(start, WEEK)
    full, rest = np.divmod(n_days, WEEK)
    in_start_week = np.minimum(rest, WEEK - weekday)

    def counted(weights: Integers | None) -> Floats:
        place = (unit * n_weeks + joined) * (n_weeks + 1) + full
        total = np.bincount(place, weights=weights, minlength=n_lists * n_weeks * (n_weeks + 1))
        return total.reshape(n_lists, n_weeks, n_weeks + 1).astype(np.float64)

    beyond, weekdays_beyond = _later(counted(None)), _later(counted(weekday))
    first = WEEK * beyond - weekdays_beyond + counted(in_start_week)[..., :-1]
    second = weekdays_beyond + counted(rest - in_start_week)[..., :-1]
    exposure = np.zeros((n_lists, n_weeks, n_weeks))
    for age in range(n_weeks):
        exposure[:, age, age:] += first[:, : n_weeks - age, age]
        exposure[:, age, age + 1 :] += second[:, : n_weeks - age - 1, age]
    place = ((unit * n_weeks + (n_days - 1) // WEEK) * n_weeks + end // WEEK)[event]
    events = np.bincount(place, minlength=n_lists * n_weeks**2).reshape(exposure.shape)
    return Cells(events.astype(np.float64), exposure)


def _later(counts: Floats) -> Floats:
    """How many completed more weeks than each number, by the number completed."""
    reverse = np.cumsum(counts[..., ::-1], axis=-1)
    later: Floats = reverse[..., ::-1][..., 1:]
    return later
