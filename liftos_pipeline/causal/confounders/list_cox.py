"""Cox models of lists, by lifelines: shown beside the drift, never deciding."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from liftos_pipeline.causal.confounders.subscriptions import Subscriptions

MAX_ROWS = 100_000
"""Rows in all above which nothing is fitted: the cost grows faster than they do."""
DAYS_PER_MONTH = 30.0


def cox_by_list(rows: Subscriptions) -> pd.DataFrame:
    """Cox model of each list's durations with the start date as covariate, and the test of proportional hazards.

    Returns
    -------
    DataFrame
        unit, estimate (log hazard ratio per 30 days of later start), std_error, p_value, proportional_p (test on
        scaled Schoenfeld residuals), reason.

    References
    ----------
    Cox (1972), JRSS B 34(2). Grambsch and Therneau (1994), Biometrika 81(3).
    """
    found = []
    for place, label in enumerate(rows.units):
        own = rows.unit == place
        start = rows.start[own].astype(np.float64)
        reason = _why_not(len(rows.unit), int(rows.event[own].sum()), start)
        values = (math.nan,) * 4 if reason else _cox(start, rows.end[own] - start + 1.0, rows.event[own])
        found.append((label, *values, reason))
    return pd.DataFrame(found, columns=["unit", "estimate", "std_error", "p_value", "proportional_p", "reason"])


def _why_not(n_rows: int, n_events: int, start: np.ndarray) -> str | None:
    if n_rows > MAX_ROWS:
        return f"{n_rows} rows in all, at most {MAX_ROWS} are fitted"
    if n_events < 2:
        return f"{n_events} left, at least 2 are needed"
    return None if np.ptp(start) > 0 else "all start on one day"


def _cox(start: np.ndarray, days: np.ndarray, event: np.ndarray) -> tuple[float, float, float, float]:
    from lifelines import CoxPHFitter
    from lifelines.statistics import proportional_hazard_test

    frame = pd.DataFrame({"days": days, "left": event, "start": (start - start.mean()) / DAYS_PER_MONTH})
    fitted = CoxPHFitter().fit(frame, duration_col="days", event_col="left")
    row = fitted.summary.loc["start"]
    proportional = proportional_hazard_test(fitted, frame, time_transform="rank")
    return (
        float(row["coef"]),
        float(row["se(coef)"]),
        float(row["p"]),
        float(np.ravel(proportional.p_value)[0]),
    )
