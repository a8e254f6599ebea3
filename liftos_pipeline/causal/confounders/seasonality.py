"""Seasonality: how strong the week is in each unit's series, and, from two years on, the year."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
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
from liftos_pipeline.causal.confounders.cleaning import WEEK, fill_gaps
from liftos_pipeline.causal.confounders.periodicity import periodicity_test
from liftos_pipeline.causal.confounders.series import UnitSeries, read_series
from liftos_pipeline.causal.confounders.spans import observed_spans
from liftos_pipeline.causal.kernels.medians import range_of_known
from liftos_pipeline.causal.results import Detection
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

MIN_CYCLES = 8
YEAR_DAYS = 365.25
MIN_YEARS = 2
YEAR_HARMONICS = 2
SEASONAL_CYCLES = 7
"""LOESS window of the seasonal component, in cycles; not the period."""
INNER_PASSES, ROBUST_TURNS = 1, 5
PLAIN_PASSES = 2
_THREADS = 2


@dataclass(frozen=True, eq=False)
class Components:
    """Parts of series that add up to them, each shape (n_units, n_periods), NaN outside a unit's observed span.

    ``year`` is zero below two years.
    """

    trend: Floats
    season: Floats
    year: Floats
    remainder: Floats


def seasonality(
    df: Tabular,
    *,
    unit: str,
    period: str,
    value: str,
    season: int | None = None,
    robust: bool = True,
    alpha: float = 0.05,
    components: bool = False,
) -> Detection:
    """Measure seasonal and trend strength of each unit and test for a seasonal cycle.

    Series are decomposed by STL (LOESS), after an annual pattern of two harmonics is taken out where two years are
    observed. Strength is ``max(0, 1 - var(remainder) / var(component + remainder))``. Whether there is a cycle at all is
    tested by the power at its frequencies beside that at their neighbours, which holds whatever the autocorrelation.

    Parameters
    ----------
    df : DataFrame or pyarrow.Table
        One row per unit and period.
    value : str
        Any number. Gaps are filled by interpolation, at most a fifth of a unit's span.
    season : int, optional
        Periods in a cycle; 7 for daily data, else it must be named.
    robust : bool
        Whether outliers lose their weight in the decomposition.
    alpha : float
        Level of the test.
    components : bool
        Whether the decomposition is handed out, as ``diagnostics["components"]``: unit, period, trend, season, year,
        remainder.

    Returns
    -------
    Detection
        ``table``: unit, status, statistic, p_value, confidence, estimate (seasonal strength, 0 to 1), date (none),
        n_events, n_observed, n_needed, reason, trend_strength, year_strength, year_p_value (both NaN below two years),
        amplitude (half the range of the mean cycle, in units of the value), peak (place of its top in the cycle,
        counted from the first period of the table). ``events``: empty.

    Raises
    ------
    LiftosError
        A table that cannot be read, periods that are not days without ``season``, or an option outside its range.

    References
    ----------
    Cleveland, Cleveland, McRae and Terpenning (1990), Journal of Official Statistics 6(1). Wang, Smith and Hyndman
    (2006), Data Mining and Knowledge Discovery 13(3): strengths.
    """
    if not 0.0 < alpha <= 0.5:
        raise LiftosError("alpha in (0, 0.5]", repr(alpha), "0.05 is usual.")
    series = read_series(df, unit, period, value, allow_infinite=True)
    cycle = _cycle(series, season)
    (values,) = series.values
    defect = defects({"an infinite value": np.isinf(values)})
    known = np.isfinite(values)
    span = observed_spans(known, MIN_CYCLES * cycle, "periods observed")
    start, stop = span.start, span.stop
    is_short = ~span.testable
    is_flat = ~is_short & (range_of_known(np.where(known, values, np.nan)) == 0.0)
    usable = ~is_short & ~is_flat & np.array([not words for words in defect])
    filled = fill_gaps(np.where(known & usable[:, None], values, np.nan))
    parts = _decomposed(filled, np.flatnonzero(usable), start, stop, cycle, series.is_daily, robust)
    numbers = _tested(filled, np.flatnonzero(usable), start, stop, cycle, series.is_daily)
    numbers |= _strengths(parts, cycle)
    flat = "the value is constant"
    reason = [
        words or few or (flat if never else "")
        for words, few, never in zip(defect, span.reason, is_flat, strict=True)
    ]
    numbers["p_value"] = np.where(is_flat, 1.0, numbers["p_value"])
    numbers["estimate"] = np.where(is_flat, 0.0, numbers["estimate"])
    status = np.select([~(usable | is_flat), numbers["p_value"] <= alpha], [UNDETERMINED, DETECTED], NOT_DETECTED)
    events = no_events(series.periods)
    n_needed = np.where(is_short, span.n_needed, math.nan)
    table = answer_table(series.units, list(status), numbers, events, span.n_observed, n_needed, reason)
    facts: dict[str, object] = {"alpha": alpha, "season": cycle, "robust": robust}
    if components:
        facts["components"] = _long(series, parts)
    return Detection("seasonality", table, events, facts)


def _cycle(series: UnitSeries, season: int | None) -> int:
    if season is None:
        if not series.is_daily:
            raise LiftosError("the season of data that are not daily", "none", "Name it: season=52 for weeks.")
        return WEEK
    if season < 3:
        raise LiftosError("a season of at least 3 periods", repr(season), "7 for days, 52 for weeks.")
    return int(season)


def _has_years(start: Integers, stop: Integers, is_daily: bool) -> Bools:
    return is_daily & (stop - start >= MIN_YEARS * YEAR_DAYS)


def _decomposed(
    filled: Floats, rows: Integers, start: Integers, stop: Integers, cycle: int, is_daily: bool, robust: bool
) -> Components:
    from liftos_pipeline.causal.confounders.stl_kernel import decompose

    trend, season, year, rest = np.full((4, *filled.shape), np.nan)
    trend_length = math.ceil(1.5 * cycle / (1.0 - 1.5 / SEASONAL_CYCLES))
    trend_length += 1 - trend_length % 2
    passes = (INNER_PASSES, ROBUST_TURNS) if robust else (PLAIN_PASSES, 0)
    has_years = _has_years(start, stop, is_daily)

    def one(row: int) -> None:
        span = slice(start[row], stop[row])
        own = filled[row, span]
        level = own.mean()
        yearly = _annual(own - level) if has_years[row] else np.zeros(len(own))
        found, slow, _ = decompose(own - level - yearly, cycle, SEASONAL_CYCLES, trend_length, *passes, 0.0)
        trend[row, span], season[row, span], year[row, span] = slow + level, found, yearly
        rest[row, span] = own - level - yearly - slow - found

    with ThreadPoolExecutor(_THREADS) as threads:
        list(threads.map(one, rows, chunksize=64))
    return Components(trend, season, year, rest)


def _annual(values: Floats) -> Floats:
    """Least-squares fit of the year's harmonics, beside a line."""
    time = np.arange(len(values))
    angles = 2 * np.pi * np.outer(time / YEAR_DAYS, np.arange(1, YEAR_HARMONICS + 1))
    waves = np.hstack([np.cos(angles), np.sin(angles)])
    design = np.column_stack([waves, np.ones(len(time)), time / len(time) - 0.5])
    slopes = np.linalg.lstsq(design, values, rcond=None)[0][: waves.shape[1]]
    fitted: Floats = waves @ slopes
    fitted -= fitted.mean()
    return fitted


