"""Temporal precedence: whether one series helps to predict another beyond the other's own past. An alarm, not an effect."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.inference.multiplicity import cauchy_combination
from liftos_pipeline.causal.kernels.medians import replace_outliers
from liftos_pipeline.causal.specification import one_of
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

WEEK = 7
UNIT_ROOT_LAGS = 3
FAR_FROM_UNIT_ROOT = -4.0
"""Augmented Dickey-Fuller t with a trend below which levels are tested, its critical value at 1 %. At 5 % more series with
autocorrelation .8 would be, whose F tests reject 6 % of true nulls; much lower, and moderate persistence costs power."""
FEWEST_PER_COEFFICIENT = 3
N_DRAWS = 200_000
GRID = np.geomspace(2e-3, 0.999, 200)
LEAST_VARIANCE = 1e-10
"""Share of a column's spread that the columns before it must leave."""


@dataclass(frozen=True, eq=False)
class Precedence:
    """Tests that the past of one series says nothing about the next value of another.

    Attributes
    ----------
    p_value : ndarray, shape (n_units,)
        Combined over ``lags``; NaN where ``reason`` says why.
    by_lag : ndarray, shape (n_units, n_lags)
        p-value of the first 1, 2, ... lags together.
    differenced : ndarray of bool, shape (n_units,)
        Whether a root near one could not be excluded in both series, so that their changes were tested.
    n_used : ndarray, shape (n_units,)
        Periods that enter.
    lags : tuple of int
    reason : tuple
        None where tested.
    overall_p : float
        That it holds for every unit: the units' p-values combined, whatever their dependence.
    """

    p_value: Floats
    by_lag: Floats
    differenced: Booleans
    n_used: Integers
    lags: tuple[int, ...]
    reason: tuple[str | None, ...]
    overall_p: float


@dataclass(frozen=True)
class _Model:
    """Regression of a value on its own past, a week, a trend and the past of the other series."""

    lags: tuple[int, ...]
    own_lags: int
    weekly: bool
    trend: bool

    @property
    def depth(self) -> int:
        return max(self.own_lags, *self.lags)

    @property
    def n_own(self) -> int:
        return (WEEK if self.weekly else 1) + self.trend + self.own_lags

    @property
    def n_columns(self) -> int:
        return self.n_own + max(self.lags)


def temporal_precedence(
    cause: Floats,
    effect: Floats,
    *,
    lags: Sequence[int] = (1, 2, 3, 5, 7),
    own_lags: int = 7,
    weekly: bool = True,
    trend: bool = True,
    unit_root: str = "test",
) -> Precedence:
    """Test whether ``cause`` precedes ``effect``, unit by unit.

    For each number of lags an F test of the past of ``cause``, beside ``own_lags`` of ``effect``, weekdays and a trend.
    The p-values are combined by Cauchy's rule, at its own null distribution: nested tests are dependent in a way that
    does not depend on the series. Where a root near one cannot be excluded in both series, their changes are tested.
    Values far from those around them are replaced first. What precedes need not cause: a common cause that reaches one
    series sooner is enough.

    Parameters
    ----------
    cause, effect : ndarray, shape (n_units, n_periods) or (n_periods,)
        Missing values are NaN; periods with one among what they need are left out.
    lags : sequence of int
        Numbers of lags, each tested from the first lag on.
    weekly, trend : bool
        Take out what days of the week share, and a linear trend.
    unit_root : {"test", "levels", "difference"}

    Raises
    ------
    LiftosError
        Shapes that differ, infinite values, or options outside their range.

    References
    ----------
    Granger (1969), Econometrica 37(3). Granger and Newbold (1974), Journal of Econometrics 2(2): levels of walks. Liu and
    Xie (2020), Journal of the American Statistical Association 115(529).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal(200)
    >>> y = 0.5 * np.roll(x, 2) + rng.standard_normal(200)
    >>> bool(temporal_precedence(x, y).p_value[0] < 0.01)
    True
    """
    tested = tuple(sorted(set(lags)))
    if not tested or tested[0] < 1 or own_lags < 1:
        raise LiftosError(
            "lags and own_lags of one period or more", f"{tested} and {own_lags}", "Count back from 1."
        )
    one_of("unit_root", unit_root, ("test", "levels", "difference"))
    x, y = _read(cause, "cause"), _read(effect, "effect")
    if x.shape != y.shape:
        raise LiftosError("series of one shape", f"{x.shape} and {y.shape}", "Align units and periods.")
    differenced = np.full(len(x), unit_root == "difference")
    if unit_root == "test":
        differenced = ~(_excludes_unit_root(x) & _excludes_unit_root(y))
    by_lag = np.full((len(x), len(tested)), math.nan)
    n_used = np.zeros(len(x), dtype=np.int64)
    reason: list[str | None] = [None] * len(x)
    model = _Model(tested, own_lags, weekly, trend)
    for order in (0, 1):
        rows = np.flatnonzero(differenced == bool(order))
        if len(rows) and x.shape[1] - order > model.depth:
            cause_of, effect_of = (np.diff(series[rows], n=order, axis=1) for series in (x, y))
            by_lag[rows], n_used[rows], found = _tests(cause_of, effect_of, model)
        else:
            found = [f"{x.shape[1]} periods, more than {model.depth + order} are needed"] * len(rows)
        for place, why in zip(rows.tolist(), found, strict=True):
            reason[place] = why
    p_value = _calibrated(cauchy_combination(by_lag), tested)
    known = p_value[~np.isnan(p_value)]
    overall = float(cauchy_combination(known)) if len(known) else math.nan
    return Precedence(p_value, by_lag, differenced, n_used, tested, tuple(reason), overall)


