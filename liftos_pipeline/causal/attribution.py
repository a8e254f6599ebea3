"""How far attribution by effects is nearer to the truth than what platforms report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from liftos_pipeline.errors import LiftosError


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
