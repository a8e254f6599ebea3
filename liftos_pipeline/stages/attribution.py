"""Adds the effects up over the treated unit-days: rows of ``causal.attribution``."""

from __future__ import annotations

import math
from dataclasses import asdict

import pandas as pd

from liftos_pipeline.causal.attribution import Attribution
from liftos_pipeline.causal.attribution import attribute as attribute_effect
from liftos_pipeline.causal.results import EffectEstimate
from liftos_pipeline.stages.analysis import ANALYSIS_KEY
from liftos_pipeline.stages.effects import PRIMARY_METHOD
from liftos_pipeline.stages.roles import AFTER_DAYS, ROLES


def attribute(rows: pd.DataFrame, effects: pd.DataFrame) -> pd.DataFrame:
    """Incremental outcome of each treatment type on each platform beside the reported change.

    Parameters
    ----------
    rows : DataFrame
        ``causal.causal_marketing_data`` as of one day.
    effects : DataFrame
        ``causal.effect_estimates`` as of the same day.
    """
    treated = rows[rows["is_treated"] == 1] if len(rows) else rows
    by_analysis = dict(list(treated.groupby(ANALYSIS_KEY))) if len(treated) else {}
    answers = []
    for effect in effects[effects["method"] == PRIMARY_METHOD].to_dict("records"):
        part = by_analysis.get((effect["platform"], effect["treatment_type"]))
        total = _nothing(effect) if part is None else _total(effect, part)
        found = {name: value for name, value in asdict(total).items() if name != "reason"}
        names = ("platform", "treatment_type", "outcome", "label", "method")
        answers.append(
            {
                **{name: effect[name] for name in names},
                **found,
                "treated_unit_days": int(total.treated_unit_days),
                "treated_units": 0 if part is None else part["unit_id"].nunique(),
                "refused": total.reason,
            }
        )
    return pd.DataFrame(answers)


def _total(effect: dict, part: pd.DataFrame) -> Attribution:
    outcome = "count" if effect["outcome"] == ROLES[effect["platform"]].count else "value"
    change = AFTER_DAYS * float((part[f"{outcome}_after"] - part[f"{outcome}_before"]).sum())
    return attribute_effect(_effect(effect), float(AFTER_DAYS * len(part)), change)


def _nothing(effect: dict) -> Attribution:
    return Attribution(0.0, math.nan, math.nan, math.nan, math.nan, effect["level"], effect["refused"])


def _effect(row: dict) -> EffectEstimate:
    """The published row as the library's result."""
    diagnostics: dict[str, object] = {}
    if isinstance(row["refused"], str):
        diagnostics["refused"] = row["refused"]
    if isinstance(row["undefined"], str):
        diagnostics["undefined"] = {"estimate": row["undefined"]}
    return EffectEstimate(
        method=row["method"],
        estimand=row["estimand"],
        estimate=_number(row["estimate"]),
        std_error=_number(row["std_error"]),
        ci_low=_number(row["ci_low"]),
        ci_high=_number(row["ci_high"]),
        level=row["level"],
        p_value=_number(row["p_value"]),
        n_rows=row["n_rows"],
        n_units=row["n_units"],
        n_treated=row["n_treated"],
        n_clusters=row["n_clusters"],
        diagnostics=diagnostics,
    )


def _number(value: float) -> float:
    return math.nan if pd.isna(value) else float(value)
