"""What the rules saw, as a table."""

from functools import partial

from liftos_pipeline.defs.stage import stage_asset
from liftos_pipeline.schema.results import CERTIFICATES, EXTERNAL_FACTORS, GATES, PROPENSITY_SCORES
from liftos_pipeline.stages.gates import gate_rows

gates = stage_asset(
    GATES,
    "quality",
    [
        ["causal", "propensity_scores"],
        ["causal", "certificates"],
        ["causal", "external_factors"],
        ["causal", "effect_estimates"],
    ],
    lambda inputs: [
        inputs.result(PROPENSITY_SCORES),
        inputs.result(CERTIFICATES),
        inputs.result(EXTERNAL_FACTORS),
        inputs.pulled_days(),
        inputs.lost_days(),
        inputs.currencies(),
        inputs.accounts(),
    ],
    lambda frames, settings, as_of: [
        partial(
            gate_rows,
            *frames,
            as_of=as_of,
            look_back_days=settings.liftos_look_back_days,
            min_effective_controls=settings.liftos_overlap_min_effective_controls,
        )
    ],
    ("gate", "subject", "passed", "seen", "expected"),
    lambda rows: {"gates_failed": float((~rows["passed"]).sum())},
)
