"""Placebos in time: every analysis again with all starts six weeks earlier, when nobody was treated.

The days after such a start end two weeks before the real one, so that the luck on which units are chosen does not show.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from liftos_pipeline.causal import estimate
from liftos_pipeline.causal.propensity.overlap import OverlapRule
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.stages.analysis import ANALYSIS_KEY, analyses, to_panel
from liftos_pipeline.stages.landmarks import causal_rows
from liftos_pipeline.stages.propensity import propensity_scores
from liftos_pipeline.stages.roles import AFTER_DAYS, ROLES

SHIFT_DAYS = 42
_LENIENT = OverlapRule(min_share=0.0, min_effective_units=0.0)
_ONE_COUNT = 1.0 / AFTER_DAYS
_UNKNOWN = ("estimate", "std_error", "p_value", "n_clusters")


def placebo_rows(panel: pd.DataFrame, treatments: pd.DataFrame, level: float, seed: int) -> pd.DataFrame:
    """Effects of treatments that begin ``SHIFT_DAYS`` early on the outcome's count: rows of ``quality.placebos``.

    In log points: units that differ much in size tell less of each other's trend in counts.

    Parameters
    ----------
    panel, treatments : DataFrame
        ``marketing_panel`` and ``causal.treatments`` as of one day.
    level : float
        Level of the intervals.
    seed : int
        Seed of the folds.
    """
    early = treatments.assign(started_on=pd.to_datetime(treatments["started_on"]) - pd.Timedelta(days=SHIFT_DAYS))
    rows = causal_rows(panel, early)
    if len(rows) == 0:
        return pd.DataFrame()
    scores = propensity_scores(rows, seed)
    keys = [*ANALYSIS_KEY, "window_start", "unit_id"]
    scored = rows.merge(scores[[*keys, "propensity"]], on=keys) if len(scores) else rows.assign(propensity=np.nan)
    grown = _log(scored["count_after"]) - _log(scored["count_before"])
    scored = scored.assign(count_after=scored["count_before"] + grown)
    return pd.DataFrame([_placebo(*analysis, level, seed) for analysis in analyses(scored)])


def _log(mean: pd.Series) -> pd.Series:
    """Of a mean over 28 days; none is taken for one count in 28 days less than one more."""
    return np.log(np.maximum(mean, 0.0) + _ONE_COUNT)


def _placebo(
    platform: str, kind: str, design: str, part: pd.DataFrame, level: float, seed: int
) -> dict[str, object]:
    head: dict[str, object] = {
        "platform": platform,
        "treatment_type": kind,
        "design": design,
        "outcome": ROLES[platform].count,
        "shift_days": SHIFT_DAYS,
        "level": level,
        "n_treated": int(part.loc[part["is_treated"] == 1, "unit_id"].nunique()),
    }
    if part["propensity"].isna().any():
        return {**head, **dict.fromkeys(_UNKNOWN), "reason": "too few units for propensity scores"}
    try:
        found = estimate(
            "doubly_robust",
            to_panel(part, "count", part["propensity"].to_numpy()),
            level=level,
            seed=seed,
            estimand="overlap",
            overlap_rule=_LENIENT,
        )
    except LiftosError as error:
        return {**head, **dict.fromkeys(_UNKNOWN), "reason": str(error)}
    if not all(map(math.isfinite, (found.estimate, found.std_error, found.p_value))):
        reason = found.without_interval or "no standard error"
        return {**head, **dict.fromkeys(_UNKNOWN), "reason": reason}
    return {
        **head,
        "estimate": float(found.estimate),
        "std_error": float(found.std_error),
        "p_value": float(found.p_value),
        "n_clusters": int(found.n_clusters),
        "reason": None,
    }
