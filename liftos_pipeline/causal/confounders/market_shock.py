"""Market shocks: days on which prices of all units jump together, as when a competitor enters or leaves the auctions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.columns import Tabular
from liftos_pipeline.causal.confounders.answers import (
    DETECTED,
    NOT_DETECTED,
    UNDETERMINED,
    answer_table,
    defects,
    no_events,
)
from liftos_pipeline.causal.confounders.cleaning import (
    MIN_UNITS_FOR_CALENDAR,
    common_calendar,
    fill_gaps,
    remove_weekdays,
)
from liftos_pipeline.causal.confounders.jumps import LAGS, shared_jumps
from liftos_pipeline.causal.confounders.series import UnitSeries, read_series
from liftos_pipeline.causal.results import Detection
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

MIN_OBSERVED = 42
MARKET = "market"
_SIGNS = {"value": 1.0, "cpm": 1.0, "cpc": 1.0, "impression_share": -1.0}


@dataclass(frozen=True, eq=False)
class _Market:
    """What units share. ``factors``: one per metric, shape (n_metrics, n_periods), on the days ``first``..``last - 1``
    that enough units have; ``deviations``: units' own, shape (n_metrics, n_units, n_periods)."""

    factors: Floats
    deviations: Floats
    first: int
    last: int


def market_shock(
    df: Tabular,
    *,
    unit: str,
    period: str,
    value: str | None = None,
    cpm: str | None = None,
    cpc: str | None = None,
    impression_share: str | None = None,
    alpha: float = 0.05,
    seed: int = 0,
) -> Detection:
    """Date the days on which the common factor of prices and impression share jumps.

    The factor of each metric is the median over units of their deviations from their own levels and weekdays: cost per
    mille and per click as logarithms, impression share as logit with its sign turned, so that all rise when competition
    does. Jumps are the shared innovations of an AR(4) that stand out, averaged over the metrics; the chance of the
    largest one among all days is simulated. A shock that all units share is nobody's confounder: it belongs to the
    calendar effect.

    Parameters
    ----------
    df : DataFrame or pyarrow.Table
        One row per unit and period.
    value, cpm, cpc : str, optional
        Positive columns; at least one of them or ``impression_share``.
    impression_share : str, optional
        Between 0 and 1.
    alpha : float
        Chance of any event in a market without shocks.
    seed : int
        Seed of the simulated distribution.

    Returns
    -------
    Detection
        ``events``: unit (``market``), date, size (log points, mean over the metrics), statistic (in standard
        deviations of the other days), p_value (for the largest of all days). ``table``: one row per unit; status,
        statistic, p_value and date are the market's, the same in every row; estimate is the unit's loading on the
        factor, share_explained that of its variance. A unit that cannot be read is ``undetermined``, as all are where
        fewer than eight units, or 42 days with so many, are left.

    Raises
    ------
    LiftosError
        No metric, a table that cannot be read, or an option outside its range.

    References
    ----------
    Fox (1972), JRSS B 34(3): innovation outliers. Chang, Tiao and Chen (1988), Technometrics 30(2).
    """
    if not 0.0 < alpha <= 0.5:
        raise LiftosError("alpha in (0, 0.5]", repr(alpha), "0.05 is usual.")
    given = {"value": value, "cpm": cpm, "cpc": cpc, "impression_share": impression_share}
    named = {role: name for role, name in given.items() if name is not None}
    if not named:
        raise LiftosError("a metric", "none", "Name cpm, cpc, impression_share or value.")
    series = read_series(df, unit, period, *named.values(), allow_infinite=True)
    levels, defect = _levels(dict(zip(named, series.values, strict=True)))
    n_observed = (~np.isnan(levels)).all(axis=0).sum(axis=1).astype(np.int64)
    usable = (n_observed >= MIN_OBSERVED) & np.array([not words for words in defect])
    market = _market(levels, usable, series.is_daily)
    reason = [
        words or ("" if fine else f"{n} days observed, at least {MIN_OBSERVED} are needed")
        for words, fine, n in zip(defect, usable, n_observed, strict=True)
    ]
    n_needed = np.where(n_observed < MIN_OBSERVED, MIN_OBSERVED, math.nan)
    n_days = market.last - market.first
    if n_days < MIN_OBSERVED:
        few = f"{int(usable.sum())} units and {max(n_days, 0)} days with {MIN_UNITS_FOR_CALENDAR} of them: too few"
        reason = [words or few for words in reason]
        usable = np.zeros_like(usable)
        n_needed = np.where(np.isnan(n_needed), MIN_OBSERVED, n_needed)
    events, largest = _events(series, market, usable, alpha, seed)
    is_shock = len(events) > 0
    status = [(DETECTED if is_shock else NOT_DETECTED) if fine else UNDETERMINED for fine in usable]
    loading, share = _loadings(market, usable)
    numbers = {
        "statistic": np.where(usable, largest[0], math.nan),
        "p_value": np.where(usable, largest[1], math.nan),
        "estimate": loading,
        "share_explained": share,
    }
    table = answer_table(series.units, status, numbers, events, n_observed, n_needed, reason)
    if is_shock:
        top = events.loc[events["size"].abs().idxmax()]
        table["date"] = table["status"].map({DETECTED: top["date"]})
        table.loc[usable, "n_events"] = len(events)
    return Detection("market_shock", table, events, {"alpha": alpha, "seed": seed, "metrics": list(named)})