def _read(values: Floats, name: str) -> Floats:
    """Centred and scaled series without outliers, shape (n_units, n_periods)."""
    series = np.atleast_2d(np.asarray(values, dtype=np.float64))
    n_infinite = int(np.isinf(series).sum())
    if series.ndim != 2 or n_infinite:
        raise LiftosError(
            f"finite series of shape (n_units, n_periods) as {name}",
            f"shape {series.shape} with {n_infinite} infinite values",
            "Mark unknown values as NaN.",
        )
    known = ~np.isnan(series)
    n_known = np.maximum(known.sum(axis=1, keepdims=True), 1)
    centred = series - np.where(known, series, 0.0).sum(axis=1, keepdims=True) / n_known
    spread = np.sqrt(np.where(known, centred**2, 0.0).sum(axis=1, keepdims=True) / n_known)
    return replace_outliers(centred / np.where(spread > 0, spread, 1.0))


def _tests(x: Floats, y: Floats, model: _Model) -> tuple[Floats, Integers, list[str | None]]:
    from scipy import special

    gram, n_used = _cross_products(x, y, model)
    p_values = np.full((len(x), len(model.lags)), math.nan)
    needed = FEWEST_PER_COEFFICIENT * model.n_columns
    reason: list[str | None] = [
        f"{n} periods with all lags, at least {needed} are needed" if n < needed else None for n in n_used.tolist()
    ]
    enough = np.flatnonzero(n_used >= needed)
    flat = _dependent(gram[enough])
    for place in enough[flat].tolist():
        reason[place] = "a series is constant, or a combination of the other's past, weekdays and trend"
    rows = enough[~flat]
    own = list(range(model.n_own))
    for place, n_lags in enumerate(model.lags):
        past = list(range(model.n_own, model.n_own + n_lags))
        whole = _left(gram[rows], own + past)
        without = _left(gram[rows], own)
        freedom = n_used[rows] - len(own + past)
        statistic = np.maximum(without - whole, 0.0) / n_lags / (whole / freedom)
        p_values[rows, place] = special.fdtrc(n_lags, freedom, statistic)
    return p_values, n_used, reason


def _cross_products(x: Floats, y: Floats, model: _Model) -> tuple[Floats, Integers]:
    """Cross-products of the design and the value itself, which comes last, shape (n_units, c, c); periods used."""
    n_periods = x.shape[1]
    depth = model.depth
    time = np.arange(depth, n_periods)
    fixed = [np.ones(len(time))]
    if model.weekly:
        fixed = [(time % WEEK == day).astype(np.float64) for day in range(WEEK)]
    if model.trend:
        fixed.append(2.0 * time / n_periods - 1.0)
    past = [y[:, depth - lag : n_periods - lag] for lag in range(1, model.own_lags + 1)]
    past += [x[:, depth - lag : n_periods - lag] for lag in range(1, max(model.lags) + 1)]
    design = np.stack([*(np.broadcast_to(column, past[0].shape) for column in fixed), *past, y[:, depth:]], axis=1)
    usable: Booleans = np.all(np.isfinite(design), axis=1)
    design = np.where(usable[:, None, :], design, 0.0)
    return design @ design.transpose(0, 2, 1), usable.sum(axis=1).astype(np.int64)


