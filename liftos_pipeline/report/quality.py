"""How good the data and the methods are: gates, scores, staleness, certificates, and when what was changed."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

from liftos_pipeline.report.inputs import Record, ReportInput, records
from liftos_pipeline.schema.results import CERTIFICATES, EXTERNAL_FACTORS, GATES, SCORES, TREATMENTS

_LAPSED = ("unexplained", "withdrawn")


def quality(given: ReportInput) -> Record:
    """Gates that failed in full and counts of the others, scores by platform, vintages."""
    gates = given.rows(GATES)
    failed = [row for row in gates if not row["passed"]]
    shown = ("gate", "subject", "severity", "seen", "expected", "way_out")
    scores: dict[str, Record] = {}
    for row in given.rows(SCORES):
        part = {"score": row["score"], "reason": row["reason"]}
        scores.setdefault(str(row["platform"]), {})[str(row["part"])] = part
    return {
        "n_gates": len(gates),
        "n_passed": len(gates) - len(failed),
        "failed": [{name: row[name] for name in shown} for row in sorted(failed, key=_by_severity)],
        "scores": scores,
        "vintages": records(given.vintages),
    }


def staleness(given: ReportInput) -> list[Record]:
    """Macro factors as they were known: value, period, whether the next release is late."""
    names = (
        "factor",
        "series_id",
        "value",
        "unit",
        "observation_date",
        "expected_on",
        "overdue_after",
        "is_stale",
    )
    return [{name: row[name] for name in names} for row in given.rows(EXTERNAL_FACTORS)]


def certificates(given: ReportInput) -> list[Record]:
    names = (
        *("platform", "outcome", "method", "status", "reason", "n_replays", "size", "size_low", "size_high"),
        *("coverage", "coverage_low", "coverage_high", "injected", "detectable", "widening", "windows_until"),
    )
    return [{name: row[name] for name in names} for row in given.rows(CERTIFICATES)]


def timeline(given: ReportInput) -> Record:
    """Starts by channel, kind of change and week; detected breaks that nothing explains are counted apart."""
    rows = given.rows(TREATMENTS)
    real = [row for row in rows if row["standing"] not in _LAPSED]
    starts = Counter((row["platform"], row["treatment_type"], _monday(str(row["started_on"]))) for row in real)
    return {
        "n_treatments": len(real),
        "n_unexplained": sum(row["standing"] == "unexplained" for row in rows),
        "n_logged": sum(row["evidence"] != "detected" for row in real),
        "n_randomized": sum(row["assignment_method"] == "randomized" for row in real),
        "weeks": [
            {"platform": platform, "treatment_type": kind, "week": week, "starts": count}
            for (platform, kind, week), count in sorted(
                starts.items(), key=lambda entry: tuple(map(str, entry[0]))
            )
        ],
    }


def _by_severity(row: Record) -> tuple[bool, str, str]:
    return row["severity"] != "error", str(row["gate"]), str(row["subject"])


def _monday(day: str) -> str:
    start = date.fromisoformat(day)
    return (start - timedelta(days=start.weekday())).isoformat()
