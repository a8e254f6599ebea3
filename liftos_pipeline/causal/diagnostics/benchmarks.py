"""Bounds on unobserved confounding from observed covariates: what one that is several times as strong would do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.diagnostics.sensitivity import Robustness, robustness
from liftos_pipeline.causal.inference.covariance import limits
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]

EXACT_FIT = 1e-24
"""Share of the outcome's sum of squares below which residuals are rounding."""
COLLINEAR = 1e-16
"""Share of a column's sum of squares below which others span it."""
_BENCHMARK = (
    "covariate",
    "times",
    "r2_treatment",
    "r2_outcome",
    "estimate",
    "std_error",
    "ci_low",
    "ci_high",
    "undefined",
)


@dataclass(frozen=True, eq=False)
class LinearSensitivity:
    """Sensitivity of a linear regression's treatment coefficient.

    Attributes
    ----------
    estimate, std_error, degrees_of_freedom : float
        Classical least squares.
    robustness : Robustness
    benchmarks : DataFrame
        One row per covariate and multiple: ``covariate``, ``times`` as strong; ``r2_treatment``, ``r2_outcome``,
        partial R2 of such a confounder; ``estimate``, ``std_error``, ``ci_low``, ``ci_high`` with it in the
        regression; ``undefined``, why fields are NaN, or None.
    """

    estimate: float
    std_error: float
    degrees_of_freedom: float
    robustness: Robustness
    benchmarks: pd.DataFrame


def linear_sensitivity(
    y: Floats,
    d: Floats,
    X: Floats,
    names: Sequence[str],
    times: Sequence[float] = (1.0, 2.0, 3.0),
    q: float = 1.0,
    alpha: float = 0.05,
) -> LinearSensitivity:
    """Robustness values and benchmark bounds from the observed covariates.

    Parameters
    ----------
    y, d : ndarray, shape (n,)
        Outcome and treatment (any number).
    X : ndarray, shape (n, k)
        Covariates without the constant, which is added. Collinear ones have no benchmark.
    names : sequence of str, shape (k,)
    times : sequence of float
        How many times as strong as a covariate the confounder is taken to be, with treatment and with outcome.

    Raises
    ------
    LiftosError
        Shapes that do not match, too few rows, a treatment that is collinear with covariates, an outcome that is
        fitted exactly.

    References
    ----------
    Cinelli and Hazlett (2020), JRSS B 82(1), section 4.4 and appendix B.1.
    """
    if X.shape != (len(y), len(names)) or d.shape != y.shape:
        raise LiftosError(
            "n outcomes, n treatments, n x k covariates and k names",
            f"{y.shape}, {d.shape}, {X.shape}, {len(names)}",
            "Pass arrays of the same rows.",
        )
    centred = np.column_stack([d, X, y]) - np.column_stack([d, X, y]).mean(axis=0)
    kept = _independent(centred[:, 1:-1])
    D, Z, Y = centred[:, 0], centred[:, 1:-1][:, kept], centred[:, -1]
    freedom = float(len(y) - 2 - Z.shape[1])
    d_given, y_given = _residual(D, Z), _residual(Y, Z)
    if freedom <= 1 or not d_given @ d_given > COLLINEAR * (D @ D):
        raise LiftosError(
            "more rows than covariates, and a treatment that varies given them",
            f"{len(y)} rows, {Z.shape[1]} covariates",
            "Drop covariates that determine the treatment.",
        )
    estimate = float(d_given @ y_given / (d_given @ d_given))
    rest = y_given - estimate * d_given
    if not rest @ rest > EXACT_FIT * float(np.sum(np.asarray(y, dtype=np.float64) ** 2)):
        raise LiftosError("an outcome with an error", "an exact fit", "A constant outcome has no sensitivity.")
    std_error = math.sqrt(float(rest @ rest) / freedom / float(d_given @ d_given))
    rows = []
    for place, name in enumerate(names):
        if place not in kept:
            rows += [_benchmark_row(name, k, "collinear with the covariates before it") for k in times]
            continue
        others = np.delete(Z, kept.index(place), axis=1)
        r2_d = _partial_r2(D, Z[:, kept.index(place)], others)
        r2_y = _partial_r2(Y, Z[:, kept.index(place)], np.column_stack([others, D]))
        rows += [_bounded(name, k, r2_d, r2_y, estimate, std_error, freedom, alpha) for k in times]
    benchmarks = pd.DataFrame(rows, columns=list(_BENCHMARK))
    found = robustness(estimate / std_error, freedom, q, alpha)
    return LinearSensitivity(estimate, std_error, freedom, found, benchmarks)


def _bounded(
    name: str,
    times: float,
    r2_d: float,
    r2_y: float,
    estimate: float,
    std_error: float,
    freedom: float,
    alpha: float,
) -> dict[str, object]:
    """The regression with a confounder ``times`` as strong as a covariate, moved towards zero."""
    with_treatment = times * r2_d / (1.0 - r2_d)
    carried = times * r2_d**2 / ((1.0 - times * r2_d) * (1.0 - r2_d)) if times * r2_d < 1 else math.inf
    if with_treatment >= 1 or carried >= 1:
        return _benchmark_row(name, times, "no confounder can be this many times as strong with the treatment")
    ratio = (math.sqrt(times) + math.sqrt(carried)) / math.sqrt(1.0 - carried)
    with_outcome = min(ratio**2 * r2_y / (1.0 - r2_y), 1.0)
    bias = std_error * math.sqrt(freedom * with_outcome * with_treatment / (1.0 - with_treatment))
    moved = math.copysign(1.0, estimate) * (abs(estimate) - bias)
    spread = std_error * math.sqrt((1.0 - with_outcome) / (1.0 - with_treatment) * freedom / (freedom - 1.0))
    found = limits(moved, spread, 1.0 - alpha, 0, freedom - 1.0)
    reason = "it would explain all of the outcome's error" if with_outcome == 1 else None
    known = (with_treatment, with_outcome, moved, spread, found.ci_low, found.ci_high)
    return dict(zip(_BENCHMARK, (name, times, *known, reason), strict=True))


def _benchmark_row(name: str, times: float, reason: str) -> dict[str, object]:
    missing = [math.nan] * (len(_BENCHMARK) - 3)
    return dict(zip(_BENCHMARK, (name, times, *missing, reason), strict=True))


def _partial_r2(target: Floats, column: Floats, others: Floats) -> float:
    left, right = _residual(target, others), _residual(column, others)
    return float((left @ right) ** 2 / ((left @ left) * (right @ right)))


def _residual(target: Floats, columns: Floats) -> Floats:
    if columns.shape[1] == 0:
        return target
    scale = np.sqrt(np.sum(columns**2, axis=0))
    basis, _ = np.linalg.qr(columns / np.where(scale > 0, scale, 1.0))
    once: Floats = target - basis @ (basis.T @ target)
    return once - basis @ (basis.T @ once)


def _independent(columns: Floats) -> list[int]:
    """Places of the columns that those before them do not span."""
    kept: list[int] = []
    for place, column in enumerate(columns.T):
        rest = _residual(column, columns[:, kept])
        if rest @ rest > COLLINEAR * (column @ column):
            kept.append(place)
    return kept
