"""Certificates, the effect estimates that they license with their paths, verdicts, and attribution."""

from collections.abc import Hashable, Mapping
from functools import partial

import pandas as pd

from liftos_pipeline.defs.stage import stage_asset
from liftos_pipeline.report.asset_pictures import (
    attribution_picture,
    effects_picture,
    on_sales,
    totals,
    verdicts_picture,
)
from liftos_pipeline.schema.results import (
    ATTRIBUTION,
    CAUSAL_MARKETING_DATA,
    CERTIFICATES,
    EFFECT_ESTIMATES,
    EFFECT_PATHS,
    GATES,
    PROPENSITY_SCORES,
    TREATMENTS,
    VERDICTS,
)
from liftos_pipeline.settings import Settings
from liftos_pipeline.stages.attribution import attribute
from liftos_pipeline.stages.certificates import certificate_calls
from liftos_pipeline.stages.designs import DESIGNS, LANDMARKED
from liftos_pipeline.stages.effects import PANEL_COLUMNS, estimate_effects
from liftos_pipeline.stages.experiments import rules_of
from liftos_pipeline.stages.money import LiftStudy
from liftos_pipeline.stages.paths import effect_paths
from liftos_pipeline.stages.policy import RANK
from liftos_pipeline.stages.verdicts import verdict_rows
from liftos_pipeline.stages.weekly import PANEL_COLUMNS as WEEKLY_COLUMNS


def _primary(rows: pd.DataFrame) -> dict[str, float]:
    chosen = on_sales(rows)
    known = chosen[chosen["estimate"].notna()]
    return {
        **{f"{_analysis(row)}_{row['outcome']}": float(row["estimate"]) for row in known.to_dict("records")},
        "effects": float(len(chosen)),
        "effects_refused": float(chosen["refused"].notna().sum()),
    }


def _verdicts(rows: pd.DataFrame) -> dict[str, float]:
    counted = rows["verdict"].value_counts()
    return {f"verdict_{name}": float(counted.get(name, 0)) for name in RANK}


def _totals(rows: pd.DataFrame) -> dict[str, float]:
    channels = rows[(rows["scope"] == "channel") & rows["incremental"].notna()].to_dict("records")
    returns = rows[(rows["scope"] == "treatment") & rows["marginal_iroas"].notna()].to_dict("records")
    return {
        **{f"{row['platform']}_{row['outcome']}": float(row["incremental"]) for row in channels},
        **{f"marginal_iroas_{_analysis(row)}": float(row["marginal_iroas"]) for row in returns},
        "without_a_number": float(totals(rows)["incremental"].isna().sum()),
    }


def _analysis(row: Mapping[Hashable, object]) -> str:
    return f"{row['platform']}_{row['treatment_type']}_{row['design']}"


def _studies(settings: Settings) -> dict[str, LiftStudy]:
    return {platform: LiftStudy(*study) for platform, study in settings.lift_studies().items()}


certificates = stage_asset(
    CERTIFICATES,
    "effects",
    [["causal", "causal_marketing_data"]],
    lambda inputs: [inputs.result(CAUSAL_MARKETING_DATA)],
    lambda frames, settings, as_of: certificate_calls(
        frames[0],
        as_of,
        settings.liftos_confidence_level,
        settings.liftos_seed,
        settings.liftos_overlap_min_effective_controls,
        settings.liftos_certificate_replays,
    ),
    ("platform", "outcome", "method", "status", "size", "size_low", "size_high", "coverage", "detectable"),
    lambda rows: {
        f"size_{row.platform}_{row.outcome}": float(row.size)
        for row in rows[(rows["method"] == DESIGNS[LANDMARKED].primary) & rows["size"].notna()].itertuples()
    },
)

_LICENSED_BY = (CAUSAL_MARKETING_DATA, PROPENSITY_SCORES, TREATMENTS, CERTIFICATES)
effect_estimates = stage_asset(
    EFFECT_ESTIMATES,
    "effects",
    [
        *([table.schema, table.name] for table in _LICENSED_BY),
        ["mart", "marketing_panel"],
        ["mart", "experiments_as_of"],
    ],
    lambda inputs: [
        *(inputs.result(table) for table in _LICENSED_BY),
        inputs.panel(PANEL_COLUMNS),
        inputs.experiments(),
    ],
    lambda frames, settings, as_of: [
        partial(
            estimate_effects,
            *frames[:-1],
            rules=rules_of(settings, frames[-1], as_of),
            experiments=frames[-1],
            level=settings.liftos_confidence_level,
            seed=settings.liftos_seed,
            min_effective_controls=settings.liftos_overlap_min_effective_controls,
        )
    ],
    (
        *("platform", "treatment_type", "design", "outcome", "method", "role", "estimate", "ci_low", "ci_high"),
        *("certificate", "refused"),
    ),
    _primary,
    picture=effects_picture,
    summary=on_sales,
)

paths = stage_asset(
    EFFECT_PATHS,
    "effects",
    [["mart", "marketing_panel"], ["causal", "treatments"]],
    lambda inputs: [inputs.panel(WEEKLY_COLUMNS), inputs.result(TREATMENTS)],
    lambda frames, settings, _as_of: [
        partial(effect_paths, *frames, level=settings.liftos_confidence_level, seed=settings.liftos_seed)
    ],
    ("platform", "treatment_type", "design", "outcome", "event_time", "estimate", "band_low", "band_high"),
)

verdicts = stage_asset(
    VERDICTS,
    "decisions",
    [["causal", "effect_estimates"], ["quality", "gates"], ["causal", "certificates"]],
    lambda inputs: [inputs.result(EFFECT_ESTIMATES), inputs.result(GATES), inputs.result(CERTIFICATES)],
    lambda frames, settings, _as_of: [
        partial(verdict_rows, *frames, break_even=settings.liftos_break_even_roas, studies=_studies(settings))
    ],
    ("platform", "treatment_type", "design", "outcome", "tier", "verdict", "direction", "decision", "reasons"),
    _verdicts,
    picture=verdicts_picture,
)

_ATTRIBUTED = (CAUSAL_MARKETING_DATA, EFFECT_ESTIMATES, VERDICTS)
attribution = stage_asset(
    ATTRIBUTION,
    "decisions",
    [[table.schema, table.name] for table in _ATTRIBUTED],
    lambda inputs: [inputs.result(table) for table in _ATTRIBUTED],
    lambda frames, settings, _as_of: [
        partial(attribute, *frames, break_even=settings.liftos_break_even_roas, studies=_studies(settings))
    ],
    (
        *("scope", "platform", "treatment_type", "unit_id", "outcome", "reported_change"),
        *("incremental", "incremental_low", "incremental_high", "marginal_iroas"),
    ),
    _totals,
    picture=attribution_picture,
    summary=totals,
)
