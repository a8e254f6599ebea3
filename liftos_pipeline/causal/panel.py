"""The panel: the only place where column names meet mathematics.

Everything about the caller's table is validated here, before anything is computed. Estimators see roles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.columns import Floats, Integers, Keys, Tabular, keys, numeric, shown, to_pandas
from liftos_pipeline.errors import LiftosError


@dataclass(frozen=True)
class Roles:
    """Names of the columns behind each role."""

    outcome: str
    treatment: str
    unit: str
    period: str | None = None
    covariates: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    weights: str | None = None
    cluster: str | None = None
    propensity: str | None = None

    def columns(self) -> tuple[str, ...]:
        optional = (self.period, self.weights, self.cluster, self.propensity)
        named = (self.outcome, self.treatment, self.unit, *optional, *self.covariates, *self.instruments)
        return tuple(name for name in named if name is not None)


@dataclass(frozen=True, eq=False)
class Panel:
    """Rows of units (and periods) by role, sorted by unit and period.

    Attributes
    ----------
    y, d : ndarray, shape (n,)
        Outcome and treatment.
    X : ndarray, shape (n, k)
        Covariates; constant ones are dropped and named in ``notes``.
    Z : ndarray, shape (n, q)
        Instruments.
    unit, cluster : ndarray, shape (n,)
        Codes into ``unit_labels`` and ``cluster_labels``.
    period : ndarray, shape (n,), or None
        Codes into ``period_labels``.
    weights, propensity : ndarray, shape (n,), or None
        Sampling weights; scores in (0, 1) computed beforehand.
    row_order : ndarray, shape (n,)
        Position of each row in the caller's table.
    """

    y: Floats
    d: Floats
    X: Floats
    Z: Floats
    unit: Integers
    unit_labels: NDArray[Any]
    period: Integers | None
    period_labels: NDArray[Any] | None
    cluster: Integers
    cluster_labels: NDArray[Any]
    weights: Floats | None
    propensity: Floats | None
    covariate_names: tuple[str, ...]
    roles: Roles
    row_order: Integers
    notes: tuple[str, ...]

    @classmethod
    def from_frame(
        cls,
        df: Tabular,
        *,
        outcome: str,
        treatment: str,
        unit: str,
        period: str | None = None,
        covariates: Sequence[str] = (),
        instruments: Sequence[str] = (),
        weights: str | None = None,
        cluster: str | None = None,
        propensity: str | None = None,
    ) -> Panel:
        """Validate a table and read it by role.

        Parameters
        ----------
        df : DataFrame or pyarrow.Table
            One row per unit and period, or per unit without ``period``.
        outcome, treatment, unit, period, weights, cluster, propensity : str
            Column names. ``cluster`` defaults to ``unit``.
        covariates, instruments : sequence of str
            Column names.

        Raises
        ------
        LiftosError
            A missing, non-numeric or incomplete column, a duplicate (unit, period), a treatment that is not 0/1
            (any number where instruments are named), no treated or no untreated row, weights that are negative,
            scores outside (0, 1).

        Examples
        --------
        >>> import pandas as pd
        >>> table = pd.DataFrame({"geo": ["a", "b", "c", "d"], "d": [1, 0, 1, 0], "y": [3.0, 1.0, 4.0, 2.0]})
        >>> Panel.from_frame(table, outcome="y", treatment="d", unit="geo").n_treated
        2
        """
        roles = _roles(outcome, treatment, unit, period, covariates, instruments, weights, cluster, propensity)
        return _build(df, roles)

    @classmethod
    def from_parquet(
        cls,
        path: str | Path,
        *,
        outcome: str,
        treatment: str,
        unit: str,
        period: str | None = None,
        covariates: Sequence[str] = (),
        instruments: Sequence[str] = (),
        weights: str | None = None,
        cluster: str | None = None,
        propensity: str | None = None,
    ) -> Panel:
        """Like :meth:`from_frame`, from the needed columns of a Parquet file."""
        from liftos_pipeline.causal.engines.reading import read_parquet

        roles = _roles(outcome, treatment, unit, period, covariates, instruments, weights, cluster, propensity)
        return _build(read_parquet(path, roles.columns()), roles)

    @classmethod
    def from_duckdb(
        cls,
        path: str | Path,
        table: str,
        *,
        outcome: str,
        treatment: str,
        unit: str,
        period: str | None = None,
        covariates: Sequence[str] = (),
        instruments: Sequence[str] = (),
        weights: str | None = None,
        cluster: str | None = None,
        propensity: str | None = None,
    ) -> Panel:
        """Like :meth:`from_frame`, from the needed columns of a DuckDB table."""
        from liftos_pipeline.causal.engines.reading import read_duckdb

        roles = _roles(outcome, treatment, unit, period, covariates, instruments, weights, cluster, propensity)
        return _build(read_duckdb(path, table, roles.columns()), roles)

    @property
    def n_rows(self) -> int:
        return len(self.y)

    @property
    def n_units(self) -> int:
        return len(self.unit_labels)

    @property
    def n_clusters(self) -> int:
        return len(self.cluster_labels)

    @property
    def n_treated(self) -> int:
        """Units that are treated in at least one row."""
        return len(np.unique(self.unit[self.d != 0]))

    @property
    def is_cross_section(self) -> bool:
        """Whether each unit is one row and its own cluster."""
        return self.n_units == self.n_rows == self.n_clusters

    @property
    def row_weights(self) -> Floats:
        """Sampling weights, one where none were given."""
        return np.ones(self.n_rows) if self.weights is None else self.weights

    def to_input_order(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values of the panel's rows, shape (n,), in the order of the caller's table."""
        ordered = np.empty_like(values)
        ordered[self.row_order] = values
        return ordered


