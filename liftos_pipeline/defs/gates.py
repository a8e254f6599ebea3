"""What the rules saw, as a table."""

from functools import partial

from liftos_pipeline.defs.stage import stage_asset
from liftos_pipeline.schema.results import CERTIFICATES, GATES, PROPENSITY_SCORES
from liftos_pipeline.stages.gates import gate_rows

gates = stage_asset(
    GATES,
    "quality",
    [["causal", "propensity_scores"], ["causal", "certificates"]],
    lambda inputs: [inputs.result(PROPENSITY_SCORES), inputs.result(CERTIFICATES)],
    lambda frames, settings, _as_of: [
        partial(gate_rows, frames[0], frames[1], settings.liftos_overlap_min_effective_controls)
    ],
    ("gate", "subject", "passed", "seen", "expected"),
    lambda rows: {"gates_failed": float((~rows["passed"]).sum())},
)
