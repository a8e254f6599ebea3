"""Where each unit was observed, and whether that is enough. No statistics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

MAX_EMPTY_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class Spans:
    """First observed period and the one after the last, how many were observed and would be needed; shape (n_units,).

    ``reason`` is "" where there are enough.
    """

    start: Integers
    stop: Integers
    n_observed: Integers
    n_needed: Integers
    reason: list[str]

    @property
    def testable(self) -> Bools:
        return np.array([not reason for reason in self.reason])


def observed_spans(known: Bools, fewest: int, what: str) -> Spans:
    """Spans of units, for detectors that fill the gaps inside them.

    Parameters
    ----------
    known : ndarray, shape (n_units, n_periods)
    fewest : int
        Observations needed; a fifth of the span may be empty beside that.
    what : str
        What an observed period is, for the reason: "days with spend".
    """
    n_observed = known.sum(axis=1)
    start = np.argmax(known, axis=1)
    stop = np.where(n_observed > 0, known.shape[1] - np.argmax(known[:, ::-1], axis=1), 0)
    length = stop - start
    n_needed = np.maximum(fewest, np.ceil((1.0 - MAX_EMPTY_SHARE) * length)).astype(np.int64)
    reason = [
        "" if seen >= needed else f"{seen} {what} in a span of {days}, at least {needed} are needed"
        for seen, needed, days in zip(n_observed, n_needed, length, strict=True)
    ]
    return Spans(start.astype(np.int64), stop.astype(np.int64), n_observed.astype(np.int64), n_needed, reason)


def packed(values: Floats, start: Integers, stop: Integers) -> Floats:
    """Each row from its start, shape (m, longest span); beyond a span stands whatever follows or its last value."""
    index = np.minimum(start[:, None] + np.arange((stop - start).max(initial=0)), values.shape[1] - 1)
    return np.take_along_axis(values, index, axis=1)
