"""Adds the effects up over the treated unit-days: rows of ``causal.attribution``."""

from __future__ import annotations

import pandas as pd

from liftos_pipeline.causal.attribution import incremental_outcome
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
    answers = []
    treated = rows[rows["is_treated"] == 1] if len(rows) else rows
    by_analysis = dict(list(treated.groupby(ANALYSIS_KEY))) if len(treated) else {}
    for effect in effects[effects["method"] == PRIMARY_METHOD].itertuples():
        part = by_analysis.get((effect.platform, effect.treatment_type), treated.iloc[:0])
        outcome = "count" if effect.outcome == ROLES[effect.platform].count else "value"
        unit_days = AFTER_DAYS * len(part)
        usable = pd.isna(effect.refused) and pd.notna(effect.estimate)
        total = incremental_outcome(
            estimate=effect.estimate if usable else float("nan"),
            ci_low=effect.ci_low if usable else float("nan"),
            ci_high=effect.ci_high if usable else float("nan"),
            unit_days=unit_days,
        )
        change = (part[f"{outcome}_after"] - part[f"{outcome}_before"]).sum() if len(part) else float("nan")
        answers.append(
            {
                "platform": effect.platform,
                "treatment_type": effect.treatment_type,
                "outcome": effect.outcome,
                "label": effect.label,
                "method": effect.method,
                "treated_units": part["unit_id"].nunique() if len(part) else 0,
                "treated_unit_days": unit_days,
                "reported_change": AFTER_DAYS * change,
                "incremental": total.estimate,
                "incremental_low": total.ci_low,
                "incremental_high": total.ci_high,
                "level": effect.level,
                "refused": effect.refused if pd.notna(effect.refused) else None,
            }
        )
    return pd.DataFrame(answers)
