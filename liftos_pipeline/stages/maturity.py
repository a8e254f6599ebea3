"""Maturity curves of what platforms claim: rows of ``causal.maturity_curves``."""

from __future__ import annotations

import numpy as np
import pandas as pd

from liftos_pipeline.causal.maturity import maturity_curve
from liftos_pipeline.stages.roles import ROLES


def maturity_curves(triangle: pd.DataFrame, level: float) -> pd.DataFrame:
    """Completeness of every platform's counts at every age up to the last at which its days are pulled again.

    Parameters
    ----------
    triangle : DataFrame
        platform, metric, account_id, date_day, age_days, value: what was claimed of each account-day at each age.
    level : float
        Level of the limits.
    """
    parts = []
    for (platform, metric), rows in triangle.groupby(["platform", "metric"], sort=True):
        ages = ROLES[str(platform)].restated_days
        table = rows[rows["age_days"] < ages].pivot(
            index=["date_day", "account_id"], columns="age_days", values="value"
        )
        counts = table.reindex(columns=range(ages)).sort_index().to_numpy(dtype=float)
        days = pd.factorize(table.sort_index().index.get_level_values("date_day"))[0].astype(np.int64)
        curve = maturity_curve(counts, days, level)
        parts.append(
            pd.DataFrame(
                {
                    "platform": platform,
                    "metric": metric,
                    "age_days": range(ages),
                    "completeness": curve.completeness,
                    "completeness_low": curve.low,
                    "completeness_high": curve.high,
                    "level": level,
                    "spread": curve.spread,
                    "n_days": curve.n_groups,
                    "reason": curve.reason,
                }
            )
        )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
