"""Reads what two runs of a home saw and has the change of their effects explained. Pulls and writes nothing."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import pandas as pd

from liftos_pipeline import __version__
from liftos_pipeline.settings import Settings
from liftos_pipeline.stages.explanation import PANEL_COLUMNS, PARTS, Seen, explain, reverse
from liftos_pipeline.warehouse import warehouse_of
from liftos_pipeline.warehouse.knowledge import Knowledge
from liftos_pipeline.warehouse.ledger import RunOfDay, effects_of, find_run, remembered_treatments

__all__ = ["PARTS", "Explanation", "explain_runs"]
_OWN_CODE = 1e-12
"""Share of an estimate below which what the code moves is rounding."""


@dataclass(frozen=True)
class Explanation:
    """``table``: of ``stages.explanation.explain``. ``notes``: what a reader must know beside it."""

    start: RunOfDay
    end: RunOfDay
    table: pd.DataFrame
    notes: tuple[str, ...]


def explain_runs(settings: Settings, start_name: str, end_name: str) -> Explanation:
    """Why the effects of two runs differ.

    Parameters
    ----------
    start_name, end_name : str
        Each a run's id, the beginning of it, or an as-of day; see ``find_run``.

    Raises
    ------
    LiftosError
        A name means no run, or more than one.
    """
    from threadpoolctl import threadpool_limits

    warehouse = warehouse_of(settings)
    start, end = (find_run(warehouse, settings, name) for name in (start_name, end_name))
    first, last = sorted((start, end), key=lambda run: (run.as_of, str(run.vantage.known_until)))
    with warehouse.read() as connection:
        given, wanted = effects_of(connection, first), effects_of(connection, last)
        memories = [remembered_treatments(connection, run.vantage.memory) for run in (first, last)]
        seen, later = (
            _seen(_knowledge(connection, run), run, memory)
            for run, memory in zip((first, last), memories, strict=True)
        )
        further = (last.as_of - first.as_of).days
        reach = first.vantage.settings.liftos_look_back_days + further
        known = dataclasses.replace(_knowledge(connection, last), look_back_days=reach)
        meant = dataclasses.replace(_seen(known, last, memories[0]), as_of=first.as_of)
    with threadpool_limits(1):
        table = explain(seen, meant, later, given, wanted, (first.vantage.settings, last.vantage.settings))
    return Explanation(start, end, table if first is start else reverse(table), _notes(start, end, table))


def _knowledge(connection: object, run: RunOfDay) -> Knowledge:
    vantage = run.vantage
    days = vantage.settings.liftos_look_back_days
    return Knowledge(connection, run.as_of, days, vantage.known_until)  # type: ignore[arg-type]


def _seen(knowledge: Knowledge, run: RunOfDay, memory: pd.DataFrame) -> Seen:
    return Seen(
        run.as_of,
        knowledge.panel(PANEL_COLUMNS),
        knowledge.changes(),
        knowledge.log_days(),
        memory,
        knowledge.experiments(),
    )


def _notes(start: RunOfDay, end: RunOfDay, table: pd.DataFrame) -> tuple[str, ...]:
    notes = []
    others = sorted({run.code_version for run in (start, end)} - {__version__})
    if others:
        notes.append(
            f"Parts are recomputed by version {__version__}; runs were made by {', '.join(others)}. The part of the code "
            "holds all that changed between, from the SQL models to the estimators."
        )
    elif (table["code"].abs() > _OWN_CODE * table["from_estimate"].abs()).any():
        notes.append(f"The code has changed although its version is {__version__} as then.")
    then, now = (run.vantage.settings.behind_results() for run in (start, end))
    differing = [name.upper() for name, value in then.items() if value != now[name] and name != "liftos_seed"]
    if differing:
        notes.append(f"The runs differ in {', '.join(differing)}: that is part of the new days.")
    return tuple(notes)
