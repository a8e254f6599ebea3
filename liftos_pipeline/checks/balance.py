"""Balance: are treated and weighted controls alike before the start?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from liftos_pipeline.causal.diagnostics.balance import balance
from liftos_pipeline.causal.propensity.weights import balancing_weights
from liftos_pipeline.checks.outcome import CheckOutcome

_WORST = 5


def weighted_arms_are_alike(
    scored: pd.DataFrame, covariates: Sequence[str], max_smd: float, max_variance_ratio: float, max_ks: float
) -> list[CheckOutcome]:
    """One outcome per analysis: differences of covariates between the treated and the controls, weighted for the ATT.

    A judgement: what is left is adjusted for by the outcome model, as far as that is right.

    Parameters
    ----------
    scored : DataFrame
        ``causal.causal_marketing_data`` with ``propensity``, as of one day.
    covariates : sequence of str
        Covariates that analyses adjust for.
    max_smd : float
        Largest difference of means, in standard deviations before weighting.
    max_variance_ratio : float
        Largest ratio of variances, either way.
    max_ks : float
        Largest distance of the distribution functions.

    References
    ----------
    Stuart (2010), Statistical Science 25(1), section 4.1; Rubin (2001), Health Services and Outcomes Research
    Methodology 2: ratios beyond 2 are far apart.
    """
    return [
        _outcome(".".join(analysis), _table(part, covariates), max_smd, max_variance_ratio, max_ks)
        for analysis, part in scored.groupby(["platform", "treatment_type", "design"], sort=True)
    ]


def _table(part: pd.DataFrame, covariates: Sequence[str]) -> pd.DataFrame:
    values = part[list(covariates)].astype(float)
    values = values.loc[:, values.notna().any()]
    filled = values.fillna(values.mean())
    d, e = part["is_treated"].to_numpy(dtype=float), part["propensity"].to_numpy(dtype=float)
    weights = balancing_weights(np.clip(e, 0.01, 0.99), d, "att")
    return balance(filled.to_numpy(), d, list(filled.columns), weights).table


def _outcome(
    subject: str, table: pd.DataFrame, max_smd: float, max_variance_ratio: float, max_ks: float
) -> CheckOutcome:
    known = table[table["undefined"].isna()]
    ratio = np.exp(np.abs(np.log(known["variance_ratio_after"].where(known["variance_ratio_after"] > 0))))
    excess = pd.concat(
        [known["smd_after"].abs() / max_smd, ratio / max_variance_ratio, known["ks_after"] / max_ks], axis=1
    ).max(axis=1)
    ordered = known.assign(excess=excess, ratio=ratio).sort_values("excess", ascending=False)
    bad = ordered[ordered["excess"] > 1.0]
    return CheckOutcome(
        gate="balance",
        subject=subject,
        passed=len(bad) == 0,
        severity="warn",
        seen=f"largest difference {known['smd_after'].abs().max():.2f} sd, variance ratio {ratio.max():.2f}, "
        f"distance {known['ks_after'].max():.2f}; {len(bad)} of {len(known)} covariates beyond the limits",
        expected=f"at most {max_smd:g} sd, {max_variance_ratio:g} and {max_ks:g}",
        way_out=""
        if len(bad) == 0
        else "The effect leans on its outcome model: compare with the overlap-weighted one.",
        offenders=tuple(
            {
                "covariate": row.covariate,
                "smd": round(float(row.smd_after), 3),
                "variance_ratio": round(float(row.variance_ratio_after), 3),
                "ks": round(float(row.ks_after), 3),
            }
            for row in bad.head(_WORST).itertuples()
        ),
    )