def _dependent(gram: Floats) -> Booleans:
    """Whether a column of the design is nearly a combination of others, or the value of all of them, by unit."""
    diagonal = np.sqrt(np.maximum(np.diagonal(gram, axis1=1, axis2=2), 1e-300))
    scaled = gram / (diagonal[:, :, None] * diagonal[:, None, :])
    dependent: Booleans = np.linalg.eigvalsh(scaled)[:, 0] < LEAST_VARIANCE
    return dependent


def _left(gram: Floats, columns: list[int]) -> Floats:
    """Sum of squares of the value that the columns leave, shape (n_units,)."""
    toward = gram[:, columns, -1]
    among = gram[:, columns][:, :, columns]
    explained = np.einsum("ni,ni->n", toward, np.linalg.solve(among, toward[..., None])[..., 0])
    left: Floats = gram[:, -1, -1] - explained
    return left


def _excludes_unit_root(values: Floats) -> Booleans:
    """Augmented Dickey-Fuller test with weekdays and a trend; False where it cannot be made.

    References
    ----------
    Said and Dickey (1984), Biometrika 71(3).
    """
    n_units, n_periods = values.shape
    depth = UNIT_ROOT_LAGS + 1
    if n_periods <= depth + WEEK:
        return np.zeros(n_units, dtype=np.bool_)
    change = np.diff(values, axis=1)
    time = np.arange(depth, n_periods)
    fixed = [(time % WEEK == day).astype(np.float64) for day in range(WEEK)] + [2.0 * time / n_periods - 1.0]
    past = [change[:, depth - 1 - lag : n_periods - 1 - lag] for lag in range(1, UNIT_ROOT_LAGS + 1)]
    columns = [np.broadcast_to(column, past[0].shape) for column in fixed]
    design = np.stack([*columns, *past, values[:, depth - 1 : -1], change[:, depth - 1 :]], axis=1)
    usable: Booleans = np.all(np.isfinite(design), axis=1)
    design = np.where(usable[:, None, :], design, 0.0)
    gram = design @ design.transpose(0, 2, 1)
    n_used = usable.sum(axis=1)
    testable = (n_used > 2 * gram.shape[1]) & ~_dependent(gram)
    excluded = np.zeros(n_units, dtype=np.bool_)
    k = gram.shape[1] - 1
    inverse = np.linalg.inv(gram[testable][:, :k, :k])
    beta = np.einsum("nij,nj->ni", inverse, gram[testable][:, :k, -1])
    freedom = n_used[testable] - k
    left = gram[testable][:, -1, -1] - np.einsum("ni,ni->n", beta, gram[testable][:, :k, -1])
    statistic = beta[:, -1] / np.sqrt(inverse[:, -1, -1] * left / freedom)
    excluded[testable] = statistic < FAR_FROM_UNIT_ROOT
    return excluded


def _calibrated(combined: Floats, lags: tuple[int, ...]) -> Floats:
    """Chance of a combined p-value as small, when the tests are nested."""
    ratio = np.interp(np.log(np.maximum(combined, GRID[0])), np.log(GRID), _chances(lags))
    chance: Floats = np.minimum(combined * ratio, 1.0)
    return chance


@lru_cache(maxsize=16)
def _chances(lags: tuple[int, ...]) -> Floats:
    """Chance that the combination of nested tests is below each value of GRID, over that value."""
    from scipy import special

    rng = np.random.default_rng(0)
    evidence = np.cumsum(rng.chisquare(1.0, (N_DRAWS, max(lags))), axis=1)
    p_values = np.stack([special.chdtrc(n_lags, evidence[:, n_lags - 1]) for n_lags in lags], axis=1)
    combined = np.sort(cauchy_combination(p_values))
    chance: Floats = np.searchsorted(combined, GRID, side="right") / N_DRAWS / GRID
    return chance
