"""The panel: the only place where column names meet mathematics.

Everything about the caller's table is validated here, before anything is computed. Estimators see roles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal import validation
from liftos_pipeline.causal.columns import Floats, Integers, Tabular, keys, numeric, to_pandas
from liftos_pipeline.causal.index import Index, index_of_rows
from liftos_pipeline.causal.roles import NOT_YET, Roles, roles_of
from liftos_pipeline.errors import LiftosError

if TYPE_CHECKING:
    from liftos_pipeline.causal.engines.opening import Named
    from liftos_pipeline.causal.engines.rows import Rows


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
        roles = roles_of(outcome, treatment, unit, period, covariates, instruments, weights, cluster, propensity)
        return _build(df, roles)

    @classmethod
    def untreated(
        cls,
        df: Tabular,
        *,
        outcome: str,
        unit: str,
        period: str,
        covariates: Sequence[str] = (),
        weights: str | None = None,
        cluster: str | None = None,
    ) -> Panel:
        """Like :meth:`from_frame`, before anyone is treated: for :func:`~liftos_pipeline.causal.power.power`."""
        return _build(df, roles_of(outcome, NOT_YET, unit, period, covariates, (), weights, cluster, None))

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
        from liftos_pipeline.causal.engines.files import open_parquet
        from liftos_pipeline.causal.engines.reading import read_parquet

        roles = roles_of(outcome, treatment, unit, period, covariates, instruments, weights, cluster, propensity)
        rows, index = open_parquet(path, _named(roles))
        return StreamedPanel(roles, rows, index, lambda: _build(read_parquet(path, roles.columns()), roles))

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
        from liftos_pipeline.causal.engines.files import open_duckdb
        from liftos_pipeline.causal.engines.reading import read_duckdb

        roles = roles_of(outcome, treatment, unit, period, covariates, instruments, weights, cluster, propensity)
        rows, index = open_duckdb(path, table, _named(roles))
        return StreamedPanel(roles, rows, index, lambda: _build(read_duckdb(path, table, roles.columns()), roles))

    @classmethod
    def from_spark(
        cls,
        source: Any,
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
        session: Any = None,
    ) -> Panel:
        """Like :meth:`from_frame`, for rows that stay on Apache Spark.

        Parameters
        ----------
        source : DataFrame of Spark, str or Path
            A frame, the name of a table, or the path of a Parquet folder (a text with a slash in it).
        session : SparkSession, optional
            The active one by default, or a new one as the environment configures Spark.

        Raises
        ------
        LiftosError
            As :meth:`from_frame`; no pyspark, no Java, or a job that does not finish. A method or an option that
            needs the rows in one place is refused by ``estimate`` before it starts.
        """
        from liftos_pipeline.causal.engines.spark import open_spark

        roles = roles_of(outcome, treatment, unit, period, covariates, instruments, weights, cluster, propensity)
        rows, index = open_spark(source, _named(roles), session)
        return StreamedPanel(roles, rows, index, _refuse_held, is_remote=True)

    @property
    def is_remote(self) -> bool:
        """Whether the rows lie on other machines and stay there."""
        return False

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
        return int((np.bincount(self.unit[self.d != 0], minlength=self.n_units) > 0).sum())

    @property
    def is_cross_section(self) -> bool:
        """Whether each unit is one row and its own cluster."""
        return self.n_units == self.n_rows == self.n_clusters

    @property
    def row_weights(self) -> Floats:
        """Sampling weights, one where none were given."""
        return np.ones(self.n_rows) if self.weights is None else self.weights

    @property
    def has_weights(self) -> bool:
        """Whether the rows have sampling weights."""
        return self.weights is not None

    @property
    def has_propensity(self) -> bool:
        """Whether the rows bring propensity scores."""
        return self.propensity is not None

    @property
    def is_binary(self) -> bool:
        """Whether the treatment is 0 or 1 in every row."""
        return bool(((self.d == 0) | (self.d == 1)).all())

    @cached_property
    def index(self) -> Index:
        """Who was observed when, and treated from when on."""
        return index_of_rows(
            self.unit,
            self.unit_labels,
            self.period,
            self.period_labels,
            self.cluster,
            self.cluster_labels,
            self.d,
        )

    @cached_property
    def rows(self) -> Rows:
        """The rows behind the verbs of an engine."""
        from liftos_pipeline.causal.engines.frame import ArrayRows

        when = np.zeros(self.n_rows, dtype=np.int64) if self.period is None else self.period
        columns = {"unit": self.unit, "period": when, "cluster": self.cluster, "y": self.y, "d": self.d}
        columns |= {f"x{j}": self.X[:, j] for j in range(self.X.shape[1])}
        columns |= {f"z{j}": self.Z[:, j] for j in range(self.Z.shape[1])}
        optional = {"weight": self.weights, "propensity": self.propensity}
        columns |= {role: values for role, values in optional.items() if values is not None}
        return ArrayRows({**columns, "row": np.arange(self.n_rows)})

    def held(self) -> Panel:
        """The same panel with its rows in memory."""
        return self

    def to_input_order(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values of the panel's rows, shape (n,), in the order of the caller's table."""
        ordered = np.empty_like(values)
        ordered[self.row_order] = values
        return ordered


