"""What would have happened: from an effect that was estimated or sent, or from a published one."""

from __future__ import annotations

import math
from collections.abc import Mapping

from liftos_pipeline.api.models import CounterfactualIn
from liftos_pipeline.api.problems import Problem, wrong_field
from liftos_pipeline.causal import ESTIMATORS, EffectEstimate
from liftos_pipeline.causal.counterfactual import Counterfactual, counterfactual
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.schema.decisions import ATTRIBUTION, VERDICTS
from liftos_pipeline.schema.results import EFFECT_ESTIMATES, TREATMENTS
from liftos_pipeline.stages.roles import ROLES
from liftos_pipeline.warehouse.public import PublicDatabase

_TOLD = ("report", "widen")
_KEY = ("platform", "treatment_type", "design", "outcome")


def from_effect(
    request: CounterfactualIn,
    level: float,
    effect: EffectEstimate | None = None,
    outcome: float | None = None,
    unit_days: float | None = None,
) -> dict[str, object]:
    """From an estimated effect with its treated rows, or from what was sent in their place."""
    method = effect.method if effect is not None else None
    if effect is None:
        effect = _sent(request, level)
    elif ESTIMATORS[effect.method].scale != "outcome":
        raise LiftosError(
            "a method whose effect is in outcome units", f"{method}, a proportion", "Choose another one."
        )
    outcome = request.original_outcome if request.original_outcome is not None else outcome
    unit_days = request.unit_days if request.unit_days is not None else unit_days
    if outcome is None or unit_days is None:
        raise wrong_field("original_outcome" if outcome is None else "unit_days", "needed beside an effect")
    if effect.refused is not None:
        return _refused(effect.refused, outcome, effect.level, unit_days, method)
    found = counterfactual(effect, outcome, unit_days, dose=request.dose, doses=request.doses)
    return _told(found, unit_days, method, effect.warnings)


def from_published(request: CounterfactualIn, method: str | None, database: PublicDatabase) -> dict[str, object]:
    """From the newest published effect of a platform and treatment type, over the unit-days that it was summed over."""
    if request.platform is None or request.treatment_type is None:
        raise wrong_field(
            "body", "data, an effect, or platform and treatment_type of a published effect are needed"
        )
    row = _effect_row(request, method, database)
    key = {name: row[name] for name in ("as_of", *_KEY)}
    sums = _one(database, ATTRIBUTION.full_name, {**key, "scope": "treatment"})
    verdict = _one(database, VERDICTS.full_name, key)
    outcome, unit_days = _number(sums.get("reported")), _number(sums.get("treated_unit_days"))
    level, name = float(str(row["level"])), str(row["method"])
    reason = _reason(row, sums, verdict, unit_days)
    if reason is not None or outcome is None or unit_days is None:
        return _refused(reason or "the outcome is not known", outcome, level, unit_days, name)
    effect = _effect(
        {field: _number(row[field]) for field in ("estimate", "ci_low", "ci_high")},
        str(row["estimand"]),
        level,
        name,
    )
    doses = request.doses or (_doses(row, database) if request.dose != 0.0 else [])
    warnings = tuple(str(row["warnings"] or "").splitlines())
    return _told(
        counterfactual(effect, outcome, unit_days, dose=request.dose, doses=doses), unit_days, name, warnings
    )


