"""Pairs of unit and period wherever the rows lie: repeated ones are refused, and remote rows are asked what a table of
all pairs would tell, without making one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.engines.rows import Block, RemoteRows, Rows, are_remote
from liftos_pipeline.causal.index import Index
from liftos_pipeline.causal.kernels.incidence import Incidence, PeriodSystem, repeated_pair
from liftos_pipeline.causal.kernels.sums import add_by_key

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

_DENSE_ENTRIES = 1 << 20
"""Entries of the table of some units and all periods that a worker makes at once: 8 MB."""


def refuse_repeated(rows: Rows, index: Index) -> None:
    """Walk over the keys and refuse a unit that has a period twice.

    Raises
    ------
    LiftosError
    """
    if are_remote(rows):
        RemotePairs(rows, index, False).refuse_repeated(index)
        return

    def visit(seen: Incidence, block: Block) -> None:
        seen.see(block["unit"], block["period"], None)

    parts = rows.map_blocks(["unit", "period"], lambda: Incidence.empty(index, False), visit)
    for part in parts[1:]:
        parts[0].add(part)
    parts[0].refuse_repeated(index)


@dataclass
class _Seen:
    """Pairs that came twice, the periods' weights (T,), the units' (N,), and ``W' diag(1 / n_i) W`` where asked for."""

    period_weight: Floats
    unit_weight: Floats
    overlap: Floats | None
    repeated: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class RemotePairs:
    """As ``Incidence``, for rows on other machines: what comes back is as large as units or as periods squared."""

    rows: RemoteRows
    index: Index
    is_weighted: bool

    def refuse_repeated(self, index: Index) -> None:
        """Refuse a unit that has a period twice.

        Raises
        ------
        LiftosError
        """
        if (index.unit_rows == 1).all():
            return
        self._refuse(self._walk(with_overlap=False))

    def system(self) -> PeriodSystem:
        """The equations of the period effects; two more walks when they are used."""
        seen = self._walk(with_overlap=True)
        self._refuse(seen)
        unit_weight = seen.unit_weight[:, None]
        return PeriodSystem(
            unit_weight,
            np.diag(seen.period_weight) - np.asarray(seen.overlap),
            lambda by_unit: self._sums("period", self.index.n_periods, "unit", by_unit / unit_weight),
            lambda by_period: self._sums("unit", self.index.n_units, "period", by_period),
        )

    def without_singletons(self, index: Index) -> tuple[int, Booleans, Booleans]:
        """As :meth:`Incidence.without_singletons`; a walk for each round of dropping."""
        has_unit, has_period = np.ones(index.n_units, dtype=bool), np.ones(index.n_periods, dtype=bool)
        in_unit, in_period = index.unit_rows, index.period_rows
        while True:
            stays_unit, stays_period = has_unit & (in_unit > 1), has_period & (in_period > 1)
            if np.array_equal(stays_unit, in_unit > 0) and np.array_equal(stays_period, in_period > 0):
                return int(in_unit.sum()), in_unit > 0, in_period > 0
            has_unit, has_period = stays_unit, stays_period
            in_unit, in_period = self._counts(has_unit, has_period)

    def _counts(self, has_unit: Booleans, has_period: Booleans) -> tuple[Integers, Integers]:
        """Rows of each unit and period among those of the units and periods named."""

        def make() -> tuple[Integers, Integers]:
            return np.zeros(len(has_unit), dtype=np.int64), np.zeros(len(has_period), dtype=np.int64)

        def visit(part: tuple[Integers, Integers], block: Block) -> None:
            stays = has_unit[block["unit"]] & has_period[block["period"]]
            part[0][:] += np.bincount(block["unit"][stays], minlength=len(has_unit))
            part[1][:] += np.bincount(block["period"][stays], minlength=len(has_period))

        parts = self.rows.map_blocks(["unit", "period"], make, visit)
        return sum(part[0] for part in parts), sum(part[1] for part in parts)  # type: ignore[return-value]

    def _sums(self, by: str, n_keys: int, of: str, values: Floats) -> Floats:
        """Weighted sums by one key of values (K, q) that belong to the other."""
        is_weighted = self.is_weighted

        def visit(total: Floats, block: Block) -> None:
            rows = values[block[of]].T
            add_by_key(total, block[by], rows * block["weight"] if is_weighted else rows)

        names = ["unit", "period", *(["weight"] if is_weighted else [])]
        parts = self.rows.map_blocks(names, lambda: np.zeros((n_keys, values.shape[1])), visit)
        total: Floats = np.sum(parts, axis=0)
        return total

    def _walk(self, with_overlap: bool) -> _Seen:
        n_units, n_periods, is_weighted = self.index.n_units, self.index.n_periods, self.is_weighted

        def make() -> _Seen:
            overlap = np.zeros((n_periods, n_periods)) if with_overlap else None
            return _Seen(np.zeros(n_periods), np.zeros(n_units), overlap)

        def visit(seen: _Seen, block: Block) -> None:
            unit, period = block["unit"], block["period"]
            again = np.flatnonzero((np.diff(unit) == 0) & (np.diff(period) == 0))
            if len(again):
                seen.repeated.append((int(unit[again[0]]), int(period[again[0]])))
            if seen.overlap is not None:
                weight = block["weight"] if is_weighted else np.ones(len(unit))
                _see_pairs(seen, seen.overlap, unit, period, weight)

        parts = self.rows.map_units(["unit", "period", *(["weight"] if is_weighted else [])], make, visit)
        whole = parts[0]
        for part in parts[1:]:
            whole.repeated += part.repeated
            whole.period_weight += part.period_weight
            whole.unit_weight += part.unit_weight
            if whole.overlap is not None and part.overlap is not None:
                whole.overlap += part.overlap
        return whole

    def _refuse(self, seen: _Seen) -> None:
        if seen.repeated:
            raise repeated_pair(self.index, *min(seen.repeated))


def _see_pairs(seen: _Seen, overlap: Floats, unit: Integers, period: Integers, weight: Floats) -> None:
    """Take in rows of whole units, sorted by unit."""
    n_periods = len(seen.period_weight)
    found, local = np.unique(unit, return_inverse=True)
    sums = np.bincount(local, weights=weight)
    seen.unit_weight[found] += sums
    seen.period_weight += np.bincount(period, weights=weight, minlength=n_periods)
    step = max(1, _DENSE_ENTRIES // n_periods)
    for start in range(0, len(found), step):
        chosen = slice(*np.searchsorted(local, [start, start + step]))
        table = np.zeros((min(step, len(found) - start), n_periods))
        table[local[chosen] - start, period[chosen]] = weight[chosen]
        table /= np.sqrt(sums[start : start + step, None])
        overlap += table.T @ table
