"""What would have happened without a treatment, or under another dose of it. Pure functions on an effect."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from liftos_pipeline.causal.results import EffectEstimate
from liftos_pipeline.errors import LiftosError


@dataclass(frozen=True)
class Counterfactual:
    """Outcome as it was, as it would have been, and the difference, with limits; totals over the unit-days.

    ``share`` of the effect that the other dose keeps: 0 without the treatment, 1 as it was. ``warnings``: what the answer
    rests on. Limits are NaN where the effect has none.
    """

    outcome: float
    counterfactual: float
    counterfactual_low: float
    counterfactual_high: float
    difference: float
    difference_low: float
    difference_high: float
    level: float
    share: float
    warnings: tuple[str, ...]


def counterfactual(
    effect: EffectEstimate,
    outcome: float,
    unit_days: float,
    *,
    dose: float = 0.0,
    doses: Sequence[float] = (),
) -> Counterfactual:
    """Outcome of the treated unit-days under no treatment, or under another dose.

    The effect is taken as proportional to the dose: a log spend ratio of half the mean one has half the effect.

    Parameters
    ----------
    effect : EffectEstimate
        An ATT per unit-day, in outcome units.
    outcome : float
        Observed total over the treated unit-days.
    unit_days : float
        How many there are.
    dose : float
        Dose to ask about, in the unit of ``doses``; 0 is no treatment.
    doses : sequence of float
        Doses that the treated units had; needed for any dose but 0.

    Raises
    ------
    LiftosError
        An effect that is refused, or not one on the treated; no unit-days; a dose without doses whose mean is not 0.
    """
    if effect.refused is not None:
        raise LiftosError(
            "an effect that may be used", f"refused: {effect.refused}", "Mend what the reason names."
        )
    if effect.estimand != "att":
        raise LiftosError("an effect on the treated (att)", effect.estimand, "Estimate the att.")
    if not (math.isfinite(unit_days) and unit_days > 0) or not math.isfinite(outcome):
        raise LiftosError(
            "a known outcome over a positive number of unit-days", f"{outcome}, {unit_days}", "Count."
        )
    share, warnings = _share(dose, np.asarray(doses, dtype=np.float64))
    lost = (1.0 - share) * unit_days
    ends = sorted((lost * effect.ci_low, lost * effect.ci_high))
    difference = lost * effect.estimate
    if outcome - difference < 0:
        warnings = (
            *warnings,
            "the outcome without the effect would be below zero: the effect is too large to be true",
        )
    return Counterfactual(
        outcome=outcome,
        counterfactual=outcome - difference,
        counterfactual_low=outcome - ends[1],
        counterfactual_high=outcome - ends[0],
        difference=difference,
        difference_low=ends[0],
        difference_high=ends[1],
        level=effect.level,
        share=share,
        warnings=warnings,
    )


def _share(dose: float, doses: np.ndarray) -> tuple[float, tuple[str, ...]]:
    if dose == 0.0:
        return 0.0, ()
    if len(doses) == 0 or not np.isfinite(doses).all() or abs(doses.mean()) < 1e-12:
        raise LiftosError(
            "doses of the treated units whose mean is not 0",
            f"{len(doses)} doses",
            "Ask about no treatment: dose=0.",
        )
    low, high = float(doses.min()), float(doses.max())
    warnings = ["the effect is taken as proportional to the dose"]
    if not low <= dose <= high:
        warnings.append(f"extrapolated: a dose of {dose:g} where units had {low:.3g} to {high:.3g}")
    return dose / float(doses.mean()), tuple(warnings)
