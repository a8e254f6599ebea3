"""Placebos in time: every analysis again with all starts six weeks earlier, when nobody was treated.

The days after such a start end two weeks before the real one, so that the luck on which units are chosen does not show.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from liftos_pipeline.causal import estimate
from liftos_pipeline.causal.propensity.overlap import OverlapRule
from liftos_pipeline.causal.results import EffectEstimate
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.stages.analysis import ANALYSIS_KEY, analyses, to_panel
from liftos_pipeline.stages.designs import INSTRUMENTED
from liftos_pipeline.stages.instruments import Rules, instrumented_placebos
from liftos_pipeline.stages.landmarks import causal_rows
from liftos_pipeline.stages.propensity import propensity_scores
from liftos_pipeline.stages.roles import AFTER_DAYS, ROLES

SHIFT_DAYS = 42
_LENIENT = OverlapRule(min_share=0.0, min_effective_units=0.0)
_ONE_COUNT = 1.0 / AFTER_DAYS
_UNKNOWN = ("estimate", "std_error", "p_value", "n_clusters")


def placebo_rows(
    panel: pd.DataFrame, treatments: pd.DataFrame, level: float, seed: int, rules: Rules = ()
) -> pd.DataFrame:
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
    rules : sequence of CutoffRule or InstrumentRule, optional
        Declared instruments: theirs is read from the same outcome so many days earlier.
    """
    early = treatments.assign(started_on=pd.to_datetime(treatments["started_on"]) - pd.Timedelta(days=SHIFT_DAYS))
    rows = causal_rows(panel, early)
    told = [_placebo(*analysis, level, seed) for analysis in analyses(_in_logs(rows, seed))] if len(rows) else []
    told += [
        _told(effect.platform, effect.treatment_type, effect.design, n_treated, level, effect.found)
        for effect, n_treated in instrumented_placebos(panel, treatments, rules, SHIFT_DAYS, level, seed)
    ]
    return pd.DataFrame(told)


def _in_logs(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Rows of designs without an instrument, with scores, and with the count's growth in log points."""
    rows = rows[~rows["design"].isin(INSTRUMENTED)]
    scores = propensity_scores(rows, seed)
    keys = [*ANALYSIS_KEY, "window_start", "unit_id"]
    scored = rows.merge(scores[[*keys, "propensity"]], on=keys) if len(scores) else rows.assign(propensity=np.nan)
    grown = _log(scored["count_after"]) - _log(scored["count_before"])
    return scored.assign(count_after=scored["count_before"] + grown)


def _log(mean: pd.Series) -> pd.Series:
    """Of a mean over 28 days; none is taken for one count in 28 days less than one more."""
    return np.log(np.maximum(mean, 0.0) + _ONE_COUNT)


def _placebo(
    platform: str, kind: str, design: str, part: pd.DataFrame, level: float, seed: int
) -> dict[str, object]:
    n_treated = int(part.loc[part["is_treated"] == 1, "unit_id"].nunique())
    found: EffectEstimate | str
    try:
        found = "too few units for propensity scores"
        if not part["propensity"].isna().any():
            found = estimate(
                "doubly_robust",
                to_panel(part, "count", part["propensity"].to_numpy()),
                level=level,
                seed=seed,
                estimand="overlap",
                overlap_rule=_LENIENT,
            )
    except LiftosError as error:
        found = str(error)
    return _told(platform, kind, design, n_treated, level, found)


def _told(
    platform: str, kind: str, design: str, n_treated: int, level: float, found: EffectEstimate | str
) -> dict[str, object]:
    head: dict[str, object] = {
        "platform": platform,
        "treatment_type": kind,
        "design": design,
        "outcome": ROLES[platform].count,
        "shift_days": SHIFT_DAYS,
        "level": level,
        "n_treated": n_treated,
    }
    if isinstance(found, str):
        return {**head, **dict.fromkeys(_UNKNOWN), "reason": found}
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
