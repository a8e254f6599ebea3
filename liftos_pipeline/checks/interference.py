"""Interference: do units that are not treated move when their siblings in the account are?"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.checks.outcome import CheckOutcome

Floats = NDArray[np.float64]
_WORST = 5
_BEFORE, _AFTER = 28, 28
_FEWEST_ACCOUNTS = 5
_PERMUTATIONS = 999


def siblings_do_not_move(
    rows: pd.DataFrame, treatments: pd.DataFrame, unit_counts: pd.Series, level: float, seed: int
) -> list[CheckOutcome]:
    """One outcome per analysis: does the outcome of controls follow the share of their account that was treated?

    By account and window: the log growth of all controls' outcome, on the growth of the treated share of the account from
    the days before to those after, both against the other accounts in the same window. Its p-value comes from
    exchanging the accounts' paths of exposure, since what strikes an account strikes its units together; it is held to
    ``level`` over all analyses. With fewer than five accounts there is nothing to exchange, and nothing is said.

    Parameters
    ----------
    rows, treatments : DataFrame
        ``causal.causal_marketing_data`` and ``causal.treatments`` as of one day.
    unit_counts : Series
        Units of each (platform, account).
    level : float
        Chance of a warning where there is no interference.
    seed : int

    References
    ----------
    Fisher (1935), "The Design of Experiments": permutation; Hudgens and Halloran (2008), JASA 103(482): interference
    within groups.
    """
    analyses = list(rows.groupby(["platform", "treatment_type", "design"], sort=True))
    first = treatments.groupby(["platform", "treatment_type", "unit_id"])["started_on"].min().reset_index()
    found = []
    for (platform, kind, design), part in analyses:
        own = first[(first["platform"] == platform) & (first["treatment_type"] == kind)]
        table = _exposures(part[part["is_treated"] == 0], own, unit_counts[platform])
        found.append((f"{platform}.{kind}.{design}", table, *_permuted(table, seed)))
    n_tests = sum(np.isfinite(p) for *_, p in found)
    return [_outcome(subject, table, slope, p, level / max(n_tests, 1)) for subject, table, slope, p in found]


def _outcome(subject: str, table: pd.DataFrame, slope: float, p: float, level: float) -> CheckOutcome:
    n = table["account_id"].nunique()
    passed = not p < level
    worst = table.assign(size=(table["exposure"] * table["growth"]).abs()).nlargest(_WORST, "size")
    return CheckOutcome(
        gate="interference",
        subject=subject,
        passed=passed,
        severity="warn",
        seen=f"{n} accounts, {_FEWEST_ACCOUNTS} are needed to tell"
        if np.isnan(p)
        else f"log outcome of controls {slope:+.2f} per share of their siblings treated, p {p:.3f}, {n} accounts",
        expected=f"no such relation at p {level:.4f}",
        way_out=""
        if passed
        else "Take the sign, not the size: controls are moved by their siblings' treatment. Assign whole accounts.",
        offenders=()
        if passed
        else tuple(
            {
                "account_id": row.account_id,
                "window_start": f"{row.window_start:%Y-%m-%d}",
                "treated_share_grew_by": round(float(row.exposure), 3),
                "log_growth_of_controls": round(float(row.growth), 3),
            }
            for row in worst.itertuples()
        ),
    )


def _exposures(controls: pd.DataFrame, starts: pd.DataFrame, units: pd.Series) -> pd.DataFrame:
    """By account and window: exposure, growth (log) and weight (outcome before)."""
    account = controls["unit_id"].str.split(":", n=2).str[1]
    table = (
        controls.assign(account_id=account)
        .groupby(["account_id", "window_start"], sort=True)[["count_before", "count_after"]]
        .sum()
        .reset_index()
    )
    table = table[(table["count_before"] > 0) & (table["count_after"] > 0)].reset_index(drop=True)
    if table["account_id"].nunique() < _FEWEST_ACCOUNTS:
        return table.assign(exposure=np.nan, growth=np.nan, weight=np.nan)
    day = pd.to_datetime(starts["started_on"]).to_numpy(dtype="datetime64[D]").astype(int)
    of = starts["unit_id"].str.split(":", n=2).str[1].to_numpy()
    window = pd.to_datetime(table["window_start"]).to_numpy(dtype="datetime64[D]").astype(int)
    others = np.maximum(units.reindex(table["account_id"]).to_numpy(dtype=float) - 1.0, 1.0)
    exposure = np.zeros(len(table))
    for place, name in enumerate(table["account_id"]):
        since = window[place] - day[of == name]
        after = np.clip(since + _AFTER, 0, _AFTER).sum() / _AFTER
        before = np.clip(since, 0, _BEFORE).sum() / _BEFORE
        exposure[place] = (after - before) / others[place]
    growth = np.log(table["count_after"] / table["count_before"])
    return table.assign(exposure=exposure, growth=growth, weight=table["count_before"])


def _permuted(table: pd.DataFrame, seed: int) -> tuple[float, float]:
    """Slope and p-value; NaN with too few accounts."""
    accounts, windows = (pd.factorize(table[name], sort=True) for name in ("account_id", "window_start"))
    if len(accounts[1]) < _FEWEST_ACCOUNTS:
        return float("nan"), float("nan")
    shape = (len(accounts[1]), len(windows[1]))
    x, y, weight = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    at = accounts[0], windows[0]
    x[at], y[at], weight[at] = table["exposure"], table["growth"], table["weight"]
    own = _slope(x, y, weight)
    rng = np.random.default_rng(seed)
    drawn = [_slope(x[rng.permutation(shape[0])], y, weight) for _ in range(_PERMUTATIONS)]
    at_least = sum(abs(statistic) >= abs(own[1]) * (1 - 1e-12) for _, statistic in drawn)
    return own[0], (1 + at_least) / (1 + _PERMUTATIONS)


def _slope(x: Floats, y: Floats, weight: Floats) -> tuple[float, float]:
    """Weighted slope within windows, and its size in standard errors by account."""
    total = np.where(weight.sum(axis=0) > 0, weight.sum(axis=0), 1.0)
    x0, y0 = x - (weight * x).sum(axis=0) / total, y - (weight * y).sum(axis=0) / total
    spread = float((weight * x0 * x0).sum())
    if spread == 0:
        return 0.0, 0.0
    slope = float((weight * x0 * y0).sum()) / spread
    by_account = (weight * x0 * (y0 - slope * x0)).sum(axis=1)
    error = float(np.sqrt((by_account**2).sum())) / spread
    return slope, slope / error if error > 0 else 0.0
