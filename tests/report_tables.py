"""Small result tables for reports: three kinds of change on Meta, told, told by direction and refused."""

from __future__ import annotations

import json
from datetime import date

import pandas as pd

from liftos_pipeline.report.inputs import EARLIER_TABLES, TABLES, Earlier, ReportInput
from liftos_pipeline.schema import Table
from liftos_pipeline.schema.results import (
    ATTRIBUTION,
    CERTIFICATES,
    EFFECT_ESTIMATES,
    EFFECT_HISTORY,
    EFFECT_PATHS,
    EXTERNAL_FACTORS,
    GATES,
    PLACEBOS,
    SCORES,
    TREATMENTS,
    VERDICTS,
)

AS_OF, BEFORE = date(2026, 6, 30), date(2026, 6, 29)
UNSAFE = "<script>alert(1)</script> & co"
_COMMON = {"as_of": AS_OF, "run_id": "run-1", "code_version": "1.0", "seed": 0, "source_mode": "simulated"}
_SALES = {"label": "effect_on_reported", "method": "doubly_robust", "level": 0.95, "unit_id": "all"}


def frame(table: Table, *rows: dict) -> pd.DataFrame:
    """Rows of a table; columns that are not given are unknown."""
    return pd.DataFrame([{**_COMMON, **row} for row in rows], columns=[column.name for column in table.columns])


def analysis(kind: str, outcome: str = "conversions_reported", platform: str = "meta") -> dict:
    return {"platform": platform, "treatment_type": kind, "design": "landmarked", "outcome": outcome}


def attribution(**budget: object) -> pd.DataFrame:
    """A told budget change with its value, a direction and a refusal. ``budget`` overrides the first row."""
    days = {"scope": "treatment", "treated_units": 60, "treated_unit_days": 1680, **_SALES}
    told = {"reported": 9500.0, "reported_change": 1421.0, "incremental": 1618.0}
    limits = {"incremental_low": 1048.0, "incremental_high": 2187.0, "incremental_spend": 70000.0}
    returns = {
        "marginal_iroas": 0.7,
        "marginal_iroas_low": 0.4,
        "marginal_iroas_high": 0.95,
        "wasted_spend": 70000.0,
    }
    other = {"reported": 700.0, "reported_change": -20.0, "refused": "see verdict"}
    channel = {**analysis("all"), **days, "design": "all", "scope": "channel", "refused": "2 of 3 are left out"}
    return frame(
        ATTRIBUTION,
        {**analysis("budget_change"), **days, **told, **limits, **budget},
        {**analysis("budget_change", "revenue_reported"), **days, **told, **limits, **returns},
        {**analysis("targeting_change"), **days, **other},
        {**analysis("creative_change"), **days, **other},
        {**channel, **told, **limits},
        {**channel, **told, **limits, **returns, "outcome": "revenue_reported"},
    )


def verdicts(budget: str = "report") -> pd.DataFrame:
    judged = {**_SALES, "tier": "T3", "policy_version": "1", "gates_failed": "[]", "robustness": 2.5}
    money = {"net_return": -12.0, "net_low": -30.0, "net_high": -2.0, "decision": "no_go"}
    weak = {"decision": "keep", "gates_failed": '["balance"]', "reasons": "balance: largest difference 0.7 sd"}
    lost = {"decision": "keep", "gates_failed": '["overlap"]', "reasons": "overlap: 3 beyond 0.9"}
    return frame(
        VERDICTS,
        {**analysis("budget_change"), **judged, **money, "verdict": budget, "direction": "up"},
        {**analysis("budget_change", "revenue_reported"), **judged, **money, "verdict": budget, "direction": "up"},
        {**analysis("targeting_change"), **judged, **weak, "verdict": "direction_only", "direction": "down"},
        {**analysis("creative_change"), **judged, **lost, "verdict": "refuse"},
    )


def estimates() -> pd.DataFrame:
    histogram = {"edges": [0.0, 0.5, 1.0], "treated": [3, 1], "control": [9, 2], "low": 0.1, "high": 0.9}
    balance = [{"covariate": "log_spend_before", "smd_before": 0.8, "smd_after": 0.05}]
    found = {
        "overlap_histogram": histogram,
        "balance": balance,
        "ess_control": 37.2,
        "share_treated_below_high": 1.0,
    }
    counts = {"n_rows": 300, "n_units": 90, "n_treated": 60, "n_clusters": 90, "level": 0.95, "estimand": "att"}
    numbers = {"estimate": 0.9, "std_error": 0.1, "ci_low": 0.6, "ci_high": 1.2, "p_value": 0.0002}
    primary = {**counts, **numbers, "method": "doubly_robust", "role": "primary", "diagnostics": json.dumps(found)}
    weekly = {**counts, **numbers, "method": "staggered_did", "role": "comparison", "diagnostics": "{}"}
    return frame(
        EFFECT_ESTIMATES,
        {**analysis("budget_change"), **primary, "certificate": "cleared"},
        {**analysis("budget_change"), **weekly},
        {**analysis("creative_change"), **primary, "refused": "3 of 60 have a score above 0.9"},
    )


