"""Group-time effects one by one: which are known, their standard errors, and which are tested jointly."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.estimators.adoption import Adoption
from liftos_pipeline.causal.estimators.group_time import GroupTimes, UnitInfluence
from liftos_pipeline.causal.inference.bands import standard_errors
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_TESTED = 60
"""Group-time effects in the joint test of the periods before, unless one event time alone has more."""
_BLOCK = 256
"""Group-time effects whose influences are held at once."""


def covered(adoption: Adoption, effects: GroupTimes) -> tuple[str, tuple[str, ...]]:
    """Name of what is averaged, and what is not part of it."""
    plan = effects.plan
    post = plan.period >= adoption.cohorts[plan.cohort]
    n_known = int((post & effects.known).sum())
    n_post = int((adoption.n_periods - adoption.adopting).sum())
    reasons = Counter(filter(None, effects.why_not))
    missing = {**reasons, "no cohort to compare with or no period before": n_post - int(post.sum())}
    why = "; ".join(f"{count} times {reason}" for reason, count in missing.items() if count)
    if n_known == 0:
        raise LiftosError(
            "a group-time effect that can be computed",
            f"none of {n_post}: {why}",
            "Add periods or untreated units, or use fewer covariates.",
        )
    notes = (f"group-time effects that could not be computed were left out: {why}",) if why else ()
    return ("att" if n_known == n_post else f"att over {n_known} of {n_post} group-times"), notes


def tested_jointly(adoption: Adoption, effects: GroupTimes, anticipation: int) -> Integers:
    """Group-time effects before anticipation that the joint test takes: by event time from the last on."""
    event_time = effects.plan.period - adoption.cohorts[effects.plan.cohort]
    before = np.flatnonzero(effects.told & (event_time < -anticipation))
    if len(before) == 0:
        return before
    n_at = np.bincount(-event_time[before])
    reached = np.cumsum(n_at)
    first = int(np.argmax(n_at > 0))
    furthest = max(first, int(np.searchsorted(reached, MOST_TESTED, side="right")) - 1)
    return before[-event_time[before] <= furthest]


def effect_errors(
    adoption: Adoption, effects: GroupTimes, n_made: int, influence: UnitInfluence, reason: str | None
) -> Floats:
    """Of every group-time effect, the first of ``n_made``, NaN where it cannot be told."""
    from scipy.sparse import eye_array

    told = effects.told & (reason is None)
    if not told.any():
        return np.full(len(told), np.nan)
    if influence.squares is not None:
        return np.where(told, adoption.clustering.standard_errors(influence.squares[: len(told)]), np.nan)
    single = eye_array(n_made, format="csc")[:, : len(told)] * effects.known
    std_error = np.full(len(told), np.nan)
    for first in range(0, len(told), _BLOCK):
        block = slice(first, min(first + _BLOCK, len(told)))
        chosen = single[:, block].tocsr()
        alone = effects.influence(chosen, np.zeros((len(adoption.cohorts), chosen.shape[1])))
        std_error[block] = standard_errors(adoption.clustering.sums(alone.values))
    return np.where(told, std_error, np.nan)


def effect_rows(adoption: Adoption, effects: GroupTimes, std_error: Floats) -> list[dict[str, object]]:
    """Every group-time effect with its standard error."""
    labels = adoption.period_labels.tolist()
    starts = adoption.cohorts[effects.plan.cohort].tolist()
    columns = (starts, effects.plan.period.tolist(), effects.estimate.tolist(), std_error.tolist())
    return [
        {"group": labels[start], "period": labels[period], "estimate": estimate, "std_error": error}
        for start, period, estimate, error in zip(*columns, strict=True)
    ]
