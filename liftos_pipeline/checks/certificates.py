"""Certificates: does the method hold its size where nobody was treated?"""

from __future__ import annotations

import pandas as pd

from liftos_pipeline.causal.verdicts import BLOCKED, BLOCKED_EXCESS
from liftos_pipeline.checks.outcome import CheckOutcome


def no_method_is_blocked(certificates: pd.DataFrame) -> list[CheckOutcome]:
    """One outcome per platform and outcome: may its methods' effects be released?

    Parameters
    ----------
    certificates : DataFrame
        ``causal.certificates`` as of one day.
    """
    outcomes = []
    for (platform, outcome), part in certificates.groupby(["platform", "outcome"], sort=True):
        blocked = part[part["status"] == BLOCKED].sort_values("size", ascending=False)
        seen = part[part["size"].notna()]
        limit = 1.0 - part["level"].iloc[0] + BLOCKED_EXCESS
        told = "; ".join(f"{row.method} {row.status}, size {row.size:.1%}" for row in seen.itertuples(index=False))
        outcomes.append(
            CheckOutcome(
                gate="certificate",
                subject=f"{platform}.{outcome}",
                passed=len(blocked) == 0,
                severity="warn",
                seen=told or str(part["reason"].iloc[0]),
                expected=f"a lower limit of the size of at most {limit:.1%} for every method",
                way_out="Use a method that is cleared; the effects of blocked ones are refused.",
                offenders=tuple(blocked[["method", "size", "size_low"]].to_dict("records")),
            )
        )
    return outcomes