def paths() -> pd.DataFrame:
    weeks = [
        {
            **analysis("budget_change"),
            "method": "staggered_did",
            "event_time": week,
            "estimate": 0.1 * max(week, 0),
        }
        for week in (-3, -2, -1, 0, 1)
    ]
    ends = {"std_error": 0.1, "ci_low": -0.1, "ci_high": 0.3, "band_low": -0.2, "band_high": 0.4, "level": 0.95}
    return frame(EFFECT_PATHS, *({**week, **ends} for week in weeks))


def report_input(source_mode: str = "simulated", **tables: pd.DataFrame) -> ReportInput:
    """Everything filled; ``tables`` replace those of that name."""
    gate = {
        "passed": False,
        "seen": UNSAFE,
        "expected": "less",
        "way_out": "Widen the control pool.",
        "severity": "error",
    }
    known = {
        "attribution": attribution(),
        "verdicts": verdicts(),
        "effect_estimates": estimates(),
        "effect_paths": paths(),
        "certificates": frame(
            CERTIFICATES,
            {
                **_SALES,
                "platform": "meta",
                "outcome": "orders",
                "status": "cleared",
                "size": 0.04,
                "coverage": 0.96,
            },
        ),
        "treatments": frame(
            TREATMENTS,
            *(
                {
                    "platform": "meta",
                    "treatment_type": "budget_change",
                    "started_on": date(2026, 3, day),
                    **standing,
                }
                for day, standing in enumerate(
                    [
                        {"standing": "current", "evidence": "both", "assignment_method": "randomized"},
                        {"standing": "lapsed", "evidence": "logged", "assignment_method": "observational"},
                        {"standing": "unexplained", "evidence": "detected", "assignment_method": "observational"},
                    ],
                    start=2,
                )
            ),
        ),
        "gates": frame(
            GATES,
            {**gate, "gate": "overlap", "subject": "meta.creative_change.landmarked"},
            {
                **gate,
                "gate": "balance",
                "subject": "meta.targeting_change",
                "severity": "warn",
                "way_out": "Compare.",
            },
            {**gate, "gate": "overlap", "subject": "meta.budget_change.landmarked", "passed": True},
        ),
        "placebos": frame(
            PLACEBOS,
            {**analysis("budget_change"), "shift_days": 42, "estimate": 0.01, "p_value": 0.6, "n_treated": 40},
        ),
        "scores": frame(
            SCORES, {"platform": "meta", "part": "maturity", "score": None, "reason": "0 days were seen"}
        ),
        "external_factors": frame(
            EXTERNAL_FACTORS,
            {"factor": "unrate", "series_id": "UNRATE", "value": 4.4, "unit": "percent", "is_stale": True},
        ),
    }
    chosen = {**known, **tables}
    filled = {table.full_name: chosen.get(table.name, frame(table)) for table in TABLES}
    return ReportInput(
        as_of=AS_OF,
        source_mode=source_mode,
        tables=filled,
        given=frame(EFFECT_HISTORY),
        vintages=pd.DataFrame({"platform": ["meta"], "vintage": ["captured"], "n_rows": [300]}),
        settings={"liftos_break_even_roas": 1.0},
    )


def empty_input(source_mode: str = "live") -> ReportInput:
    """A young home: tables without a row."""
    nothing = {table.full_name: frame(table) for table in TABLES}
    none = pd.DataFrame(columns=["platform", "vintage", "n_rows"])
    return ReportInput(AS_OF, source_mode, nothing, frame(EFFECT_HISTORY), none)


def earlier(verdict: str, given: pd.DataFrame | None = None) -> Earlier:
    """The day before, on which the budget change had another verdict and fewer conversions."""
    tables = {"attribution": attribution(incremental=1500.0, treated_units=58), "verdicts": verdicts(verdict)}
    rows = {table.full_name: tables[table.name] for table in EARLIER_TABLES}
    return Earlier(BEFORE, rows, frame(EFFECT_HISTORY) if given is None else given)
