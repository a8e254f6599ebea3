"""Reads single columns of a caller's table: names, types, missing values, keys. What is wrong is said here.

Roles and what they mean together stand in ``panel`` and in the detectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.errors import LiftosError

if TYPE_CHECKING:
    import pyarrow as pa

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Tabular = Union[pd.DataFrame, "pa.Table"]

_SHOWN = 5


@dataclass(frozen=True)
class Keys:
    """A key column: ``codes`` (n,) index into the sorted distinct ``labels``."""

    codes: Integers
    labels: NDArray[Any]


def to_pandas(data: Tabular, names: Sequence[str]) -> pd.DataFrame:
    """The named columns as pandas; decimals of an Arrow table become floats.

    Raises
    ------
    LiftosError
        ``data`` is no table, has no rows, lacks a column or has it twice.
    """
    present = _column_names(data)
    missing = [name for name in names if name not in present]
    if missing:
        raise LiftosError(
            f"the columns {', '.join(names)}",
            f"no {', '.join(missing)} among {', '.join(map(str, present))}",
            "Name columns that the table has.",
        )
    twice = [name for name in names if present.count(name) > 1]
    if twice:
        raise LiftosError("each column once", f"{twice[0]} more than once", "Rename or drop the duplicate column.")
    chosen = list(dict.fromkeys(names))
    frame = data[chosen] if isinstance(data, pd.DataFrame) else _from_arrow(data, chosen)
    if len(frame) == 0:
        raise LiftosError("at least one row", "an empty table", "Check the filter that selects the rows.")
    return frame


def _column_names(data: object) -> list[str]:
    if isinstance(data, pd.DataFrame):
        return list(data.columns)
    names = getattr(data, "column_names", None)
    if names is None:
        raise LiftosError(
            "a pandas DataFrame or a pyarrow Table",
            type(data).__name__,
            "Convert the data first, or use Panel.from_parquet or Panel.from_duckdb.",
        )
    return list(names)


def _from_arrow(table: pa.Table, names: list[str]) -> pd.DataFrame:
    import pyarrow as pa

    chosen = table.select(names)
    fields = [
        pa.field(field.name, pa.float64()) if pa.types.is_decimal(field.type) else field for field in chosen.schema
    ]
    frame: pd.DataFrame = chosen.cast(pa.schema(fields)).to_pandas(date_as_object=False)
    return frame


def numeric(
    frame: pd.DataFrame, name: str, role: str, allow_missing: bool = False, allow_infinite: bool = False
) -> Floats:
    """One column as 64-bit floats, shape (n,). Small integers are widened, so that no sum can overflow.

    Raises
    ------
    LiftosError
        The column is not numeric, or has missing or infinite values that are not allowed.
    """
    column = frame[name]
    if not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)) or (
        pd.api.types.is_complex_dtype(column)
    ):
        raise LiftosError(
            f"a numeric column for {role}", f"{name} of type {column.dtype}", f"Convert {name} to numbers first."
        )
    values: Floats = column.to_numpy(dtype=np.float64, na_value=np.nan)
    n_infinite = int(np.isinf(values).sum())
    n_missing = int(np.isnan(values).sum())
    if (n_infinite and not allow_infinite) or (n_missing and not allow_missing):
        raise LiftosError(
            f"finite values in {role} {name}",
            f"{n_missing} missing and {n_infinite} infinite of {len(values)} rows",
            "Drop these rows, or state what the unknown values are before the call.",
        )
    return values


def keys(frame: pd.DataFrame, name: str, role: str) -> Keys:
    """Codes and sorted labels of a key column: strings, whole numbers or dates.

    Labels are normalised (64-bit integers, microsecond instants, text), so that the same key is the same label
    whichever table library it came from. Instants with a zone become UTC, unless all are midnights there: those are
    days, which a change to summer time would else shift by an hour.

    Raises
    ------
    LiftosError
        Missing keys, or keys of another or of mixed type.
    """
    column = frame[name]
    n_missing = int(column.isna().sum())
    if n_missing:
        raise LiftosError(
            f"a {role} in every row",
            f"{n_missing} of {len(column)} rows without {name}",
            "Drop these rows or fill the key.",
        )
    codes, labels = pd.factorize(_normalised(column, name, role), sort=True)
    return Keys(codes.astype(np.int64), np.asarray(labels))


def _normalised(column: pd.Series, name: str, role: str) -> NDArray[Any]:
    kind = pd.api.types.infer_dtype(column, skipna=False)
    if isinstance(column.dtype, pd.CategoricalDtype):
        kind = pd.api.types.infer_dtype(column.astype(object), skipna=False)
    if kind in ("integer", "boolean"):
        _refuse_long(column, name, role)
        return np.asarray(column, dtype=np.int64)
    if kind in ("datetime64", "datetime", "date"):
        instants = column if pd.api.types.is_datetime64_any_dtype(column.dtype) else pd.to_datetime(column)
        if instants.dt.tz is not None:
            is_days = bool((instants.dt.normalize() == instants).all())
            instants = (
                instants.dt.tz_localize(None) if is_days else instants.dt.tz_convert("UTC").dt.tz_localize(None)
            )
        return np.asarray(instants, dtype="datetime64[us]")
    if kind == "string":
        return np.asarray(column, dtype=object)
    if kind == "floating":
        values = np.asarray(column, dtype=np.float64)
        if np.all(values == np.rint(values)) and np.all(np.abs(values) < 2**53):
            return values.astype(np.int64)
    raise LiftosError(
        f"text, whole numbers or dates as {role}",
        f"{name} holds {kind} values",
        f"Convert {name} to one key type.",
    )


def _refuse_long(column: pd.Series, name: str, role: str) -> None:
    """Whole numbers of more than 64 bits: two of them could become one key."""
    if column.dtype == object or str(column.dtype).lower() == "uint64":
        largest = max(abs(int(column.max())), abs(int(column.min())))
        if largest >= 2**63:
            raise LiftosError(
                f"whole numbers below 2^63 as {role}", f"{largest} in {name}", f"Write {name} as text."
            )


def shown(values: NDArray[Any]) -> str:
    """The first few values for an error message."""
    text = ", ".join(str(value) for value in values[:_SHOWN])
    return f"{text}, ..." if len(values) > _SHOWN else text
