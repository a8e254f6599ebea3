"""How far parallel trends may fail before an event-study conclusion falls (HonestDiD).

Which biases a restriction allows is worked out here; tests and intervals stand in ``inference``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.diagnostics.event_path import EventPath, event_path
from liftos_pipeline.causal.diagnostics.trend_violations import (
    largest_violations,
    on_changes,
    together,
    with_reference,
)
from liftos_pipeline.causal.inference.fixed_length import bias_variance_frontier, shortest_interval
from liftos_pipeline.causal.inference.wald import why_singular
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]

MBARS = (0.5, 1.0, 1.5, 2.0)
LARGEST_MBAR = 1e3
BREAKDOWN_TOLERANCE = 1e-4
_SETS = ["bound", "ci_low", "ci_high", "set_low", "set_high"]


@dataclass(frozen=True, eq=False)
class HonestDid:
    """Robust confidence sets of one linear combination of post-treatment effects.

    Attributes
    ----------
    estimate : float
        What parallel trends would give, in outcome units.
    sets : DataFrame
        One row per bound: ``bound`` (Mbar, or M in outcome units), ``ci_low``, ``ci_high`` (the hull of what the
        test does not reject) and ``set_low``, ``set_high``, the identified set at the estimated coefficients (NaN
        for the smoothness restriction, which the estimates need not meet).
    breakdown : float
        Largest bound up to which zero is rejected. NaN where it is not rejected at a bound of 0, infinite where no
        bound that was tried lets it in; ``undefined`` then says so.
    """

    restriction: str
    estimate: float
    level: float
    sets: pd.DataFrame
    breakdown: float
    undefined: str | None


def relative_magnitudes(
    estimates: Floats,
    covariance: Floats,
    event_time: Sequence[int] | NDArray[np.int64],
    mbars: Sequence[float] = MBARS,
    level: float = 0.95,
    reference: int = -1,
    weights: Sequence[float] | Floats | None = None,
) -> HonestDid:
    """Robust sets when violations after treatment are at most Mbar times the largest one before.

    A violation is a change of the difference in trends from one period to the next.

    Parameters
    ----------
    estimates, covariance, event_time, reference, weights
        As in :func:`~liftos_pipeline.causal.diagnostics.event_path.event_path`, times without gaps.
    mbars : sequence of float
        Bounds, 0 or more.

    Raises
    ------
    LiftosError
        A path that cannot be read, gaps, a covariance that cannot be inverted, a level outside (0, 1).

    Notes
    -----
    The set is the union over which period before treatment had the largest violation, and its sign, of sets from
    the C-LF hybrid test of the moments that involve post-treatment coefficients. The violations after treatment
    are nuisance parameters; eliminating them leaves ``n_post + 2`` moments (see ``LargestViolation.moments``), so that
    no linear programme is solved and the least favourable critical value needs no simulation.

    References
    ----------
    Rambachan and Roth (2023), Review of Economic Studies 90(5), sections 2.4.1 and 3.
    """
    path = _path(estimates, covariance, event_time, reference, weights, mbars, level)
    cases = largest_violations(path)
    all_cases = together(cases)

    def includes_zero(mbar: float) -> bool:
        doubtful = np.flatnonzero(~all_cases.surely_reject_zero(mbar, 1.0 - level))
        return any(not cases[case].rejects(np.zeros(1), mbar, 1.0 - level)[0] for case in doubtful)

    largest = float(all_cases.violation.max())
    rows = []
    for mbar in mbars:
        hulls = [case.hull(float(mbar), 1.0 - level) for case in cases]
        room = mbar * largest * float(np.abs(on_changes(path.weights)).sum())
        ends = min(low for low, _ in hulls), max(high for _, high in hulls)
        rows.append((float(mbar), *ends, path.estimate - room, path.estimate + room))
    steps = np.geomspace(0.01, LARGEST_MBAR, 60)
    return HonestDid(
        "relative magnitudes",
        path.estimate,
        level,
        pd.DataFrame(rows, columns=_SETS),
        *_breakdown(includes_zero, steps),
    )


def smoothness(
    estimates: Floats,
    covariance: Floats,
    event_time: Sequence[int] | NDArray[np.int64],
    bounds: Sequence[float],
    level: float = 0.95,
    reference: int = -1,
    weights: Sequence[float] | Floats | None = None,
) -> HonestDid:
    """Robust sets when the slope of the difference in trends changes by at most M between periods.

    Parameters
    ----------
    estimates, covariance, event_time, reference, weights
        As in :func:`~liftos_pipeline.causal.diagnostics.event_path.event_path`, times without gaps.
    bounds : sequence of float
        Values of M, 0 (a linear trend) or more, in outcome units per period squared.

    Raises
    ------
    LiftosError
        A path that cannot be read, gaps, a covariance that cannot be inverted, a level outside (0, 1).

    Notes
    -----
    Optimal fixed-length intervals: affine estimators of finite bias are combinations of second differences, whose
    worst bias is M times the sum of absolute loadings.

    References
    ----------
    Rambachan and Roth (2023), Review of Economic Studies 90(5), sections 2.4.2 and 4.1.
    """
    path = _path(estimates, covariance, event_time, reference, weights, bounds, level)
    second = np.diff(with_reference(path), n=2, axis=0)
    values = second @ np.concatenate([path.pre, path.post])
    free = np.arange(len(second)) < path.n_pre - 1
    fixed = np.zeros(len(second))
    fixed[~free] = np.linalg.solve(second[~free, path.n_pre :].T, path.weights)
    frontier = bias_variance_frontier(fixed, free, second @ path.covariance @ second.T)

    def interval(bound: float) -> tuple[float, float]:
        return shortest_interval(frontier, values, bound, level)

    def includes_zero(bound: float) -> bool:
        low, high = interval(bound)
        return low <= 0 <= high

    rows = [(float(bound), *interval(float(bound)), math.nan, math.nan) for bound in bounds]
    unit = float(frontier.std_errors[0])
    steps = np.geomspace(1e-4 * unit, 1e3 * (unit + abs(path.estimate)), 160)
    return HonestDid(
        "smoothness", path.estimate, level, pd.DataFrame(rows, columns=_SETS), *_breakdown(includes_zero, steps)
    )


def _path(
    estimates: Floats,
    covariance: Floats,
    event_time: Sequence[int] | NDArray[np.int64],
    reference: int,
    weights: Sequence[float] | Floats | None,
    bounds: Sequence[float],
    level: float,
) -> EventPath:
    path = event_path(estimates, covariance, event_time, reference, weights, consecutive=True)
    if not all(bound >= 0 and math.isfinite(bound) for bound in bounds):
        raise LiftosError(
            "bounds of 0 or more", f"{list(bounds)}", "0 stands for the restriction in its pure form."
        )
    if not 0.0 < level < 1.0:
        raise LiftosError("a level between 0 and 1", repr(level), "0.95 asks for 95 % sets.")
    reason = why_singular(path.covariance)
    if reason is not None:
        raise LiftosError("a covariance that can be inverted", reason, "Use fewer periods, or more clusters.")
    return path


def _breakdown(includes_zero: Callable[[float], bool], steps: Floats) -> tuple[float, str | None]:
    if includes_zero(0.0):
        return math.nan, "zero is not rejected even at a bound of 0"
    inside = 0.0
    for step in steps:
        if includes_zero(float(step)):
            break
        inside = float(step)
    else:
        return math.inf, f"zero is rejected at every bound tried, up to {steps[-1]:.3g}"
    outside = float(step)
    while outside - inside > BREAKDOWN_TOLERANCE * outside:
        middle = (inside + outside) / 2
        inside, outside = (inside, middle) if includes_zero(middle) else (middle, outside)
    return inside, None