class StreamedPanel(Panel):
    """A panel whose rows stay in their file. Its arrays are read whole when a method first asks for one."""

    def __init__(
        self, roles: Roles, rows: Rows, index: Index, load: Callable[[], Panel], is_remote: bool = False
    ) -> None:
        validation.refuse_treatment(roles, index)
        known = {"roles": roles, "rows": rows, "index": index, "covariate_names": roles.covariates, "notes": ()}
        self.__dict__.update(known, _load=load, _is_remote=is_remote)

    @property
    def is_remote(self) -> bool:
        return bool(self.__dict__["_is_remote"])

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in Panel.__dataclass_fields__:
            raise AttributeError(name)
        return getattr(self.held(), name)

    def held(self) -> Panel:
        """The same panel with its rows in memory; read once."""
        if "_held" not in self.__dict__:
            self.__dict__["_held"] = self._load()
        panel: Panel = self.__dict__["_held"]
        return panel

    @property
    def n_rows(self) -> int:
        return self.index.n_rows

    @property
    def n_units(self) -> int:
        return self.index.n_units

    @property
    def n_clusters(self) -> int:
        return self.index.n_clusters

    @property
    def n_treated(self) -> int:
        return self.index.n_treated

    @property
    def has_weights(self) -> bool:
        return self.roles.weights is not None

    @property
    def has_propensity(self) -> bool:
        return self.roles.propensity is not None

    @property
    def is_binary(self) -> bool:
        return self.index.is_binary


def _refuse_held() -> Panel:
    raise LiftosError(
        "rows in this process",
        "rows on Spark",
        "Use a method that runs on Spark, or read the rows: Panel.from_parquet or from_frame.",
    )


def _named(roles: Roles) -> Named:
    from liftos_pipeline.causal.engines.opening import Named

    numbers = {"y": roles.outcome, "d": roles.treatment}
    numbers |= {f"x{number}": name for number, name in enumerate(roles.covariates)}
    numbers |= {f"z{number}": name for number, name in enumerate(roles.instruments)}
    optional = {"weight": roles.weights, "propensity": roles.propensity}
    numbers |= {role: name for role, name in optional.items() if name is not None}
    return Named(roles.unit, roles.period, roles.cluster, numbers)


def _build(data: Tabular, roles: Roles) -> Panel:
    frame = to_pandas(data, roles.columns())
    units = keys(frame, roles.unit, "unit")
    periods = None if roles.period is None else keys(frame, roles.period, "period")
    clusters = units if roles.cluster is None else keys(frame, roles.cluster, "cluster")
    y = numeric(frame, roles.outcome, "outcome")
    d = np.zeros(len(frame)) if roles.treatment == NOT_YET else validation.treatment(frame, roles)
    X, names, notes = validation.covariates(frame, roles)
    Z = validation.matrix(frame, roles.instruments, "instrument")
    weights = None if roles.weights is None else validation.weights(frame, roles.weights)
    propensity = None if roles.propensity is None else validation.propensity(frame, roles.propensity)
    if periods is not None:
        validation.refuse_duplicates(units, periods, roles)
    order = validation.row_order(units, periods, np.column_stack([d, y, X, Z]))
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
