"""Reads a caller's table by role into arrays. Everything about it is validated here, before anything is computed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.columns import Keys, numeric, shown
from liftos_pipeline.causal.index import Index
from liftos_pipeline.causal.roles import Roles
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def row_order(units: Keys, periods: Keys | None, values: Floats) -> Integers:
    """By unit and period; rows of one unit without a period by their values, so that input order never matters."""
    if periods is not None:
        return np.lexsort((periods.codes, units.codes))
    if len(units.labels) == len(units.codes):
        return np.argsort(units.codes)
    return np.lexsort((*values.T[::-1], units.codes))


def treatment(frame: pd.DataFrame, roles: Roles) -> Floats:
    """0/1 with both arms present; any number where instruments are named."""
    d = numeric(frame, roles.treatment, "treatment")
    other = np.unique(d[(d != 0) & (d != 1)])
    if len(other) and not roles.instruments:
        raise _other_numbers(roles, f"also {shown(other)}")
    if len(other) == 0 and len(np.unique(d)) < 2:
        raise _one_arm(roles, "treated" if d[0] == 1 else "untreated", len(d))
    return d


def refuse_treatment(roles: Roles, index: Index) -> None:
    """The same, from the counts of a panel that is not in memory."""
    if not index.is_binary and not roles.instruments:
        raise _other_numbers(roles, "other numbers too")
    n_treated = int(index.treated_rows.sum())
    if index.is_binary and n_treated in (0, index.n_rows):
        raise _one_arm(roles, "treated" if n_treated else "untreated", index.n_rows)


def _other_numbers(roles: Roles, found: str) -> LiftosError:
    return LiftosError(
        f"0 or 1 in treatment {roles.treatment}",
        found,
        "Code treated rows as 1 and others as 0; a dose needs instruments and the method iv.",
    )


def _one_arm(roles: Roles, found: str, n_rows: int) -> LiftosError:
    return LiftosError(
        f"treated and untreated rows in {roles.treatment}",
        f"all {n_rows} rows {found}",
        "Add rows of the other arm: without a comparison there is no effect to estimate. To plan a test before anyone is "
        "treated, build Panel.untreated.",
    )


def covariates(frame: pd.DataFrame, roles: Roles) -> tuple[Floats, tuple[str, ...], tuple[str, ...]]:
    """Covariates without the constant ones, their names, and notes of what was dropped."""
    X = matrix(frame, roles.covariates, "covariate")
    constant = np.ptp(X, axis=0) == 0
    names = tuple(name for name, flat in zip(roles.covariates, constant, strict=True) if not flat)
    notes = tuple(
        f"covariate {name} is constant and was dropped"
        for name, flat in zip(roles.covariates, constant, strict=True)
        if flat
    )
    return np.ascontiguousarray(X[:, ~constant]), names, notes


def matrix(frame: pd.DataFrame, names: tuple[str, ...], role: str) -> Floats:
    """Columns side by side, shape (n, k)."""
    if not names:
        return np.empty((len(frame), 0))
    return np.column_stack([numeric(frame, name, role) for name in names])


def weights(frame: pd.DataFrame, name: str) -> Floats:
    """Positive weights."""
    values = numeric(frame, name, "weights")
    n_not_positive = int((values <= 0).sum())
    if n_not_positive:
        raise LiftosError(
            f"positive weights in {name}",
            f"{n_not_positive} of {len(values)} rows at zero or below",
            "Drop rows that should not count.",
        )
    return values


def propensity(frame: pd.DataFrame, name: str) -> Floats:
    """Scores strictly between 0 and 1."""
    values = numeric(frame, name, "propensity")
    n_outside = int(((values <= 0) | (values >= 1)).sum())
    if n_outside:
        raise LiftosError(
            f"propensity scores strictly between 0 and 1 in {name}",
            f"{n_outside} of {len(values)} rows outside, range {values.min():.6g} to {values.max():.6g}",
            "Trim these rows: where treatment is certain there is nothing to compare with.",
        )
    return values


def refuse_duplicates(units: Keys, periods: Keys, roles: Roles) -> None:
    """One row per unit and period."""
    pair = units.codes * len(periods.labels) + periods.codes
    distinct, counts = np.unique(pair, return_counts=True)
    if len(distinct) < len(pair):
        repeated = distinct[counts > 1]
        first_unit = units.labels[repeated[0] // len(periods.labels)]
        first_period = periods.labels[repeated[0] % len(periods.labels)]
        raise LiftosError(
            f"one row per {roles.unit} and {roles.period}",
            f"{len(repeated)} repeated pairs, first {first_unit} at {first_period}",
            "Aggregate or drop the repeated rows.",
        )
