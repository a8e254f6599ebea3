"""Audience fatigue: exponential decay of the click-through rate in frequency, apart from calendar and trend."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.columns import Tabular
from liftos_pipeline.causal.confounders.answers import (
    DETECTED,
    NOT_DETECTED,
    NOT_IDENTIFIED,
    UNDETERMINED,
    answer_table,
    defects,
    no_events,
)
from liftos_pipeline.causal.confounders.calendar_columns import calendar_columns
from liftos_pipeline.causal.confounders.cleaning import WEEK
from liftos_pipeline.causal.confounders.series import UnitSeries, read_series
from liftos_pipeline.causal.inference.noisy_autoregression import Coefficients, last_coefficients
from liftos_pipeline.causal.kernels.medians import range_of_known, replace_outliers
from liftos_pipeline.causal.results import Detection
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

MIN_OBSERVED = 42
ROWS_PER_COLUMN = 2
MIN_CLICKS_A_DAY = 5.0
"""Below it the logarithm of a day's rate is too skewed for the model."""
MAX_EXPLAINED = 0.95
MIN_POWER = 0.5
RESET_SHARE = 0.6
"""A frequency that falls below this share of the day before has been reset."""
_SHARED_LEVEL = "frequency was reset: new creatives are taken to start at the level of the old ones"
_BLOCK = 512


@dataclass(frozen=True, eq=False)
class _Delivery:
    """What was read, shape (n_units, n_periods); the rest by unit.

    ``creative`` counts the refreshes so far; ``is_reset`` says that frequency fell at once with none of them named.
    """

    log_rate: Floats
    frequency: Floats
    noise: Floats
    creative: Integers
    clicks_a_day: Floats
    is_reset: Bools
    is_flat: Bools
    defect: list[str]


def audience_fatigue(
    df: Tabular,
    *,
    unit: str,
    period: str,
    value: str,
    frequency: str,
    impressions: str | None = None,
    clicks: str | None = None,
    refresh: str | None = None,
    alpha: float = 0.05,
    min_decay: float = 0.1,
) -> Detection:
    """Test whether the click-through rate decays as the audience sees the same advertisements again.

    The log rate is regressed on frequency, weekdays and a linear trend, unit by unit, with errors that are an AR(1)
    plus white noise. Fatigue is told from a trend only by what moves frequency: refreshed creatives and spend.

    Parameters
    ----------
    df : DataFrame or pyarrow.Table
        One row per unit and period.
    value : str
        Click-through rate, as a proportion or in per cent.
    frequency : str
        Impressions per person reached.
    impressions : str, optional
        Weights: the sampling noise of a day falls with them. Days without any are not observed.
    clicks : str, optional
        Only to check that no day has more clicks than impressions.
    refresh : str, optional
        1 on the first day of a new creative, else 0. Each creative then has a level of its own, and fatigue is told
        from its decay alone; without the column new creatives are taken to start where the old ones did.
    alpha : float
        Level of the one-sided test.
    min_decay : float
        ``not_identified`` where the standard error leaves the test less than half power at this decay.

    Returns
    -------
    Detection
        ``table``: unit, status, statistic, p_value, confidence, estimate (decay of the log rate per unit of
        frequency), date (none), n_events, n_observed, n_needed, reason, std_error, explained (R-squared of frequency
        on the other columns), persistence (of the errors). ``events``: empty.

    Raises
    ------
    LiftosError
        A table that cannot be read, or an option outside its range.

    References
    ----------
    Harville (1974), Biometrika 61(2). Cheang and Reinsel (2000), JASA 95(452).
    """
    if not 0.0 < alpha <= 0.5:
        raise LiftosError("alpha in (0, 0.5]", repr(alpha), "0.05 is usual.")
    if not min_decay > 0.0:
        raise LiftosError("min_decay above zero", repr(min_decay), "0.1 is a tenth per repetition.")
    if clicks is not None and impressions is None:
        raise LiftosError("impressions beside clicks", "no impressions", "Name the column of impressions.")
    optional = {"impressions": impressions, "clicks": clicks, "refresh": refresh}
    named = {role: name for role, name in optional.items() if name is not None}
    series = read_series(df, unit, period, value, frequency, *named.values(), allow_infinite=True)
    roles = dict(zip(("rate", "frequency", *named), series.values, strict=True))
    delivery = _read(roles)
    n_observed = (~np.isnan(delivery.log_rate)).sum(axis=1)
    n_columns = 3 + (WEEK - 1 if series.is_daily else 0) + delivery.creative[:, -1]
    needed = np.maximum(MIN_OBSERVED, ROWS_PER_COLUMN * n_columns)
    is_short = n_observed < needed
    has_few_clicks = delivery.clicks_a_day < MIN_CLICKS_A_DAY
    usable = ~is_short & ~has_few_clicks & np.array([not words for words in delivery.defect])
    found = _fitted(delivery, series.is_daily, usable)
    return _answered(series, delivery, found, n_observed, needed, alpha, min_decay)


