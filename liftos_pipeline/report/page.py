"""The page: contents and pictures laid into the template. No network, no script."""

from __future__ import annotations

import json
from pathlib import Path

from liftos_pipeline.report import words
from liftos_pipeline.report.contents import all_answers
from liftos_pipeline.report.inputs import Record, ReportInput
from liftos_pipeline.report.pictures import (
    MOST_ANALYSES,
    attribution_picture,
    evidence_pictures,
    timeline_picture,
)

_FOLDER = Path(__file__).parent


def as_html(given: ReportInput, report: Record) -> str:
    """One self-contained HTML page.

    Parameters
    ----------
    report : mapping
        ``contents(given)``.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["words"] = words
    environment.filters.update(array=_array, without_windows=_without_windows)
    told = all_answers(report)
    shown = [evidence_pictures(given, answer) for answer in told[:MOST_ANALYSES]]
    timeline = report["timeline"]
    assert isinstance(timeline, dict)
    return environment.get_template("page.html").render(
        report=report,
        answers=told,
        evidence=list(
            zip(told, _listed(report["evidence"]), [*shown, *([[]] * (len(told) - len(shown)))], strict=True)
        ),
        most_analyses=MOST_ANALYSES,
        attribution=attribution_picture(told, words.COUNTS, given.is_simulated),
        timeline_picture=timeline_picture(timeline),
        style=(_FOLDER / "page.css").read_text(),
    )


def _listed(value: object) -> list[Record]:
    return value if isinstance(value, list) else []


def _array(text: object) -> str:
    """A JSON array of names in words."""
    names = json.loads(str(text or "[]"))
    return ", ".join(str(name).replace("_", " ") for name in names) or "none"


def _without_windows(rows: list[Record]) -> list[Record]:
    """Covariates less the weekly windows, which say when and not what."""
    return [row for row in rows if not str(row["covariate"]).startswith("window")]
