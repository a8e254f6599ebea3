"""List health: whether subscribers leave at a rising rate, given how long they have been subscribed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.columns import Tabular
from liftos_pipeline.causal.confounders.answers import no_events
from liftos_pipeline.causal.confounders.hazard_drift import Drift, hazard_drift
from liftos_pipeline.causal.confounders.list_cells import WEEK, Cells, count_cells
from liftos_pipeline.causal.confounders.subscriptions import Subscriptions, read_subscriptions
from liftos_pipeline.causal.results import Detection
from liftos_pipeline.causal.specification import one_of
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MIN_WEEKS = 12
MIN_EVENTS = 50
MAX_WEEKS = 156
"""Calendar weeks that are looked at; before them subscribers age unseen, up to as many weeks again."""
CELLS_AT_ONCE = 2_000_000
LEAST_OWN_TIME = 0.05
"""Share of time that age must leave: below it, a drift over calendar time and one over age cannot be told apart."""
NOTABLE_DRIFT = math.log(1.1)
"""Drift per month that a list without a finding must have been able to show with a chance of one half."""


@dataclass(frozen=True, eq=False)
class _Fit:
    """Drift, weeks with subscribers and events of each list; arrays of shape (n_lists,) and (n_lists, n_weeks)."""

    drift: Drift
    n_weeks: Integers
    n_events: Integers


def list_health(
    df: Tabular,
    *,
    unit: str,
    start: str,
    end: str,
    event: str,
    as_of: object = None,
    alternative: str = "rising",
    alpha: float = 0.05,
    diagnostics: bool = False,
) -> Detection:
    """Test whether the hazard of leaving drifts up over calendar time, given age.

    Subscribers are counted by age and calendar week with exact exposure. Week effects given age are regressed on
    time; a week's shock counts once, and the standard error allows for serial correlation of the shocks. The crude
    rate is not used: a list that ages hides its deterioration there. Age, calendar week and cohort are one too many
    for linear trends: the drift found is that of calendar time with cohorts alike.

    Parameters
    ----------
    df : DataFrame or pyarrow.Table
        One row per subscriber.
    unit : str
        The list.
    start, end : str
        Dates or day numbers. ``end`` is the day of leaving or of censoring; missing while the subscription goes on.
    event : str
        1 if the subscriber left on the end day, else 0.
    as_of : date or int, optional
        Last day known; by default the latest one in the table.
    alternative : {"rising", "either"}
    alpha : float
        Level of each test.
    diagnostics : bool
        Fit a Cox model with the start date as covariate and test proportional hazards, on lists that are small enough
        (``diagnostics["cox"]``). Neither decides.

    Returns
    -------
    Detection
        ``table``: unit, status, statistic (t), p_value, confidence, estimate (drift of the log hazard per 30 days),
        std_error, n_subscribers, n_events, n_weeks, n_left_out (rows), n_needed (events, or weeks), reason.
        ``events``: empty, a drift has no date. ``diagnostics["weeks"]``: unit, week (first day), observed, expected
        at the ages of that week.

    Raises
    ------
    LiftosError
        A table that cannot be read, or an option outside its range.

    References
    ----------
    Donald and Lang (2007), Review of Economics and Statistics 89(2). Holford (1983), Biometrics 39(2): age, period and
    cohort.
    """
    if not 0.0 < alpha <= 0.5:
        raise LiftosError("alpha in (0, 0.5]", repr(alpha), "0.05 is usual.")
    one_of("alternative", alternative, ("rising", "either"))
    rows = read_subscriptions(df, unit, start, end, event, as_of)
    fit, first_day = _fit(rows)
    found: dict[str, object] = {
        "alpha": alpha,
        "alternative": alternative,
        "last_day": _label(rows.last_day, rows.is_dated),
        "shock_sd": np.sqrt(fit.drift.shock_variance),
        "weeks": _weeks(rows, fit, first_day),
    }
    if diagnostics:
        from liftos_pipeline.causal.confounders.list_cox import cox_by_list

        found["cox"] = cox_by_list(rows)
    nothing = no_events(np.array([], dtype="datetime64[us]"))
    return Detection("list_health", _table(rows, fit, alpha, alternative), nothing, found)


def _fit(rows: Subscriptions) -> tuple[_Fit, int]:
    """Fits of all lists, some at a time, and the first day of the first week."""
    earliest = int(rows.start.min(initial=rows.last_day))
    n_ages = min(-(-(rows.last_day - earliest + 1) // WEEK), 2 * MAX_WEEKS)
    n_weeks = min(n_ages, MAX_WEEKS)
    origin = rows.last_day + 1 - WEEK * n_ages
    at_once = max(1, CELLS_AT_ONCE // n_ages**2)
    parts = []
    for low in range(0, len(rows.units), at_once):
        n_lists = min(at_once, len(rows.units) - low)
        here = slice(None) if n_lists == len(rows.units) else (rows.unit >= low) & (rows.unit < low + n_lists)
        begin = np.maximum(rows.start[here] - origin, 0)
        stop = rows.end[here] - origin
        inside = stop >= 0
        cells = count_cells(
            rows.unit[here][inside] - low, begin[inside], stop[inside], rows.event[here][inside], n_lists, n_ages
        ).last_weeks(n_weeks)
        parts.append(_fit_cells(cells))
    drift = Drift(
        *(np.concatenate([getattr(part.drift, name) for part in parts]) for name in vars(parts[0].drift))
    )
    n_used = np.concatenate([part.n_weeks for part in parts])
    return _Fit(drift, n_used, np.concatenate([part.n_events for part in parts])), origin + WEEK * (
        n_ages - n_weeks
    )


def _fit_cells(cells: Cells) -> _Fit:
    n_weeks = cells.exposure.any(axis=1).sum(axis=1)
    return _Fit(hazard_drift(cells), n_weeks, cells.events.sum(axis=(1, 2)).astype(np.int64))


def _weeks(rows: Subscriptions, fit: _Fit, first_day: int) -> pd.DataFrame:
    n_lists, n_weeks = fit.drift.observed.shape
    days = first_day + WEEK * np.arange(n_weeks)
    table = pd.DataFrame(
        {
            "unit": np.repeat(rows.units, n_weeks),
            "week": np.tile(
                days.astype("datetime64[D]").astype("datetime64[us]") if rows.is_dated else days, n_lists
            ),
            "observed": fit.drift.observed.ravel().astype(np.int64),
            "expected": fit.drift.expected.ravel(),
        }
    )
    return table[table["expected"] > 0].reset_index(drop=True)


def _table(rows: Subscriptions, fit: _Fit, alpha: float, alternative: str) -> pd.DataFrame:
    from scipy import special

    drift = fit.drift
    n_needed, reason = _untestable(fit)
    for place, faults in enumerate(rows.left_out):
        if fit.n_weeks[place] == 0 and faults:
            reason[place] = "no row can be used"
    testable = np.array([not why for why in reason])
    identified = testable & (drift.own_time >= LEAST_OWN_TIME)
    freedom = np.where(identified, drift.degrees_of_freedom, 1.0)
    estimate = np.where(identified, drift.estimate, math.nan)
    std_error = np.where(identified, drift.std_error, math.nan)
    statistic = estimate / std_error
    tail = special.stdtr(freedom, -statistic if alternative == "rising" else -np.abs(statistic))
    p_value = tail if alternative == "rising" else 2.0 * tail
    critical = special.stdtrit(freedom, 1.0 - (alpha if alternative == "rising" else alpha / 2))
    detected = identified & (p_value <= alpha)
    unclear = identified & ~detected & (critical * std_error > NOTABLE_DRIFT)
    status = np.select(
        [~testable | unclear, ~identified, detected],
        ["undetermined", "not_identified", "detected"],
        "not_detected",
    )
    n_needed[unclear] = np.ceil(fit.n_weeks * (critical * std_error / NOTABLE_DRIFT) ** (2 / 3))[unclear]
    for place in np.flatnonzero(unclear).tolist():
        reason[place] = (
            f"a drift of {math.expm1(NOTABLE_DRIFT):.0%} a month would be missed more often than not "
            f"(standard error {std_error[place]:.3f}); about {n_needed[place]:.0f} weeks are needed"
        )
    for place in np.flatnonzero(testable & ~identified).tolist():
        reason[place] = (
            f"age explains {1.0 - drift.own_time[place]:.1%} of calendar time: subscribers who joined at other times "
            "are needed"
        )
    return pd.DataFrame(
        {
            "unit": rows.units,
            "status": status,
            "statistic": statistic,
            "p_value": p_value,
            "confidence": 1.0 - p_value,
            "estimate": estimate,
            "std_error": std_error,
            "n_subscribers": np.bincount(rows.unit, minlength=len(rows.units)),
            "n_events": fit.n_events,
            "n_weeks": fit.n_weeks,
            "n_left_out": [sum(faults.values()) for faults in rows.left_out],
            "n_needed": n_needed,
            "reason": [_joined(why, faults) for why, faults in zip(reason, rows.left_out, strict=True)],
        }
    )


def _untestable(fit: _Fit) -> tuple[Floats, list[str]]:
    """Number needed and reason of each list; NaN and "" where there is enough."""
    n_needed = np.full(len(fit.n_weeks), math.nan)
    reason = [""] * len(fit.n_weeks)
    for place, (n_weeks, n_events) in enumerate(zip(fit.n_weeks.tolist(), fit.n_events.tolist(), strict=True)):
        if n_weeks < MIN_WEEKS:
            n_needed[place], reason[place] = MIN_WEEKS, f"{n_weeks} weeks with subscribers, {MIN_WEEKS} are needed"
        elif n_events < MIN_EVENTS:
            n_needed[place], reason[place] = MIN_EVENTS, f"{n_events} left, at least {MIN_EVENTS} are needed"
    return n_needed, reason


def _joined(reason: str, faults: dict[str, int]) -> str | None:
    left_out = ", ".join(f"{count} {fault}" for fault, count in faults.items())
    parts = [reason, f"rows left out: {left_out}" if left_out else ""]
    return "; ".join(part for part in parts if part) or None


def _label(day: int, is_dated: bool) -> object:
    return str(np.datetime64(day, "D")) if is_dated else day
