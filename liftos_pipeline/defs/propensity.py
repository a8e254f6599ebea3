"""Propensity scores of every analysis."""

from functools import partial

from liftos_pipeline.defs.stage import stage_asset
from liftos_pipeline.schema.results import CAUSAL_MARKETING_DATA, PROPENSITY_SCORES
from liftos_pipeline.stages.propensity import propensity_scores

scores = stage_asset(
    PROPENSITY_SCORES,
    "propensity",
    [["causal", "causal_marketing_data"], ["causal", "causal_graph"]],
    lambda inputs: [inputs.result(CAUSAL_MARKETING_DATA)],
    lambda frames, settings, _as_of: [partial(propensity_scores, frames[0], settings.liftos_seed)],
    ("platform", "treatment_type", "window_start", "unit_id", "is_treated", "propensity"),
    lambda rows: {"share_below_0.9": float((rows["propensity"] < 0.9).mean())},
)
