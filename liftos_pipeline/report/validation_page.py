"""A validation as one HTML page or a Markdown table: what is claimed, what was asked, what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from liftos_pipeline.report.inputs import Record
from liftos_pipeline.report.pictures import Picture, as_picture

_FOLDER = Path(__file__).parent
_CLASSES = {"pass": "report", "fall short": "refuse", "undecided": "keep"}
MARKS = ("<!-- validation -->", "<!-- end of validation -->")
VERDICTS = (*_CLASSES, "")
"""Of lines; those of which nothing is asked have none."""


def validation_page(lines: Sequence[Record], told: str, made_at: str) -> str:
    """One HTML page without network or script.

    Parameters
    ----------
    lines : sequence of mapping
        detector, name, sense, asked, draws, rate, error, verdict, claim; None where unknown.
    told : str
        Seeds and sizes.
    made_at : str
        When it was made.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    parts: dict[str, list[Record]] = {}
    for line in lines:
        parts.setdefault(str(line["detector"]), []).append(
            {**line, "kind": _CLASSES.get(str(line["verdict"]), "plain")}
        )
    asked = [line for line in lines if line["sense"] != "shown"]
    counts = {name: sum(line["verdict"] == name for line in asked) for name in _CLASSES}
    return environment.get_template("validation.html").render(
        parts=parts,
        counts=counts,
        picture=_distances(asked),
        told=told,
        made_at=made_at,
        style=(_FOLDER / "page.css").read_text(),
        figure=_figure,
    )


def validation_table(lines: Sequence[Record], told: str, made_at: str) -> str:
    """Markdown table of the lines that something is asked of, or that others claim; parameters as of the page."""
    rows = [
        f"Measured on {made_at}: {told}. The error is that of the table as a whole, at 5 %.",
        "",
        "| what | asked | measured | error | draws | verdict | the system measured against claims |",
        "|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        if line["sense"] == "shown" and not line["claim"]:
            continue
        asked = "" if line["sense"] == "shown" else f"{line['sense']} {_short(line['asked'])}"
        numbers = f"{_short(line['rate'])} | {_short(line['error'])} | {line['draws']:,}"
        part = str(line["detector"]).replace("_", " ")
        rows.append(
            f"| {part}: {line['name']} | {asked} | {numbers} | {line['verdict']} | {line['claim'] or ''} |"
        )
    return "\n".join(rows) + "\n"


def put_table(text: str, table: str) -> str:
    """A Markdown text with the table between its ``MARKS``; the table alone where it has none."""
    first, last = MARKS
    before, has_first, rest = text.partition(first)
    _, has_last, after = rest.partition(last)
    return f"{before}{first}\n{table}{last}{after}" if has_first and has_last else table


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) and math.isfinite(value) else "unknown"


def distance(line: Record) -> float:
    """How far a line is on the good side of its aim, in its own error; NaN where either is unknown."""
    rate, asked, error = (
        math.nan if line[name] is None else float(str(line[name])) for name in ("rate", "asked", "error")
    )
    side = asked - rate if line["sense"] == "at most" else rate - asked
    return side / error if error > 0.0 else math.copysign(math.inf, side) if side else 0.0


def _figure(value: object) -> str:
    if not isinstance(value, int | float) or not math.isfinite(value):
        return ""
    return f"{value:.4f}" if abs(value) < 100 else f"{value:,.0f}"


def _distances(asked: Sequence[Record]) -> Picture | None:
    from liftos_pipeline.causal.plots.distances import distance_bars

    known = [(str(line["name"]), distance(line), str(line["verdict"])) for line in asked]
    known = [row for row in known if not math.isnan(row[1])]
    if not known:
        return None
    words = "; ".join(f"{name}: {verdict}" for name, _, verdict in known)
    return as_picture(
        distance_bars(known),
        f"Distance of every line from its aim. {words}.",
        "Bars to the right reach their aim. Within the grey band, one error at the level of the whole table, a line is "
        "undecided unless it had draws enough.",
    )