def _roles(
    outcome: str,
    treatment: str,
    unit: str,
    period: str | None,
    covariates: Sequence[str],
    instruments: Sequence[str],
    weights: str | None,
    cluster: str | None,
    propensity: str | None,
) -> Roles:
    for role, names in (("covariates", covariates), ("instruments", instruments)):
        if isinstance(names, str):
            raise LiftosError(f"a list of column names as {role}", f"the text {names!r}", f"Pass [{names!r}].")
    roles = Roles(
        outcome, treatment, unit, period, tuple(covariates), tuple(instruments), weights, cluster, propensity
    )
    modelled = (outcome, treatment, *roles.covariates, *roles.instruments)
    repeated = sorted({name for name in modelled if modelled.count(name) > 1})
    if repeated:
        raise LiftosError(
            "outcome, treatment, covariates and instruments to be different columns",
            f"{', '.join(repeated)} in more than one role",
            "Give each column one role.",
        )
    return roles


def _build(data: Tabular, roles: Roles) -> Panel:
    frame = to_pandas(data, roles.columns())
    units = keys(frame, roles.unit, "unit")
    periods = None if roles.period is None else keys(frame, roles.period, "period")
    clusters = units if roles.cluster is None else keys(frame, roles.cluster, "cluster")
    y = numeric(frame, roles.outcome, "outcome")
    d = _treatment(frame, roles)
    X, names, notes = _covariates(frame, roles)
    Z = _matrix(frame, roles.instruments, "instrument")
    weights = None if roles.weights is None else _weights(frame, roles.weights)
    propensity = None if roles.propensity is None else _propensity(frame, roles.propensity)
    if periods is not None:
        _refuse_duplicates(units, periods, roles)
    order = _row_order(units, periods, np.column_stack([d, y, X, Z]))
    return Panel(
        y=y[order],
        d=d[order],
        X=X[order],
        Z=Z[order],
        unit=units.codes[order],
        unit_labels=units.labels,
        period=None if periods is None else periods.codes[order],
        period_labels=None if periods is None else periods.labels,
        cluster=clusters.codes[order],
        cluster_labels=clusters.labels,
        weights=None if weights is None else weights[order] / weights[order].mean(),
        propensity=None if propensity is None else propensity[order],
        covariate_names=names,
        roles=roles,
        row_order=order,
        notes=notes,
    )


def _row_order(units: Keys, periods: Keys | None, values: Floats) -> Integers:
    """By unit and period; rows of one unit without a period by their values, so that input order never matters."""
    if periods is not None:
        return np.lexsort((periods.codes, units.codes))
    if len(units.labels) == len(units.codes):
        return np.argsort(units.codes)
    return np.lexsort((*values.T[::-1], units.codes))


def _treatment(frame: pd.DataFrame, roles: Roles) -> Floats:
    d = numeric(frame, roles.treatment, "treatment")
    other = np.unique(d[(d != 0) & (d != 1)])
    if len(other) and not roles.instruments:
        raise LiftosError(
            f"0 or 1 in treatment {roles.treatment}",
            f"also {shown(other)}",
            "Code treated rows as 1 and others as 0; a dose needs instruments and the method iv.",
        )
    if len(other) == 0 and len(np.unique(d)) < 2:
        found = "treated" if d[0] == 1 else "untreated"
        raise LiftosError(
            f"treated and untreated rows in {roles.treatment}",
            f"all {len(d)} rows {found}",
            "Add rows of the other arm: without a comparison there is no effect to estimate.",
        )
    return d


def _covariates(frame: pd.DataFrame, roles: Roles) -> tuple[Floats, tuple[str, ...], tuple[str, ...]]:
    X = _matrix(frame, roles.covariates, "covariate")
    constant = np.ptp(X, axis=0) == 0
    names = tuple(name for name, flat in zip(roles.covariates, constant, strict=True) if not flat)
    notes = tuple(
        f"covariate {name} is constant and was dropped"
        for name, flat in zip(roles.covariates, constant, strict=True)
        if flat
    )
    return np.ascontiguousarray(X[:, ~constant]), names, notes


def _matrix(frame: pd.DataFrame, names: tuple[str, ...], role: str) -> Floats:
    if not names:
        return np.empty((len(frame), 0))
    return np.column_stack([numeric(frame, name, role) for name in names])


def _weights(frame: pd.DataFrame, name: str) -> Floats:
    values = numeric(frame, name, "weights")
    n_not_positive = int((values <= 0).sum())
    if n_not_positive:
        raise LiftosError(
            f"positive weights in {name}",
            f"{n_not_positive} of {len(values)} rows at zero or below",
            "Drop rows that should not count.",
        )
    return values


def _propensity(frame: pd.DataFrame, name: str) -> Floats:
    values = numeric(frame, name, "propensity")
    n_outside = int(((values <= 0) | (values >= 1)).sum())
    if n_outside:
        raise LiftosError(
            f"propensity scores strictly between 0 and 1 in {name}",
            f"{n_outside} of {len(values)} rows outside, range {values.min():.6g} to {values.max():.6g}",
            "Trim these rows: where treatment is certain there is nothing to compare with.",
        )
    return values


def _refuse_duplicates(units: Keys, periods: Keys, roles: Roles) -> None:
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
