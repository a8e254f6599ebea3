"""Placebos in time: the estimator at dates before treatment, on rows that nobody had treated."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.diagnostics.replays import panel_of_rows
from liftos_pipeline.causal.inference.multiplicity import holm
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.results import EffectEstimate
from liftos_pipeline.errors import LiftosError

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PlaceboInTime:
    """Estimates where there is no effect.

    Attributes
    ----------
    table : DataFrame
        One row per shift: ``periods_before``, ``estimate``, ``std_error``, ``ci_low``, ``ci_high``, ``p_value``,
        ``p_holm`` (adjusted for the number of shifts), ``n_treated`` (units), ``undefined`` (why fields are NaN,
        or None).
    joint_p : float
        p-value of no effect at any shift, whatever the dependence between them (Holm); NaN where every shift is
        undefined.
    """

    table: pd.DataFrame
    joint_p: float


def placebo_in_time(
    panel: Panel, estimator: Callable[[Panel], EffectEstimate], shifts: Sequence[int] = (1, 2, 3)
) -> PlaceboInTime:
    """Estimate the effect of treatments that begin ``h`` periods early, from untreated rows alone.

    Parameters
    ----------
    panel : Panel
        With periods and an absorbing treatment. Shifts count the panel's own periods, gaps left out.
    estimator : callable
        Panel to EffectEstimate, such as ``lambda panel: estimate("did", panel)``.
    shifts : sequence of int
        Values of h, 1 or more.

    Returns
    -------
    PlaceboInTime
        Units with no untreated row before a placebo's start are left out of it. A shift that the estimator refuses
        with a LiftosError is NaN with its reason.

    Raises
    ------
    LiftosError
        No periods, a treatment that is not 0/1 or switches off, shifts below 1.

    References
    ----------
    Heckman and Hotz (1989), JASA 84(408), section 4: pre-programme tests. Abadie, Diamond and Hainmueller (2015),
    AJPS 59(2): placebos in time.
    """
    if panel.period is None:
        raise LiftosError("a panel with periods", "a cross-section", "Name the period column.")
    wrong = [h for h in shifts if h != int(h) or h < 1]
    if wrong or not shifts:
        raise LiftosError("shifts of 1 period or more", str(list(shifts)), "1, 2 and 3 are usual.")
    start = _first_treated(panel, panel.period)
    rows = [_one_shift(panel, panel.period, start, int(h), estimator) for h in shifts]
    table = pd.DataFrame(rows)
    adjusted = holm(table["p_value"].to_numpy(dtype=np.float64))
    table.insert(list(table.columns).index("p_value") + 1, "p_holm", adjusted)
    return PlaceboInTime(table, float(np.nanmin(adjusted)) if np.isfinite(adjusted).any() else math.nan)


def _first_treated(panel: Panel, period: Integers) -> Integers:
    """Code of the first treated period of each unit, shape (n_units,); past the last period where never treated."""
    if ((panel.d != 0) & (panel.d != 1)).any():
        raise LiftosError("a 0/1 treatment", "other numbers", "A dose has no start date.")
    never = int(period.max()) + 1
    start = np.full(panel.n_units, never, dtype=np.int64)
    np.minimum.at(start, panel.unit[panel.d == 1], period[panel.d == 1])
    stopped = (period > start[panel.unit]) & (panel.d == 0)
    if stopped.any():
        units = panel.unit_labels[np.unique(panel.unit[stopped])]
        raise LiftosError(
            "a treatment that stays on once it began",
            f"{len(units)} units where it ends, first {units[0]}",
            "Leave out rows after the end, or define treatment as ever treated.",
        )
    return start


def _one_shift(
    panel: Panel, period: Integers, start: Integers, shift: int, estimator: Callable[[Panel], EffectEstimate]
) -> dict[str, object]:
    placebo_start = start - shift
    ever = start <= int(period.max())
    first_seen = np.full(panel.n_units, int(period.max()) + 1, dtype=np.int64)
    np.minimum.at(first_seen, panel.unit, period)
    usable = ~ever | (first_seen < placebo_start)
    keep = (panel.d == 0) & usable[panel.unit]
    shifted = (ever[panel.unit] & (period >= placebo_start[panel.unit]))[keep]
    fields = dict.fromkeys(("estimate", "std_error", "ci_low", "ci_high", "p_value"), math.nan)
    n_treated = len(np.unique(panel.unit[keep][shifted]))
    reason: str | None = None
    if n_treated == 0:
        reason = f"no treated unit has untreated rows both before and within the {shift} periods before treatment"
    else:
        try:
            found = estimator(panel_of_rows(panel, keep, shifted.astype(np.float64), panel.y[keep]))
        except LiftosError as error:
            reason = str(error)
        else:
            fields = {name: float(getattr(found, name)) for name in fields}
            reason = "; ".join(f"{n}: {why}" for n, why in found.undefined.items() if n in fields) or None
    return {"periods_before": shift, **fields, "n_treated": n_treated, "undefined": reason}
