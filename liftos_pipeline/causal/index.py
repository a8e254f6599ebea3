"""Who was observed when, and who was treated from when on: what panel methods know before they read an outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NEVER = np.iinfo(np.int64).max
"""Period code of a unit that is never treated."""


@dataclass(frozen=True, eq=False)
class Index:
    """Units and periods of a panel as codes from 0, in the order of their labels.

    Attributes
    ----------
    unit_labels : ndarray, shape (N,)
    period_labels : ndarray, shape (T,)
        One label, 0, where the panel has no periods.
    unit_rows, period_rows : ndarray, shape (N,), (T,)
        How many rows each has.
    treated_rows : ndarray, shape (N,)
        How many of a unit's rows are treated (treatment not 0).
    first_treated : ndarray, shape (N,)
        Period of the first treated row; ``NEVER`` without one.
    last_untreated : ndarray, shape (N,)
        Period of the last untreated row; -1 without one.
    unit_cluster : ndarray, shape (N,), or None
        Cluster of each unit; None where some unit has rows in several.
    periods_hold_clusters : bool
        Whether all rows of each period lie in one cluster.
    is_binary : bool
        Whether the treatment is 0 or 1 everywhere.
    """

    unit_labels: NDArray[Any]
    period_labels: NDArray[Any]
    unit_rows: Integers
    period_rows: Integers
    treated_rows: Integers
    first_treated: Integers
    last_untreated: Integers
    unit_cluster: Integers | None
    cluster_labels: NDArray[Any]
    periods_hold_clusters: bool
    is_binary: bool

    @property
    def n_rows(self) -> int:
        return int(self.unit_rows.sum())

    @property
    def n_units(self) -> int:
        return len(self.unit_labels)

    @property
    def n_periods(self) -> int:
        return len(self.period_labels)

    @property
    def n_clusters(self) -> int:
        return len(self.cluster_labels)

    @property
    def n_treated(self) -> int:
        """Units with a treated row."""
        return int((self.treated_rows > 0).sum())

    @property
    def is_balanced(self) -> bool:
        """Whether the counts are those of a panel in which every unit has every period once."""
        return bool((self.unit_rows == self.n_periods).all() and (self.period_rows == self.n_units).all())

    @property
    def is_absorbing(self) -> bool:
        """Whether no treatment is ever switched off."""
        return bool((self.last_untreated < self.first_treated).all())

    @property
    def n_adoption_dates(self) -> int:
        """Fewest periods of adoption that agree with the rows; a unit adopts after its last untreated row and no later
        than in its first treated one."""
        is_treated = self.treated_rows > 0
        return len(adoption_dates(self.first_treated[is_treated], self.last_untreated[is_treated]))

    @property
    def cohorts(self) -> Integers:
        """Distinct periods in which units are first treated, in order."""
        found: Integers = np.unique(self.first_treated[self.treated_rows > 0])
        return found


def adoption_dates(first_treated: Integers, last_untreated: Integers) -> Integers:
    """Fewest periods, in order, such that every unit may have adopted in one of them.

    A unit adopts after its last untreated row and no later than in its first treated one: where rows in between are
    missing, that leaves several periods open.

    Parameters
    ----------
    first_treated, last_untreated : ndarray, shape (n,)
        Of units with a treated row.
    """
    latest, earliest = first_treated, np.minimum(last_untreated + 1, first_treated)
    dates: list[int] = []
    while len(latest):
        dates.append(int(latest.min()))
        open_after = earliest > dates[-1]
        earliest, latest = earliest[open_after], latest[open_after]
    return np.array(dates, dtype=np.int64)


def index_of_rows(
    unit: Integers,
    unit_labels: NDArray[Any],
    period: Integers | None,
    period_labels: NDArray[Any] | None,
    cluster: Integers,
    cluster_labels: NDArray[Any],
    d: Floats,
) -> Index:
    """Index of rows in memory; all but the labels have shape (n,)."""
    n_units = len(unit_labels)
    when = np.zeros(len(unit), dtype=np.int64) if period is None else period
    labels = np.zeros(1, dtype=np.int64) if period_labels is None else period_labels
    is_treated = d != 0
    first = np.full(n_units, NEVER)
    np.minimum.at(first, unit[is_treated], when[is_treated])
    last = np.full(n_units, -1)
    np.maximum.at(last, unit[~is_treated], when[~is_treated])
    return Index(
        unit_labels=unit_labels,
        period_labels=labels,
        unit_rows=np.bincount(unit, minlength=n_units),
        period_rows=np.bincount(when, minlength=len(labels)),
        treated_rows=np.bincount(unit[is_treated], minlength=n_units),
        first_treated=first,
        last_untreated=last,
        unit_cluster=_one_of_each(unit, cluster, n_units),
        cluster_labels=cluster_labels,
        periods_hold_clusters=_one_of_each(when, cluster, len(labels)) is not None,
        is_binary=bool(((d == 0) | (d == 1)).all()),
    )


def _one_of_each(group: Integers, code: Integers, n_groups: int) -> Integers | None:
    """The code of each group; None if a group has two."""
    found = np.zeros(n_groups, dtype=np.int64)
    found[group] = code
    return found if (found[group] == code).all() else None
