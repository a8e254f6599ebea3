"""From what methods answered on placebos to what may be done with them: a row of figures and a verdict each.

Runs no method and changes no estimate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.inference.replay_bounds import (
    percentile_limits,
    simultaneous_rates,
    weighted_mean,
    weighted_quantile,
)
from liftos_pipeline.causal.trials import Trials

Floats = NDArray[np.float64]

CLEARED, WIDENED, BLOCKED = "cleared", "widened", "blocked"
UNDETERMINED, NOT_APPLICABLE = "undetermined", "not_applicable"
CLEARED_EXCESS, BLOCKED_EXCESS = 0.01, 0.025
"""Above the nominal size: below the first a method is cleared; one whose lower bound is above the second is blocked."""
ROUNDING = 1e-9
POWER = 0.8
MIN_ANSWERS = 20
"""Fewer intervals than these, and nothing is said about a method; the order statistic behind a widening needs 19."""

COLUMNS = (
    *("method", "status", "reason", "answered", "size", "size_low", "size_high"),
    *("coverage", "coverage_low", "coverage_high", "injected", "bias", "bias_low", "bias_high"),
    *("detectable", "detectable_low", "detectable_high", "widening"),
)


def verdicts(nulls: Sequence[Trials], lifted: Sequence[Trials], weights: Floats, level: float) -> pd.DataFrame:
    """One row per method, columns ``COLUMNS``.

    Parameters
    ----------
    nulls, lifted : sequence of Trials
        The same methods on the same replays, without and with an injected effect.
    weights : ndarray, shape (n_draws, n_replays)
        Weights of resampled replays.
    """
    judged_ones = [place for place, null in enumerate(nulls) if null.answered.sum() >= MIN_ANSWERS]
    sizes = simultaneous_rates([_known(nulls[i], nulls[i].rejects) for i in judged_ones], weights, level)
    covered = simultaneous_rates(
        [_known(lifted[i], lifted[i].covers(lifted[i].truth)) for i in judged_ones], weights, level
    )
    rows = []
    for place, (null, part) in enumerate(zip(nulls, lifted, strict=True)):
        if place not in judged_ones:
            rows.append(_unjudged(null))
            continue
        rank = judged_ones.index(place)
        size, low, high = (float(side[rank]) for side in (sizes.value, sizes.low, sizes.high))
        widening = widening_factor(null, level)
        status = judged(size, low, level)
        factor = widening if status == WIDENED else 1.0
        errors = _known(part, part.estimate - part.truth)
        answered = int(null.answered.sum())
        rows.append(
            {
                "method": null.method,
                "status": status,
                "reason": _reason(status, size, low, widening, answered),
                "answered": answered,
                **{"size": size, "size_low": low, "size_high": high},
                "coverage": float(covered.value[rank]),
                "coverage_low": float(covered.low[rank]),
                "coverage_high": float(covered.high[rank]),
                "injected": part.truth,
                **_with_limits(
                    "bias", weighted_mean(errors, _once(errors)), weighted_mean(errors, weights), level
                ),
                **_detectable(null, part.truth, factor, weights, level),
                "widening": factor,
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"answered": int})


def judged(size: float, low: float, level: float) -> str:
    """Status of a method from its size and the simultaneous lower bound of it."""
    nominal = 1.0 - level
    if low > nominal + BLOCKED_EXCESS:
        return BLOCKED
    return CLEARED if size < nominal + CLEARED_EXCESS - ROUNDING else WIDENED


def widening_factor(null: Trials, level: float) -> float:
    """Factor on each side of the intervals at which ``level`` of them hold zero.

    The ceil((n + 1) level)-th smallest of n factors that each interval would need on its own: of a new replay like
    these, the interval so widened holds zero with probability ``level`` or more (a rank test). No factor mends a limit
    that lies on the estimate or beyond it, or an empty set: where these are too many it is infinite, and nothing but the
    whole line is left of an interval.
    """
    side = np.where(null.estimate > 0, null.estimate - null.ci_low, null.ci_high - null.estimate)
    needed = np.full(len(side), np.inf)
    np.divide(np.abs(null.estimate), side, out=needed, where=side > 0)
    needed[null.covers(0.0) & ~(side > 0)] = 0.0
    needed = np.sort(needed[null.answered])
    rank = math.ceil((len(needed) + 1) * level - ROUNDING)
    return math.inf if rank > len(needed) else max(1.0, float(needed[rank - 1]))


def _known(trials: Trials, values: NDArray[np.generic]) -> Floats:
    return np.where(trials.answered, values.astype(np.float64), np.nan)


def _once(values: Floats) -> Floats:
    return np.ones((1, len(values)))


def _unjudged(null: Trials) -> dict[str, object]:
    answered, n_replays = int(null.answered.sum()), len(null.estimate)
    reasons = [reason for reason in null.reasons if reason is not None]
    why = max(sorted(set(reasons)), key=reasons.count)
    if answered == 0:
        return {"method": null.method, "status": NOT_APPLICABLE, "reason": why, "answered": 0}
    told = f"it gave an interval in {answered} of {n_replays} replays, {MIN_ANSWERS} are needed; in others: {why}"
    return {"method": null.method, "status": UNDETERMINED, "reason": told, "answered": answered}


def _reason(status: str, size: float, low: float, widening: float, answered: int) -> str | None:
    seen = f"leaves out a true zero in {100 * size:.1f} % of {answered} replays of this panel"
    if status == BLOCKED:
        return f"{seen}, at least {100 * low:.1f} %"
    if status == CLEARED:
        return None
    mended = f"each side of its interval is multiplied by {widening:.3g}"
    return f"{seen}: {mended if math.isfinite(widening) else 'no factor on its intervals mends that'}"


def _detectable(null: Trials, injected: float, factor: float, weights: Floats, level: float) -> dict[str, float]:
    """The smallest effect, of the injected one's sign, that leaves zero outside the interval in ``POWER`` of the replays.

    An interval moves with the effect: it leaves zero behind where the effect exceeds what the limit lacks without it. A
    replay without an interval sees nothing.
    """
    sign = math.copysign(1.0, injected)
    limit = null.ci_low if sign > 0 else -null.ci_high
    centre = sign * null.estimate
    is_seen = null.answered & (null.ci_low <= null.ci_high) & math.isfinite(factor)
    needed = np.full(len(centre), np.inf)
    needed[is_seen] = np.maximum(factor * (centre - limit) - centre, 0.0)[is_seen]
    value, drawn = (sign * weighted_quantile(needed, mass, POWER) for mass in (_once(needed), weights))
    return _with_limits("detectable", value, drawn, level)


def _with_limits(name: str, value: Floats, drawn: Floats, level: float) -> dict[str, float]:
    low, high = percentile_limits(drawn, level)
    return {name: float(value[0]), f"{name}_low": low, f"{name}_high": high}
