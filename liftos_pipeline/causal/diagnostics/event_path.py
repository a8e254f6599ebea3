"""A path of event-study coefficients as pre-trend tests and sensitivity analyses read it. No statistics here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class EventPath:
    """Coefficients before and after treatment, without the reference period.

    Attributes
    ----------
    pre, post : ndarray, shapes (n_pre,) and (n_post,)
        Coefficients in order of time, in outcome units.
    pre_time, post_time : ndarray of int
        Periods from the reference: negative, and positive.
    covariance : ndarray, shape (n_pre + n_post,) twice
        Pre-treatment coefficients first.
    weights : ndarray, shape (n_post,)
        Of the estimand, the weighted sum of post-treatment effects.
    """

    pre: Floats
    post: Floats
    pre_time: Integers
    post_time: Integers
    covariance: Floats
    weights: Floats

    @property
    def n_pre(self) -> int:
        return len(self.pre)

    @property
    def estimate(self) -> float:
        """The estimand's estimate if trends were parallel."""
        return float(self.weights @ self.post)


def event_path(
    estimates: Floats,
    covariance: Floats,
    event_time: Sequence[int] | Integers,
    reference: int = -1,
    weights: Sequence[float] | Floats | None = None,
    consecutive: bool = False,
) -> EventPath:
    """Read coefficients by event time.

    Parameters
    ----------
    estimates : ndarray, shape (k,)
        All coefficients, before and after treatment; the reference period may be among them (it is left out).
    covariance : ndarray, shape (k, k)
    event_time : sequence of int, shape (k,)
        In any order.
    reference : int
        Event time that the coefficients are differences from; times after it count as treated.
    weights : sequence of float, optional
        Of the post-treatment effects, in order of time; default their average.
    consecutive : bool
        Whether times must follow one another without gaps, around the reference.

    Raises
    ------
    LiftosError
        Shapes that do not match, missing values, repeated times, no coefficient before or none after, gaps.
    """
    time = np.asarray(event_time)
    k = len(time)
    if np.shape(estimates) != (k,) or np.shape(covariance) != (k, k) or not np.array_equal(time, np.rint(time)):
        raise LiftosError(
            "k coefficients, a k x k covariance and k whole event times",
            f"{np.shape(estimates)}, {np.shape(covariance)} and {k} times",
            "Pass all coefficients of one event study.",
        )
    values, spread = np.asarray(estimates, dtype=np.float64), np.asarray(covariance, dtype=np.float64)
    if not (np.isfinite(values).all() and np.isfinite(spread).all()):
        raise LiftosError(
            "known coefficients and covariances", "missing or infinite ones", "Leave out such periods."
        )
    order = np.argsort(time, kind="stable")
    order = order[time[order] != reference]
    time = time[order].astype(np.int64) - reference
    is_pre = time < 0
    if len(np.unique(time)) < len(time) or is_pre.all() or not is_pre.any():
        raise LiftosError(
            f"each event time once, at least one before and one after {reference}",
            f"{int(is_pre.sum())} before and {int((~is_pre).sum())} after, {len(np.unique(time))} different",
            "Estimate leads and lags of one event study.",
        )
    if consecutive and not np.array_equal(
        time, [*range(-int(is_pre.sum()), 0), *range(1, int((~is_pre).sum()) + 1)]
    ):
        raise LiftosError(
            f"consecutive event times around {reference}",
            ", ".join(str(t + reference) for t in time),
            "Drop binned end points and renumber periods without gaps.",
        )
    post = values[order][~is_pre]
    chosen = np.full(len(post), 1.0 / len(post)) if weights is None else np.asarray(weights, dtype=np.float64)
    if chosen.shape != post.shape or not np.isfinite(chosen).all() or not chosen.any():
        raise LiftosError(
            f"{len(post)} weights, one per post-treatment period, not all zero",
            f"{chosen.tolist()}",
            "Correct them.",
        )
    return EventPath(
        values[order][is_pre], post, time[is_pre], time[~is_pre], spread[np.ix_(order, order)], chosen
    )
