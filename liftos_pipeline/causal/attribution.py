"""From an effect to what a treatment added, beside what the platform reported; and how far that moves the error.

Pure functions on numbers and arrays. Which effect belongs to which treatment is decided by the caller.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from liftos_pipeline.causal.results import EffectEstimate
from liftos_pipeline.errors import LiftosError


@dataclass(frozen=True)
class Attribution:
    """Incremental outcome of a treatment over its treated unit-days.

    ``incremental`` and its limits are in outcome units, NaN with ``reason`` where the effect is refused or
    undefined. ``reported_change`` is after minus before as the platform reported it, over the same unit-days.
    """

    treated_unit_days: float
    reported_change: float
    incremental: float
    incremental_low: float
    incremental_high: float
    level: float
    reason: str | None


@dataclass(frozen=True)
class ErrorImprovement:
    """Mean absolute errors before and after, in outcome units, and what was gained.

    ``absolute`` is before minus after; ``relative`` is that over before, ``percent`` 100 times it. Both are NaN
    with ``reason`` where there was no error before.
    """

    mae_before: float
    mae_after: float
    absolute: float
    relative: float
    percent: float
    reason: str | None


def attribute(effect: EffectEstimate, treated_unit_days: float, reported_change: float) -> Attribution:
    """Incremental outcome: the effect on the treated times the unit-days that were treated.

    Parameters
    ----------
    effect : EffectEstimate
        An ATT in outcome units per unit-day.
    treated_unit_days : float
        Unit-days that the effect is an average over.
    reported_change : float
        After minus before over those unit-days, as the platform reported; NaN if unknown.

    Raises
    ------
    LiftosError
        The effect is not an effect on the treated, or the unit-days are not positive.
    """
    if effect.estimand != "att":
        raise LiftosError(
            "an effect on the treated (att)",
            effect.estimand,
            "Estimate the att: other effects are averages over units that were not treated.",
        )
    if not (math.isfinite(treated_unit_days) and treated_unit_days > 0):
        raise LiftosError("a positive number of treated unit-days", str(treated_unit_days), "Count them first.")
    reason = _unusable(effect)
    scale = math.nan if effect.refused is not None else treated_unit_days
    return Attribution(
        treated_unit_days=treated_unit_days,
        reported_change=reported_change,
        incremental=effect.estimate * scale,
        incremental_low=effect.ci_low * scale,
        incremental_high=effect.ci_high * scale,
        level=effect.level,
        reason=reason,
    )


def _unusable(effect: EffectEstimate) -> str | None:
    if effect.refused is not None:
        return effect.refused
    return effect.without_interval


def error_improvement(truth: Sequence[float], before: Sequence[float], after: Sequence[float]) -> ErrorImprovement:
    """How much closer ``after`` is to the truth than ``before``, by mean absolute error.

    Parameters
    ----------
    truth, before, after : sequence of float, shape (n,)
        Same treatments in the same order, outcome units.

    Raises
    ------
    LiftosError
        Lengths differ, nothing to compare, or a value is missing.
    """
    values = [np.asarray(part, dtype=np.float64) for part in (truth, before, after)]
    sizes = {part.shape for part in values}
    if len(sizes) != 1 or values[0].size == 0:
        raise LiftosError(
            "truth, before and after of one positive length", str(sorted(sizes)), "Align the three first."
        )
    n_missing = int(np.isnan(np.stack(values)).any(axis=0).sum())
    if n_missing:
        raise LiftosError(
            "known values", f"{n_missing} treatments with a missing one", "Leave these out of all three."
        )
    mae_before = float(np.mean(np.abs(values[1] - values[0])))
    mae_after = float(np.mean(np.abs(values[2] - values[0])))
    absolute = mae_before - mae_after
    if mae_before == 0.0:
        reason = "there was no error before, so a relative improvement is undefined"
        return ErrorImprovement(mae_before, mae_after, absolute, math.nan, math.nan, reason)
    relative = absolute / mae_before
    return ErrorImprovement(mae_before, mae_after, absolute, relative, 100.0 * relative, None)
