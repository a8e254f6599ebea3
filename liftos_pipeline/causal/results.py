"""What estimators and detectors return. No arithmetic beyond assembling fields."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.columns import Tabular
from liftos_pipeline.causal.panel import Panel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REFUSED = "refused"
UNDEFINED = "undefined"
_INTERVAL = ("estimate", "ci_low", "ci_high")


@dataclass(frozen=True)
class Inference:
    """Uncertainty of one estimate.

    ``undefined`` maps each field that is NaN to the reason. ``degrees_of_freedom`` is infinite for normal limits.
    """

    std_error: float
    ci_low: float
    ci_high: float
    p_value: float
    level: float
    n_clusters: int
    degrees_of_freedom: float
    undefined: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class EffectEstimate:
    """One effect with everything that is needed to judge it.

    Attributes
    ----------
    estimate, std_error, ci_low, ci_high : float
        In outcome units (``geo_did``: a proportion). NaN where ``diagnostics["undefined"]`` gives the reason.
    n_rows, n_units, n_treated, n_clusters : int
        Rows, units, treated units and clusters behind the estimate.
    diagnostics : mapping
        ``undefined``: field or entry to reason. ``refused``: why the estimate must not be used, absent if it may.
        ``outcome``, ``treatment``: names of the columns. ``balance``, ``overlap_histogram`` and ``group_times``,
        where a method has them, are what :meth:`plot` draws below the effect.
    path : DataFrame or None
        event_time (or period), estimate, std_error, ci_low, ci_high, band_low, band_high.
    weights : DataFrame or None
        unit, weight.
    unit_effects : DataFrame or None
        unit, estimate, in outcome units; only on request and where they pass their calibration test.
    influence : DataFrame or None
        cluster, influence: what each cluster moves the estimate by, in outcome units, where a method has it. Effects on
        panels of the same clusters have the covariance that :func:`covariance_of` reads from these.
    """

    method: str
    estimand: str
    estimate: float
    std_error: float
    ci_low: float
    ci_high: float
    level: float
    p_value: float
    n_rows: int
    n_units: int
    n_treated: int
    n_clusters: int
    diagnostics: Mapping[str, object]
    warnings: tuple[str, ...] = ()
    path: pd.DataFrame | None = None
    weights: pd.DataFrame | None = None
    unit_effects: pd.DataFrame | None = None
    influence: pd.DataFrame | None = field(default=None, repr=False)

    @property
    def refused(self) -> str | None:
        """Why the estimate must not be used, or None."""
        reason = self.diagnostics.get(REFUSED)
        return None if reason is None else str(reason)

    @property
    def undefined(self) -> Mapping[str, str]:
        """Fields that are NaN, each with its reason."""
        reasons = self.diagnostics.get(UNDEFINED, {})
        return {str(k): str(v) for k, v in reasons.items()} if isinstance(reasons, Mapping) else {}

    @property
    def without_interval(self) -> str | None:
        """Why the estimate or a limit is NaN, or None where all three are there."""
        reasons = dict.fromkeys(self.undefined[name] for name in _INTERVAL if name in self.undefined)
        return "; ".join(reasons) or None

    def summary(self) -> str:
        """A few lines for a person."""
        from liftos_pipeline.causal.summary import describe

        return describe(self)

    def to_row(self) -> dict[str, object]:
        """One flat row; NaN becomes None, an infinite number ``"Infinity"`` or ``"-Infinity"``; ``diagnostics`` is
        strict JSON with null and the same words."""
        names = ("method", "estimand", "estimate", "std_error", "ci_low", "ci_high", "level", "p_value")
        counts = ("n_rows", "n_units", "n_treated", "n_clusters")
        row = {name: _known(getattr(self, name)) for name in (*names, *counts)}
        row["refused"] = self.refused
        row["undefined"] = "\n".join(f"{name}: {reason}" for name, reason in self.undefined.items()) or None
        row["warnings"] = "\n".join(self.warnings) or None
        row["diagnostics"] = json.dumps(_plain(self.diagnostics), allow_nan=False, sort_keys=True)
        return row

    def plot(self) -> Figure:
        """The path over time where there is one, else the estimate with its interval; below it covariate balance,
        overlap of propensity scores and group-time effects, as far as the method has them."""
        from liftos_pipeline.causal.plots import plot_effect

        return plot_effect(self)


def covariance_of(effects: Sequence[EffectEstimate]) -> NDArray[np.float64]:
    """Covariance of estimates on panels whose clusters overlap, shape (k, k).

    A diagonal entry is the squared standard error. Where an effect has no ``influence``, its entries with others are the
    largest that there can be, the product of the standard errors, so that the interval of no total is too short.

    References
    ----------
    Newey and McFadden (1994), Handbook of Econometrics 4, section 6: influences of two-step estimators.
    """
    spread = np.array([effect.std_error for effect in effects], dtype=np.float64)
    told = {place: effect.influence for place, effect in enumerate(effects) if effect.influence is not None}
    named = list(told)
    covariance: NDArray[np.float64] = np.outer(spread, spread)
    if named:
        columns = [moved.set_index("cluster")["influence"].rename(place) for place, moved in told.items()]
        sums = pd.concat(columns, axis=1).fillna(0.0).to_numpy()
        found = sums.T @ sums
        scale = np.divide(
            spread[named], np.sqrt(np.diagonal(found)), where=np.diagonal(found) > 0, out=np.zeros(len(named))
        )
        covariance[np.ix_(named, named)] = found * np.outer(scale, scale)
    return covariance


def effect_from(
    panel: Panel,
    method: str,
    estimand: str,
    estimate: float,
    inference: Inference,
    diagnostics: Mapping[str, object],
    warnings: tuple[str, ...] = (),
) -> EffectEstimate:
    """Put an estimate, its inference and the panel's counts together."""
    facts: dict[str, object] = {**diagnostics, "degrees_of_freedom": inference.degrees_of_freedom}
    facts |= {"outcome": panel.roles.outcome, "treatment": panel.roles.treatment}
    reasons = facts.pop(UNDEFINED, {})
    undefined = {**inference.undefined, **(reasons if isinstance(reasons, Mapping) else {})}
    if undefined:
        facts[UNDEFINED] = undefined
    refused = facts.get(REFUSED)
    alarm = () if refused is None else (f"refused: {refused}",)
    return EffectEstimate(
        method=method,
        estimand=estimand,
        estimate=estimate,
        std_error=inference.std_error,
        ci_low=inference.ci_low,
        ci_high=inference.ci_high,
        level=inference.level,
        p_value=inference.p_value,
        n_rows=panel.n_rows,
        n_units=panel.n_units,
        n_treated=panel.n_treated,
        n_clusters=inference.n_clusters,
        diagnostics=facts,
        warnings=(*panel.notes, *alarm, *warnings),
    )


