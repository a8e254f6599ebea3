"""Which event times get a coefficient, and which are binned at the ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.estimators.adoption import Adoption
from liftos_pipeline.causal.index import NEVER
from liftos_pipeline.causal.kernels.demean import TwoWay
from liftos_pipeline.causal.kernels.within import within_regression
from liftos_pipeline.errors import LiftosError

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

BASE = -1
"""Event time that the others are compared with."""
MOST_BY_DEFAULT = 10
"""Leads and lags shown where the caller does not say; what lies beyond is binned at the ends."""


@dataclass(frozen=True, eq=False)
class EventWindow:
    """Event times with a coefficient.

    Attributes
    ----------
    times : ndarray, shape (k,)
        Sorted, without the base.
    code : ndarray, shape (H, T)
        Place in ``times`` of each cohort and period; -1 in the base and for the never treated.
    bins : dict
        End points that stand for several event times, with the first and last of these.
    """

    times: Integers
    code: Integers
    bins: dict[str, list[int]]
    warnings: tuple[str, ...]


def event_window(adoption: Adoption, leads: int | None, lags: int | None) -> EventWindow:
    """Lay out -leads .. lags around adoption, as far as there are rows.

    Raises
    ------
    LiftosError
        ``leads`` below 1 or ``lags`` below 0.
    """
    treated = adoption.cohorts != NEVER
    seen = (adoption.cell_rows > 0) & treated[:, None]
    times = adoption.event_times
    first, last = int(times[seen].min()), int(times[seen].max())
    if lags is None:
        lags = min(MOST_BY_DEFAULT, last)
    refuse_below("lags", lags, 0)
    if leads is None:
        leads = _default_leads(adoption, seen, lags)
    refuse_below("leads", leads, 1)
    warnings = []
    if leads > -first:
        warnings.append(f"no rows before event time {first}: {-first} leads instead of {leads}")
    if lags > last:
        warnings.append(f"no rows after event time {last}: {last} lags instead of {lags}")
    low, high = max(-leads, first), min(lags, last)
    shown, code = _coded(times, seen, low, high)
    bins = {}
    if first < low:
        bins[str(low)] = [first, low]
    if last > high:
        bins[str(high)] = [high, last]
    return EventWindow(shown, code, bins, tuple(warnings))


def _coded(times: Integers, seen: Booleans, low: int, high: int) -> tuple[Integers, Integers]:
    """Event times from ``low`` to ``high`` without the base, and the place in them of each cohort and period."""
    binned = np.clip(times, low, high)
    shown = np.setdiff1d(binned[seen], [BASE])
    return shown, np.where(seen & (binned != BASE), np.searchsorted(shown, binned), -1)


def _default_leads(adoption: Adoption, seen: Booleans, lags: int) -> int:
    """As many leads as there are, or, where all units are treated at some time, as cohort and period leave room for.

    Cohorts that adopt every second period, say, leave every second event time open until more is binned.
    """
    most = min(MOST_BY_DEFAULT, -int(adoption.event_times[seen].min()))
    if adoption.has_never_treated:
        return most
    cohort, period = np.nonzero(adoption.cell_rows)
    mass = adoption.cell_rows[cohort, period].astype(np.float64)
    cells = TwoWay(cohort, period, mass, len(adoption.cohorts), adoption.n_periods)
    for leads in range(most, 1, -1):
        shown, code = _coded(adoption.event_times, seen, -leads, lags)
        nothing = np.zeros(len(mass)), np.empty((len(mass), 0))
        if within_regression(nothing[0], code[cohort, period], len(shown), nothing[1], cells).kept.all():
            return leads
    return 1


def refuse_below(option: str, value: int, least: int) -> None:
    """Refuse what is no whole number from ``least`` on."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise LiftosError(
            f"{option} a whole number from {least} on", repr(value), f"Pass {option}={least} or more."
        )
