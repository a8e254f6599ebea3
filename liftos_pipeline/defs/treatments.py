"""Treatments: change logs and detected breaks, reconciled."""

from liftos_pipeline.defs.stage import stage_asset
from liftos_pipeline.schema.results import CONFOUNDERS, TREATMENTS
from liftos_pipeline.stages.treatments import identify_treatments, remember_treatments

treatments = stage_asset(
    TREATMENTS,
    "treatments",
    [["intermediate", "int_changes__as_of"], ["intermediate", "int_days__visible"], ["causal", "confounders"]],
    lambda inputs: [inputs.changes(), inputs.result(CONFOUNDERS), inputs.log_days()],
    lambda frames, settings, as_of: identify_treatments(
        frames[0], frames[1], frames[2], as_of, settings.liftos_look_back_days
    ),
    ("unit_id", "treatment_type", "started_on", "dose", "evidence", "visibility", "assignment_method"),
    lambda rows: {f"treatments_{name}": float(count) for name, count in rows["evidence"].value_counts().items()},
    lambda before, rows, settings, as_of: remember_treatments(before, rows, as_of, settings.liftos_look_back_days),
)
