"""What a path before adoption could not have shown, and how far its trends may part before the effect is in doubt.

Reads the periods next to adoption from a path; the statistics stand in ``diagnostics``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.diagnostics.event_path import event_path
from liftos_pipeline.causal.diagnostics.honest_did import relative_magnitudes
from liftos_pipeline.causal.diagnostics.pretrends import detectable_slopes
from liftos_pipeline.causal.inference.bands import joint_covariance
from liftos_pipeline.causal.inference.wald import why_singular

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

WINDOW = 10
"""Event times to each side of adoption that are looked at."""
POWERS = (0.5, 0.8)
SLOPES = "pretrend_detectable_slope"
BREAKDOWN = "honest_did_breakdown"


@dataclass(frozen=True)
class Sensitivity:
    """Diagnostics, and why some of them are undefined."""

    facts: Mapping[str, object]
    undefined: Mapping[str, str]


def near_adoption(times: Integers, told: Booleans, base: int) -> Integers:
    """Places of the event times around the base that follow one another without a gap, at most ten to a side."""
    place_of = {int(time): place for place, time in enumerate(times) if told[place]}
    before: list[int] = []
    after: list[int] = []
    for step in range(1, WINDOW + 1):
        if len(before) == step - 1 and base - step in place_of:
            before.append(place_of[base - step])
        if len(after) == step - 1 and base + step in place_of:
            after.append(place_of[base + step])
    return np.array([*before[::-1], *after], dtype=np.int64)


def path_sensitivity(
    times: Integers,
    estimates: Floats,
    scores: Floats,
    told: Booleans,
    base: int,
    level: float,
    correction: float = 1.0,
    reason: str | None = None,
) -> Sensitivity:
    """Pre-trend power and HonestDiD breakdown of a path whose points are differences from one base period.

    ``pretrend_detectable_slope`` is the linear violation per period, in outcome units, that the joint test of the
    periods before finds with a power of 50 and 80 percent. ``honest_did_breakdown`` is how many times larger than
    any before adoption the violations after it may be until the mean of the effects shown is no longer significant.

    Parameters
    ----------
    times : ndarray, shape (k,)
        Event times without the base and without bins.
    estimates : ndarray, shape (k,)
    scores : ndarray, shape (G, k)
        Influence of each cluster; their joint covariance is used.
    told : ndarray of bool, shape (k,)
        Points whose standard error can be told.
    reason : str, optional
        Why nothing can be told.

    References
    ----------
    Roth (2022), American Economic Review: Insights 4(3), section I. Rambachan and Roth (2023), Review of Economic
    Studies 90(5), section 2.4.1.
    """
    near = near_adoption(times, told, base)
    shown = times[near]
    if reason is None:
        reason = _why_not(shown, base, scores[:, near], correction)
    if reason is not None:
        return Sensitivity({SLOPES: math.nan, BREAKDOWN: math.nan}, {SLOPES: reason, BREAKDOWN: reason})
    covariance = joint_covariance(scores[:, near], correction)
    slopes = detectable_slopes(event_path(estimates[near], covariance, shown, base), level, POWERS)
    honest = relative_magnitudes(estimates[near], covariance, shown, mbars=(), level=level, reference=base)
    facts = {
        SLOPES: {f"{power:g}": float(slope) for power, slope in zip(POWERS, slopes, strict=True)},
        BREAKDOWN: honest.breakdown,
        "honest_did_estimate": honest.estimate,
        "honest_did_event_times": [int(shown[0]), int(shown[-1])],
    }
    return Sensitivity(facts, {} if honest.undefined is None else {BREAKDOWN: honest.undefined})


def _why_not(shown: Integers, base: int, scores: Floats, correction: float) -> str | None:
    if not (shown < base).any():
        return f"no event time {base - 1} with a standard error"
    if not (shown > base).any():
        return f"no event time {base + 1} with a standard error"
    if len(shown) >= len(scores):
        return f"{len(shown)} coefficients need more than {len(scores)} clusters"
    return why_singular(joint_covariance(scores, correction))
