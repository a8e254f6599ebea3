"""Confounders: what the detectors find in the panel."""

from liftos_pipeline.defs.stage import stage_asset
from liftos_pipeline.schema.results import CONFOUNDERS
from liftos_pipeline.stages.confounders import PANEL_COLUMNS, find_confounders

confounders = stage_asset(
    CONFOUNDERS,
    "confounders",
    [["mart", "marketing_panel"]],
    lambda inputs: [inputs.panel(PANEL_COLUMNS)],
    lambda frames, settings, _as_of: find_confounders(frames[0], settings.liftos_seed),
    ("detector", "unit_id", "event_no", "status", "event_on", "estimate", "p_value"),
    lambda rows: {
        "units": float((rows["event_no"] == 0).sum()),
        "units_with_breaks": float(((rows["event_no"] == 0) & (rows["status"] == "detected")).sum()),
        "breaks": float((rows["event_no"] > 0).sum()),
    },
)
