"""From parsed rows to typed Arrow columns: lists in, one strict cast per column out. No platform is known here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from liftos_pipeline.schema import Drift, Rejected, Table, source_columns
from liftos_pipeline.sources.pull import Pull, Row

_NOTHING: Row = {}
_REFUSED = (pa.ArrowException, OverflowError)
LARGEST = 1e12
"""No amount or count of one row and day is larger."""
_INSTANT = pa.timestamp("us", "UTC")
_KINDS = {
    pa.string(): "text",
    pa.int64(): "a whole number",
    pa.int32(): "a whole number",
    pa.float64(): "a finite number",
    pa.bool_(): "true or false",
    pa.date32(): "a date (YYYY-MM-DD)",
    pa.timestamp("us"): "an instant (ISO 8601 with offset, or seconds)",
    pa.decimal128(18, 6): "an amount",
}


class Columns:
    """Columns of one table over the rows of a pull.

    Parameters
    ----------
    table : Table
        Gives each column's type and whether it may be NULL.
    pull : Pull
        For the page that an error names.
    account_id : str
        Written to every row.
    count : int
        Number of rows.
    """

    def __init__(self, table: Table, pull: Pull, account_id: str, count: int) -> None:
        self._schema = table.arrow(source_columns(table))
        self._pull = pull
        self._count = count
        self._table = table
        self._reasons: dict[int, list[str]] = {}
        self._arrays: dict[str, pa.Array] = {"account_id": pa.repeat(pa.scalar(account_id), count)}

    def put(
        self,
        column: str,
        values: Sequence[object],
        field: str | None = None,
        minimum: float | None = None,
        *,
        largest: float = LARGEST,
        required: bool = False,
        known: frozenset[str] | None = None,
    ) -> pa.Array:
        """Cast and keep one column; ``field`` is what the platform calls it.

        A number of a daily table that cannot be true (not finite; below ``minimum`` or above ``largest`` where a minimum is
        given) is rejected: it becomes NULL, and the row goes to quarantine as it came. A text that is not among the ``known``
        ones is kept and remembered as drift.

        Raises
        ------
        MalformedPage
            A value is not of the column's kind, or is missing where one is required.
        """
        name = field or column
        array = self._cast(values, self._schema.field(column).type, name)
        if required and None in values:
            raise self._pull.malformed(name, None, "a value", values.index(None))
        if minimum is not None and array.null_count < len(array):
            bounds = pc.min_max(array).as_py()
            if bounds["min"] < minimum or bounds["max"] > largest:
                is_bad = pc.fill_null(pc.or_(pc.less(array, minimum), pc.greater(array, largest)), False)
                if self._table.day is None:
                    row = pc.index(is_bad, True).as_py()
                    raise self._pull.malformed(
                        name, values[row], f"at least {minimum:g}, at most {largest:g}", row
                    )
                array = self._reject(array, is_bad, f"{name} outside {minimum:g} to {largest:g}")
        if known is not None:
            self._pull.drift.update(
                Drift("value", f"{name}={value}")
                for value in pc.unique(array).to_pylist()
                if value not in {None, *known}
            )
        self.keep(column, array, name)
        return array

    def at_most(self, column: str, other: str) -> None:
        """Reject both of two kept counts where the first is larger than the second."""
        first, second = self._arrays[column], self._arrays[other]
        is_bad = pc.fill_null(pc.greater(first, second), False)
        if pc.any(is_bad).as_py():
            for name in (column, other):
                self._arrays[name] = self._reject(self._arrays[name], is_bad, f"{column} above {other}")

    def _reject(self, array: pa.Array, is_bad: pa.Array, reason: str) -> pa.Array:
        for row in np.flatnonzero(is_bad.to_numpy(zero_copy_only=False)).tolist():
            self._note(row, reason)
        return pc.if_else(is_bad, pa.scalar(None, array.type), array)

    def _note(self, row: int, reason: str) -> None:
        reasons = self._reasons.setdefault(row, [])
        if reason not in reasons:
            reasons.append(reason)

    def keep(self, column: str, array: pa.Array, field: str | None = None) -> None:
        """Keep a column that is typed already."""
        if array.null_count and not self._schema.field(column).nullable:
            row = pc.index(pc.is_null(array), True).as_py()
            raise self._pull.malformed(field or column, None, "a value", row)
        self._arrays[column] = array

    def finish(self, extra: Sequence[str | None] | None = None) -> pa.Table:
        """The table; ``extra`` is JSON of the fields that no column holds."""
        values = extra if extra is not None else [None] * self._count
        self._arrays["extra"] = pa.array(values, pa.string())
        for text in dict.fromkeys(values):
            if text is not None:
                self._pull.drift.update(Drift("field", name) for name in orjson.loads(text))
        self._pull.rejected += [self._rejected(row) for row in sorted(self._reasons)]
        return pa.Table.from_arrays([self._arrays[name] for name in self._schema.names], schema=self._schema)

    def _rejected(self, row: int) -> Rejected:
        day = self._arrays[self._table.day][row].as_py() if self._table.day else None
        return Rejected(day, "; ".join(self._reasons[row]), json_text(self._pull.rows[row]))

    def _cast(self, values: Sequence[object], kind: pa.DataType, field: str) -> pa.Array:
        try:
            return convert(values, kind)
        except _REFUSED:
            pass
        singles = []
        for row, value in enumerate(values):
            try:
                singles.append(convert([value], kind))
            except _REFUSED as error:
                if self._table.day is None or not (_is_number(kind) and _is_beyond_bounds(value)):
                    raise self._pull.malformed(field, value, _KINDS[kind], row) from error
                self._note(row, f"{field} is {value}")
                singles.append(pa.nulls(1, kind))
        return pa.concat_arrays(singles)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _is_beyond_bounds(value: object) -> bool:
    """NaN, an infinity, or a number beyond ``LARGEST``, as text or as a number."""
    if type(value) not in (str, int, float):
        return False
    try:
        return not abs(float(value)) <= LARGEST  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        return False


def convert(values: Sequence[object], kind: pa.DataType) -> pa.Array:
    """Strict cast: strings of numbers are read, anything that would lose or invent something is refused.

    Raises
    ------
    pyarrow.ArrowException, OverflowError
    """
    if pa.types.is_string(kind):
        return _text(values)
    found = pa.array(values)
    if pa.types.is_null(found.type):
        return pa.nulls(len(found), kind)
    if pa.types.is_boolean(found.type) != pa.types.is_boolean(kind):
        raise pa.ArrowInvalid(f"{found.type} is not {kind}")
    if pa.types.is_timestamp(kind):
        return _instants(found)
    if pa.types.is_decimal(kind):
        return _amounts(found, kind)
    cast = pc.cast(found, kind)
    if pa.types.is_floating(kind) and not pc.all(pc.is_finite(cast)).as_py() and cast.null_count < len(cast):
        raise pa.ArrowInvalid("not finite")
    return cast


def _text(values: Sequence[object]) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except pa.ArrowException:
        if all(value is None or type(value) in (str, int) for value in values):
            return pa.array([None if value is None else str(value) for value in values], pa.string())
        raise


def _instants(found: pa.Array) -> pa.Array:
    if pa.types.is_integer(found.type):
        found = pc.multiply(pc.cast(found, pa.int64()), 1_000_000)
    return pc.cast(pc.cast(found, _INSTANT), pa.timestamp("us"))


def _amounts(found: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_integer(found.type):
        return pc.cast(pc.cast(found, pa.decimal128(25, 6)), kind)
    try:
        return pc.cast(found, kind)
    except pa.ArrowInvalid:
        if not pa.types.is_string(found.type):
            raise
        return pc.cast(pc.round(pc.cast(found, pa.decimal128(38, 20)), ndigits=6), kind)


def part(rows: Sequence[Row], name: str, pull: Pull) -> list[Row]:
    """The object under one name of every row; empty where it is absent.

    Raises
    ------
    MalformedPage
        It is something else than an object.
    """
    found = [row.get(name) or _NOTHING for row in rows]
    for position, value in enumerate(found):
        if type(value) is not dict:
            raise pull.malformed(name, value, "an object", position)
    return found  # type: ignore[return-value]


def extras(parts: Iterable[tuple[str, Sequence[Row], frozenset[str]]], count: int) -> list[str | None]:
    """JSON of each row's members that are not in the known set of their part; None where there are none."""
    unknown: list[Row | None] = [None] * count
    for prefix, rows, known in parts:
        for position, row in enumerate(rows):
            if not row.keys() <= known:
                found = {f"{prefix}{name}": row[name] for name in row.keys() - known}
                unknown[position] = {**(unknown[position] or {}), **found}
    return [None if entry is None else json_text(entry) for entry in unknown]


def json_text(value: object) -> str:
    """JSON with sorted keys."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
