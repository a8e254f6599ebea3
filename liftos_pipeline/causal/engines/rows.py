"""The rows behind a panel, wherever they lie, behind three verbs: aggregate by keys, map blocks, put a small table.

An engine is a class with these verbs. Nothing statistical here. The SQL of the verbs is written once, in DuckDB's dialect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard, TypeVar

from numpy.typing import NDArray

from liftos_pipeline.errors import LiftosError

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


RowsT = TypeVar("RowsT", bound=Rows)


class RemoteRows(Rows, Protocol):
    """Rows on other machines. What visits them travels there by value, and only its parts come back.

    ``make`` and ``visit`` must therefore write to nothing but the part.
    """

    def map_units(
        self, names: Sequence[str], make: Callable[[], Part], visit: Callable[[Part, Block], None]
    ) -> list[Part]:
        """As ``map_blocks``, over blocks of whole units: each unit's rows in one block, by unit and period.

        A block may be longer than ``BLOCK_ROWS``. ``names`` starts with ``unit`` and ``period``.
        """


def are_remote(rows: Rows) -> TypeGuard[RemoteRows]:
    """Whether the rows lie on other machines."""
    return hasattr(rows, "map_units")


def aggregate_sql(
    relation: str, columns: Mapping[str, str], keys: Sequence[str], values: Mapping[str, str], join: str
) -> str:
    """SQL of ``aggregate``, in no order."""
    chosen = ", ".join(f"{expression} AS {name}" for name, expression in columns.items())
    wanted = ", ".join([*keys, *(f"{expression} AS {name}" for name, expression in values.items())])
    grouped = f" GROUP BY {', '.join(keys)}" if keys else ""
    return f"SELECT {wanted} FROM (SELECT {chosen} FROM {relation}) AS r {join}{grouped}"


def known_values(column: pa.Array, role: str) -> NDArray[Any]:
    """A column of a block as an array.

    Raises
    ------
    LiftosError
        A value is missing.
    """
    if column.null_count:
        raise LiftosError(
            f"a value of {role} in every row",
            f"{column.null_count} of {len(column)} rows of one block without",
            "Drop these rows, or state what the unknown values are before the call.",
        )
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values
