"""Outcomes of a balanced panel as a table of units and periods, read from rows in any order.

A table that is too large to be held is read again by slabs of units whenever a part of it is asked for. One on other
machines is never read: its units are visited there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.engines.rows import Block, Part, RemoteRows, Rows
from liftos_pipeline.causal.index import Index
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_ENTRIES = 1 << 25
"""Entries of a slab: 256 MB."""


class OutcomeTable:
    """Outcome of each unit and period, shape (N, T); ``table[first:last]`` gives the rows of some units.

    Parameters
    ----------
    rows : Rows
        Of a panel whose counts are balanced.
    index : Index
        Of the same rows.

    Raises
    ------
    LiftosError
        When it is read: an outcome that is not finite, a unit that has a period twice.
    """

    def __init__(self, rows: Rows, index: Index) -> None:
        self.shape = (index.n_units, index.n_periods)
        self._rows, self._index = rows, index
        self._slab_units = max(1, MOST_ENTRIES // index.n_periods)
        self._held = (0, np.empty((0, index.n_periods)))

    def __getitem__(self, units: slice) -> Floats:
        first, last = units.start, min(units.stop, self.shape[0])
        slab = first // self._slab_units
        start, held = self._held
        if not start <= first < last <= start + len(held):
            start = slab * self._slab_units
            held = self._read(start, max(last, min(start + self._slab_units, self.shape[0])))
            self._held = start, held
        return held[first - start : last - start]

    def _read(self, start: int, end: int) -> Floats:
        n_periods = self.shape[1]
        found = np.full((end - start) * n_periods, np.nan)

        def visit(_: None, block: Block) -> None:
            place = block["unit"] * n_periods
            place += block["period"] - start * n_periods
            low, high = int(place[0]), int(place[-1])
            in_order = high - low == len(place) - 1 and bool((place[1:] - place[:-1] == 1).all())
            if in_order and low >= 0 and high < len(found):
                found[low : high + 1] = block["y"]
                return
            inside = (place >= 0) & (place < len(found))
            found[place[inside]] = block["y"][inside]

        self._rows.map_blocks(["unit", "period", "y"], lambda: None, visit)
        if not np.isfinite(found.sum()):
            self._refuse(start, found)
        return found.reshape(-1, n_periods)

    def _refuse(self, start: int, found: Floats) -> None:
        n_bad = self._rows.aggregate([], {"n": "count(*) FILTER (NOT isfinite(y))"}).column("n")[0].as_py()
        if n_bad:
            raise _not_finite(n_bad)
        empty = np.flatnonzero(np.isnan(found))
        if len(empty):
            raise _repeated(self._index.unit_labels[start + int(empty[0]) // self.shape[1]])


class RemoteOutcomes:
    """Outcome of each unit and period of a balanced panel on other machines, shape (N, T).

    Parameters
    ----------
    rows : RemoteRows
        Of a panel whose counts are balanced.
    index : Index
        Of the same rows.

    Raises
    ------
    LiftosError
        When it is walked over: an outcome that is not finite, a unit that has a period twice.
    """

    def __init__(self, rows: RemoteRows, index: Index) -> None:
        self.shape = (index.n_units, index.n_periods)
        self._rows, self._labels = rows, index.unit_labels

    def first(self) -> float:
        """Some outcome."""
        return float(self._rows.head(["y"], 1)["y"][0])

    def walk(self, make: Callable[[], Part], visit: Callable[[Part, Integers, Floats], None]) -> list[Part]:
        """Visit codes (m,) and outcomes (m, T) of all units in blocks. As ``Rows.map_blocks``."""
        n_periods, labels = self.shape[1], self._labels

        def see(part: Part, block: Block) -> None:
            unit, period, y = block["unit"], block["period"], block["y"]
            is_off = period != np.arange(len(period)) % n_periods
            if is_off.any():
                raise _repeated(labels[unit[np.argmax(is_off)]])
            if not np.isfinite(y).all():
                raise _not_finite(int(np.count_nonzero(~np.isfinite(y))))
            visit(part, unit[::n_periods], y.reshape(-1, n_periods))

        return self._rows.map_units(["unit", "period", "y"], make, see)


def _repeated(unit: object) -> LiftosError:
    return LiftosError(
        "one row per unit and period",
        f"repeated pairs, for example of unit {unit}",
        "Aggregate or drop the repeated rows.",
    )


def _not_finite(n_rows: int) -> LiftosError:
    return LiftosError(
        "finite numbers in every row",
        f"missing or infinite ones in y in {n_rows} rows",
        "Drop these rows, or state what the unknown values are before the call.",
    )
