"""Maturity: are the youngest days that effects look at complete?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from liftos_pipeline.checks.outcome import CheckOutcome


def outcomes_have_matured(
    curves: pd.DataFrame, used: Mapping[str, tuple[tuple[str, ...], int]], min_completeness: float
) -> list[CheckOutcome]:
    """One outcome per platform: share of the last count that is known of the youngest days that effects look at.

    Unknown as long as too few days were watched while they grew: a warning.

    Parameters
    ----------
    curves : DataFrame
        ``causal.maturity_curves`` as of one day.
    used : mapping
        Platform to the outcomes that effects look at and their smallest age in days.
    min_completeness : float
        Smallest share.
    """
    outcomes = []
    for platform, (metrics, age_days) in sorted(used.items()):
        own = curves[(curves["platform"] == platform) & curves["metric"].isin(metrics)]
        if len(own) == 0:
            continue
        final_age = own.groupby("metric")["age_days"].max().min()
        at = own[own["age_days"] == min(age_days, final_age)].sort_values("metric")
        share = at["completeness"].to_numpy(dtype=float, na_value=np.nan)
        known = np.isfinite(share)
        young = at[known & (share < min_completeness)].sort_values("completeness")
        told = ", ".join(
            f"{row.metric} {row.completeness:.1%}" for row in at[known].sort_values("completeness").itertuples()
        )
        reasons = at.loc[~known, "reason"].dropna()
        outcomes.append(
            CheckOutcome(
                gate="maturity",
                subject=platform,
                passed=bool(known.all() and len(young) == 0),
                severity="error" if len(young) else "warn",
                seen=f"at {age_days} days: {told}"
                if known.any()
                else f"not known: {next(iter(reasons), 'no curve')}",
                expected=f"at least {min_completeness:.1%} of the last count at {age_days} days",
                way_out="The platform restates these outcomes for longer than the analyses wait. Use the effects once "
                "the days are final, or set LIFTOS_MATURITY_MIN_COMPLETENESS to bear it."
                if len(young)
                else ""
                if known.all()
                else "Run daily: a curve needs ten days that were pulled at each age.",
                offenders=tuple(
                    {
                        "metric": row.metric,
                        "age_days": int(row.age_days),
                        "completeness": round(float(row.completeness), 4),
                        "completeness_low": round(float(row.completeness_low), 4),
                    }
                    for row in young.itertuples()
                ),
            )
        )
    return outcomes