def _levels(columns: dict[str, Floats]) -> tuple[Floats, list[str]]:
    """Log or logit of each metric, rising with competition, shape (n_metrics, n_units, n_periods); units' defects."""
    rules, found = {}, []
    for role, values in columns.items():
        is_share = role == "impression_share"
        bad = np.isinf(values) | (values < 0) | ((values > 1) if is_share else False)
        words = f"{role} outside 0 to 1" if is_share else f"a negative or infinite {role}"
        rules[words] = bad
        inside = ~bad & (values > 0) & ((values < 1) if is_share else True)
        kept = np.where(inside, values, np.nan)
        logs = np.log(kept / (1.0 - kept)) if is_share else np.log(kept)
        found.append(_SIGNS[role] * logs)
    return np.stack(found), defects(rules)


def _market(levels: Floats, usable: Bools, is_daily: bool) -> _Market:
    deviations = np.full_like(levels, np.nan)
    for place, metric in enumerate(levels):
        filled = fill_gaps(metric[usable])
        deviations[place, usable] = remove_weekdays(filled) if is_daily else filled
    counts = (~np.isnan(deviations)).sum(axis=1).min(axis=0)
    enough = np.flatnonzero(counts >= MIN_UNITS_FOR_CALENDAR)
    first, last = (int(enough[0]), int(enough[-1]) + 1) if len(enough) else (0, 0)
    factors = np.stack([common_calendar(metric[:, first:last]) for metric in deviations])
    return _Market(factors, deviations[:, :, first:last], first, last)


def _events(
    series: UnitSeries, market: _Market, usable: Bools, alpha: float, seed: int
) -> tuple[pd.DataFrame, tuple[float, float]]:
    """Days that stand out, and the largest statistic with its p-value."""
    if not usable.any():
        return no_events(series.periods), (math.nan, math.nan)
    jumps = shared_jumps(market.deviations[:, usable], seed)
    day = np.flatnonzero(jumps.p_value <= alpha)
    events = pd.DataFrame(
        {
            "unit": np.full(len(day), MARKET, dtype=object),
            "date": series.periods[market.first + 2 * LAGS + day],
            "size": jumps.size[day],
            "statistic": jumps.statistic[day],
            "p_value": jumps.p_value[day],
        }
    )
    top = int(np.argmax(np.abs(jumps.statistic)))
    return events, (float(jumps.statistic[top]), float(jumps.p_value[top]))


def _loadings(market: _Market, usable: Bools) -> tuple[Floats, Floats]:
    """Slope of each unit's deviations on the factor and the share of their variance, means over the metrics."""
    slopes, shares = np.full((2, *market.deviations.shape[:2]), math.nan)
    for place, (factor, units) in enumerate(zip(market.factors, market.deviations, strict=True)):
        known = ~np.isnan(units)
        count = np.maximum(known.sum(axis=1), 1)
        own = np.where(known, units - (np.where(known, units, 0.0).sum(axis=1) / count)[:, None], 0.0)
        shared = np.where(known, factor, 0.0)
        shared = np.where(known, shared - (shared.sum(axis=1) / count)[:, None], 0.0)
        power, both, total = (np.sum(a * b, axis=1) for a, b in ((shared, shared), (own, shared), (own, own)))
        is_defined = usable & (power > 0) & (total > 0)
        np.divide(both, power, out=slopes[place], where=is_defined)
        np.divide(both**2, power * total, out=shares[place], where=is_defined)
    return slopes.mean(axis=0), shares.mean(axis=0)
