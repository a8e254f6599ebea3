"""Rows on Apache Spark: the verbs run where the rows lie, and only small tables and finished parts reach the driver.

Executors need this package, numpy and pyarrow. Rows never pass through the driver, whose memory depends on the
units, the periods and the number of parts, not on the rows.
"""

from __future__ import annotations

import pickle
import uuid
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from liftos_pipeline.causal.engines.opening import Named, open_rows
from liftos_pipeline.causal.engines.rows import BLOCK_ROWS, Block, Part, aggregate_sql, known_values
from liftos_pipeline.causal.engines.spark_session import finished, spark_session
from liftos_pipeline.causal.index import Index
from liftos_pipeline.errors import LiftosError

if TYPE_CHECKING:
    import pyarrow as pa

MOST_PARTS = 64
"""Parts of a walk at most: each is as large as the sums by unit, and all of them meet in the driver."""
_SENT_BYTES = 16 << 20
_ANSWER = "place int, piece int, data binary"
_SOURCE = "panel_rows"
_TYPES = {
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "decimal": "DECIMAL",
    "boolean": "BOOLEAN",
    "string": "VARCHAR",
    "date": "DATE",
    "timestamp_ntz": "TIMESTAMP",
}
"""DuckDB's names of Spark's types; a type that is not here keeps its own name and is refused as a key or number."""


def open_spark(source: Any, named: Named, session: Any = None) -> tuple[SparkRows, Index]:
    """Rows and index of a Spark DataFrame, a table's name, or the path of a Parquet folder.

    Raises
    ------
    LiftosError
        No Spark, no such source or column; a column of the wrong type; a key that is missing.
    """
    spark = spark_session(session)
    frame, shown = _frame(source, spark)
    types = {name: _TYPES.get(kind.split("(")[0], kind) for name, kind in frame.dtypes}

    def make(relation: str, columns: Mapping[str, str]) -> SparkRows:
        return SparkRows(spark, {_SOURCE: frame}, relation, columns)

    return open_rows(_SOURCE, shown, types, named, make)


def _frame(source: Any, spark: Any) -> tuple[Any, str]:
    if hasattr(source, "mapInArrow"):
        return source, "the DataFrame"
    if not isinstance(source, str | Path):
        raise LiftosError(
            "a Spark DataFrame, the name of a table or the path of a Parquet folder",
            type(source).__name__,
            "Pass one of these.",
        )
    is_path = isinstance(source, Path) or "/" in source
    return finished(lambda: spark.read.parquet(str(source)) if is_path else spark.table(source)), str(source)


class SparkRows:
    """One relation on Spark with its columns by role.

    Parameters
    ----------
    session : SparkSession
    tables : mapping of str to DataFrame
        Relations that the SQL names.
    relation : str
        SQL of the relation, in DuckDB's dialect, as it stands behind FROM.
    columns : mapping of str to str
        SQL expression of each role, in the same dialect.
    """

    def __init__(self, session: Any, tables: Mapping[str, Any], relation: str, columns: Mapping[str, str]) -> None:
        self._session = session
        self._relation = relation
        self._columns = dict(columns)
        self._views: dict[str, str] = {}
        for name, frame in tables.items():
            self._show(name, frame)

    def __reduce__(self) -> tuple[type[_LeftBehind], tuple[()]]:
        """What travels to the executors leaves the session behind."""
        return _LeftBehind, ()

    def aggregate(self, keys: Sequence[str], values: Mapping[str, str], join: str = "") -> pa.Table:
        frame = self._query(aggregate_sql(self._relation, self._columns, keys, values, join))
        table = finished(frame.toArrow)
        return table.sort_by([(key, "ascending") for key in keys]) if keys else table

    def head(self, names: Sequence[str], n_rows: int) -> Block:
        chosen = ", ".join(f"{self._columns[name]} AS {name}" for name in names)
        table = finished(self._query(f"SELECT {chosen} FROM {self._relation} LIMIT {n_rows}").toArrow)
        return {name: table.column(name).to_numpy() for name in names}

    def put(self, name: str, table: pa.Table) -> None:
        from pyspark.sql.functions import broadcast

        self._show(name, finished(lambda: broadcast(self._session.createDataFrame(table))))

    def map_blocks(
        self, names: Sequence[str], make: Callable[[], Part], visit: Callable[[Part, Block], None]
    ) -> list[Part]:
        frame, place = self._chosen(names)
        return _walked(frame.coalesce(self._n_parts()), place, make, visit, _blocks)

    def map_units(
        self, names: Sequence[str], make: Callable[[], Part], visit: Callable[[Part, Block], None]
    ) -> list[Part]:
        frame, place = self._chosen(names)
        unit, period = (f"c{place[name]}" for name in ("unit", "period"))
        sorted_frame = frame.repartition(self._n_parts(), unit).sortWithinPartitions(unit, period)
        return _walked(sorted_frame, place, make, visit, _whole_units)

    def _chosen(self, names: Sequence[str]) -> tuple[Any, dict[str, int]]:
        """The roles as columns c0, c1, ..., each expression once, and the number of each role's column."""
        expressions = list(dict.fromkeys(self._columns[name] for name in names))
        place = {name: expressions.index(self._columns[name]) for name in names}
        chosen = ", ".join(f"{expression} AS c{number}" for number, expression in enumerate(expressions))
        return self._query(f"SELECT {chosen} FROM {self._relation}"), place

    def _n_parts(self) -> int:
        from pyspark.errors import PySparkException

        try:
            n_cores = int(self._session.sparkContext.defaultParallelism)
        except PySparkException:  # a remote session does not tell
            n_cores = MOST_PARTS
        return max(1, min(n_cores, MOST_PARTS))

    def _show(self, name: str, frame: Any) -> None:
        view = f"liftos_{uuid.uuid4().hex}"
        frame.createOrReplaceTempView(view)
        weakref.finalize(self, _hide, self._session, view)
        self._views[name] = view

    def _query(self, sql: str) -> Any:
        """The frame of a query in DuckDB's dialect over the relation and the small tables."""
        import sqlglot
        from sqlglot import exp

        tree = sqlglot.parse_one(sql, read="duckdb")
        for table in list(tree.find_all(exp.Table)):
            if table.name in self._views:
                named = exp.to_table(self._views[table.name])
                table.replace(exp.alias_(named, table.alias or table.name, table=True))
        return finished(lambda: self._session.sql(tree.sql(dialect="spark")))


