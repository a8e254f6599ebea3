"""Rows that lie in memory as arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING

from liftos_pipeline.causal.engines.rows import BLOCK_ROWS, Block, Part

if TYPE_CHECKING:
    import pyarrow as pa

    from liftos_pipeline.causal.engines.tables import TableRows

_WORKERS = 2


class ArrayRows:
    """Arrays of equal length by role."""

    def __init__(self, columns: Block) -> None:
        self._columns = columns
        self._n_rows = len(columns["unit"])

    def extended(self, columns: Block) -> ArrayRows:
        """The same rows with further columns."""
        return ArrayRows({**self._columns, **columns})

    @cached_property
    def _table(self) -> TableRows:
        import duckdb
        import pyarrow as pa

        from liftos_pipeline.causal.engines.tables import TableRows

        connection = duckdb.connect()
        connection.register("panel", pa.table(self._columns))
        return TableRows(connection, "panel", {name: name for name in self._columns})

    def aggregate(self, keys: Sequence[str], values: Mapping[str, str], join: str = "") -> pa.Table:
        return self._table.aggregate(keys, values, join)

    def put(self, name: str, table: pa.Table) -> None:
        self._table.put(name, table)

    def head(self, names: Sequence[str], n_rows: int) -> Block:
        return {name: self._columns[name][:n_rows] for name in names}

    def map_blocks(
        self, names: Sequence[str], make: Callable[[], Part], visit: Callable[[Part, Block], None]
    ) -> list[Part]:
        from threadpoolctl import threadpool_limits

        n_blocks = -(-self._n_rows // BLOCK_ROWS)
        n_workers = min(_WORKERS, n_blocks)

        def walk(worker: int) -> Part:
            part = make()
            for block in range(worker * n_blocks // n_workers, (worker + 1) * n_blocks // n_workers):
                chosen = slice(block * BLOCK_ROWS, (block + 1) * BLOCK_ROWS)
                visit(part, {name: self._columns[name][chosen] for name in names})
            return part

        if n_workers == 1:
            return [walk(0)]
        with threadpool_limits(1), ThreadPoolExecutor(n_workers) as workers:
            return list(workers.map(walk, range(n_workers)))
