"""Rules on the published results."""

from __future__ import annotations

import pandas as pd

from liftos_pipeline.checks.outcome import CheckOutcome

_WORST = 5


def every_row_has_an_interval_or_a_reason(effects: pd.DataFrame) -> list[CheckOutcome]:
    """Nothing is invented and nothing is left unsaid: an effect without limits carries a reason.

    Parameters
    ----------
    effects : DataFrame
        ``causal.effect_estimates`` as of one day.
    """
    if len(effects) == 0:
        return []
    silent = effects[
        effects[["estimate", "ci_low", "ci_high"]].isna().any(axis=1)
        & effects["refused"].isna()
        & effects["undefined"].isna()
    ]
    names = ["platform", "treatment_type", "design", "outcome", "method"]
    return [
        CheckOutcome(
            gate="interval_or_reason",
            subject="effect_estimates",
            passed=len(silent) == 0,
            severity="error",
            seen=f"{len(silent)} of {len(effects)} effects have neither limits nor a reason",
            expected="none",
            way_out="This is a fault of the estimator; report it with the rows named.",
            offenders=tuple(silent[names].head(_WORST).to_dict("records")),
        )
    ]
