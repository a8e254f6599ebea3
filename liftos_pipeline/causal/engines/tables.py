"""Rows of one relation in DuckDB: a table of a file, a Parquet file, or an Arrow table."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from liftos_pipeline.causal.engines.rows import BLOCK_ROWS, Block, Part, aggregate_sql, known_values

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

MEMORY_LIMIT = "300MB"
_ROW_GROUP = 122_880
_WORKERS = min(4, os.cpu_count() or 1)


class TableRows:
    """One relation in DuckDB with its columns by role.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Held open as long as the rows are used.
    relation : str
        SQL of the relation, as it stands behind FROM.
    columns : mapping of str to str
        SQL expression of each role.
    splits : sequence of str
        Predicates that part the rows without overlap, in order: one worker each.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        relation: str,
        columns: Mapping[str, str],
        splits: Sequence[str] = ("true",),
    ) -> None:
        self._connection = connection
        self._relation = relation
        self._columns = dict(columns)
        self._splits = tuple(splits)
        self._small: dict[str, pa.Table] = {}
        connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")

    def aggregate(self, keys: Sequence[str], values: Mapping[str, str], join: str = "") -> pa.Table:
        ordered = f" ORDER BY {', '.join(keys)}" if keys else ""
        query = aggregate_sql(self._relation, self._columns, keys, values, join) + ordered
        return self._connection.execute(query).to_arrow_table()

    def head(self, names: Sequence[str], n_rows: int) -> Block:
        chosen = ", ".join(f"{self._columns[name]} AS {name}" for name in names)
        table = self._connection.execute(f"SELECT {chosen} FROM {self._relation} LIMIT {n_rows}").to_arrow_table()
        return {name: table.column(name).to_numpy() for name in names}

    def put(self, name: str, table: pa.Table) -> None:
        self._small[name] = table
        self._connection.register(name, table)

    def map_blocks(
        self, names: Sequence[str], make: Callable[[], Part], visit: Callable[[Part, Block], None]
    ) -> list[Part]:
        from threadpoolctl import threadpool_limits

        expressions = list(dict.fromkeys(self._columns[name] for name in names))
        place = {name: expressions.index(self._columns[name]) for name in names}
        first = {number: name for name, number in reversed(place.items())}

        def walk(split: str) -> Part:
            cursor = self._connection.cursor()
            for name, table in self._small.items():
                cursor.register(name, table)
            part = make()
            query = f"SELECT {', '.join(expressions)} FROM {self._relation} WHERE {split}"
            for batch in cursor.sql(query).to_arrow_reader(BLOCK_ROWS):
                columns = [known_values(column, first[number]) for number, column in enumerate(batch.columns)]
                visit(part, {name: columns[number] for name, number in place.items()})
            cursor.close()
            return part

        threads = self._connection.execute("SELECT current_setting('threads')").fetchall()[0][0]
        self._connection.execute(f"SET threads = {1 if len(self._splits) > 1 else threads}")
        try:
            with threadpool_limits(1), ThreadPoolExecutor(len(self._splits)) as workers:
                return list(workers.map(walk, self._splits))
        finally:
            self._connection.execute(f"SET threads = {threads}")


def row_ranges(last_row: int) -> list[str]:
    """Predicates on ``rowid`` that part a native table into one range per worker."""
    n_groups = last_row // _ROW_GROUP + 1
    edges = np.linspace(0, n_groups, min(_WORKERS, n_groups) + 1).round().astype(int) * _ROW_GROUP
    return [f"rowid >= {low} AND rowid < {high}" for low, high in itertools.pairwise(edges)]
