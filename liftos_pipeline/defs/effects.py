"""Certificates, the effect estimates that they license, and attribution."""

from functools import partial

import pandas as pd

from liftos_pipeline.defs.stage import stage_asset
from liftos_pipeline.schema.results import (
    ATTRIBUTION,
    CAUSAL_MARKETING_DATA,
    CERTIFICATES,
    EFFECT_ESTIMATES,
    PROPENSITY_SCORES,
    TREATMENTS,
)
from liftos_pipeline.stages.attribution import attribute
from liftos_pipeline.stages.certificates import certificate_calls
from liftos_pipeline.stages.effects import PRIMARY_METHOD, estimate_effects


def _primary(rows: pd.DataFrame, column: str) -> dict[str, float]:
    chosen = rows[(rows["method"] == PRIMARY_METHOD) & rows[column].notna()]
    return {
        f"{row.platform}_{row.treatment_type}_{row.outcome}": float(getattr(row, column))
        for row in chosen.itertuples()
    }


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
        for row in rows[(rows["method"] == PRIMARY_METHOD) & rows["size"].notna()].itertuples()
    },
)

_LICENSED_BY = (CAUSAL_MARKETING_DATA, PROPENSITY_SCORES, TREATMENTS, CERTIFICATES)
effect_estimates = stage_asset(
    EFFECT_ESTIMATES,
    "effects",
    [[table.schema, table.name] for table in _LICENSED_BY],
    lambda inputs: [inputs.result(table) for table in _LICENSED_BY],
    lambda frames, settings, _as_of: [
        partial(
            estimate_effects,
            frames[0],
            frames[1],
            frames[2],
            frames[3],
            settings.liftos_confidence_level,
            settings.liftos_seed,
            settings.liftos_overlap_min_effective_controls,
        )
    ],
    ("platform", "treatment_type", "outcome", "method", "estimate", "ci_low", "ci_high", "certificate", "refused"),
    lambda rows: _primary(rows, "estimate"),
)

attribution = stage_asset(
    ATTRIBUTION,
    "effects",
    [["causal", "causal_marketing_data"], ["causal", "effect_estimates"]],
    lambda inputs: [inputs.result(CAUSAL_MARKETING_DATA), inputs.result(EFFECT_ESTIMATES)],
    lambda frames, _settings, _as_of: [partial(attribute, *frames)],
    (
        "platform",
        "treatment_type",
        "outcome",
        "reported_change",
        "incremental",
        "incremental_low",
        "incremental_high",
    ),
    lambda rows: _primary(rows, "incremental"),
)
