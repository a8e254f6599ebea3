"""Freshness: is every external factor as new as its release calendar promises?"""

from __future__ import annotations

import pandas as pd

from liftos_pipeline.checks.outcome import CheckOutcome


def factors_are_fresh(factors: pd.DataFrame) -> list[CheckOutcome]:
    """One outcome per series. A release that is late warns; past its grace it blocks, and so does a series never seen.

    Parameters
    ----------
    factors : DataFrame
        ``causal.external_factors`` as of one day.
    """
    outcomes = []
    for row in factors.sort_values("series_id").to_dict("records"):
        as_of = pd.Timestamp(row["as_of"])
        last = pd.Timestamp(row["overdue_after"])
        is_overdue = bool(pd.isna(last) or as_of > last)
        day = f"{as_of:%Y-%m-%d}"
        outcomes.append(
            CheckOutcome(
                gate="freshness",
                subject=row["series_id"],
                passed=not row["is_stale"],
                severity="error" if is_overdue else "warn",
                seen=_seen(row),
                expected="nothing overdue" if pd.isna(last) else f"the next release by {last:%Y-%m-%d}",
                way_out="Run `liftos run` when FRED answers: it pulls again and estimates as of yesterday.",
                offenders=() if not row["is_stale"] else ({"series_id": row["series_id"], "as_of": day},),
            )
        )
    return outcomes


def _seen(row: dict[str, object]) -> str:
    if pd.isna(row["expected_on"]):
        return "no observation in the warehouse"
    newest = (
        f"newest period {row['observation_date']:%Y-%m-%d}" if not pd.isna(row["observation_date"]) else "no value"
    )
    if not row["is_stale"]:
        return f"{newest}, next release expected on {row['expected_on']:%Y-%m-%d}"
    return f"{newest}, next release due since {row['expected_on']:%Y-%m-%d}"
