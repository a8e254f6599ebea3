"""Scores every analysis: rows of ``causal.propensity_scores``."""

from __future__ import annotations

import pandas as pd

from liftos_pipeline.causal.propensity.model import fit_propensity
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.stages.analysis import analyses, to_panel
from liftos_pipeline.stages.designs import DESIGNS
from liftos_pipeline.stages.memory import remembered


def propensity_scores(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Cross-fitted probability of starting in the window, folds by unit.

    An analysis with too few units for folds has no scores; the effects stage says so for each of its methods.

    Parameters
    ----------
    rows : DataFrame
        ``causal.causal_marketing_data`` as of one day.
    seed : int
        Seed of the folds.
    """
    parts = []
    for _, _, design, part in analyses(rows):
        if not DESIGNS[design].landmarked:
            continue
        try:
            parts.append(_scored(part, seed))
        except LiftosError:
            continue
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


@remembered
def _scored(part: pd.DataFrame, seed: int) -> pd.DataFrame:
    panel = to_panel(part, "count")
    fit = fit_propensity(panel, seed=seed)
    scored = part[["platform", "treatment_type", "design", "window_start", "unit_id", "is_treated"]]
    return scored.assign(fold=panel.to_input_order(fit.folds), propensity=panel.to_input_order(fit.scores))
