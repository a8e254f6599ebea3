"""What stands behind each answer: paths, overlap, balance, placebo and the other methods. Rebuilds results from their rows
and lets ``causal.plots`` draw them."""

from __future__ import annotations

import json
import math

import pandas as pd

from liftos_pipeline.causal.plots.overlap import has_overlap
from liftos_pipeline.causal.results import EffectEstimate
from liftos_pipeline.report import words
from liftos_pipeline.report.answers import Key, analysis_key
from liftos_pipeline.report.inputs import Record, ReportInput
from liftos_pipeline.schema.results import EFFECT_ESTIMATES, EFFECT_PATHS, PLACEBOS

_PATH = ("event_time", "estimate", "std_error", "ci_low", "ci_high", "band_low", "band_high")
_HIDDEN = "refused"
WEEKS_BEFORE = 12
"""Shown in pictures: further back there are few units."""


def evidence(given: ReportInput, answers: list[Record]) -> list[Record]:
    """One record per answer: ``methods``, ``path``, ``overlap``, ``balance``, ``placebo``, each None where there is none."""
    estimates = _by_analysis(given.rows(EFFECT_ESTIMATES))
    paths = _by_analysis(given.rows(EFFECT_PATHS))
    placebos = {analysis_key(row): row for row in given.rows(PLACEBOS)}
    found = []
    for answer in answers:
        key = analysis_key(answer)
        own = [row for row in estimates.get(key, []) if row["outcome"] == answer["outcome"]]
        primary = next((row for row in own if row["role"] == "primary"), None)
        diagnostics = {} if primary is None else json.loads(str(primary["diagnostics"]))
        path = [row for row in paths.get(key, []) if row["outcome"] == answer["outcome"]]
        found.append(
            {
                **dict(zip(("platform", "treatment_type", "design"), key, strict=True)),
                "methods": [_method(row, str(answer["verdict"])) for row in own],
                "path": [{name: row[name] for name in ("method", *_PATH)} for row in path] or None,
                "overlap": _overlap(diagnostics),
                "balance": _balance(diagnostics),
                "placebo": _placebo(placebos.get(key)),
            }
        )
    return found


def results_to_draw(given: ReportInput, answer: Record) -> dict[str, EffectEstimate]:
    """Results whose figures show an answer's evidence: ``path`` or ``gap``, ``overlap``."""
    key, outcome = analysis_key(answer), answer["outcome"]
    rows = {
        str(r["method"]): r
        for r in _by_analysis(given.rows(EFFECT_ESTIMATES)).get(key, [])
        if r["outcome"] == outcome
    }
    frame = given.tables[EFFECT_PATHS.full_name]
    found: dict[str, EffectEstimate] = {}
    chosen = _same(frame, answer)
    if len(chosen) and chosen["method"].iloc[0] in rows:
        method = str(chosen["method"].iloc[0])
        near = chosen["event_time"] >= -WEEKS_BEFORE
        path = chosen.loc[near, list(_PATH)].reset_index(drop=True)
        found["gap" if method == "synthetic_control" else "path"] = _result(rows[method], path)
    primary = next((row for row in rows.values() if row["role"] == "primary"), None)
    if primary is not None:
        result = _result(primary, None)
        if has_overlap(result):
            found["overlap"] = result
    return found


def _same(frame: pd.DataFrame, answer: Record) -> pd.DataFrame:
    if len(frame) == 0:
        return frame
    same = pd.Series(True, index=frame.index)
    for name in ("platform", "treatment_type", "design", "outcome"):
        same &= frame[name] == answer[name]
    return frame[same]


def _result(row: Record, path: pd.DataFrame | None) -> EffectEstimate:
    """The result that a row was made of."""

    def number(name: str) -> float:
        value = row[name]
        return value if isinstance(value, float) else math.nan

    return EffectEstimate(
        method=str(row["method"]),
        estimand=str(row["estimand"]),
        estimate=number("estimate"),
        std_error=number("std_error"),
        ci_low=number("ci_low"),
        ci_high=number("ci_high"),
        level=number("level"),
        p_value=number("p_value"),
        n_rows=int(str(row["n_rows"])),
        n_units=int(str(row["n_units"])),
        n_treated=int(str(row["n_treated"])),
        n_clusters=int(str(row["n_clusters"])),
        diagnostics={**json.loads(str(row["diagnostics"])), "outcome": words.outcome(row["outcome"])},
        path=path,
    )


def _by_analysis(rows: list[Record]) -> dict[Key, list[Record]]:
    found: dict[Key, list[Record]] = {}
    for row in rows:
        found.setdefault(analysis_key(row), []).append(row)
    return found


def _method(row: Record, verdict: str) -> Record:
    """Numbers of a method; none of what is refused."""
    is_hidden = row["refused"] is not None or verdict == "refuse"
    numbers = {name: None if is_hidden else row[name] for name in ("estimate", "ci_low", "ci_high", "p_value")}
    names = (
        "method",
        "role",
        "estimand",
        "level",
        "n_units",
        "n_treated",
        "n_clusters",
        "certificate",
        "undefined",
    )
    return {
        **{name: row[name] for name in names},
        **numbers,
        _HIDDEN: row["refused"] or (verdict if is_hidden else None),
    }


def _overlap(diagnostics: dict) -> Record | None:
    names = ("share_treated_below_high", "ess_control", "ess_treated", "score_max_treated", "score_max_control")
    return {name: diagnostics[name] for name in names if name in diagnostics} or None


def _balance(diagnostics: dict) -> list[Record] | None:
    names = ("covariate", "mean_treated", "mean_control", "smd_before", "smd_after")
    rows = [{name: row.get(name) for name in names} for row in diagnostics.get("balance") or []]
    return sorted(rows, key=_by_difference) or None


def _by_difference(row: Record) -> float:
    after = row["smd_after"]
    return -abs(after) if isinstance(after, float) else 0.0


def _placebo(row: Record | None) -> Record | None:
    names = ("shift_days", "n_treated", "estimate", "std_error", "p_value", "reason")
    return None if row is None else {name: row[name] for name in names}
