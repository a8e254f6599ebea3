"""Whether a series that should step once, at the start of a treatment, moves at other times too."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.inference.autoregression import step_alone

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

WEEK = 7
SHORT = 3
WORTH_A_TEST = 0.2
FALSE_ALARMS = 0.005
"""Of each family of disturbances, together."""


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of the series' errors.

    Attributes
    ----------
    correlation : float
        Expected first-order autocorrelation.
    prior : ndarray, shape (slopes, autocorrelations)
    slope_unit : float
    """

    correlation: float
    prior: Floats
    slope_unit: float


@dataclass(frozen=True, eq=False)
class Family:
    """Disturbances that are looked for together.

    Attributes
    ----------
    shapes : ndarray, shape (T, m)
        One where the disturbance is, zero elsewhere.
    first, last : ndarray, shape (m,)
        Its periods, both included.
    """

    shapes: Floats
    first: Integers
    last: Integers


@dataclass(frozen=True)
class Disturbance:
    """The most surprising one of a family.

    Attributes
    ----------
    size : float
        In units of the series.
    first, last : int
        Its periods, both included.
    p_value : float
        Bonferroni over the family.
    """

    size: float
    first: int
    last: int
    p_value: float


@lru_cache(maxsize=32)
def before_start(n_periods: int, start: int) -> Family:
    """Steps at any date before the start, and weeks that differ from the rest.

    The last week is left aside: the start may answer to it, which a regression with autoregressive errors allows for.
    """
    edge = max(2, min(WEEK, start // 4))
    steps = [(0, date - 1) for date in range(edge, start - edge + 1)]
    return _family(n_periods, [*steps, *_windows(0, start - WEEK, WEEK)])


@lru_cache(maxsize=32)
def after_start(n_periods: int, start: int) -> Family:
    """Days and weeks from the start on that differ from the rest, and steps there."""
    steps = [(date, n_periods - 1) for date in range(start + SHORT, n_periods - SHORT + 1)]
    weeks = _windows(start, n_periods, WEEK) if n_periods - start > WEEK + SHORT else []
    days = _windows(start, n_periods, SHORT) if n_periods - start > 2 * SHORT else []
    return _family(n_periods, [*steps, *weeks, *days])


def _windows(low: int, high: int, length: int) -> list[tuple[int, int]]:
    return [(first, first + length - 1) for first in range(low, high - length + 1)]


def _family(n_periods: int, windows: list[tuple[int, int]]) -> Family:
    first, last = np.array(windows, dtype=np.int64).reshape(-1, 2).T
    time = np.arange(n_periods)[:, None]
    return Family(((time >= first) & (time <= last)).astype(np.float64), first, last)


def largest_disturbance(y: Floats, X: Floats, known: Known, family: Family) -> Disturbance | None:
    """The disturbance of a family that improves the regression most; None where none can be told from it.

    It is looked for at the autocorrelation that is expected of the series, since a disturbance raises the one that the
    series shows. One that may be surprising is then tested in the regression that has it.

    Parameters
    ----------
    y : ndarray, shape (T,)
    X : ndarray, shape (T, k)

    References
    ----------
    Andrews (1993), Econometrica 61(4): breaks at unknown dates. Fox (1972), JRSS B 34(3): outliers in time series.
    """
    from scipy.special import stdtr

    freedom = len(y) - X.shape[1] - 1
    if not len(family.first) or freedom < 4:
        return None
    basis = np.linalg.qr(_whitened(X, known.correlation))[0]
    error = _whitened(y[:, None], known.correlation)[:, 0]
    error = error - basis @ (basis.T @ error)
    shapes = _whitened(family.shapes, known.correlation)
    total = np.sum(shapes**2, axis=0)
    norms = total - np.sum((basis.T @ shapes) ** 2, axis=0)
    is_told = norms > 1e-6 * total
    if not is_told.any():
        return None
    along = shapes.T @ error
    explained = np.where(is_told, along**2 / np.where(is_told, norms, 1.0), 0.0)
    best = int(np.argmax(explained))
    rest = max(float(error @ error) - float(explained[best]), np.finfo(np.float64).tiny)
    n_told = int(is_told.sum())
    p_value = 2.0 * float(stdtr(freedom, -np.sqrt(explained[best] * freedom / rest)))
    size = float(along[best] / norms[best])
    if p_value * n_told < WORTH_A_TEST:
        wider = np.column_stack([X, family.shapes[:, best]])
        step = step_alone(y, wider, X.shape[1], known.prior, known.slope_unit)
        size, p_value = step.mean, step.p_value()
    return Disturbance(size, int(family.first[best]), int(family.last[best]), min(1.0, p_value * n_told))


def _whitened(A: Floats, correlation: float) -> Floats:
    white: Floats = A.copy()
    white[1:] -= correlation * A[:-1]
    white[0] *= np.sqrt(1 - correlation**2)
    return white
