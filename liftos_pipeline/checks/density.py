"""Density: are there days that were pulled and hold nothing, between days that are full?"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.checks.outcome import CheckOutcome

_WORST = 5
_WEEKS = 4
_FEWEST_UNITS = 3
_EMPTY_BELOW = 0.5
_STOPPED_AFTER_DAYS = 7
_HOLE_DAYS = 3
COLUMNS = (
    *("platform", "unit_type", "unit_id", "account_id", "date_day", "is_observed", "is_boundary"),
    *("spend", "impressions", "conversions_reported", "orders", "email_sends"),
)
"""Columns of the panel that the rules read."""
_ACTIVITY = ("spend", "impressions", "conversions_reported", "orders", "email_sends")


def account_days(panel: pd.DataFrame) -> pd.DataFrame:
    """platform, account_id, date_day, n_units (known on the day), n_active (of those, with anything to show).

    Days that were not pulled or that are no whole days have no row.
    """
    rows = panel[(panel["unit_type"] != "geo") & panel["is_observed"] & ~panel["is_boundary"]]
    active = _is_active(rows)
    return (
        rows.assign(is_active=active)
        .groupby(["platform", "account_id", "date_day"], sort=True, observed=True)["is_active"]
        .agg(n_units="size", n_active="sum")
        .reset_index()
    )


def empty_days(days: pd.DataFrame) -> pd.DataFrame:
    """Account-days with fewer than half of the active units that the same weekdays of four weeks before and after have.

    An account that shows nothing for more than seven days up to the last one has stopped. Accounts that usually have
    fewer than three active units are not judged: a day without any may be meant.

    Returns
    -------
    DataFrame
        platform, account_id, date_day, n_active, expected; newest day first.
    """
    found = []
    for (platform, account), part in days.groupby(["platform", "account_id"], sort=True):
        dates = pd.DatetimeIndex(part["date_day"])
        calendar = pd.date_range(dates.min(), pd.to_datetime(days["date_day"]).max(), freq="D")
        active = pd.Series(part["n_active"].to_numpy(dtype=float), index=dates).reindex(calendar).to_numpy()
        expected = _expected(active)
        is_empty = (active < _EMPTY_BELOW * expected) & (expected >= _FEWEST_UNITS)
        usual = np.median(active[active > 0]) if (active > 0).any() else 0.0
        trailing = _trailing(~(active >= _EMPTY_BELOW * usual))
        if trailing > _STOPPED_AFTER_DAYS:
            is_empty[-trailing:] = False
        where = np.flatnonzero(is_empty)
        found.append(
            pd.DataFrame(
                {
                    "platform": platform,
                    "account_id": account,
                    "date_day": calendar[where],
                    "n_active": active[where].astype(int),
                    "expected": expected[where],
                }
            )
        )
    if not found:
        return pd.DataFrame(columns=["platform", "account_id", "date_day", "n_active", "expected"])
    return pd.concat(found, ignore_index=True).sort_values(
        ["date_day", "platform", "account_id"], ascending=[False, True, True], ignore_index=True
    )


def no_day_is_empty(panel: pd.DataFrame, max_empty_days: int) -> list[CheckOutcome]:
    """One outcome per platform: account-days of the look-back window that were pulled and hold next to nothing.

    Parameters
    ----------
    panel : DataFrame
        ``COLUMNS`` of ``marketing_panel`` over the look-back window.
    max_empty_days : int
        Account-days that are borne.
    """
    days = account_days(panel)
    empty = empty_days(days)
    outcomes = []
    for platform, known in days.groupby("platform", sort=True):
        own = empty[empty["platform"] == platform]
        named = tuple(
            {
                "account_id": row.account_id,
                "date_day": f"{row.date_day:%Y-%m-%d}",
                "active_units": int(row.n_active),
                "usual_units": float(row.expected),
            }
            for row in own.head(_WORST).itertuples()
        )
        passed = len(own) <= max_empty_days
        outcomes.append(
            CheckOutcome(
                gate="density",
                subject=str(platform),
                passed=passed,
                severity="error",
                seen=f"{len(own)} of {len(known)} account-days empty"
                + (f", the newest {named[0]['date_day']}" if named else ""),
                expected=f"at most {max_empty_days} account-days with fewer than half of the usual active units",
                way_out=""
                if passed
                else "Pull these days again (`liftos run`); if the accounts really stood still, set "
                "LIFTOS_DENSITY_MAX_EMPTY_DAYS to as many.",
                offenders=() if passed else named,
            )
        )
    return outcomes


def few_holes(panel: pd.DataFrame, max_share: float) -> list[CheckOutcome]:
    """One outcome per ad platform: campaign-days that are missing or empty for one to three days between active ones.

    Days on which the whole account is empty are the business of :func:`no_day_is_empty`.

    Parameters
    ----------
    panel : DataFrame
        ``COLUMNS`` of ``marketing_panel`` over the look-back window.
    max_share : float
        Largest share of the campaign-days between a campaign's first and last active day.
    """
    outcomes = []
    campaigns = panel[(panel["unit_type"] == "campaign") & ~panel["is_boundary"]]
    for platform, rows in campaigns.groupby("platform", sort=True):
        active = _is_active(rows).to_numpy() & rows["is_observed"].to_numpy(dtype=bool)
        unit, units = pd.factorize(rows["unit_id"], sort=True)
        dates = rows["date_day"].to_numpy(dtype="datetime64[D]")
        day = (dates - dates.min()).astype(int)
        grid = np.zeros((len(units), int(day.max()) + 1), dtype=bool)
        grid[unit, day] = active
        accounts = rows.groupby("unit_id", sort=True)["account_id"].first().to_numpy()
        any_of_account = pd.DataFrame(grid).groupby(accounts).transform("any").to_numpy()
        holes, span = _holes(grid)
        n_holes = (holes & any_of_account).sum(axis=1)
        share = float(n_holes.sum() / max(span.sum(), 1))
        worst = [place for place in np.argsort(-n_holes, kind="stable")[:_WORST] if n_holes[place]]
        passed = share <= max_share
        outcomes.append(
            CheckOutcome(
                gate="holes",
                subject=str(platform),
                passed=passed,
                severity="error",
                seen=f"{share:.2%} of {int(span.sum())} campaign-days missing or empty between active days",
                expected=f"at most {max_share:.2%}",
                way_out=""
                if passed
                else "Pull the look-back window again; LIFTOS_DENSITY_MAX_HOLES bears more, at the price of biased "
                "means.",
                offenders=()
                if passed
                else tuple({"unit_id": str(units[place]), "n_days": int(n_holes[place])} for place in worst),
            )
        )
    return outcomes


def _is_active(rows: pd.DataFrame) -> pd.Series:
    """Whether anything was spent, shown, sent or sold."""
    present = [name for name in _ACTIVITY if name in rows.columns]
    return (rows[present].fillna(0.0) > 0).any(axis=1)


def _expected(active: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median of the same weekdays before and of those after, the smaller of the two where both are known."""
    n = len(active)
    padded = np.concatenate([np.full(7 * _WEEKS, np.nan), active, np.full(7 * _WEEKS, np.nan)])
    sides = []
    for sign in (-1, 1):
        shifted = np.stack(
            [padded[7 * _WEEKS + sign * 7 * k : 7 * _WEEKS + sign * 7 * k + n] for k in range(1, _WEEKS + 1)]
        )
        known = np.isfinite(shifted).any(axis=0)
        median = np.full(n, np.nan)
        median[known] = np.nanmedian(shifted[:, known], axis=0)
        sides.append(median)
    lowest: NDArray[np.float64] = np.fmin(*sides)
    return np.where(np.isfinite(lowest), lowest, 0.0)


def _trailing(flags: NDArray[np.bool_]) -> int:
    """How many of the last entries hold, without a gap."""
    others = np.flatnonzero(~flags)
    return len(flags) - 1 - int(others[-1]) if len(others) else len(flags)


def _holes(grid: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Inactive days in runs of at most three between active ones, and the days from first to last active one."""
    n_days = grid.shape[1]
    index = np.arange(n_days)
    last = np.maximum.accumulate(np.where(grid, index, -1), axis=1)
    following = np.minimum.accumulate(np.where(grid, index, n_days)[:, ::-1], axis=1)[:, ::-1]
    between = ~grid & (last >= 0) & (following < n_days)
    holes = between & (following - last - 1 <= _HOLE_DAYS)
    ever = grid.any(axis=1)
    span = np.where(ever, n_days - np.argmax(grid[:, ::-1], axis=1) - np.argmax(grid, axis=1), 0)
    return holes, span.astype(np.int64)
