"""Overlap: can the treated be compared with the controls at all?"""

from __future__ import annotations

import pandas as pd

from liftos_pipeline.causal.propensity.overlap import OverlapRule, judge_overlap
from liftos_pipeline.checks.outcome import CheckOutcome

_WORST = 5


def overlap_for_the_treated(scores: pd.DataFrame, min_effective_controls: float) -> list[CheckOutcome]:
    """Two outcomes per analysis, ``overlap`` and ``effective_sample_size``: may an effect on the treated be believed?

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
    rule = OverlapRule(min_effective_units=0.0)
    outcomes = []
    for analysis, part in scores.groupby(["platform", "treatment_type", "design"], sort=True):
        units = pd.factorize(part["unit_id"])[0].astype("int64")
        e, d = part["propensity"].to_numpy(dtype=float), part["is_treated"].to_numpy(dtype=float)
        found = judge_overlap(e, d, units, units, "att", rule)
        subject = ".".join(analysis)
        outcomes.append(
            CheckOutcome(
                gate="overlap",
                subject=subject,
                passed=found.refused is None,
                severity="error",
                seen=found.refused or f"{found.share_treated_below_high:.0%} of the treated below {rule.high}",
                expected=f"at least {rule.min_share:.0%} of the treated below {rule.high}",
                way_out="Widen the control pool, or report the overlap-weighted effect instead.",
                offenders=tuple(
                    {"unit_id": row.unit_id, "window_start": str(row.window_start), "propensity": row.propensity}
                    for row in part.nlargest(_WORST, "propensity").itertuples()
                ),
            )
        )
        outcomes.append(_size(subject, part, found.ess_control, min_effective_controls))
    return outcomes


def share_below_high(scores: pd.DataFrame) -> float:
    """Share of the treated rows of one analysis whose scores leave comparable controls."""
    treated = scores.loc[scores["is_treated"] == 1, "propensity"]
    return float((treated < OverlapRule().high).mean())


def _size(subject: str, part: pd.DataFrame, effective: float, least: float) -> CheckOutcome:
    """``(sum w)^2 / sum w^2`` of the controls, with those that weigh most."""
    controls = part[part["is_treated"] == 0]
    odds = controls["propensity"] / (1.0 - controls["propensity"])
    weight = odds.groupby(controls["unit_id"]).sum().sort_values(ascending=False)
    passed = effective >= least
    return CheckOutcome(
        gate="effective_sample_size",
        subject=subject,
        passed=bool(passed),
        severity="error",
        seen=f"{effective:.1f} effective controls of {len(weight)} units",
        expected=f"at least {least:g} effective controls",
        way_out="" if passed else "Widen the control pool: a few units stand for all that was not treated.",
        offenders=()
        if passed
        else tuple(
            {"unit_id": unit, "share_of_weight": round(float(own / weight.sum()), 3)}
            for unit, own in weight.head(_WORST).items()
        ),
    )
