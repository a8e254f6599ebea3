"""Overlap: can the treated be compared with the controls at all?"""

from __future__ import annotations

import pandas as pd

from liftos_pipeline.causal.propensity.overlap import effective_sample_size
from liftos_pipeline.checks.outcome import CheckOutcome

HIGHEST_SCORE = 0.9
_WORST = 5


def overlap_for_the_treated(scores: pd.DataFrame, min_effective_controls: float) -> list[CheckOutcome]:
    """One outcome per analysis: scores below .9 and enough effective controls for an effect on the treated.

    Parameters
    ----------
    scores : DataFrame
        ``causal.propensity_scores`` as of one day.
    min_effective_controls : float
        Smallest effective sample size (sum w)^2 / sum w^2 of the controls, w = e / (1 - e).

    References
    ----------
    Crump, Hotz, Imbens and Mitnik (2009), "Dealing with limited overlap in estimation of average treatment effects".
    """
    outcomes = []
    for (platform, kind), part in scores.groupby(["platform", "treatment_type"], sort=True):
        controls = part[part["is_treated"] == 0]
        odds = (controls["propensity"] / (1.0 - controls["propensity"])).to_numpy()
        effective = effective_sample_size(odds)
        high = part[part["propensity"] >= HIGHEST_SCORE]
        worst = high.nlargest(_WORST, "propensity")
        outcomes.append(
            CheckOutcome(
                gate="overlap",
                subject=f"{platform}.{kind}",
                passed=len(high) == 0 and effective >= min_effective_controls,
                severity="warn",
                seen=f"{len(high)} of {len(part)} scores at or above {HIGHEST_SCORE}, {effective:.1f} effective controls",
                expected=f"none, and at least {min_effective_controls:g} effective controls",
                way_out="Widen the control pool, or report the overlap-weighted effect instead.",
                offenders=tuple(
                    {"unit_id": row.unit_id, "window_start": str(row.window_start), "propensity": row.propensity}
                    for row in worst.itertuples()
                ),
            )
        )
    return outcomes
