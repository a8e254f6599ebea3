"""Tracking: does an account count its outcome in the same way from one end of the look-back window to the other?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.checks.outcome import CheckOutcome

Floats = NDArray[np.float64]
_WORST = 5
_BESIDE_DAYS = 14
_SUDDEN_DAYS = 4
_SUDDEN_SHARE = 0.6
_SHARED_BY = 0.8
_FEWEST_DAYS = 10
_FEWEST_COUNTS = 5.0
_ERRORS = 6.0
_MAD_TO_SD = 1.4826
_SD_OF_MEDIAN = 1.2533
COLUMNS = ("platform", "unit_type", "unit_id", "account_id", "date_day")


@dataclass(frozen=True)
class _Account:
    """Counts and what they are compared with, shape (n_units, n_days), 0 where either is not known; the log ratio of
    their sums, shape (n_days,), NaN where nothing is known; and by day how far it moved from the 14 days before to the
    14 from that day on."""

    platform: str
    account_id: str
    counts: Floats
    base: Floats
    level: Floats
    shift: Floats


def counting_is_steady(
    panel: pd.DataFrame,
    roles: Mapping[str, tuple[str, str, str | None, int]],
    as_of: date,
    max_shift: float,
) -> list[CheckOutcome]:
    """One outcome per platform: accounts whose outcomes per click jump for good, in most of their campaigns at once.

    The level of ``log(outcomes / clicks)`` over 14 days is compared with that over the 14 days before, by medians. A break
    is larger than ``max_shift`` and than six errors, is there within four days, and moves four of five campaigns at
    least half as far: treatments, which start one unit after another and lift some, are not. What the other platforms
    show on the same day is the market's and is taken off. An account with fewer than five outcomes a day on the better
    side is not judged.

    Parameters
    ----------
    panel : DataFrame
        ``COLUMNS`` of ``marketing_panel`` and those named in ``roles``.
    roles : mapping
        Platform to kind of unit, column of the outcome's count, column that it is compared with (None: by itself), and
        days after which a day has matured.
    as_of : date
    max_shift : float
        Log points.
    """
    first = pd.to_datetime(panel["date_day"]).min()
    accounts = [
        account
        for platform, role in roles.items()
        for account in _accounts(panel[panel["platform"] == platform], platform, role, first, as_of)
    ]
    moves = {
        platform: _median([account.shift for account in accounts if account.platform == platform])
        for platform in {account.platform for account in accounts}
    }
    outcomes = []
    for platform in roles:
        own = [account for account in accounts if account.platform == platform]
        if not own:
            continue
        others = [move for name, move in moves.items() if name != platform]
        breaks = [found for account in own if (found := _break(account, others, first, max_shift)) is not None]
        breaks.sort(key=lambda found: -abs(float(str(found["log_shift"]))))
        outcomes.append(
            CheckOutcome(
                gate="tracking",
                subject=platform,
                passed=not breaks,
                severity="error",
                seen=f"{len(breaks)} of {len(own)} accounts with a break in what they count",
                expected=f"no sudden and lasting shift of {roles[platform][1]} above {max_shift:g} log points",
                way_out=""
                if not breaks
                else "Repair the account's tracking and have its days restated; until then leave it out, or set "
                f"LIFTOS_LOOK_BACK_DAYS so that the window begins after {max(str(b['date_day']) for b in breaks)}.",
                offenders=tuple(breaks[:_WORST]),
            )
        )
    return outcomes


def one_attribution_setting(settings: pd.DataFrame) -> list[CheckOutcome]:
    """One outcome per platform: campaigns whose attribution setting changed, so that counts before and after differ.

    Parameters
    ----------
    settings : DataFrame
        platform, account_id, unit_id, attribution_setting, first_day, n_days over the look-back window.
    """
    outcomes = []
    for platform, part in settings.groupby("platform", sort=True):
        n_settings = part.groupby(["account_id", "unit_id"])["attribution_setting"].transform("nunique")
        changed = []
        for account, own in part[n_settings > 1].groupby("account_id", sort=True):
            ordered = own.sort_values("first_day")
            last_of_unit = ordered.groupby("unit_id")["first_day"].max()
            changed.append(
                {
                    "account_id": account,
                    "date_day": f"{pd.Timestamp(last_of_unit.max()):%Y-%m-%d}",
                    "settings": ", ".join(dict.fromkeys(ordered["attribution_setting"])),
                    "n_campaigns": len(last_of_unit),
                }
            )
        last = max((str(entry["date_day"]) for entry in changed), default="")
        outcomes.append(
            CheckOutcome(
                gate="attribution_setting",
                subject=str(platform),
                passed=not changed,
                severity="error",
                seen=f"{len(changed)} of {part['account_id'].nunique()} accounts changed what they attribute",
                expected="one attribution setting of each campaign over the look-back window",
                way_out=f"Set LIFTOS_LOOK_BACK_DAYS so that the window begins on {last} or later, or set it back."
                if changed
                else "",
                offenders=tuple(changed[:_WORST]),
            )
        )
    return outcomes


def _accounts(
    panel: pd.DataFrame,
    platform: str,
    role: tuple[str, str, str | None, int],
    first: pd.Timestamp,
    as_of: date,
) -> list[_Account]:
    unit_type, count, base, maturity_days = role
    n_days = (pd.Timestamp(as_of - timedelta(days=maturity_days)) - first).days + 1
    rows = panel[panel["unit_type"] == unit_type]
    day = (pd.to_datetime(rows["date_day"]) - first).dt.days.to_numpy()
    rows, day = rows[day < n_days], day[day < n_days]
    found = []
    for account, places in rows.groupby("account_id", sort=True).indices.items():
        part = rows.iloc[places]
        unit = pd.factorize(part["unit_id"], sort=True)[0]
        shape = (int(unit.max()) + 1, n_days)
        c, k = np.full(shape, np.nan), np.full(shape, np.nan)
        c[unit, day[places]] = part[count].to_numpy(dtype=float, na_value=np.nan)
        k[unit, day[places]] = 1.0 if base is None else part[base].to_numpy(dtype=float, na_value=np.nan)
        known = np.isfinite(c) & np.isfinite(k) & (k > 0)
        c, k = np.where(known, np.maximum(c, 0.0), 0.0), np.where(known, k, 0.0)
        ratio = np.log(c.sum(axis=0) + 0.5) - np.log(k.sum(axis=0) + 0.5)
        level = np.where(known.any(axis=0), ratio, np.nan)
        found.append(_Account(platform, str(account), c, k, level, _shifts(level)))
    return found


def _shifts(level: Floats) -> Floats:
    """Median of the 14 days from each one on minus that of the 14 before; NaN where fewer than ten are known."""
    shift = np.full(len(level), np.nan)
    if len(level) < 2 * _BESIDE_DAYS:
        return shift
    windows = np.lib.stride_tricks.sliding_window_view(level, _BESIDE_DAYS)
    enough = np.isfinite(windows).sum(axis=1) >= _FEWEST_DAYS
    middle = np.full(len(windows), np.nan)
    middle[enough] = np.nanmedian(windows[enough], axis=1)
    shift[_BESIDE_DAYS : len(level) - _BESIDE_DAYS + 1] = middle[_BESIDE_DAYS:] - middle[:-_BESIDE_DAYS]
    return shift


def _median(shifts: list[Floats]) -> Floats:
    """Of the accounts, by day; platforms mature at different ages, so that the shorter ones are filled up."""
    longest = max(len(shift) for shift in shifts)
    rows = np.stack([np.pad(shift, (0, longest - len(shift)), constant_values=np.nan) for shift in shifts])
    known = np.isfinite(rows).any(axis=0)
    moved = np.zeros(longest)
    moved[known] = np.nanmedian(rows[:, known], axis=0)
    return moved


def _break(
    account: _Account, others: list[Floats], first: pd.Timestamp, max_shift: float
) -> dict[str, object] | None:
    """Day and size of the largest break of one account; None without one."""
    excess = _beyond(account.shift, others)
    candidates = np.flatnonzero(np.nan_to_num(np.abs(excess)) > max_shift)
    for at in candidates[np.argsort(-np.abs(excess[candidates]), kind="stable")]:
        before, after = slice(at - _BESIDE_DAYS, at), slice(at, at + _BESIDE_DAYS)
        sign = float(np.sign(excess[at]))
        sides = account.level[before], account.level[after]
        sudden = np.nanmedian(sides[1][:_SUDDEN_DAYS]) - np.nanmedian(sides[0][-_SUDDEN_DAYS:])
        counts = max(float(account.counts[:, side].sum()) / _BESIDE_DAYS for side in (before, after))
        if (
            counts >= _FEWEST_COUNTS
            and abs(excess[at]) > _ERRORS * _error(*sides)
            and sudden * sign >= _SUDDEN_SHARE * abs(excess[at])
            and (share := _shared_by(account, before, after, 0.5 * float(account.shift[at]))) >= _SHARED_BY
        ):
            return {
                "account_id": account.account_id,
                "date_day": f"{first + pd.Timedelta(days=_dated(account.level, int(at))):%Y-%m-%d}",
                "log_shift": round(float(account.shift[at]), 3),
                "share_of_campaigns": round(share, 2),
            }
    return None


def _beyond(shift: Floats, others: list[Floats]) -> Floats:
    """How far each shift lies outside what was seen elsewhere, standing still included."""
    seen = np.zeros((1 + len(others), len(shift)))
    for row, move in enumerate(others, 1):
        seen[row, : min(len(move), len(shift))] = move[: len(shift)]
    low, high = seen.min(axis=0), seen.max(axis=0)
    return np.where(
        shift > high, shift - high, np.where(shift < low, shift - low, np.where(np.isnan(shift), np.nan, 0.0))
    )


def _error(before: Floats, after: Floats) -> float:
    """Standard error of the difference of medians, from the larger spread."""
    spread = max(float(np.nanmedian(np.abs(side - np.nanmedian(side)))) for side in (before, after))
    return _SD_OF_MEDIAN * _MAD_TO_SD * spread * float(np.sqrt(2.0 / _BESIDE_DAYS))


def _dated(level: Floats, at: int) -> int:
    """The day near ``at`` that splits the days around it into two levels best, by absolute deviations."""
    around = slice(max(at - _BESIDE_DAYS, 0), at + _BESIDE_DAYS)
    days = level[around]
    first = at - around.start

    def misfit(split: int) -> float:
        return sum(float(np.nansum(np.abs(side - np.nanmedian(side)))) for side in (days[:split], days[split:]))

    return around.start + min(range(first - _SUDDEN_DAYS, first + _SUDDEN_DAYS + 1), key=misfit)


def _shared_by(account: _Account, before: slice, after: slice, least: float) -> float:
    """Share of the campaigns, weighed by their clicks, whose own ratio moved by ``least`` or further the same way."""
    weight = account.base[:, before].sum(axis=1)
    seen = (weight > 0) & (account.base[:, after].sum(axis=1) > 0)
    if not seen.any():
        return 0.0
    early, late = (
        np.log(account.counts[seen, side].sum(axis=1) + 0.5) - np.log(account.base[seen, side].sum(axis=1) + 0.5)
        for side in (before, after)
    )
    moved = (late - early) * np.sign(least) >= abs(least)
    return float(weight[seen][moved].sum() / weight[seen].sum())
