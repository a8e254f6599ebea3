"""What the user interface shows of result tables: one picture each, and the rows of its summary. Draws no figure itself."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from liftos_pipeline.report import words

if TYPE_CHECKING:
    from liftos_pipeline.causal.plots.grid import State

_MOST_ROWS = 16
_STATES: dict[str, State] = {"report": "good", "widen": "good", "direction_only": "fair", "refuse": "poor"}
_SHORT = {"report": "report", "widen": "widened", "direction_only": "direction", "refuse": "refused"}
_SCORE_GOOD, _SCORE_FAIR = 0.95, 0.8
PRIMARY, SECONDARY = "primary", "secondary"


def on_sales(rows: pd.DataFrame) -> pd.DataFrame:
    """Primary effects on what is sold."""
    return rows[(rows["role"] == PRIMARY) & (rows["label"] != SECONDARY)]


def totals(rows: pd.DataFrame) -> pd.DataFrame:
    """Attribution without its single campaigns."""
    return rows[rows["scope"] != "campaign"]


def not_passed(rows: pd.DataFrame) -> pd.DataFrame:
    """Gates that failed, errors first; all of them where none did."""
    failed = rows[~rows["passed"].astype(bool)]
    return (failed if len(failed) else rows).sort_values("severity", kind="stable")


def effects_picture(rows: pd.DataFrame) -> bytes | None:
    """Primary effects on counts of sales per treated unit-day, with their intervals."""
    from liftos_pipeline.causal.plots.small import small_forest

    chosen = on_sales(rows)
    chosen = chosen[chosen["outcome"].isin(words.COUNTS)].head(_MOST_ROWS)
    if chosen.empty:
        return None
    lines = [
        {
            "name": _analysis(row),
            "estimate": row["estimate"],
            "low": row["ci_low"],
            "high": row["ci_high"],
            "note": "refused" if isinstance(row["refused"], str) else "",
        }
        for row in chosen.to_dict("records")
    ]
    return small_forest(lines, "effect on sales, per treated unit and day (grey: refused)")


def verdicts_picture(rows: pd.DataFrame) -> bytes | None:
    """What may be told of each analysis, by outcome."""
    return _grid(
        ((_analysis(row), words.outcome(row["outcome"])), (_verdict_word(row), _STATES[row["verdict"]]))
        for row in rows.to_dict("records")
    )


def attribution_picture(rows: pd.DataFrame) -> bytes | None:
    """Caused beside reported, per kind of change, on counts of sales."""
    from liftos_pipeline.causal.plots.small import small_attribution

    chosen = rows[(rows["scope"] == "treatment") & rows["outcome"].isin(words.COUNTS)].head(_MOST_ROWS)
    if chosen.empty:
        return None
    lines = [
        {
            "name": _analysis(row),
            "reported": row["reported_change"],
            "caused": row["incremental"],
            "low": row["incremental_low"],
            "high": row["incremental_high"],
            "note": "no number",
        }
        for row in chosen.to_dict("records")
    ]
    return small_attribution(lines, "change in sales over the treated unit-days")


def gates_picture(rows: pd.DataFrame) -> bytes | None:
    """How many subjects of each gate passed, by what the gate is about."""
    counted: dict[tuple[str, str], Counter[str]] = {}
    for row in rows.to_dict("records"):
        platform = str(row["subject"]).split(".", 1)[0]
        about = words.channel(platform) if platform in words.CHANNELS else "all"
        state = "passed" if row["passed"] else row["severity"]
        counted.setdefault((words.change(row["gate"]), about), Counter())[state] += 1
    ordered = sorted(counted)
    columns = [name for name in (*words.CHANNELS.values(), "all") if any(name == about for _, about in ordered)]
    return _grid(((cell, _passes(counted[cell])) for cell in ordered), columns)


def scores_picture(rows: pd.DataFrame) -> bytes | None:
    """Data quality by platform and part."""
    return _grid(
        ((words.change(row["part"]), words.channel(row["platform"])), _score(row["score"]))
        for row in rows.to_dict("records")
    )


def placebos_picture(rows: pd.DataFrame) -> bytes | None:
    """Effects six weeks before the start, which should be zero, with limits of two standard errors."""
    from liftos_pipeline.causal.plots.small import small_forest

    if rows.empty:
        return None
    lines = [
        {
            "name": _analysis(row),
            "estimate": row["estimate"],
            "low": row["estimate"] - 2 * row["std_error"],
            "high": row["estimate"] + 2 * row["std_error"],
            "note": "" if pd.notna(row["estimate"]) else "not computed",
        }
        for row in rows.head(_MOST_ROWS).to_dict("records")
    ]
    return small_forest(lines, "effect six weeks before the start, log points, ± 2 standard errors")


def _grid(cells: Iterable[tuple[tuple[str, str], tuple[str, State]]], columns: Sequence[str] = ()) -> bytes | None:
    from liftos_pipeline.causal.plots.small import small_grid

    found = dict(cells)
    return small_grid(found, columns) if found else None


def _analysis(row: Mapping[str, object]) -> str:
    kind = words.change(row["treatment_type"]).removesuffix(" changes")
    design = row.get("design", "landmarked")
    return f"{words.channel(row['platform'])}, {kind}" + (
        "" if design in ("landmarked", "all") else f" ({design})"
    )


def _verdict_word(row: Mapping[str, object]) -> str:
    verdict, direction = str(row["verdict"]), row["direction"]
    shown = f", {direction}" if isinstance(direction, str) and verdict != "refuse" else ""
    return f"{row['tier'] or ''} {_SHORT[verdict]}{shown}".strip()


def _passes(counted: Counter[str]) -> tuple[str, State]:
    n_all = counted.total()
    state: State = "poor" if counted["error"] else "fair" if counted["warn"] else "good"
    return (f"{counted['passed']} of {n_all} passed" if state != "good" else "passed"), state


def _score(score: object) -> tuple[str, State]:
    if not words.known(score):
        return "not known", "none"
    value = float(str(score))
    state: State = "good" if value >= _SCORE_GOOD else "fair" if value >= _SCORE_FAIR else "poor"
    return f"{math.floor(100 * value) / 100:.2f}", state
