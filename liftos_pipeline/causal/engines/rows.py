"""The rows behind a panel, wherever they lie, behind three verbs: aggregate by keys, map blocks, put a small table.

An engine is a class with these verbs. Nothing statistical here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

Block = dict[str, NDArray[Any]]
Part = TypeVar("Part")

BLOCK_ROWS = 16_384


class Rows(Protocol):
    """Rows with their columns by role: ``unit``, ``period``, ``cluster`` (codes from 0), ``y``, ``d``, ``x0``, ``x1``,
    ..., ``z0``, ..., ``weight``."""

    def aggregate(self, keys: Sequence[str], values: Mapping[str, str], join: str = "") -> pa.Table:
        """One row per combination of keys, in key order.

        Parameters
        ----------
        keys : sequence of str
            Roles to group by; none gives one row.
        values : mapping of str to str
            Aggregates over the roles, in DuckDB's SQL. Sums of floating numbers belong into ``map_blocks``: here their
            last bits depend on the engine.
        join : str
            SQL that joins small tables to the rows ``r``.
        """

    def map_blocks(
        self, names: Sequence[str], make: Callable[[], Part], visit: Callable[[Part, Block], None]
    ) -> list[Part]:
        """Walk over all rows in blocks; each worker fills a part of its own, returned in the order of the rows.

        Parameters
        ----------
        names : sequence of str
            Roles to read.
        make : callable
            Makes an empty part.
        visit : callable
            (part, block of at most ``BLOCK_ROWS`` rows) -> None. Workers call it at the same time.

        Raises
        ------
        LiftosError
            A value is missing.
        """

    def put(self, name: str, table: pa.Table) -> None:
        """Offer a small table under a name, for joins."""

    def head(self, names: Sequence[str], n_rows: int) -> Block:
        """The first rows, as they lie."""
