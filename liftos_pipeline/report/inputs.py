"""What a report is made of: rows of result tables as of one day, and of the day before it that has results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

import pandas as pd

from liftos_pipeline.schema import Table
from liftos_pipeline.schema.results import (
    ADJUSTMENT_SETS,
    ATTRIBUTION,
    CERTIFICATES,
    EFFECT_ESTIMATES,
    EFFECT_PATHS,
    EXTERNAL_FACTORS,
    GATES,
    PLACEBOS,
    SCORES,
    TREATMENTS,
    VERDICTS,
)

TABLES: tuple[Table, ...] = (
    ATTRIBUTION,
    VERDICTS,
    EFFECT_ESTIMATES,
    EFFECT_PATHS,
    CERTIFICATES,
    TREATMENTS,
    GATES,
    PLACEBOS,
    SCORES,
    EXTERNAL_FACTORS,
    ADJUSTMENT_SETS,
)
EARLIER_TABLES: tuple[Table, ...] = (ATTRIBUTION, VERDICTS)
Record = dict[str, object]


@dataclass(frozen=True)
class Earlier:
    """The last as-of day before: ``tables`` are ``EARLIER_TABLES``, ``given`` is of ``causal.effect_history``."""

    as_of: date
    tables: Mapping[str, pd.DataFrame]
    given: pd.DataFrame


@dataclass(frozen=True)
class ReportInput:
    """``tables``: ``TABLES`` by full name. ``given``: of ``causal.effect_history``. ``vintages``: platform, vintage, n_rows.
    ``truth``: of simulated homes, else None. ``settings``: those behind the results."""

    as_of: date
    source_mode: str
    tables: Mapping[str, pd.DataFrame]
    given: pd.DataFrame
    vintages: pd.DataFrame
    settings: Mapping[str, object] = field(default_factory=dict)
    earlier: Earlier | None = None
    truth: pd.DataFrame | None = None

    @property
    def is_simulated(self) -> bool:
        return self.source_mode != "live"

    def rows(self, table: Table) -> list[Record]:
        """Rows of a table; what is not known is None."""
        return records(self.tables[table.full_name])


def records(frame: pd.DataFrame) -> list[Record]:
    """Rows as dictionaries of plain values: None for what is not known, days as text."""
    return [{str(name): _plain(value) for name, value in row.items()} for row in frame.to_dict("records")]


def _plain(value: object) -> object:
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return None
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == datetime.min.time() else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value