class _LeftBehind:
    """Stands for rows where they cannot be reached."""


def _hide(session: Any, view: str) -> None:
    """Drop a view unless its session has ended before."""
    from contextlib import suppress

    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    with suppress(Py4JError, PySparkException, OSError, AttributeError):
        session.catalog.dropTempView(view)


Cut = Callable[[Iterator["pa.RecordBatch"], Mapping[str, int]], Iterator[Block]]


def _walked(
    frame: Any,
    place: Mapping[str, int],
    make: Callable[[], Part],
    visit: Callable[[Part, Block], None],
    cut: Cut,
) -> list[Part]:
    """Parts of the executors, in the order of the partitions. A refusal there is a refusal here."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from _answer(batches, dict(place), make, visit, cut)

    pieces = finished(lambda: frame.mapInArrow(run, _ANSWER).collect())
    by_place: dict[int, list[tuple[int, bytes]]] = {}
    for row in pieces:
        by_place.setdefault(row["place"], []).append((row["piece"], bytes(row["data"])))
    parts: list[Part] = []
    for number in sorted(by_place):
        part, refusal = pickle.loads(b"".join(data for _, data in sorted(by_place.pop(number))))
        if refusal is not None:
            raise refusal
        parts.append(part)
    return parts or [make()]


def _answer(
    batches: Iterator[pa.RecordBatch],
    place: Mapping[str, int],
    make: Callable[[], Part],
    visit: Callable[[Part, Block], None],
    cut: Cut,
) -> Iterator[pa.RecordBatch]:
    """On an executor: walk over one partition and send its part back in pieces."""
    import pyarrow as pa
    from pyspark import TaskContext
    from threadpoolctl import threadpool_limits

    part, refusal = None, None
    try:
        part = make()
        with threadpool_limits(1):
            for block in cut(batches, place):
                visit(part, block)
    except LiftosError as error:
        part, refusal = None, error
    context = TaskContext.get()
    number = 0 if context is None else context.partitionId()
    answer = pickle.dumps((part, refusal), protocol=5)
    for piece, start in enumerate(range(0, len(answer), _SENT_BYTES)):
        data = answer[start : start + _SENT_BYTES]
        yield pa.RecordBatch.from_pydict(
            {
                "place": pa.array([number], "int32"),
                "piece": pa.array([piece], "int32"),
                "data": pa.array([data], "binary"),
            }
        )


def _blocks(batches: Iterator[pa.RecordBatch], place: Mapping[str, int]) -> Iterator[Block]:
    role = {number: name for name, number in reversed(list(place.items()))}
    for batch in batches:
        for start in range(0, batch.num_rows, BLOCK_ROWS):
            piece = batch.slice(start, BLOCK_ROWS)
            columns = [known_values(column, role[number]) for number, column in enumerate(piece.columns)]
            yield {name: columns[number] for name, number in place.items()}


def _whole_units(batches: Iterator[pa.RecordBatch], place: Mapping[str, int]) -> Iterator[Block]:
    """Blocks cut where a unit ends; rows come sorted by unit."""
    waiting: list[Block] = []
    for block in _blocks(batches, place):
        ends = np.flatnonzero(np.diff(block["unit"])) + 1
        if waiting and waiting[-1]["unit"][-1] != block["unit"][0]:
            ends = np.concatenate([[0], ends])
        if len(ends) and sum(len(entry["unit"]) for entry in waiting) + int(ends[-1]) >= BLOCK_ROWS // 2:
            waiting.append({name: values[: ends[-1]] for name, values in block.items()})
            yield _joined(waiting)
            waiting = []
            block = {name: values[ends[-1] :] for name, values in block.items()}
        waiting.append(block)
    if waiting:
        yield _joined(waiting)


def _joined(blocks: Sequence[Block]) -> Block:
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
