"""The report for machines: one JSON object, and the attribution table as CSV."""

from __future__ import annotations

import json

from liftos_pipeline.report.answers import analysis_key
from liftos_pipeline.report.inputs import Record, ReportInput
from liftos_pipeline.schema.results import ATTRIBUTION, VERDICTS

_JUDGED = ("tier", "verdict", "direction", "decision", "net_return", "net_low", "net_high", "reasons")


def as_json(report: Record) -> str:
    """One object; None where something is not known, never NaN."""
    return json.dumps(report, allow_nan=False, ensure_ascii=False)


def as_csv(given: ReportInput) -> str:
    """``causal.attribution`` of the day with tier, verdict, direction and decision; empty where not known."""
    import pandas as pd

    verdicts = {(*analysis_key(row), row["outcome"]): row for row in given.rows(VERDICTS)}
    rows = [
        {**row, **{name: verdicts.get((*analysis_key(row), row["outcome"]), {}).get(name) for name in _JUDGED}}
        for row in given.rows(ATTRIBUTION)
    ]
    columns = [*(column.name for column in ATTRIBUTION.columns), *_JUDGED]
    return pd.DataFrame(rows, columns=columns, dtype=object).to_csv(index=False, lineterminator="\n")