def _read(roles: dict[str, Floats]) -> _Delivery:
    rate, frequency = roles["rate"], roles["frequency"]
    shown = roles.get("impressions", np.ones_like(rate))
    refresh = roles.get("refresh", np.zeros_like(rate))
    per_cent = _is_per_cent(rate)
    shows = shown != 0
    rules = {
        "a negative or infinite rate": shows & ((rate < 0) | np.isinf(rate)),
        "a negative or infinite frequency": (frequency < 0) | np.isinf(frequency),
        "negative or infinite impressions": (shown < 0) | np.isinf(shown),
        "a refresh other than 0 or 1": ~np.isin(refresh, (0.0, 1.0)) & ~np.isnan(refresh),
        "more clicks than impressions": (shows & np.isfinite(rate) & (rate > (100.0 if per_cent else 1.0)))
        | (roles.get("clicks", np.full_like(rate, -np.inf)) > shown),
    }
    with np.errstate(invalid="ignore", divide="ignore"):
        if "impressions" in roles:
            counted = rate * shown / (100.0 if per_cent else 1.0)
            log_rate = np.log((counted + 0.5) / shown)
        else:
            counted, log_rate = np.full_like(rate, np.inf), np.log(rate)
    known = np.isfinite(log_rate) & np.isfinite(frequency)
    log_rate = np.where(known, log_rate, np.nan)
    cleaned = replace_outliers(log_rate)
    log_rate = np.where(cleaned == log_rate, log_rate, np.nan)
    n_known = np.maximum(known.sum(axis=1), 1)
    clicks_a_day = np.sum(np.where(known, counted, 0.0), axis=1) / n_known
    typical = np.sum(np.where(known, shown, 0.0), axis=1) / n_known
    noise = np.where(known, typical[:, None] / np.where(known, shown, 1.0), 1.0)
    creative = np.cumsum(refresh == 1.0, axis=1)
    with np.errstate(invalid="ignore"):
        falls = np.any(frequency[:, 1:] < RESET_SHARE * frequency[:, :-1], axis=1)
    is_reset = falls & (creative[:, -1] == 0)
    is_flat = range_of_known(np.where(known, rate, np.nan)) == 0.0
    return _Delivery(log_rate, frequency, noise, creative, clicks_a_day, is_reset, is_flat, defects(rules))


def _is_per_cent(rate: Floats) -> bool:
    """Whether most units exceed one on some day, which no proportion can."""
    highest = np.max(np.where(np.isfinite(rate), rate, 0.0), axis=1)
    return bool(np.median(highest) > 1.0)


def _fitted(delivery: _Delivery, is_daily: bool, usable: Bools) -> Coefficients:
    """The decay of every unit, NaN where it is not usable."""
    n_creatives = delivery.creative[:, -1]
    parts = [np.full((7, len(usable)), math.nan)]
    for count in np.unique(n_creatives[usable]):
        members = np.flatnonzero(usable & (n_creatives == count))
        for start in range(0, len(members), _BLOCK):
            rows = members[start : start + _BLOCK]
            design = _design(delivery.frequency[rows], delivery.creative[rows], is_daily)
            fit = last_coefficients(delivery.log_rate[rows], design, delivery.noise[rows])
            parts[0][:, rows] = np.stack(list(vars(fit).values()))
    return Coefficients(*parts[0])


