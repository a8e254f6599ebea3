"""Balance of covariates between the arms, before and after weighting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.propensity.overlap import effective_size
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NO_VARIATION = 1e-12
"""A standard deviation this small beside the largest value is rounding."""


@dataclass(frozen=True, eq=False)
class Balance:
    """How alike the arms are.

    Attributes
    ----------
    table : DataFrame
        One row per covariate: ``covariate``; ``mean_treated``, ``mean_control`` after weighting; ``smd_before``,
        ``smd_after``, the difference of means over the pooled standard deviation before weighting;
        ``variance_ratio_before``, ``variance_ratio_after``, treated over control; ``ks_before``, ``ks_after``, the
        largest difference of the distribution functions; ``undefined``, why fields are NaN, or None.
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
    moments = {
        (arm, time): _moments(values[rows], share[rows])
        for arm, rows in (("treated", treated), ("control", ~treated))
        for time, share in (("before", before), ("after", after))
    }
    table = pd.DataFrame({"covariate": list(names)})
    table["mean_treated"] = moments["treated", "after"][0]
    table["mean_control"] = moments["control", "after"][0]
    pooled = np.sqrt((moments["treated", "before"][1] + moments["control", "before"][1]) / 2.0)
    varies = pooled > NO_VARIATION * np.max(np.abs(values), axis=0, initial=0.0)
    for time in ("before", "after"):
        gap = moments["treated", time][0] - moments["control", time][0]
        table[f"smd_{time}"] = _ratio(gap, pooled, varies)
    for time in ("before", "after"):
        control = moments["control", time][1]
        table[f"variance_ratio_{time}"] = _ratio(moments["treated", time][1], control, varies & (control > 0))
    for time, share in (("before", before), ("after", after)):
        table[f"ks_{time}"] = [_distance(column, treated, share) for column in values.T]
    table["undefined"] = [
        _reason(bool(v), bool(c > 0), bool(a > 0))
        for v, c, a in zip(varies, moments["control", "before"][1], moments["control", "after"][1], strict=True)
    ]
    return Balance(
        table,
        effective_size(after[treated], groups[treated]),
        effective_size(after[~treated], groups[~treated]),
        float(table["smd_before"].abs().max()) if len(table) else float("nan"),
        float(table["smd_after"].abs().max()) if len(table) else float("nan"),
    )


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


def _moments(values: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weighted means and variances; with equal weights the latter divide by n - 1. Zero for a single row."""
    share = weights / weights.sum()
    mean = share @ values
    freedom = 1.0 - float(share @ share)
    spread = share @ (values - mean) ** 2
    return mean, spread / freedom if freedom > NO_VARIATION else np.zeros_like(mean)


def _ratio(numerator: Floats, denominator: Floats, defined: NDArray[np.bool_]) -> Floats:
    return np.where(defined, numerator / np.where(defined, denominator, 1.0), np.nan)


def _distance(column: Floats, treated: NDArray[np.bool_], weights: Floats) -> float:
    """Largest difference of the arms' weighted distribution functions."""
    order = np.argsort(column, kind="stable")
    step = np.where(treated, weights / weights[treated].sum(), -weights / weights[~treated].sum())[order]
    last_of_value = np.append(np.diff(column[order]) > 0, True)
    return float(np.max(np.abs(np.cumsum(step)[last_of_value])))


def _reason(varies: bool, control_before: bool, control_after: bool) -> str | None:
    if not varies:
        return "no variation within the arms"
    if not (control_before and control_after):
        return "no variation in the control arm: variance ratios have no denominator"
    return None
