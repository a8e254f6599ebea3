"""The answers as a table for a terminal."""

from __future__ import annotations

from liftos_pipeline.report import words
from liftos_pipeline.report.contents import all_answers
from liftos_pipeline.report.inputs import Record

HEAD = (
    "channel",
    "change",
    "evidence",
    "outcome",
    "units",
    "reported",
    "caused",
    "interval",
    "do",
    "truth",
    "true orders",
)
_SHORT = {"report": "report", "widen": "widened", "direction_only": "direction", "refuse": "refused"}


def summary(report: Record) -> tuple[tuple[str, ...], list[list[str]]]:
    """Head and cells as text, one list per answer; without the truth in a live home."""
    width = len(HEAD) if report["simulated"] else HEAD.index("truth")
    return HEAD[:width], [_cells(answer)[:width] for answer in all_answers(report)]


def _cells(answer: Record) -> list[str]:
    return [
        words.channel(answer["platform"]),
        words.change(answer["treatment_type"], answer["design"]).replace(" changes", ""),
        f"{answer['tier'] or ''} {_SHORT[str(answer['verdict'])]}".strip(),
        words.outcome(answer["outcome"]),
        str(answer["treated_units"]),
        words.amount(answer["reported_change"], signed=True),
        *_effect(answer),
        str(answer["decision_in_words"]).removesuffix(" as it is"),
        *(
            words.amount(answer[name], signed=True) if words.known(answer[name]) else ""
            for name in ("truth", "true_orders")
        ),
    ]


def _effect(answer: Record) -> tuple[str, str]:
    if words.known(answer["incremental"]):
        return (
            words.amount(answer["incremental"], signed=True),
            words.span(answer["incremental_low"], answer["incremental_high"]),
        )
    return ("not known" if answer["verdict"] == "refuse" else str(answer["direction"] or "not known")), "not told"
