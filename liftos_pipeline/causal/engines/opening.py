"""Reads a relation by role on whatever engine it lies: checks, codes of units and periods, and the index.

The SQL is in DuckDB's dialect, as that of the verbs. Connections and formats belong to the engines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.columns import keys
from liftos_pipeline.causal.engines.reading import quoted, require_columns
from liftos_pipeline.causal.engines.rows import Rows, RowsT
from liftos_pipeline.causal.index import NEVER, Index
from liftos_pipeline.errors import LiftosError

if TYPE_CHECKING:
    import pyarrow as pa

_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT")
_KEYS = (*_WHOLE, "VARCHAR", "DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "BOOLEAN", "ENUM")
_NUMBERS = (*_WHOLE, "FLOAT", "DOUBLE", "DECIMAL", "BOOLEAN")
_BOUNDED = (
    ("weight", "weight <= 0", "positive weights"),
    ("propensity", "propensity <= 0 OR propensity >= 1", "propensity scores strictly between 0 and 1"),
)
_TREATMENT = {
    "n_rows": "count(*)",
    "treated_rows": "count(*) FILTER (treated <> 0)",
    "first_treated": "min(period) FILTER (treated <> 0)",
    "last_untreated": "max(period) FILTER (treated = 0)",
}
_ALL_ROWS = {
    "n_rows": "count(*)",
    "n_known": "count(treated)",
    "n_other": "count(*) FILTER (treated NOT IN (0, 1))",
}


@dataclass(frozen=True)
class Named:
    """Columns behind the roles of a panel; ``numbers`` maps roles such as ``y`` or ``x0`` to columns."""

    unit: str
    period: str | None
    cluster: str | None
    numbers: Mapping[str, str]

    def all(self) -> tuple[str, ...]:
        keys = (self.unit, self.period, self.cluster)
        return (*(name for name in keys if name is not None), *self.numbers.values())


def open_rows(
    source: str,
    shown: str,
    types: Mapping[str, str],
    named: Named,
    make: Callable[[str, Mapping[str, str]], RowsT],
) -> tuple[RowsT, Index]:
    """Rows and index of a relation.

    Parameters
    ----------
    source, shown : str
        SQL of the relation, and its name in messages.
    types : mapping of str to str
        DuckDB's type of each column.
    make : callable
        (relation, SQL expression by role) -> the engine's rows.

    Raises
    ------
    LiftosError
        No such column, a column of the wrong type, a key or a treatment that is missing, weights or scores out of range.
    """
    require_columns(shown, named.all(), list(types))
    for role, name in named.numbers.items():
        if types[name] not in _NUMBERS:
            raise LiftosError(
                f"a numeric column for {role}",
                f"{name} of type {types[name]}",
                f"Convert {name} to numbers first.",
            )
    treatment = named.numbers["d"]
    treated = quoted(treatment) if types[treatment] in _WHOLE else f"CAST({quoted(treatment)} AS DOUBLE)"
    raw = {"unit": _key(named.unit, types), "treated": treated}
    raw["period"] = "0" if named.period is None else _key(named.period, types)
    raw["cluster"] = raw["unit"] if named.cluster is None else _key(named.cluster, types)
    plain = make(source, raw)
    clusters = {} if named.cluster is None else {"low": "min(cluster)", "high": "max(cluster)"}
    found = {"unit": plain.aggregate(["unit"], {**_TREATMENT, **clusters})}
    found["period"] = plain.aggregate(["period"], {"n_rows": "count(*)", **clusters})
    found["cluster"] = found["unit"] if named.cluster is None else plain.aggregate(["cluster"], {})
    for role, table in found.items():
        _refuse_missing(table, role)
    whole = {name: int(n[0]) for name, n in plain.aggregate([], _ALL_ROWS).to_pydict().items()}
    if whole["n_known"] < whole["n_rows"]:
        raise LiftosError(
            "a value of d in every row",
            f"{whole['n_rows'] - whole['n_known']} of {whole['n_rows']} rows without {treatment}",
            "Drop these rows, or state what the unknown values are before the call.",
        )
    joins, columns = [f"{source} AS s"], {}
    small: dict[str, pa.Table] = {}
    for role in ("unit", "period") if named.cluster is None else tuple(found):
        columns[role] = _code(role, raw[role], found[role], joins, small)
    columns.setdefault("cluster", columns["unit"])
    columns |= {role: f"CAST({quoted(name)} AS DOUBLE)" for role, name in named.numbers.items()}
    rows = make(" ".join(joins), columns)
    for name, table in small.items():
        rows.put(name, table)
    _refuse_outside(rows, named)
    return rows, _index(found, named.cluster is not None, is_binary=whole["n_other"] == 0)


def _key(name: str, types: Mapping[str, str]) -> str:
    kind = types[name]
    if kind not in _KEYS:
        raise LiftosError(
            "text, whole numbers or dates as keys", f"{name} of type {kind}", f"Convert {name} to one key type."
        )
    column = f"{quoted(name)}"
    if kind in ("ENUM", "BOOLEAN"):
        return f"CAST({column} AS {'VARCHAR' if kind == 'ENUM' else 'INTEGER'})"
    return column


def _refuse_missing(table: pa.Table, role: str) -> None:
    if len(table) == 0:
        raise LiftosError("at least one row", "an empty table", "Check the filter that selects the rows.")
    if table.column(role if role in table.column_names else "unit").null_count:
        raise LiftosError(f"a {role} in every row", "rows without", "Drop these rows or fill the key.")


def _refuse_outside(rows: Rows, named: Named) -> None:
    """Refuse weights that are not positive and scores outside (0, 1)."""
    for role, outside, expected in _BOUNDED:
        if role in named.numbers:
            counts = rows.aggregate([], {"n_outside": f"count(*) FILTER ({outside})", "n_rows": "count(*)"})
            n_outside, n_rows = (counts.column(name)[0].as_py() for name in ("n_outside", "n_rows"))
            if n_outside:
                raise LiftosError(
                    f"{expected} in {named.numbers[role]}",
                    f"{n_outside} of {n_rows} rows outside",
                    "Drop or trim these rows: they cannot be weighted.",
                )


def _index(found: Mapping[str, pa.Table], has_clusters: bool, is_binary: bool) -> Index:
    by_unit, by_period = found["unit"], found["period"]
    unit_labels = _normal(by_unit.column("unit"), "unit")
    periods = by_period.column("period")
    unit_cluster: NDArray[np.int64] | None = np.arange(len(unit_labels))
    cluster_labels, periods_hold = unit_labels, len(unit_labels) == 1
    if has_clusters:
        clusters = found["cluster"].column("cluster")
        cluster_labels = _normal(clusters, "cluster")
        is_one = by_unit.column("low").equals(by_unit.column("high"))
        unit_cluster = _places(by_unit.column("low"), clusters, -1) if is_one else None
        periods_hold = by_period.column("low").equals(by_period.column("high"))
    return Index(
        unit_labels=unit_labels,
        period_labels=_normal(periods, "period"),
        unit_rows=by_unit.column("n_rows").to_numpy(),
        period_rows=by_period.column("n_rows").to_numpy(),
        treated_rows=by_unit.column("treated_rows").to_numpy(),
        first_treated=_places(by_unit.column("first_treated"), periods, NEVER),
        last_untreated=_places(by_unit.column("last_untreated"), periods, -1),
        unit_cluster=unit_cluster,
        cluster_labels=cluster_labels,
        periods_hold_clusters=periods_hold,
        is_binary=is_binary,
    )


def _normal(column: pa.ChunkedArray, role: str) -> NDArray[Any]:
    """Labels as a panel in memory has them."""
    return keys(pd.DataFrame({role: column.to_pandas()}), role, role).labels


def _places(values: pa.ChunkedArray, labels: pa.ChunkedArray, absent: int) -> NDArray[np.int64]:
    """Position of each value among the labels; ``absent`` for NULL."""
    import pyarrow.compute as pc

    found: NDArray[np.int64] = pc.fill_null(pc.cast(pc.index_in(values, labels), "int64"), absent).to_numpy()
    return found


def _code(role: str, expression: str, labels: pa.Table, joins: list[str], small: dict[str, pa.Table]) -> str:
    """SQL of the code: arithmetic for whole numbers without a gap, a join with the labels otherwise."""
    import pyarrow as pa

    column = labels.column(role if role in labels.column_names else "unit")
    if pa.types.is_integer(column.type):
        low, high = column[0].as_py(), column[len(column) - 1].as_py()
        if high - low + 1 == len(column):
            return f"CAST({expression} - ({low}) AS BIGINT)"
    name, label, code = (f"panel_{part}_{role}" for part in ("labels", "label", "code"))
    small[name] = pa.table({label: column, code: np.arange(len(column))})
    joins.append(f"JOIN {name} ON {label} = {expression}")
    return code
