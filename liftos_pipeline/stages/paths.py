"""Effects by weeks since the start: rows of ``causal.effect_paths``."""

from __future__ import annotations

import pandas as pd

from liftos_pipeline.stages.roles import ROLES
from liftos_pipeline.stages.weekly import weekly_effects

_PATH = ("event_time", "estimate", "std_error", "ci_low", "ci_high", "band_low", "band_high")


def effect_paths(panel: pd.DataFrame, treatments: pd.DataFrame, *, level: float, seed: int) -> pd.DataFrame:
    """Path of every weekly effect that has one. Parameters as of ``weekly_effects``."""
    parts = []
    for told in weekly_effects(panel, treatments, level, seed):
        if isinstance(told.found, str) or told.found.path is None:
            continue
        path = told.found.path.rename(columns={"period": "event_time"})
        names = {
            "platform": told.platform,
            "treatment_type": told.treatment_type,
            "design": told.design,
            "outcome": ROLES[told.platform].outcomes[told.outcome],
            "method": told.method,
            "level": level,
        }
        parts.append(path.reindex(columns=list(_PATH)).assign(**names))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
