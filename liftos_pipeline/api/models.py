"""What requests and answers look like. Validation of single fields; what they mean together is said in ``inputs``."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field
from typing_extensions import TypedDict

from liftos_pipeline.domain import AssignmentMethod, RandomizationUnit, TreatmentType

_FIRST_YEAR, _LAST_YEAR = 1900, 2200

Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(min_length=1, max_length=300)]
Names = Annotated[list[Name], Field(max_length=500)]
Scalar = str | int | float | bool | None


def _in_utc(instant: datetime) -> datetime:
    """In UTC, without its zone."""
    if not _FIRST_YEAR <= instant.year < _LAST_YEAR:
        raise ValueError(f"year {_FIRST_YEAR} to {_LAST_YEAR}")
    return instant if instant.tzinfo is None else instant.astimezone(UTC).replace(tzinfo=None)


def _listed(given: object) -> object:
    """Name to value is taken as a list of such."""
    return [{"name": name, "value": value} for name, value in given.items()] if isinstance(given, dict) else given


Instant = Annotated[datetime, AfterValidator(_in_utc)]


class ConfounderIn(TypedDict):
    """``ConfounderVariable``; the name and the value are needed."""

    name: Name
    value: Finite
    confidence: NotRequired[Share | None]
    detection_method: NotRequired[str | None]
    platform_specific_context: NotRequired[dict[str, Any] | None]
    temporal_pattern: NotRequired[Literal["trend", "seasonal", "shock"] | None]


class FactorIn(TypedDict):
    """``ExternalFactor``; the name is needed."""

    name: Name
    value: NotRequired[Finite | None]
    series_id: NotRequired[str | None]
    unit: NotRequired[str | None]
    observation_date: NotRequired[date | None]
    realtime_start: NotRequired[date | None]
    is_stale: NotRequired[bool | None]


class AssignmentIn(TypedDict):
    """``TreatmentAssignment``; a row is treated from ``assignment_timestamp`` on."""

    treatment_id: NotRequired[str | None]
    treatment_type: NotRequired[TreatmentType | None]
    assignment_method: NotRequired[AssignmentMethod | None]
    assignment_probability: NotRequired[Share | None]
    control_group_id: NotRequired[str | None]
    randomization_unit: NotRequired[RandomizationUnit | None]
    assignment_timestamp: Instant


class QualityIn(TypedDict):
    """``CausalDataQuality``."""

    overall: Share
    completeness: NotRequired[Share | None]
    temporal_consistency: NotRequired[Share | None]
    confounder_coverage: NotRequired[Share | None]
    overlap_quality: NotRequired[Share | None]
    maturity: NotRequired[Share | None]
    reconciliation: NotRequired[Share | None]


class Record(TypedDict):
    """``CausalMarketingData``: one unit at one time."""

    experiment_id: Annotated[str, Field(max_length=300)]
    platform: NotRequired[Annotated[str, Field(max_length=300)]]
    timestamp: Instant
    metrics: dict[str, Finite | None]
    confounders: NotRequired[Annotated[list[ConfounderIn], BeforeValidator(_listed)] | None]
    external_factors: NotRequired[Annotated[list[FactorIn], BeforeValidator(_listed)] | None]
    treatment_assignment: NotRequired[AssignmentIn | None]
    causal_graph: NotRequired[dict[str, Any] | None]
    data_quality: NotRequired[QualityIn | None]
    randomization_unit: NotRequired[RandomizationUnit | None]
    temporal_granularity: NotRequired[Literal["hourly", "daily", "weekly"] | None]


class DataIn(BaseModel):
    """Rows and what they mean: ``records``, ``rows`` or the name of a published ``table``, one of the three."""

    model_config = ConfigDict(extra="forbid")

    records: list[Record] | None = Field(
        None, validation_alias=AliasChoices("records", "data"), description="CausalMarketingData."
    )
    rows: list[dict[str, Any]] | None = Field(None, description="Plain rows: column to number, text or null.")
    table: str | None = Field(None, description="Published table, such as mart.marketing_panel.")
    filters: dict[str, Scalar | list[Scalar]] = Field(
        default_factory=dict, description="Of a table: column to the value, or the values, that are wanted."
    )
    outcome: Name | None = Field(None, description="Column, or metric of records.")
    treatment: Name | None = Field(
        None, description="Column; of records, what is measured in place of who is treated."
    )
    unit: Name | None = None
    period: Name | None = None
    covariates: Names | None = Field(
        None, description="Columns; of records, names of metrics, confounders or factors."
    )
    instruments: Names = Field(default_factory=list)
    weights: Name | None = None
    cluster: Name | None = None
    estimand: Literal["att", "ate", "overlap", "late"] | None = None
    options: dict[str, Any] = Field(default_factory=dict, description="Options of the method.")


class EffectIn(BaseModel):
    """An effect per treated unit-day."""

    model_config = ConfigDict(extra="ignore")

    estimate: Finite
    ci_low: Finite | None = None
    ci_high: Finite | None = None
    level: Annotated[float, Field(gt=0, lt=1)] | None = None


class CounterfactualIn(DataIn):
    """Data as for an analysis; or an outcome with its effect; or what names a published effect."""

    dose: Finite = Field(0.0, description="Dose to ask about, in the unit of doses; 0 is no treatment.")
    doses: Annotated[list[Finite], Field(max_length=1_000_000)] = Field(
        default_factory=list, description="Doses that the treated units had."
    )
    original_outcome: Finite | None = Field(None, description="Total over the treated unit-days.")
    effect: EffectIn | None = None
    unit_days: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    platform: Name | None = None
    treatment_type: Name | None = None
    design: Name | None = None


class ProblemOut(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str


class ResultsOut(BaseModel):
    """An effect with everything that is needed to judge it; ``undefined`` says why a field is null."""

    method: str
    estimand: str
    estimate: float | None
    std_error: float | None
    ci_low: float | str | None
    ci_high: float | str | None
    level: float
    p_value: float | None
    n_rows: int
    n_units: int
    n_treated: int
    n_clusters: int
    undefined: dict[str, str]
    warnings: list[str]
    diagnostics: dict[str, Any]
    path: list[dict[str, Any]] | None
    weights: list[dict[str, Any]] | None


class AnalysisOut(BaseModel):
    """``status`` is ``refused``, with the ``reason``, where the estimate must not be used."""

    status: Literal["success", "refused"]
    reason: str | None
    method: str
    results: ResultsOut
    data_quality_score: Share | None
    data_quality: dict[str, Any]
    confidence_level: float


class CounterfactualOut(BaseModel):
    """Totals over the treated unit-days."""

    status: Literal["success", "refused"]
    reason: str | None
    original_outcome: float | None
    counterfactual_outcome: float | None
    counterfactual_low: float | None
    counterfactual_high: float | None
    treatment_effect: float | None
    treatment_effect_low: float | None
    treatment_effect_high: float | None
    confidence_level: float | None
    unit_days: float | None
    share_kept: float | None
    method: str | None
    warnings: list[str]


class PageOut(BaseModel):
    """Rows of a published table; ``total`` counts all that match."""

    as_of: date | None
    total: int
    limit: int
    offset: int
    items: list[dict[str, Any]]


class QualityOut(PageOut):
    """``items`` are gates; ``scores`` is null, with the reason, where the home has none."""

    scores: list[dict[str, Any]] | None
    scores_reason: str | None