def _design(frequency: Floats, creative: Integers, is_daily: bool) -> Floats:
    """Constant, trend, weekdays, creatives after the first, and minus frequency: its coefficient is the decay."""
    columns = calendar_columns(frequency.shape, is_daily)
    columns += [(creative == number).astype(np.float64) for number in range(1, int(creative.max(initial=0)) + 1)]
    return np.stack([*columns, -np.where(np.isfinite(frequency), frequency, 0.0)], axis=2)


def _answered(
    series: UnitSeries,
    delivery: _Delivery,
    found: Coefficients,
    n_observed: Integers,
    needed: Integers,
    alpha: float,
    min_decay: float,
) -> Detection:
    from scipy.stats import norm

    largest_error = min_decay / float(norm.isf(alpha) + norm.ppf(MIN_POWER))
    clicks, explained, error = delivery.clicks_a_day, found.explained, found.std_error
    with np.errstate(invalid="ignore"):
        days_for_power = np.ceil(n_observed * (error / largest_error) ** 2)
    is_short, is_flat = n_observed < needed, delivery.is_flat
    weak = f"the standard error {{}} leaves less than {MIN_POWER:.0%} power at a decay of {min_decay:g}"
    is_defect = np.array([bool(words) for words in delivery.defect])
    cases: list[tuple[Bools, str, list[str]]] = [
        (is_defect, UNDETERMINED, delivery.defect),
        (
            is_short,
            UNDETERMINED,
            [f"{n} days observed, at least {k} are needed" for n, k in zip(n_observed, needed, strict=True)],
        ),
        (
            clicks < MIN_CLICKS_A_DAY,
            UNDETERMINED,
            [f"{count:.1f} clicks a day, at least {MIN_CLICKS_A_DAY:g} are needed" for count in clicks],
        ),
        (is_flat, NOT_DETECTED, ["the rate is constant"] * len(is_flat)),
        (
            ~(explained <= MAX_EXPLAINED),
            NOT_IDENTIFIED,
            [f"calendar, trend and creatives explain {share:.0%} of frequency" for share in explained],
        ),
        (error > largest_error, NOT_IDENTIFIED, [weak.format(f"{value:.3f}") for value in error]),
        (found.below_zero <= alpha, DETECTED, [""] * len(is_flat)),
    ]
    place = np.select([case[0] for case in cases], range(len(cases)), len(cases))
    cases.append((is_flat, NOT_DETECTED, [""] * len(is_flat)))
    status = [cases[case][1] for case in place]
    reason = [cases[case][2][row] for row, case in enumerate(place)]
    answered, fitted = np.isin(place, (6, 7)), place >= 4
    reason = [
        _SHARED_LEVEL if said and not words else words
        for words, said in zip(reason, answered & delivery.is_reset, strict=True)
    ]
    p_value = np.where(answered, found.below_zero, np.where(place == 3, 1.0, math.nan))
    numbers = {
        "statistic": np.where(answered, found.estimate / error, math.nan),
        "p_value": p_value,
        "estimate": np.where(place == 3, 0.0, np.where(fitted, found.estimate, math.nan)),
        "std_error": np.where(fitted, error, math.nan),
        "explained": np.where(fitted, explained, math.nan),
        "persistence": np.where(fitted, found.correlation, math.nan),
    }
    n_needed = np.select([place == 1, place == 5], [needed, days_for_power], math.nan)
    events = no_events(series.periods)
    table = answer_table(series.units, status, numbers, events, n_observed, n_needed, reason)
    return Detection("audience_fatigue", table, events, {"alpha": alpha, "min_decay": min_decay})