@dataclass(frozen=True, eq=False)
class Read:
    """The table that a detector read, and which of its columns is what; for its picture."""

    table: Tabular
    unit: str
    period: str | None
    value: str | None


@dataclass(frozen=True, eq=False)
class Detection:
    """What a detector found.

    Attributes
    ----------
    table : DataFrame
        One row per unit: unit, status, statistic, p_value, confidence, estimate, reason, ...
    events : DataFrame
        unit, date, size, ...; empty where nothing is dated.
    read : Read or None
        What was read; None where the detector was called by itself.
    """

    detector: str
    table: pd.DataFrame
    events: pd.DataFrame
    diagnostics: Mapping[str, object] = field(default_factory=dict)
    read: Read | None = field(default=None, repr=False)

    def plot(self) -> Figure:
        """Series of a few units with their events marked; lists week by week; scored candidates by their p-values."""
        from liftos_pipeline.causal.plots.detection import plot_detection

        return plot_detection(self)

    def summary(self) -> str:
        """Counts per status, for a person."""
        counts = self.table["status"].value_counts().sort_index()
        parts = ", ".join(f"{count} {status}" for status, count in counts.items())
        return f"{self.detector}: {len(self.table)} units: {parts}; {len(self.events)} events"


def _known(value: object) -> object:
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _plain(value: object) -> object:
    """Nested mappings and arrays as JSON types; NaN becomes null, infinity a word."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if value is None or isinstance(value, bool | int | float | str):
        return _known(value)
    return str(value)
