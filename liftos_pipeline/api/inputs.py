"""From a request to a panel: which column plays which part, by what was named and else by rule. Estimates nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd

from liftos_pipeline.api import quality
from liftos_pipeline.api.models import DataIn
from liftos_pipeline.api.problems import wrong_field
from liftos_pipeline.api.quality import DataQuality
from liftos_pipeline.api.records import from_records
from liftos_pipeline.api.tables import from_table
from liftos_pipeline.causal import Panel
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.warehouse.public import PublicDatabase

_ROW = "row"
_SCALARS = (str, int, float, bool, type(None), date)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A panel, how good its data are, and what a reader of the answer must know of how it came about."""

    panel: Panel
    quality: DataQuality
    notes: tuple[str, ...] = ()


def prepare(request: DataIn, database: PublicDatabase, method: str) -> Prepared:
    """Panel of what a request names.

    Parameters
    ----------
    method : str
        Estimator; it decides what records mean where nothing is named.

    Raises
    ------
    Problem
        Not one of records, rows and table; a field that is not as it must be.
    LiftosError
        Data that make no panel, such as one arm alone.
    """
    given = [name for name in ("records", "rows", "table") if getattr(request, name) is not None]
    if len(given) != 1:
        raise wrong_field(
            "body", f"one of records, rows and table is needed; found {' and '.join(given) or 'none'}"
        )
    if request.records is not None:
        built = from_records(request.records, request, method)
        return Prepared(_panel(built.frame, built.roles), quality.of_sent(built.parts), built.notes)
    if request.table is not None:
        read = from_table(request, database)
        found = (
            read.panel if read.panel is not None else _panel(read.frame, _roles(request, read.frame, read.named))
        )
        return Prepared(found, quality.of_published(database, read.platforms))
    return _from_rows(request.rows or [], request)


def _from_rows(rows: list[dict[str, object]], request: DataIn) -> Prepared:
    frame = pd.DataFrame(rows)
    roles = _roles(request, frame, {})
    for role in ("period", "unit", "cluster"):
        if roles[role] in frame:
            frame[roles[role]] = _dates(frame[roles[role]])
    panel = _panel(frame, roles)
    cells = [roles["outcome"], *roles["covariates"], *roles["instruments"]]
    parts = {"completeness": quality.completeness(frame, cells)}
    observed = quality.density(frame, roles["unit"], roles["period"])
    return Prepared(
        panel, quality.of_sent(parts if observed is None else {**parts, "temporal_consistency": observed})
    )


def _roles(request: DataIn, frame: pd.DataFrame, named: Mapping[str, str]) -> dict:
    """Columns by role: as named, else as the table has them, else each row is a unit."""
    roles = {
        name: getattr(request, name) or named.get(name) for name in ("outcome", "treatment", "unit", "period")
    }
    for name in ("outcome", "treatment"):
        if roles[name] is None:
            listed = ", ".join(str(column) for column in list(frame)[:30]) or "no column"
            raise wrong_field(name, f"name the column of the {name}; there are {listed}")
    if roles["unit"] is None:
        if roles["period"] is not None:
            raise wrong_field("unit", "name the column of the unit, where a period is named")
        roles["unit"] = _ROW
        frame[_ROW] = range(len(frame))
    columns = {
        **roles,
        "covariates": list(request.covariates or ()),
        "instruments": list(request.instruments),
        "weights": request.weights,
        "cluster": request.cluster,
    }
    _refuse_nested(frame, [name for role in columns.values() for name in _as_list(role)])
    return columns


def _as_list(role: str | list[str] | None) -> Sequence[str]:
    return [role] if isinstance(role, str) else role or []


def _refuse_nested(frame: pd.DataFrame, columns: list[str]) -> None:
    for name in dict.fromkeys(columns):
        if name in frame and frame[name].dtype == object:
            other = {type(value) for value in frame[name]} - set(_SCALARS)
            if other and not all(issubclass(kind, _SCALARS) for kind in other):
                raise wrong_field(f"rows.{name}", "numbers, text or null; found lists or objects")


def _dates(column: pd.Series) -> pd.Series:
    """Text that is dates throughout as dates."""
    if column.dtype != object or not all(isinstance(value, str) for value in column):
        return column
    try:
        found = pd.to_datetime(column, format="ISO8601", errors="coerce", utc=True)
    except (ValueError, OverflowError):
        return column
    return column if found.isna().any() else found.dt.tz_localize(None)


def _panel(frame: pd.DataFrame, roles: Mapping) -> Panel:
    if len(frame) == 0:
        raise LiftosError("rows", "none", "Send rows of treated and untreated units.")
    return Panel.from_frame(frame, **roles)
