"""Quality-score regimes: a cost per click that switches between two levels, or follows the score that was logged."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.columns import Tabular
from liftos_pipeline.causal.confounders.answers import (
    DETECTED,
    NOT_DETECTED,
    NOT_IDENTIFIED,
    UNDETERMINED,
    Verdicts,
    answer_table,
    defects,
    first_true,
    no_events,
)
from liftos_pipeline.causal.confounders.cleaning import common_calendar, fill_gaps, remove_weekdays
from liftos_pipeline.causal.confounders.logged_score import score_varies, score_verdicts
from liftos_pipeline.causal.confounders.markov_switching import bootstrap_p_values, fit_regimes
from liftos_pipeline.causal.confounders.regime_critical_values import p_values
from liftos_pipeline.causal.confounders.series import UnitSeries, read_series
from liftos_pipeline.causal.confounders.spans import observed_spans, packed
from liftos_pipeline.causal.kernels.medians import replace_outliers
from liftos_pipeline.causal.results import Detection
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

MIN_LENGTH = 60
SCREEN_LEVEL = 0.1
"""Series whose Gaussian AR(1) p-value is above it are answered without a bootstrap."""
OUTLIER_MADS = 8.0
"""Only gross errors are replaced: the bootstrap copes with tails, and a narrower filter blunts the switches."""
MIN_RARE_DAYS = 7
"""A rarer regime that ruled for fewer days is a handful of odd days."""


def quality_score_regime(
    df: Tabular,
    *,
    unit: str,
    period: str,
    value: str,
    quality_score: str | None = None,
    alpha: float = 0.05,
    min_size: float = 0.1,
    calendar: bool = False,
    seed: int = 0,
) -> Detection:
    """Look for two regimes of the cost per click.

    Where the quality score was logged and varies, the log cost is regressed on it, with weekdays, trend and
    autoregressive errors. Elsewhere the log cost is cleaned of outliers and weekdays and a model whose mean switches
    between two values is set against one mean: a likelihood ratio with simulated critical values chooses the series for
    which a bootstrap with their own tails and autocorrelation decides.

    Parameters
    ----------
    df : DataFrame or pyarrow.Table
        One row per unit and period.
    value : str
        Cost per click. Days with none or zero are not observed.
    quality_score : str, optional
        Logged score.
    alpha : float
        Level of each test, from 0.01.
    min_size : float
        Smallest difference that counts, in log points: between the regimes, or over the range of the score.
    calendar : bool
        Remove the movement that units share, the median over units, before the switching model.

    Returns
    -------
    Detection
        ``table``: unit, status, statistic, p_value, confidence, estimate, date (of the largest event), n_events,
        n_observed, n_needed, reason, and whether the estimate is ``per_point`` of the score (1) or the level of the
        rarer regime less that of the usual one (0), in log points. The p-value of a switching model is a bound where
        its bootstrap stopped early: 0.05 may stand for much less.
        ``events``: unit, date (first period of a regime, or with another score), size (log points), statistic, p_value;
        of detected units.

    Raises
    ------
    LiftosError
        A table that cannot be read, or an option outside its range.

    References
    ----------
    Hamilton (1989), Econometrica 57(2). Buhlmann (1997), Bernoulli 3(2): the sieve bootstrap.
    """
    if not 0.01 <= alpha <= 0.5:
        raise LiftosError("alpha in [0.01, 0.5]", repr(alpha), "0.05 is usual.")
    if not min_size >= 0.0:
        raise LiftosError("min_size at zero or above", repr(min_size), "0.1 is 10 log points.")
    names = [value] if quality_score is None else [value, quality_score]
    series = read_series(df, unit, period, *names, allow_infinite=True)
    cost = series.values[0]
    score = series.values[1] if quality_score is not None else np.full_like(cost, np.nan)
    with np.errstate(invalid="ignore"):
        log_cost = np.log(np.where((cost > 0) & np.isfinite(cost), cost, np.nan))
    wrong = defects(
        {"a negative or infinite cost": (cost < 0) | np.isinf(cost), "an infinite score": np.isinf(score)}
    )
    span = observed_spans(~np.isnan(log_cost), MIN_LENGTH, "days with a cost")
    varies = score_varies(log_cost, score)
    is_wrong = np.array([bool(words) for words in wrong])
    usable = span.testable & ~is_wrong
    chosen = np.flatnonzero(usable & varies), np.flatnonzero(usable & ~varies)
    logged, latent = chosen
    parts = (
        score_verdicts(log_cost[logged], score[logged], series.is_daily, alpha, min_size),
        _latent(
            _cleaned(log_cost[latent], series.is_daily, calendar),
            span.start[latent],
            span.stop[latent],
            alpha,
            min_size,
            seed,
        ),
    )
    reason = [words or short for words, short in zip(wrong, span.reason, strict=True)]
    needed = np.where(span.testable | is_wrong, math.nan, span.n_needed)
    table, events = _joined(series, chosen, parts, span.n_observed, needed, reason)
    table["per_point"] = np.where(usable, varies.astype(np.float64), math.nan)
    return Detection("quality_score_regime", table, events, {"alpha": alpha, "min_size": min_size})


def _cleaned(log_cost: Floats, is_daily: bool, calendar: bool) -> Floats:
    filled = fill_gaps(log_cost)
    flat = np.nanmax(filled, axis=1, initial=-np.inf) - np.nanmin(filled, axis=1, initial=np.inf) <= 0.0
    cleaned = replace_outliers(filled, OUTLIER_MADS)
    if is_daily:
        cleaned = remove_weekdays(cleaned)
    if calendar:
        cleaned = cleaned - common_calendar(cleaned)
    return np.where(flat[:, None] & ~np.isnan(filled), 0.0, cleaned)


def _latent(values: Floats, start: Integers, stop: Integers, alpha: float, min_size: float, seed: int) -> Verdicts:
    """Answers on series without a score, already cleaned."""
    series, lengths = packed(values, start, stop), stop - start
    place = np.flatnonzero(_moves(series, lengths))
    found = fit_regimes(series[place], lengths[place])
    chance = p_values(found.statistic, lengths[place], found.persistence)
    flagged = np.flatnonzero(chance <= SCREEN_LEVEL)
    screened = place[flagged]
    chance[flagged] = bootstrap_p_values(
        series[screened], lengths[screened], found.statistic[flagged], alpha, seed
    )
    n_units = len(series)
    statistic, p_value, size = np.zeros(n_units), np.ones(n_units), np.zeros(n_units)
    statistic[place], p_value[place], size[place] = found.statistic, chance, found.difference
    rare = np.zeros(series.shape, dtype=np.bool_)
    rare[place] = found.chance > 0.5
    significant = p_value <= alpha
    is_constant = np.isin(np.arange(n_units), place, invert=True)
    status, reason = first_true(
        [
            (is_constant, NOT_DETECTED, ["the cost is constant"] * n_units),
            (~significant, NOT_DETECTED, [""] * n_units),
            (
                np.abs(size) < min_size,
                NOT_DETECTED,
                [f"regimes less than {min_size:g} log points apart"] * n_units,
            ),
            (
                rare.sum(axis=1) < MIN_RARE_DAYS,
                NOT_IDENTIFIED,
                [
                    f"the rarer regime ruled {days} days, at least {MIN_RARE_DAYS} are needed"
                    for days in rare.sum(axis=1)
                ],
            ),
            (significant, DETECTED, [""] * n_units),
        ]
    )
    detected = np.array([verdict == DETECTED for verdict in status], dtype=np.bool_)
    inside = np.arange(1, series.shape[1]) < lengths[:, None]
    row, day = np.nonzero((rare[:, 1:] != rare[:, :-1]) & inside & detected[:, None])
    change = np.where(rare[row, day + 1], size[row], -size[row])
    nothing = np.full(n_units, math.nan)
    return Verdicts(status, reason, statistic, p_value, size, nothing, row, start[row] + day + 1, change)


def _moves(series: Floats, lengths: Integers) -> Bools:
    """Whether each series takes two values within its length, shape (m,)."""
    inside = np.arange(series.shape[1]) < lengths[:, None]
    highest = np.max(np.where(inside, series, -np.inf), axis=1, initial=-np.inf)
    moves: Bools = highest > np.min(np.where(inside, series, np.inf), axis=1, initial=np.inf)
    return moves


def _joined(
    series: UnitSeries,
    chosen: tuple[Integers, ...],
    parts: tuple[Verdicts, ...],
    n_observed: Integers,
    n_needed: Floats,
    reason: list[str],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table of all units, those that no part answers undetermined, and the events by unit and date."""
    n_units = len(series.units)
    status = [UNDETERMINED] * n_units
    numbers = {name: np.full(n_units, math.nan) for name in ("statistic", "p_value", "estimate")}
    dated = [no_events(series.periods)]
    for rows, part in zip(chosen, parts, strict=True):
        for place, row in enumerate(rows):
            status[row], reason[row] = part.status[place], part.reason[place]
        for name, column in numbers.items():
            column[rows] = getattr(part, name)
        n_needed[rows] = part.n_needed
        if len(part.event_row):
            columns = {
                "unit": series.units[rows[part.event_row]],
                "date": series.periods[part.event_place],
                "size": part.event_size,
                "statistic": part.statistic[part.event_row],
                "p_value": part.p_value[part.event_row],
            }
            dated.append(pd.DataFrame(columns))
    events = pd.concat(dated[1:], ignore_index=True) if len(dated) > 1 else dated[0]
    events = events.sort_values(["unit", "date"], ignore_index=True)
    return answer_table(series.units, status, numbers, events, n_observed, n_needed, reason), events