def _effect_row(request: CounterfactualIn, method: str | None, database: PublicDatabase) -> dict[str, object]:
    """The effect that is named; where several are, that on how many sales there are."""
    wanted = {
        "platform": request.platform,
        "treatment_type": request.treatment_type,
        "design": request.design,
        "outcome": request.outcome,
        "method": method,
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    if method is None:
        given["role"] = "primary"
    rows = _rows(
        database, EFFECT_ESTIMATES.full_name, {**given, "as_of": database.newest(EFFECT_ESTIMATES.full_name)}
    )
    named = ", ".join(f"{name} {str(value)[:80]}" for name, value in given.items())
    if not rows:
        raise Problem(
            404, "not-found", "No such effect", f"Nothing is published for {named}; see GET /api/v1/effects."
        )
    if len(rows) > 1 and request.platform in ROLES:
        rows = [row for row in rows if row["outcome"] == ROLES[request.platform].count] or rows
    if len(rows) > 1:
        listed = "; ".join(f"{row['design']}, {row['outcome']}" for row in rows[:10])
        raise wrong_field("design, outcome", f"choose one of: {listed}")
    return rows[0]


def _rows(database: PublicDatabase, table: str, wanted: Mapping[str, object]) -> list[dict[str, object]]:
    where = " AND ".join(f"{name} = ${name}" for name in wanted)
    return database.rows(f"SELECT * FROM {{home}}.{table} WHERE {where} ORDER BY ALL", wanted)


def _one(database: PublicDatabase, table: str, wanted: Mapping[str, object]) -> dict[str, object]:
    rows = _rows(database, table, wanted)
    return rows[0] if rows else {}


def _doses(row: Mapping[str, object], database: PublicDatabase) -> list[float]:
    found = database.rows(
        f"SELECT dose FROM {{home}}.{TREATMENTS.full_name} WHERE as_of = $as_of AND platform = $platform "
        "AND treatment_type = $treatment_type AND dose IS NOT NULL AND standing IN ('current', 'lapsed')",
        {name: row[name] for name in ("as_of", "platform", "treatment_type")},
    )
    return [float(str(entry["dose"])) for entry in found]


def _reason(
    row: Mapping[str, object], sums: Mapping[str, object], verdict: Mapping[str, object], unit_days: float | None
) -> str | None:
    """Why a published effect is not told; None where it may be."""
    if row["refused"] is not None:
        return str(row["refused"])
    if verdict and verdict["verdict"] not in _TOLD:
        return f"{verdict['verdict']}: {verdict['reasons'] or 'no reason'}"
    if not sums or not unit_days:
        return str(sums.get("refused") or "no treated unit-days are published for it")
    return None if row["estimate"] is not None else str(row["undefined"] or "the effect is not defined")


def _sent(request: CounterfactualIn, level: float) -> EffectEstimate:
    assert request.effect is not None
    limits = (request.effect.ci_low, request.effect.ci_high)
    if None not in limits and not limits[0] <= request.effect.estimate <= limits[1]:  # type: ignore[operator]
        raise wrong_field("effect", "the estimate lies outside of its limits")
    numbers = {"estimate": request.effect.estimate, "ci_low": limits[0], "ci_high": limits[1]}
    return _effect(numbers, "att", request.effect.level or level, "sent")


def _effect(numbers: Mapping[str, float | None], estimand: str, level: float, method: str) -> EffectEstimate:
    estimate, low, high = (_or_nan(numbers[name]) for name in ("estimate", "ci_low", "ci_high"))
    return EffectEstimate(method, estimand, estimate, math.nan, low, high, level, math.nan, 0, 0, 0, 0, {})


def _told(
    found: Counterfactual, unit_days: float, method: str | None, warnings: tuple[str, ...]
) -> dict[str, object]:
    return {
        "status": "success",
        "reason": None,
        "original_outcome": found.outcome,
        "counterfactual_outcome": found.counterfactual,
        "counterfactual_low": found.counterfactual_low,
        "counterfactual_high": found.counterfactual_high,
        "treatment_effect": found.difference,
        "treatment_effect_low": found.difference_low,
        "treatment_effect_high": found.difference_high,
        "confidence_level": found.level,
        "unit_days": unit_days,
        "share_kept": found.share,
        "method": method,
        "warnings": [*warnings, *found.warnings, *_without_limits(found)],
    }


def _without_limits(found: Counterfactual) -> list[str]:
    ends = (found.difference_low, found.difference_high)
    return [] if all(map(math.isfinite, ends)) else ["limits are null: the effect has none, or they are unbounded"]


def _refused(
    reason: str, outcome: float | None, level: float, unit_days: float | None, method: str | None
) -> dict[str, object]:
    names = (
        *("counterfactual_outcome", "counterfactual_low", "counterfactual_high"),
        *("treatment_effect", "treatment_effect_low", "treatment_effect_high", "share_kept"),
    )
    return {
        "status": "refused",
        "reason": reason,
        "original_outcome": outcome,
        **dict.fromkeys(names),
        "confidence_level": level,
        "unit_days": unit_days,
        "method": method,
        "warnings": [],
    }


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
