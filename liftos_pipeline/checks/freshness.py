"""Freshness: is every day there that results look at, and every external factor as new as its calendar promises?"""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd

from liftos_pipeline.checks.outcome import CheckOutcome

_WORST = 5


def every_day_was_pulled(
    receipts: pd.DataFrame, gaps: pd.DataFrame, as_of: date, look_back_days: int
) -> list[CheckOutcome]:
    """One outcome per stream: days of the look-back window that no receipt knows.

    Parameters
    ----------
    receipts : DataFrame
        source, stream, account_id, date_day: the days that were pulled, each once.
    gaps : DataFrame
        source, stream, account_id, first_day, last_day: days that the platform no longer serves.
    as_of : date
        Last day of the window.
    look_back_days : int
        Length of the window.
    """
    outcomes = []
    missing = missing_days(receipts, gaps, as_of, look_back_days)
    for (source, stream), part in receipts.groupby(["source", "stream"], sort=True):
        own = missing[(missing["source"] == source) & (missing["stream"] == stream)]
        newest = pd.to_datetime(part["date_day"]).max().date()
        offenders = [
            {"account_id": account, "date_day": day.isoformat()}
            for account, day in own[["account_id", "date_day"]].to_numpy()
        ]
        outcomes.append(
            CheckOutcome(
                gate="fresh",
                subject=f"{source}.{stream}",
                passed=not offenders,
                severity="error",
                seen=f"{len(offenders)} account-days missing, known through {newest}",
                expected=f"every day through {as_of}",
                way_out=f"Run `liftos run --date {as_of}`: it pulls what is missing." if offenders else "",
                offenders=tuple(offenders[-_WORST:][::-1]),
            )
        )
    return outcomes


def missing_days(receipts: pd.DataFrame, gaps: pd.DataFrame, as_of: date, look_back_days: int) -> pd.DataFrame:
    """source, stream, account_id, date_day: days of the window without a receipt. Parameters as above."""
    key = ["source", "stream", "account_id"]
    lost = {name: part for name, part in gaps.groupby(key)}
    rows = [
        (*name, day)
        for name, days in receipts.groupby(key, sort=True)["date_day"]
        for day in _missing(days, lost.get(name, gaps.iloc[:0]), as_of, look_back_days)
    ]
    return pd.DataFrame(rows, columns=[*key, "date_day"])


def _missing(days: pd.Series, lost: pd.DataFrame, as_of: date, look_back_days: int) -> list[date]:
    """Days without a receipt, from the account's first one on, lost ones aside."""
    pulled = set(pd.to_datetime(days).dt.date)
    first = max(min(pulled), as_of - timedelta(days=look_back_days - 1))
    spans = [
        (pd.Timestamp(a).date(), pd.Timestamp(b).date()) for a, b in lost[["first_day", "last_day"]].to_numpy()
    ]
    window = (first + timedelta(days=offset) for offset in range((as_of - first).days + 1))
    return [day for day in window if day not in pulled and not any(a <= day <= b for a, b in spans)]


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
