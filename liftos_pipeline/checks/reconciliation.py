"""Reconciliation: do the levels of a platform add up, and do platforms claim more than was sold?"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from liftos_pipeline.checks.outcome import CheckOutcome

_WORST = 5
METRICS = ("spend", "impressions", "clicks", "conversions")
_LEAST = 1.0
"""A difference of one unit of money or one count is rounding."""


def levels_add_up(levels: pd.DataFrame, tolerance: float) -> list[CheckOutcome]:
    """One outcome per platform: account-days on which the sums of two levels differ.

    Parameters
    ----------
    levels : DataFrame
        platform, account_id, date_day, level and the sums ``METRICS`` of each level that is pulled.
    tolerance : float
        Largest difference, as a share of the larger sum.
    """
    outcomes = []
    apart = unreconciled(levels, tolerance)
    for platform, part in levels.groupby("platform", sort=True):
        names = sorted(part["level"].unique())
        if len(names) == 1:
            continue
        n_days = len(part[["account_id", "date_day"]].drop_duplicates())
        bad = apart[apart["platform"] == platform].sort_values(["share", "date_day"], ascending=False)
        n_bad = len(bad[["account_id", "date_day"]].drop_duplicates())
        outcomes.append(
            CheckOutcome(
                gate="reconciliation",
                subject=str(platform),
                passed=n_bad == 0,
                severity="error",
                seen=f"{n_bad} of {n_days} account-days on which the levels {', '.join(names)} differ",
                expected=f"sums within {tolerance:.1%} of each other",
                way_out=""
                if n_bad == 0
                else "Pull these days again (`liftos run`). If the platform itself says so, LIFTOS_RECONCILE_TOLERANCE "
                "bears more.",
                offenders=tuple(
                    {
                        "account_id": row.account_id,
                        "date_day": f"{pd.Timestamp(row.date_day):%Y-%m-%d}",
                        "metric": row.metric,
                        "levels": row.levels,
                        "low": float(row.low),
                        "high": float(row.high),
                    }
                    for row in bad.head(_WORST).itertuples()
                ),
            )
        )
    return outcomes


def _differences(part: pd.DataFrame) -> pd.DataFrame:
    """account_id, date_day, metric, levels, low, high, share: every sum that differs between levels by more than one.

    A level that has no row on a day on which another has one says zero.
    """
    found = []
    for metric in METRICS:
        wide = part.pivot_table(
            index=["account_id", "date_day"], columns="level", values=metric, aggfunc="sum", fill_value=0.0
        ).astype(float)
        low, high = wide.min(axis=1), wide.max(axis=1)
        share = (high - low) / high.where(high > 0)
        chosen = (high - low) > _LEAST
        who = wide.idxmin(axis=1) + " < " + wide.idxmax(axis=1)
        table = pd.DataFrame({"metric": metric, "levels": who, "low": low, "high": high, "share": share})
        found.append(table[chosen].reset_index())
    return pd.concat(found, ignore_index=True)


def claims_are_within_orders(
    panel: pd.DataFrame, claims: Mapping[str, str], orders: tuple[str, str], max_ratio: float
) -> list[CheckOutcome]:
    """One outcome: conversions that the ad platforms claim together against the orders that came in.

    A judgement: more claims than orders means that some are claimed twice; fewer say nothing.

    Parameters
    ----------
    panel : DataFrame
        platform, unit_type, date_day, the columns of ``claims`` and ``orders``.
    claims : mapping
        Ad platform to the column of its claims.
    orders : (unit type, column)
        Where first-party orders are.
    max_ratio : float
        Largest ratio of claims to orders.
    """
    unit_type, column = orders
    sold = panel[panel["unit_type"] == unit_type].groupby("date_day")[column].sum(min_count=1)
    by_platform = {
        platform: panel[(panel["platform"] == platform) & (panel["unit_type"] == "campaign")]
        .groupby("date_day")[claim]
        .sum(min_count=1)
        for platform, claim in claims.items()
        if (panel["platform"] == platform).any()
    }
    both = pd.DataFrame({"orders": sold, **by_platform}).astype(float).dropna()
    if not by_platform or len(both) == 0 or not both["orders"].sum() > 0:
        return []
    total = both.sum()
    ratio = float(total[list(by_platform)].sum() / total["orders"])
    passed = ratio <= max_ratio
    shares = {platform: float(total[platform] / total["orders"]) for platform in by_platform}
    return [
        CheckOutcome(
            gate="claims",
            subject="orders",
            passed=bool(passed),
            severity="warn",
            seen=f"platforms claim {ratio:.2f} times the {total['orders']:.0f} orders of {len(both)} days",
            expected=f"at most {max_ratio:g} times",
            way_out=""
            if passed
            else "Orders are claimed twice: budget by incremental figures, not by reported ones.",
            offenders=()
            if passed
            else tuple(
                {"platform": name, "claimed_per_order": round(share, 3)}
                for name, share in sorted(shares.items(), key=lambda entry: -entry[1])
            ),
        )
    ]


def unreconciled(levels: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    """platform, account_id, date_day, metric, levels, low, high, share: sums that differ by more than ``tolerance``."""
    found = [
        _differences(part).assign(platform=platform)
        for platform, part in levels.groupby("platform", sort=True)
        if part["level"].nunique() > 1
    ]
    names = ["platform", "account_id", "date_day", "metric", "levels", "low", "high", "share"]
    apart = pd.concat(found, ignore_index=True)[names] if found else pd.DataFrame(columns=names)
    return apart[apart["share"] > tolerance]
