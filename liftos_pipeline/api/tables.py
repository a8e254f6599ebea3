"""Rows of published tables: which may be read, how they are chosen, and what their columns are by default."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from liftos_pipeline.api.models import DataIn
from liftos_pipeline.api.problems import wrong_field
from liftos_pipeline.causal import Panel
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.schema import TREATMENT_TYPES
from liftos_pipeline.schema.results import CAUSAL_MARKETING_DATA, TREATMENTS
from liftos_pipeline.stages.analysis import to_panel
from liftos_pipeline.stages.roles import PRIMARY_OUTCOMES, SECONDARY_OUTCOMES
from liftos_pipeline.warehouse.public import PublicDatabase

MARKETING_PANEL = "mart.marketing_panel"
AD_PERFORMANCE = "mart.ad_performance_daily"
TABLES = (MARKETING_PANEL, AD_PERFORMANCE, CAUSAL_MARKETING_DATA.full_name)
MAX_ROWS = 1_000_000
_LANDMARKED = (*PRIMARY_OUTCOMES, *SECONDARY_OUTCOMES)
_NAMED = {
    MARKETING_PANEL: {"unit": "unit_id", "period": "date_day"},
    AD_PERFORMANCE: {"unit": "campaign_id", "period": "date_day"},
    CAUSAL_MARKETING_DATA.full_name: {"treatment": "is_treated", "unit": "unit_id", "period": "window_start"},
}
_AS_OF = "as_of"


@dataclass(frozen=True, eq=False)
class Read:
    """Rows, or the panel where the table has one way to be read; default columns by role; platforms in the rows."""

    frame: pd.DataFrame
    platforms: tuple[str, ...]
    named: dict[str, str] = field(default_factory=dict)
    panel: Panel | None = None


def from_table(request: DataIn, database: PublicDatabase) -> Read:
    """The chosen rows of an allowed table.

    Of ``causal.causal_marketing_data``, an outcome by its role (``count``, ``value``, ...) is what the pipeline's own
    analyses read: the mean after the start minus the mean before, with all admissible covariates. In
    ``mart.marketing_panel`` a treatment type as treatment is 1 from the unit's first such treatment on.

    Raises
    ------
    Problem
        A table that may not be read, a filter on no column of it.
    LiftosError
        No rows, or too many.
    """
    table = str(request.table)
    if table not in TABLES:
        raise wrong_field("table", f"one of {', '.join(TABLES)}")
    frame = _rows(request, table, database)
    platforms = tuple(sorted(set(frame["platform"].astype(str)))) if "platform" in frame else ()
    if table == CAUSAL_MARKETING_DATA.full_name and (request.outcome or _LANDMARKED[0]) in _LANDMARKED:
        return Read(frame, platforms, panel=_landmarked(frame, request.outcome or _LANDMARKED[0]))
    named = dict(_NAMED[table])
    if table == MARKETING_PANEL and request.treatment in TREATMENT_TYPES:
        frame[request.treatment] = _treated(frame, request.treatment, database)
    return Read(frame, platforms, named)


def _rows(request: DataIn, table: str, database: PublicDatabase) -> pd.DataFrame:
    columns = database.columns(table)
    if not columns:
        raise LiftosError(f"the table {table}", "none in the home yet", "Build it with liftos run.")
    conditions, parameters = [], {}
    filters = dict(request.filters)
    if _AS_OF in columns and _AS_OF not in filters:
        newest = database.newest(table)
        filters[_AS_OF] = None if newest is None else str(newest)
    for number, (name, wanted) in enumerate(filters.items()):
        if name not in columns:
            raise wrong_field(f"filters.{name}"[:300], f"a column of {table}: {', '.join(columns)}")
        values = wanted if isinstance(wanted, list) else [wanted]
        parameters[f"p{number}"] = [_text(value) for value in values]
        conditions.append(f'CAST("{name}" AS VARCHAR) IN $p{number}')
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    order = ", ".join(f'"{name}"' for name in _NAMED[table].values() if name in columns)
    found = database.frame(
        f"SELECT * FROM {{home}}.{table} {where} ORDER BY {order} LIMIT {MAX_ROWS + 1}", parameters
    )
    if len(found) == 0:
        raise LiftosError(
            f"rows of {table}", "none that match", "Widen the filters; GET /api/v1/runs lists the days."
        )
    if len(found) > MAX_ROWS:
        raise LiftosError(f"at most {MAX_ROWS:,} rows", "more", "Narrow the filters.")
    return found


def _text(value: object) -> str | None:
    """As DuckDB writes it."""
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _landmarked(frame: pd.DataFrame, outcome: str) -> Panel:
    analyses = frame[["platform", "treatment_type", "design"]].drop_duplicates()
    if len(analyses) > 1:
        listed = "; ".join(", ".join(map(str, row)) for row in analyses.itertuples(index=False))
        raise wrong_field("filters", f"choose one platform, treatment_type and design among: {listed}")
    known = frame[[f"{outcome}_{when}" for when in ("before", "after", "trend")]].notna().all(axis=1)
    if not known.any():
        raise LiftosError(f"rows that know {outcome}", "none", "Choose an outcome that the platform has.")
    return to_panel(frame[known].reset_index(drop=True), outcome)


def _treated(frame: pd.DataFrame, treatment_type: str, database: PublicDatabase) -> pd.Series:
    """1 from the first standing treatment of the unit on."""
    table = TREATMENTS.full_name
    found = database.frame(
        f"SELECT unit_id, min(started_on) AS started_on FROM {{home}}.{table} WHERE treatment_type = $type "
        f"AND standing IN ('current', 'lapsed') AND as_of = (SELECT max(as_of) FROM {{home}}.{table}) GROUP BY unit_id",
        {"type": treatment_type},
    )
    starts = frame["unit_id"].map(dict(zip(found["unit_id"], pd.to_datetime(found["started_on"]), strict=True)))
    return (pd.to_datetime(frame["date_day"]) >= pd.to_datetime(starts)).astype(float)
