"""The domain objects of the pipeline: frozen dataclasses, nothing else.

Their names and fields are part of the public contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

TreatmentType = Literal["budget_change", "targeting_change", "creative_change"]
AssignmentMethod = Literal["randomized", "quasi_experimental", "observational"]
RandomizationUnit = Literal["campaign", "adset", "geo", "time"]
TemporalGranularity = Literal["hourly", "daily", "weekly"]


@dataclass(frozen=True)
class ConfounderVariable:
    """A platform variable that may drive both a treatment and an outcome. ``confidence`` is 0 to 1."""

    name: str
    value: float
    confidence: float
    detection_method: str
    platform_specific_context: Mapping[str, str]
    temporal_pattern: Literal["trend", "seasonal", "shock"]


@dataclass(frozen=True)
class ExternalFactor:
    """A macro factor as it was known on a day. ``value`` is None where nothing was published."""

    name: str
    series_id: str
    value: float | None
    unit: str
    observation_date: date | None
    realtime_start: date | None
    is_stale: bool


@dataclass(frozen=True)
class TreatmentAssignment:
    """How one treatment came about. ``assignment_probability`` is None where it is not known."""

    treatment_id: str
    treatment_type: TreatmentType
    assignment_method: AssignmentMethod
    assignment_probability: float | None
    control_group_id: str | None
    randomization_unit: RandomizationUnit
    assignment_timestamp: datetime


@dataclass(frozen=True)
class CausalGraph:
    """Directed acyclic graph: ``edges`` are (cause, effect); ``latent`` names unobserved nodes."""

    edges: tuple[tuple[str, str], ...]
    roles: Mapping[str, str]
    latent: frozenset[str]
    adjustment_set: tuple[str, ...]


@dataclass(frozen=True)
class CausalDataQuality:
    """Quality of the data behind an analysis; every part is 0 to 1, None where it is not known."""

    overall: float | None
    completeness: float | None
    temporal_consistency: float | None
    confounder_coverage: float | None
    overlap_quality: float | None
    maturity: float | None
    reconciliation: float | None


@dataclass(frozen=True)
class CausalMarketingData:
    """One record of the causal-ready data."""

    experiment_id: str
    platform: str
    timestamp: datetime
    metrics: Mapping[str, float]
    confounders: tuple[ConfounderVariable, ...]
    external_factors: tuple[ExternalFactor, ...]
    treatment_assignment: TreatmentAssignment | None
    causal_graph: CausalGraph | None
    data_quality: CausalDataQuality | None
    randomization_unit: RandomizationUnit
    temporal_granularity: TemporalGranularity
