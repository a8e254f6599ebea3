"""Cost per click against a quality score that was logged: no latent regimes, the dates are those of the score."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.confounders.answers import (
    DETECTED,
    NOT_DETECTED,
    NOT_IDENTIFIED,
    Verdicts,
    first_true,
)
from liftos_pipeline.causal.confounders.calendar_columns import calendar_columns
from liftos_pipeline.causal.inference.noisy_autoregression import last_coefficients
from liftos_pipeline.causal.kernels.medians import replace_outliers

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

MAX_EXPLAINED = 0.95
MIN_POWER = 0.5
SMALLEST_CHANGE = 0.5
"""Points of score in one day that make a dated event; less is the drift of a weighted mean."""


def score_varies(log_cost: Floats, score: Floats) -> Bools:
    """Whether a unit's score takes two values on days with a cost, shape (n_units,)."""
    seen = ~np.isnan(log_cost) & ~np.isnan(score)
    highest = np.max(np.where(seen, score, -np.inf), axis=1)
    varies: Bools = highest > np.min(np.where(seen, score, np.inf), axis=1)
    return varies


def score_verdicts(log_cost: Floats, score: Floats, is_daily: bool, alpha: float, min_size: float) -> Verdicts:
    """Regress log cost on score, weekdays and trend; days without a score are not used.

    Parameters
    ----------
    log_cost, score : ndarray, shape (m, n_periods)
        NaN where unknown; every score varies.
    min_size : float
        Smallest effect over a unit's range of scores that counts, in log points; ``not_identified`` where the test has
        less than half power for it.
    """
    from scipy.stats import norm

    cleaned = replace_outliers(log_cost)
    used = (cleaned == log_cost) & ~np.isnan(score)
    design = np.stack([*calendar_columns(score.shape, is_daily), np.where(used, score, 0.0)], axis=2)
    fit = last_coefficients(np.where(used, log_cost, np.nan), design, np.ones_like(score))
    reach = _reach(np.where(used, score, np.nan))
    p_value = 2.0 * np.minimum(fit.below_zero, 1.0 - fit.below_zero)
    largest_error = min_size / float(norm.isf(0.5 * alpha) + norm.ppf(MIN_POWER))
    error, total = reach * fit.std_error, reach * np.abs(fit.estimate)
    tied, weak = ~(fit.explained <= MAX_EXPLAINED), error > largest_error
    n_units = len(score)
    status, reason = first_true(
        [
            (
                tied,
                NOT_IDENTIFIED,
                [f"calendar and trend explain {share:.0%} of the score" for share in fit.explained],
            ),
            (
                weak,
                NOT_IDENTIFIED,
                [
                    f"the standard error {value:.3f} over the range of the score leaves less than {MIN_POWER:.0%} power "
                    f"at {min_size:g}"
                    for value in error
                ],
            ),
            ((p_value <= alpha) & (total >= min_size), DETECTED, [""] * n_units),
            (
                p_value <= alpha,
                NOT_DETECTED,
                [f"less than {min_size:g} log points over the range of the score"] * n_units,
            ),
            (np.ones(n_units, dtype=np.bool_), NOT_DETECTED, [""] * n_units),
        ]
    )
    answered = ~tied & ~weak
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = np.ceil(used.sum(axis=1) * (error / largest_error) ** 2)
        statistic = fit.estimate / fit.std_error
    row, place, change = _changes(score, np.array([verdict == DETECTED for verdict in status], dtype=np.bool_))
    return Verdicts(
        status,
        reason,
        np.where(answered, statistic, math.nan),
        np.where(answered, p_value, math.nan),
        fit.estimate,
        np.where(weak & ~tied, needed, math.nan),
        row,
        place,
        change * fit.estimate[row],
    )


def _reach(score: Floats) -> Floats:
    known = ~np.isnan(score)
    highest = np.max(np.where(known, score, -np.inf), axis=1, initial=-np.inf)
    reach: Floats = highest - np.min(np.where(known, score, np.inf), axis=1, initial=np.inf)
    return np.maximum(reach, 0.0)


def _changes(score: Floats, chosen: Bools) -> tuple[Integers, Integers, Floats]:
    """Row, period and size of every change between consecutive known scores of the chosen units."""
    rows, places, sizes = [], [], []
    for row in np.flatnonzero(chosen):
        known = np.flatnonzero(~np.isnan(score[row]))
        change = np.diff(score[row, known])
        at = np.flatnonzero(np.abs(change) >= SMALLEST_CHANGE)
        rows.append(np.full(len(at), row))
        places.append(known[at + 1])
        sizes.append(change[at])
    if not rows:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
    return np.concatenate(rows), np.concatenate(places), np.concatenate(sizes)
