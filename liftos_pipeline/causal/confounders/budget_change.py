"""Budget changes: dated level shifts in a unit's log spend."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.columns import Tabular
from liftos_pipeline.causal.confounders.answers import defects
from liftos_pipeline.causal.confounders.cleaning import common_calendar, fill_gaps, remove_weekdays
from liftos_pipeline.causal.confounders.joint_dating import dated_together
from liftos_pipeline.causal.confounders.segmentation import MIN_LENGTH, Stretches, segment
from liftos_pipeline.causal.confounders.series import UnitSeries, read_series
from liftos_pipeline.causal.confounders.spans import Spans, observed_spans
from liftos_pipeline.causal.kernels.medians import replace_outliers
from liftos_pipeline.causal.results import Detection
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CALENDAR_PASSES = 3


def budget_change(
    df: Tabular, *, unit: str, period: str, value: str, alpha: float = 0.02, min_size: float = 0.1
) -> Detection:
    """Find level shifts in log spend.

    Spend is cleaned of outliers and of each unit's weekday pattern. The movement that units share is removed,
    estimated again after the steps found so far are taken out (three passes; with fewer than eight units
    nothing is shared). What remains is segmented by a sup-LR test whitened by an AR(4); the steps of a unit are then
    dated together. Days without spend count as not observed.

    Parameters
    ----------
    df : DataFrame or pyarrow.Table
        One row per unit and period.
    value : str
        Spend, zero or more: a unit with a negative or infinite value is ``undetermined``.
    alpha : float
        Level of each test.
    min_size : float
        Smallest step that counts, in log points.

    Returns
    -------
    Detection
        ``table``: unit, status, statistic, p_value, confidence, estimate (log points: the largest step, or the
        best candidate where none was accepted), date of that step, n_events, n_observed, n_needed, reason.
        ``events``: unit, date (first period at the new level), size (log points), statistic, p_value.

    Raises
    ------
    LiftosError
        A table that cannot be read, or an option outside its range.

    References
    ----------
    Andrews (1993), Econometrica 61(4). Bai (1997), Econometric Theory 13(3). Bai and Perron (1998), Econometrica 66(1).
    """
    if not 0.0 < alpha <= 0.5:
        raise LiftosError("alpha in (0, 0.5]", repr(alpha), "0.02 is usual for one test per unit.")
    if not min_size >= 0.0:
        raise LiftosError("min_size at zero or above", repr(min_size), "0.1 is 10 log points.")
    series = read_series(df, unit, period, value, allow_infinite=True)
    (spend,) = series.values
    impossible = (spend < 0) | np.isinf(spend)
    log_spend = np.log(np.where((spend > 0) & ~impossible, spend, np.nan))
    span = observed_spans(~np.isnan(log_spend), MIN_LENGTH, "days with spend")
    defect = defects({"negative or infinite spend": impossible})
    span = replace(span, reason=[words or few for words, few in zip(defect, span.reason, strict=True)])
    rows = np.flatnonzero(span.testable)
    whole, shifts = _find(log_spend[rows], span.start[rows], span.stop[rows], series.is_daily, alpha, min_size)
    events = _events(series, rows, shifts)
    table = _table(series, span, rows, whole, events, alpha, min_size)
    return Detection("budget_change", table, events, {"alpha": alpha, "min_size": min_size})


def _find(
    log_spend: Floats, start: Integers, stop: Integers, is_daily: bool, alpha: float, min_size: float
) -> tuple[Stretches, Stretches]:
    cleaned = replace_outliers(fill_gaps(log_spend))
    if is_daily:
        cleaned = remove_weekdays(cleaned)
    steps = np.zeros_like(cleaned)
    for _ in range(CALENDAR_PASSES):
        calendar = common_calendar(cleaned - steps)
        rest = cleaned - calendar
        whole, candidates = segment(rest, start, stop, alpha, min_size)
        shifts = dated_together(rest, candidates, start, stop, alpha, min_size)
        steps = _step_functions(cleaned.shape, shifts)
    return whole, shifts


def _step_functions(shape: tuple[int, ...], shifts: Stretches) -> Floats:
    jumps = np.zeros(shape)
    np.add.at(jumps, (shifts.series, shifts.position), shifts.size)
    steps: Floats = np.cumsum(jumps, axis=1)
    return steps


def _events(series: UnitSeries, rows: Integers, shifts: Stretches) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "unit": series.units[rows][shifts.series],
            "date": series.periods[shifts.position],
            "size": shifts.size,
            "statistic": shifts.statistic,
            "p_value": shifts.p_value,
        }
    )


def _table(
    series: UnitSeries,
    span: Spans,
    rows: Integers,
    whole: Stretches,
    events: pd.DataFrame,
    alpha: float,
    min_size: float,
) -> pd.DataFrame:
    table = pd.DataFrame({"unit": series.units, "status": "undetermined"})
    for name, values in (("statistic", whole.statistic), ("p_value", whole.p_value), ("estimate", whole.size)):
        column = np.full(len(table), math.nan)
        column[rows] = values
        table[name] = column
    table["confidence"] = 1.0 - table["p_value"]
    largest = events.loc[events["size"].abs().groupby(events["unit"]).idxmax()].set_index("unit")
    table["date"] = table["unit"].map(largest["date"])
    table["estimate"] = table["unit"].map(largest["size"]).fillna(table["estimate"])
    table["n_events"] = table["unit"].map(events.groupby("unit").size()).fillna(0).astype(np.int64)
    table["n_observed"] = span.n_observed
    table["n_needed"] = np.where(span.n_observed < span.n_needed, span.n_needed, math.nan)
    table.loc[rows, "status"] = np.where(table.loc[rows, "n_events"] > 0, "detected", "not_detected")
    small = (table["status"] == "not_detected") & (table["p_value"] <= alpha)
    too_small = f"no step of at least {min_size:g} log points"
    table["reason"] = [
        too_small if is_small else reason or None for is_small, reason in zip(small, span.reason, strict=True)
    ]
    columns = ["unit", "status", "statistic", "p_value", "confidence", "estimate", "date"]
    return table[[*columns, "n_events", "n_observed", "n_needed", "reason"]]