def _tested(
    filled: Floats, rows: Integers, start: Integers, stop: Integers, cycle: int, is_daily: bool
) -> dict[str, Floats]:
    """Tests of the cycle and of the year; units of one length are tested side by side."""
    statistic, p_value, year = np.full((3, len(filled)), math.nan)
    lengths = (stop - start)[rows]
    for length in np.unique(lengths):
        members = rows[lengths == length]
        spans = filled[members[:, None], start[members][:, None] + np.arange(length)]
        statistic[members], p_value[members] = periodicity_test(spans, float(cycle), cycle // 2)
        if is_daily and length >= MIN_YEARS * YEAR_DAYS:
            year[members] = periodicity_test(spans, YEAR_DAYS, YEAR_HARMONICS)[1]
    return {"statistic": statistic, "p_value": p_value, "year_p_value": year}


def _strengths(parts: Components, cycle: int) -> dict[str, Floats]:
    n_periods = parts.season.shape[1]
    place = np.arange(n_periods) % cycle
    with np.errstate(invalid="ignore"):
        by_place = np.stack(
            [_mean(parts.season[:, place == step]) for step in range(min(cycle, n_periods))], axis=1
        )
        has_season = ~np.isnan(by_place).any(axis=1)
        peak = np.where(has_season, np.argmax(np.where(np.isnan(by_place), -np.inf, by_place), axis=1), math.nan)
        has_year = np.any(np.nan_to_num(parts.year) != 0, axis=1)
        year = np.where(has_year, _strength(parts.year, parts.remainder), math.nan)
        return {
            "estimate": _strength(parts.season, parts.remainder),
            "trend_strength": _strength(parts.trend, parts.remainder),
            "year_strength": year,
            "amplitude": 0.5 * (by_place.max(axis=1) - by_place.min(axis=1)),
            "peak": peak,
        }


def _mean(values: Floats) -> Floats:
    known = ~np.isnan(values)
    mean: Floats = np.full(len(values), math.nan)
    np.divide(np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1), out=mean, where=known.any(axis=1))
    return mean


def _variance(values: Floats) -> Floats:
    return _mean((values - _mean(values)[:, None]) ** 2)


def _strength(component: Floats, remainder: Floats) -> Floats:
    whole = _variance(component + remainder)
    share = np.divide(_variance(remainder), whole, out=np.ones_like(whole), where=~(whole == 0))
    found: Floats = np.maximum(0.0, 1.0 - share)
    return np.where(np.isnan(whole), math.nan, found)


def _long(series: UnitSeries, parts: Components) -> pd.DataFrame:
    unit, time = np.nonzero(~np.isnan(parts.trend))
    columns = {name: values[unit, time] for name, values in vars(parts).items()}
    return pd.DataFrame({"unit": series.units[unit], "period": series.periods[time], **columns})
