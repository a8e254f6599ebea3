"""Answers to requests for an analysis, as plain data: a body in, a status and an answer out. Runs in a worker process."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import orjson
import pandas as pd
from pydantic import TypeAdapter, ValidationError

from liftos_pipeline.api import quality
from liftos_pipeline.api.counterfactuals import from_effect, from_published
from liftos_pipeline.api.inputs import Prepared, prepare
from liftos_pipeline.api.models import CounterfactualIn, DataIn
from liftos_pipeline.api.problems import Problem, from_error, invalid, wrong_field
from liftos_pipeline.causal import ESTIMATORS, EffectEstimate, Panel, estimate
from liftos_pipeline.causal.specification import EstimatorSpec, options_of
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.warehouse.public import PublicDatabase

LARGEST = 1e50
_NOT_OPTIONS = frozenset({"level", "seed", "estimand", "overlap_rule"})
_MOST = {"folds": 50, "repeats": 50, "draws": 20_000, "leads": 10_000, "lags": 10_000, "anticipation": 10_000}
"""Options by which an analysis takes ever longer."""


def answer(task: str, body: bytes, call: Mapping[str, object]) -> tuple[int, dict[str, object]]:
    """Status and content of the answer to one request.

    Parameters
    ----------
    task : {"analyze", "counterfactual"}
    body : bytes
        As it came.
    call : mapping
        ``method`` (None: the task's default), ``level``, ``seed``, ``database``: path of the published file.
    """
    database = PublicDatabase(Path(str(call["database"])))
    try:
        return 200, _TASKS[task](_parsed(body), call, database)
    except ValidationError as error:
        problem = invalid(
            typing.cast(list, error.errors(include_url=False, include_context=False, include_input=False))
        )
    except LiftosError as error:
        problem = from_error(error)
    except MemoryError:
        problem = from_error(
            LiftosError("an analysis that fits into memory", "one that does not", "Send fewer rows.")
        )
    except Problem as raised:
        problem = raised
    return problem.status, problem.body


def _parsed(body: bytes) -> dict[str, object]:
    """The body as an object; a bare list is records, and so is a record alone."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise wrong_field("body", f"not valid JSON: {error.msg} at character {error.pos}") from None
    if isinstance(found, list):
        return {"records": found}
    if not isinstance(found, dict):
        raise wrong_field("body", "an object, or a list of records")
    return {"records": [found]} if "metrics" in found and "records" not in found else found


def _analyze(
    content: dict[str, object], call: Mapping[str, object], database: PublicDatabase
) -> dict[str, object]:
    request = DataIn.model_validate(content)
    method = str(call["method"])
    prepared = prepare(request, database, method)
    effect = _estimated(method, prepared.panel, request, call)
    found = quality.with_overlap(prepared.quality, effect)
    return {
        "status": "success" if effect.refused is None else "refused",
        "reason": effect.refused,
        "method": effect.method,
        "results": results(effect, prepared.notes),
        "data_quality_score": found.score,
        "data_quality": found.to_dict(),
        "confidence_level": effect.level,
    }


def _counterfactual(
    content: dict[str, object], call: Mapping[str, object], database: PublicDatabase
) -> dict[str, object]:
    request = CounterfactualIn.model_validate(content)
    method = None if call["method"] is None else str(call["method"])
    has_data = any(given is not None for given in (request.records, request.rows, request.table))
    if not has_data:
        if request.effect is not None:
            return from_effect(request, float(str(call["level"])))
        return from_published(request, method, database)
    if method is None:
        method = "did" if request.records or request.period or request.table else "doubly_robust"
    prepared = prepare(request, database, method)
    effect = _estimated(method, prepared.panel, request, call, "att")
    return from_effect(request, effect.level, effect, *_treated(prepared))


def _treated(prepared: Prepared) -> tuple[float, float]:
    """Outcome of the treated rows, and how many they are."""
    treated = prepared.panel.d != 0
    return float(prepared.panel.y[treated].sum()), float(treated.sum())


def _estimated(
    method: str, panel: Panel, request: DataIn, call: Mapping[str, object], wanted: str | None = None
) -> EffectEstimate:
    spec = ESTIMATORS[method]
    options = _options(spec, request.options)
    estimand = request.estimand or (wanted if wanted in spec.estimands else None)
    if estimand is not None and ("estimand" in options_of(spec.function) or estimand not in spec.estimands):
        options["estimand"] = estimand
    _refuse_extremes(panel)
    try:
        return estimate(method, panel, level=float(str(call["level"])), seed=int(str(call["seed"])), **options)
    except (ArithmeticError, np.linalg.LinAlgError) as error:
        raise LiftosError(
            f"data that {method} can compute with",
            f"an estimate that breaks down ({type(error).__name__})",
            "Scale the columns, and drop those that are sums of others or tell the treatment.",
        ) from error


def _refuse_extremes(panel: Panel) -> None:
    """Squares of squares of what is sent must be numbers too."""
    largest = max(float(np.abs(values).max(initial=0.0)) for values in (panel.y, panel.d, panel.X, panel.Z))
    if largest > LARGEST:
        raise LiftosError(f"numbers up to {LARGEST:g}", f"{largest:g}", "Give the columns in larger units.")


def _options(spec: EstimatorSpec, given: Mapping[str, object]) -> dict[str, object]:
    """Options as the method's types have them; a name that it does not have is left to its own refusal.

    Raises
    ------
    Problem
        A value of another type, or one with which the analysis would not end.
    """
    hints = typing.get_type_hints(spec.function)
    found: dict[str, object] = {}
    for name, value in given.items():
        if name in _NOT_OPTIONS:
            raise wrong_field(f"options.{name}", "not an option of the service")
        if name in hints and name in options_of(spec.function):
            try:
                value = TypeAdapter(hints[name]).validate_python(value)
            except ValidationError as error:
                raise wrong_field(f"options.{name}", error.errors()[0]["msg"]) from None
            if name in _MOST and isinstance(value, int) and value > _MOST[name]:
                raise wrong_field(f"options.{name}", f"at most {_MOST[name]:,}")
        found[name] = value
    return found


def results(effect: EffectEstimate, notes: tuple[str, ...] = ()) -> dict[str, object]:
    """An effect as plain data: no NaN, and the reason for every field that is null."""
    row = effect.to_row()
    return {
        **row,
        "undefined": dict(effect.undefined),
        "warnings": [*notes, *effect.warnings],
        "diagnostics": orjson.loads(str(row["diagnostics"])),
        **{name: _records(getattr(effect, name)) for name in ("path", "weights", "unit_effects")},
    }


def _records(table: pd.DataFrame | None) -> list[dict[str, object]] | None:
    """Rows; what is not a number becomes null when it is written."""
    if table is None:
        return None
    plain = table.copy()
    for name in plain.select_dtypes(["datetime", "datetimetz"]):
        plain[name] = plain[name].map(lambda instant: instant.isoformat())
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]


_TASKS = {"analyze": _analyze, "counterfactual": _counterfactual}
