"""Which unit has which period: a dense table where most pairs occur, a list of pairs where few do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.index import Index
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_DENSE_SHARE = 0.125
_DENSE_CELLS = 1_000_000


@dataclass(frozen=True, eq=False)
class PeriodSystem:
    """What is left for the periods once the units' effects are eliminated.

    Attributes
    ----------
    unit_weight : ndarray, shape (N, 1)
    laplacian : ndarray, shape (T, T)
        ``diag(n_t) - W' diag(1 / n_i) W``.
    unit_means_by_period : callable
        Sums by unit (N, q) -> sums over the rows of each period of their unit's mean (T, q).
    sums_by_unit : callable
        Values of periods (T, q) -> their sums over the rows of each unit (N, q).
    """

    unit_weight: Floats
    laplacian: Floats
    unit_means_by_period: Callable[[Floats], Floats]
    sums_by_unit: Callable[[Floats], Floats]


@dataclass
class Incidence:
    """Pairs of unit and period, filled block by block.

    ``counts`` (N * T,) is None for a list of pairs. ``weights`` (N * T,) is None without weights.
    """

    shape: tuple[int, int]
    is_weighted: bool
    counts: NDArray[np.uint8] | None
    weights: Floats | None
    places: list[Integers] = field(default_factory=list)
    place_weights: list[Floats] = field(default_factory=list)

    @classmethod
    def empty(cls, index: Index, is_weighted: bool) -> Incidence:
        n_cells = index.n_units * index.n_periods
        if n_cells > max(_DENSE_CELLS, index.n_rows / _DENSE_SHARE):
            return cls((index.n_units, index.n_periods), is_weighted, None, None)
        weights = np.zeros(n_cells) if is_weighted else None
        return cls((index.n_units, index.n_periods), is_weighted, np.zeros(n_cells, dtype=np.uint8), weights)

    def see(self, unit: Integers, period: Integers, weight: Floats | None) -> None:
        """Take note of the rows of one block."""
        place = unit * self.shape[1] + period
        if self.counts is None:
            self.places.append(place)
            if weight is not None:
                self.place_weights.append(weight)
            return
        self.counts[place] += 1
        if self.weights is not None and weight is not None:
            np.add.at(self.weights, place, weight)

    def add(self, other: Incidence) -> None:
        if self.counts is not None and other.counts is not None:
            self.counts += other.counts
        if self.weights is not None and other.weights is not None:
            self.weights += other.weights
        self.places += other.places
        self.place_weights += other.place_weights

    def pairs(self) -> Integers:
        """Every row's pair as ``unit * T + period``, a repeated pair of a dense table once."""
        return np.concatenate(self.places) if self.counts is None else np.flatnonzero(self.counts)

    def refuse_repeated(self, index: Index) -> None:
        """Refuse a unit that has a period twice.

        Raises
        ------
        LiftosError
        """
        if self.counts is None:
            found, counts = np.unique(self.pairs(), return_counts=True)
            repeated = found[counts > 1]
        else:
            repeated = np.flatnonzero(self.counts > 1)
            if len(repeated) == 0 and int(self.counts.sum(dtype=np.int64)) != index.n_rows:
                repeated = self._repeated_in_a_block(index)
        if len(repeated):
            raise repeated_pair(index, *divmod(int(repeated[0]), self.shape[1]))

    def _repeated_in_a_block(self, index: Index) -> Integers:
        """A unit with fewer pairs than rows, at one of its periods."""
        assert self.counts is not None
        seen = self.counts.reshape(self.shape).sum(axis=1, dtype=np.int64)
        unit = int(np.argmax(index.unit_rows - seen))
        period = int(np.argmax(self.counts.reshape(self.shape)[unit]))
        return np.array([unit * self.shape[1] + period])

    def scaled(self) -> tuple[Floats, Floats, Any]:
        """Weights of units (N, 1) and periods (T,), and the table (N, T) over the root of the units' weights."""
        table = self._table()
        unit_weight = np.asarray(table.sum(axis=1), dtype=np.float64).reshape(-1, 1)
        period_weight = np.asarray(table.sum(axis=0), dtype=np.float64).reshape(-1)
        root = np.sqrt(unit_weight)
        if self.counts is None:
            return unit_weight, period_weight, table.multiply(1.0 / root).tocsr()
        return unit_weight, period_weight, np.divide(table, root)

    def system(self) -> PeriodSystem:
        """The equations of the period effects."""
        unit_weight, period_weight, scaled = self.scaled()
        root = np.sqrt(unit_weight)
        overlap = scaled.T @ scaled
        laplacian = np.diag(period_weight) - np.asarray(
            overlap.todense() if hasattr(overlap, "todense") else overlap
        )
        return PeriodSystem(
            unit_weight,
            laplacian,
            lambda by_unit: scaled.T @ (by_unit / root),
            lambda by_period: root * (scaled @ by_period),
        )

    def _table(self) -> Any:
        if self.counts is not None:
            return (self.counts if self.weights is None else self.weights).reshape(self.shape)
        from scipy.sparse import csr_array

        place = self.pairs()
        values = np.concatenate(self.place_weights) if self.is_weighted else np.ones(len(place))
        return csr_array((values, (place // self.shape[1], place % self.shape[1])), shape=self.shape)

    def without_singletons(self, index: Index) -> tuple[int, NDArray[np.bool_], NDArray[np.bool_]]:
        """Rows, units and periods that are left when a row that is alone in its unit or period is dropped, again and
        again."""
        n_units, n_periods = self.shape
        if index.unit_rows.min() > 1 and index.period_rows.min() > 1:
            return index.n_rows, np.ones(n_units, dtype=bool), np.ones(n_periods, dtype=bool)
        place = self.pairs()
        while True:
            unit, period = place // n_periods, place % n_periods
            in_unit, in_period = np.bincount(unit, minlength=n_units), np.bincount(period, minlength=n_periods)
            stays = (in_unit[unit] > 1) & (in_period[period] > 1)
            if stays.all():
                return len(place), in_unit > 0, in_period > 0
            place = place[stays]


def repeated_pair(index: Index, unit: int, period: int) -> LiftosError:
    """The refusal of a unit that has a period twice."""
    return LiftosError(
        "one row per unit and period",
        f"repeated pairs, for example {index.unit_labels[unit]} at {index.period_labels[period]}",
        "Aggregate or drop the repeated rows.",
    )
