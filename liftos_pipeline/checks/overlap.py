"""Overlap: can the treated be compared with the controls at all?"""

from __future__ import annotations

import pandas as pd

from liftos_pipeline.causal.propensity.overlap import OverlapRule, judge_overlap
from liftos_pipeline.checks.outcome import CheckOutcome

_WORST = 5


def overlap_for_the_treated(scores: pd.DataFrame, min_effective_controls: float) -> list[CheckOutcome]:
    """One outcome per analysis: may an effect on the treated be believed?

    Parameters
    ----------
    scores : DataFrame
        ``causal.propensity_scores`` as of one day.
    min_effective_controls : float
        Smallest effective number of control units.

    References
    ----------
    Crump, Hotz, Imbens and Mitnik (2009), "Dealing with limited overlap in estimation of average treatment effects".
    """
    rule = OverlapRule(min_effective_units=min_effective_controls)
    outcomes = []
    for (platform, kind), part in scores.groupby(["platform", "treatment_type"], sort=True):
        units = pd.factorize(part["unit_id"])[0].astype("int64")
        e, d = part["propensity"].to_numpy(dtype=float), part["is_treated"].to_numpy(dtype=float)
        found = judge_overlap(e, d, units, units, "att", rule)
        outcomes.append(
            CheckOutcome(
                gate="overlap",
                subject=f"{platform}.{kind}",
                passed=found.refused is None,
                severity="warn",
                seen=found.refused
                or f"{found.share_treated_below_high:.0%} of the treated below {rule.high}, "
                f"{found.ess_control:.1f} effective controls",
                expected=f"at least {rule.min_share:.0%} of the treated below {rule.high} and "
                f"{rule.min_effective_units:g} effective controls",
                way_out="Widen the control pool, or report the overlap-weighted effect instead.",
                offenders=tuple(
                    {"unit_id": row.unit_id, "window_start": str(row.window_start), "propensity": row.propensity}
                    for row in part.nlargest(_WORST, "propensity").itertuples()
                ),
            )
        )
    return outcomes
