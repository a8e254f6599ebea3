"""Rows of a panel from ``CausalMarketingData`` records: who is the unit, since when it is treated, what is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import pandas as pd

from liftos_pipeline.api import quality
from liftos_pipeline.api.models import DataIn, Record
from liftos_pipeline.api.problems import wrong_field
from liftos_pipeline.causal import ESTIMATORS
from liftos_pipeline.errors import LiftosError

UNIT, PERIOD, TREATMENT = "experiment_id", "timestamp", "treatment_assignment"
_OWN = (UNIT, PERIOD, TREATMENT)
_SPEND = "spend"
PANEL_METHODS = frozenset(ESTIMATORS) - {"difference_in_means", "ipw", "doubly_robust", "iv"}
"""Methods that follow units over periods; the others can do without."""
_OUTCOMES = (
    *("orders", "conversions", "conversions_reported"),
    *("revenue", "order_revenue", "revenue_reported"),
)
"""Metrics that are the outcome where none is named, in this order."""
_SHOWN = 30


@dataclass(frozen=True, eq=False)
class Built:
    """Rows, the columns by role, parts of their quality, and notes."""

    frame: pd.DataFrame
    roles: dict
    parts: dict[str, float]
    notes: tuple[str, ...]


def from_records(records: Sequence[Record], request: DataIn, method: str) -> Built:
    """One row per record in which all that is needed is known.

    Unless named otherwise: the unit is the experiment (with its platform, and with the unit in its confounders' context,
    where that tells records of one time apart), treated from ``assignment_timestamp`` on; covariates are the confounders
    that every record has; for ``iv`` the assignment is the instrument of what is spent.
    """
    if not records:
        raise LiftosError("records", "none", "Send records of treated and untreated units.")
    if any(record.get("temporal_granularity") == "hourly" for record in records):
        raise wrong_field(
            "records.temporal_granularity", "daily or weekly; no source supplies figures by the hour"
        )
    values = [_values(record) for record in records]
    outcome = request.outcome or _outcome(records)
    is_instrument = method == "iv" and not request.instruments
    treatment = request.treatment or (
        _SPEND if is_instrument and outcome != _SPEND and _SPEND in values[0] else None
    )
    covariates = _covariates(records, request, {outcome, treatment, *request.instruments, *_OWN})
    named = list(dict.fromkeys([*covariates, *request.instruments, *([treatment] if treatment else ())]))
    _refuse_unknown([outcome, *named], values)
    columns: dict[str, list] = {name: [found.get(name) for found in values] for name in (outcome, *named)}
    frame = pd.DataFrame(columns, dtype=float)
    frame[PERIOD] = pd.to_datetime([record["timestamp"] for record in records])
    frame[TREATMENT] = [_is_treated(record) for record in records]
    notes = _units(frame, records, method in PANEL_METHODS)
    if is_instrument and treatment is not None:
        notes.append(f"the assignment is the instrument of {treatment}")
    cells = list(dict.fromkeys([outcome, *named]))
    parts = _parts(frame, cells, records)
    known = frame[cells].notna().all(axis=1)
    if not known.all():
        notes.append(f"{int((~known).sum())} of {len(frame)} records lack {', '.join(cells)} and are left out")
        frame = frame[known].reset_index(drop=True)
    roles = {
        "outcome": outcome,
        "treatment": treatment or TREATMENT,
        "unit": UNIT,
        "period": PERIOD if _has_periods(frame, method) else None,
        "covariates": covariates,
        "instruments": [TREATMENT] if is_instrument and treatment is not None else list(request.instruments),
    }
    return Built(frame, roles, parts, tuple(notes))


def _has_periods(frame: pd.DataFrame, method: str) -> bool:
    """Whether time matters: not where each unit has one row, nor where a method can do without and times repeat."""
    if method in PANEL_METHODS:
        return True
    return len(frame) > frame[UNIT].nunique() and not frame.duplicated([UNIT, PERIOD]).any()


def _values(record: Record) -> dict[str, float | None]:
    """Everything that a record measures, by name; a metric goes before a confounder of its name."""
    found: dict[str, float | None] = {}
    for factor in record.get("external_factors") or ():
        found[factor["name"]] = factor.get("value")
    for confounder in record.get("confounders") or ():
        found[confounder["name"]] = confounder["value"]
    found.update(record["metrics"])
    return found


def _outcome(records: Sequence[Record]) -> str:
    names = list(dict.fromkeys(name for record in records for name in record["metrics"]))
    if len(names) == 1:
        return names[0]
    for name in _OUTCOMES:
        if name in names:
            return name
    raise wrong_field(
        "outcome", f"name the metric that is the outcome; there are {', '.join(names[:_SHOWN]) or 'none'}"
    )


def _covariates(records: Sequence[Record], request: DataIn, taken: set[str | None]) -> list[str]:
    if request.covariates is not None:
        return list(request.covariates)
    shared: dict[str, None] | None = None
    for record in records:
        names = {confounder["name"] for confounder in record.get("confounders") or ()}
        shared = dict.fromkeys(sorted(names)) if shared is None else {n: None for n in shared if n in names}
        if not shared:
            break
    return [name for name in shared or () if name not in taken]


def _refuse_unknown(names: Iterable[str], values: Sequence[Mapping[str, float | None]]) -> None:
    known = {name for found in values for name in found}
    for name in names:
        if name in _OWN:
            raise wrong_field(name, "names of records' own fields cannot be measured")
        if name not in known:
            raise wrong_field(
                name, f"no record measures it; they have {', '.join(sorted(known)[:_SHOWN]) or 'nothing'}"
            )


def _is_treated(record: Record) -> float:
    assignment = record.get("treatment_assignment")
    return float(assignment is not None and assignment["assignment_timestamp"] <= record["timestamp"])


def _context(record: Record) -> str:
    contexts = [
        confounder.get("platform_specific_context") or {} for confounder in record.get("confounders") or ()
    ]
    return next((str(context["unit_id"]) for context in contexts if "unit_id" in context), "")


_TOLD_BY: tuple[Callable[[Record], str], ...] = (
    lambda record: record["experiment_id"],
    lambda record: f"{record['experiment_id']}:{record.get('platform', '')}",
    lambda record: f"{record['experiment_id']}:{record.get('platform', '')}:{_context(record)}",
)


def _units(frame: pd.DataFrame, records: Sequence[Record], is_panel_method: bool) -> list[str]:
    """Fill in the unit: the coarsest name by which no unit has two records of one time."""
    for told in _TOLD_BY:
        frame[UNIT] = [told(record) for record in records]
        if not frame.duplicated([UNIT, PERIOD]).any():
            return []
    frame[UNIT] = [record["experiment_id"] for record in records]
    if is_panel_method or frame[UNIT].nunique() > 1:
        return []
    frame[UNIT] = range(len(frame))
    return ["all records have one experiment_id and several have one timestamp: each counts as a unit of its own"]


def _parts(frame: pd.DataFrame, cells: list[str], records: Sequence[Record]) -> dict[str, float]:
    parts = {"completeness": quality.completeness(frame, cells)}
    if len(frame) > frame[UNIT].nunique():
        observed = quality.density(frame, UNIT, PERIOD)
        parts |= {} if observed is None else {"temporal_consistency": observed}
    told = [found["overall"] for record in records if (found := record.get("data_quality")) is not None]
    return {**parts, "as_sent": fmean(told)} if told else parts
