"""Balance of covariates between the arms, before and after weighting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.propensity.overlap import effective_size
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Moments = Mapping[tuple[str, str], tuple[Floats, Floats]]

NO_VARIATION = 1e-12
"""A standard deviation this small beside the largest value is rounding."""
_COLUMNS_AT_ONCE = 8


@dataclass(frozen=True, eq=False)
class Balance:
    """How alike the arms are.

    Attributes
    ----------
    table : DataFrame
        One row per covariate: ``covariate``; ``mean_treated``, ``mean_control`` after weighting; ``smd_before``,
        ``smd_after``, the difference of means over the pooled standard deviation before weighting;
        ``variance_ratio_before``, ``variance_ratio_after``, treated over control; ``ks_before``, ``ks_after``, the
        largest difference of the distribution functions (NaN where not asked for); ``undefined``, why the other
        fields are NaN, or None.
    ess_treated, ess_control : float
        Effective number of units after weighting, ``(sum w)^2 / sum w^2``.
    largest_smd_before, largest_smd_after : float
        Largest absolute difference over the covariates; NaN without any.
    """

    table: pd.DataFrame
    ess_treated: float
    ess_control: float
    largest_smd_before: float
    largest_smd_after: float


def balance(
    X: Floats,
    d: Floats,
    names: Sequence[str],
    weights: Floats,
    sampling: Floats | None = None,
    unit: Integers | None = None,
    distances: bool = True,
) -> Balance:
    """Compare the covariates of treated and untreated rows.

    Parameters
    ----------
    X : ndarray, shape (n, k)
        Covariates.
    d : ndarray, shape (n,)
        Treatment, 0 or 1.
    names : sequence of str, shape (k,)
    weights : ndarray, shape (n,)
        Weights that should balance the arms, sampling weights included; zero leaves a row out after weighting.
    sampling : ndarray, shape (n,), optional
        Weights before, default one.
    unit : ndarray, shape (n,), optional
        Codes of the units that effective sizes count, default the rows.
    distances : bool
        Whether to compute the distances of the distribution functions, which sorts every covariate.

    Raises
    ------
    LiftosError
        Shapes that do not match, an arm without rows or without weight, negative or missing values.

    References
    ----------
    Austin and Stuart (2015), Statistics in Medicine 34(28). Stuart (2010), Statistical Science 25(1), section 4.1:
    the denominator is that before weighting, so that a smaller spread cannot pass for balance.
    """
    before = np.ones(len(d)) if sampling is None else np.asarray(sampling, dtype=np.float64)
    after = np.asarray(weights, dtype=np.float64)
    values = np.asarray(X, dtype=np.float64)
    treated = d == 1
    _validate(values, d, names, before, after)
    groups = np.arange(len(d)) if unit is None else unit
    moments, ks = _compared(values, treated, before, after, distances)
    table = compare_moments(names, moments, np.max(np.abs(values), axis=0, initial=0.0))
    for time in ("before", "after"):
        table.insert(len(table.columns) - 1, f"ks_{time}", ks[time])
    return Balance(
        table,
        effective_size(after[treated], groups[treated]),
        effective_size(after[~treated], groups[~treated]),
        float(table["smd_before"].abs().max()) if len(table) else float("nan"),
        float(table["smd_after"].abs().max()) if len(table) else float("nan"),
    )


def compare_moments(names: Sequence[str], moments: Moments, largest: Floats) -> pd.DataFrame:
    """The table of :class:`Balance` without distances.

    Parameters
    ----------
    moments : mapping
        ``treated`` or ``control`` and ``before`` or ``after`` weighting to means and variances, shape (k,) each.
    largest : ndarray, shape (k,)
        Size of the covariates, by which rounding is told from variation.
    """
    table: dict[str, object] = {
        "covariate": np.array(list(names), dtype=object),
        "mean_treated": moments["treated", "after"][0],
        "mean_control": moments["control", "after"][0],
    }
    pooled = np.sqrt((moments["treated", "before"][1] + moments["control", "before"][1]) / 2.0)
    varies = pooled > NO_VARIATION * largest
    for time in ("before", "after"):
        gap = moments["treated", time][0] - moments["control", time][0]
        table[f"smd_{time}"] = _ratio(gap, pooled, varies)
    for time in ("before", "after"):
        control = moments["control", time][1]
        table[f"variance_ratio_{time}"] = _ratio(moments["treated", time][1], control, varies & (control > 0))
    table["undefined"] = [
        _reason(bool(v), bool(c > 0), bool(a > 0))
        for v, c, a in zip(varies, moments["control", "before"][1], moments["control", "after"][1], strict=True)
    ]
    return pd.DataFrame(table)


def _validate(X: Floats, d: Floats, names: Sequence[str], before: Floats, after: Floats) -> None:
    n = len(d)
    if X.shape != (n, len(names)) or before.shape != (n,) or after.shape != (n,):
        raise LiftosError(
            "n rows of covariates, treatment and weights, and one name per covariate",
            f"{X.shape}, {(n,)}, {after.shape} and {len(names)} names",
            "Pass arrays of the same panel.",
        )
    if not (np.isfinite(X).all() and np.isfinite(after).all() and (after >= 0).all() and (before >= 0).all()):
        raise LiftosError("known covariates and weights of 0 or more", "others", "Drop such rows first.")
    for name, arm in (("treated", d == 1), ("untreated", d == 0)):
        if not (before[arm].sum() > 0 and after[arm].sum() > 0):
            raise LiftosError(f"{name} rows with weight", "none", "Trim less, or add rows of this arm.")


def _compared(
    X: Floats, treated: Booleans, before: Floats, after: Floats, distances: bool
) -> tuple[Moments, dict[str, Floats]]:
    """Means and variances (k,) by arm and time, and distances (k,) by time: a few columns at once."""
    n_columns = X.shape[1]
    weights = {"before": before} if np.array_equal(before, after) else {"before": before, "after": after}
    arms = {"treated": np.flatnonzero(treated), "control": np.flatnonzero(~treated)}
    moments: dict[tuple[str, str], tuple[Floats, Floats]]
    moments = {(arm, time): (np.empty(n_columns), np.empty(n_columns)) for arm in arms for time in weights}
    ks = {time: np.full(n_columns, np.nan) for time in weights}
    steps = {time: np.where(treated, w / w[treated].sum(), -w / w[~treated].sum()) for time, w in weights.items()}
    for first in range(0, n_columns, _COLUMNS_AT_ONCE):
        block = slice(first, first + _COLUMNS_AT_ONCE)
        columns = np.ascontiguousarray(X[:, block].T)
        for arm, rows in arms.items():
            in_arm = np.take(columns, rows, axis=1)
            for time, weight in weights.items():
                mean, variance = _moments(in_arm, weight[rows])
                moments[arm, time][0][block], moments[arm, time][1][block] = mean, variance
        if distances:
            for place, column in enumerate(columns, first):
                for time, distance in _distances(column, steps).items():
                    ks[time][place] = distance
    if "after" not in weights:
        ks["after"] = ks["before"]
        moments |= {(arm, "after"): moments[arm, "before"] for arm in arms}
    return moments, ks


def _moments(columns: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weighted means and variances of (k, m) columns; with equal weights the latter divide by m - 1. Zero for a single
    row."""
    share = weights / weights.sum()
    mean = columns @ share
    away = columns - mean[:, None]
    spread = np.square(away, out=away) @ share
    freedom = 1.0 - float(share @ share)
    return mean, spread / freedom if freedom > NO_VARIATION else np.zeros_like(mean)


def _ratio(numerator: Floats, denominator: Floats, defined: NDArray[np.bool_]) -> Floats:
    return np.where(defined, numerator / np.where(defined, denominator, 1.0), np.nan)


def _distances(column: Floats, steps: dict[str, Floats]) -> dict[str, float]:
    """Largest difference of the arms' distribution functions, whose steps (n,) are those of the treated less those of
    the control arm."""
    order = np.argsort(column)
    in_order = column[order]
    last_of_value = np.append(np.flatnonzero(in_order[1:] > in_order[:-1]), len(order) - 1)
    gaps = {time: np.cumsum(step[order])[last_of_value] for time, step in steps.items()}
    return {time: float(max(gap.max(), -gap.min())) for time, gap in gaps.items()}


def _reason(varies: bool, control_before: bool, control_after: bool) -> str | None:
    if not varies:
        return "no variation within the arms"
    if not (control_before and control_after):
        return "no variation in the control arm: variance ratios have no denominator"
    return None
