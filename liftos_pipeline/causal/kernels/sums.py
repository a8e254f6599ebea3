"""Sums by key of a block of rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def add_by_key(total: Floats, codes: Integers, values: Floats) -> None:
    """Add the columns of ``values`` (q, m) to the rows of ``total`` (K, q) that ``codes`` (m,) name."""
    steps = np.diff(codes)
    if (steps >= 0).all():
        starts = np.concatenate([[0], np.flatnonzero(steps) + 1])
        total[codes[starts]] += np.add.reduceat(values, starts, axis=1).T
        return
    n_keys = len(total)
    if len(codes) >= 2 * n_keys and (codes == (codes[0] + np.arange(len(codes))) % n_keys).all():
        _add_cycles(total, int(codes[0]), values)
        return
    low = int(codes.min())
    span = int(codes.max()) - low + 1
    if span > 4 * len(codes):
        np.add.at(total, codes, values.T)
        return
    local = codes - low
    for column, entries in enumerate(values):
        total[low : low + span, column] += np.bincount(local, weights=entries, minlength=span)


def _add_cycles(total: Floats, first: int, values: Floats) -> None:
    """Codes that count up from ``first`` and begin again at 0, as those of periods do where units have every one."""
    n_keys = len(total)
    skipped = n_keys - first
    n_cycles = (values.shape[1] - skipped) // n_keys
    end = skipped + n_cycles * n_keys
    total[first : first + skipped] += values[:, :skipped].T
    total += values[:, skipped:end].reshape(len(values), n_cycles, n_keys).sum(axis=1).T
    total[: values.shape[1] - end] += values[:, end:].T
