"""Confounders: what the detectors find in the panel."""

from functools import partial

from liftos_pipeline.defs.stage import stage_asset
from liftos_pipeline.schema.results import CONFOUNDERS
from liftos_pipeline.stages.confounders import PANEL_COLUMNS, detected, find_confounders

confounders = stage_asset(
    CONFOUNDERS,
    "confounders",
    [["mart", "marketing_panel"], ["quality", "panel"], ["intermediate", "int_subscriptions__as_of"]],
    lambda inputs: [inputs.panel(PANEL_COLUMNS), inputs.subscriptions()],
    lambda frames, settings, as_of: [partial(find_confounders, frames[0], frames[1], as_of, settings.liftos_seed)],
    ("detector", "platform", "unit_id", "event_no", "status", "event_on", "estimate", "p_value", "role"),
    lambda rows: {f"detected_{name}": float(count) for name, count in detected(rows).items()},
)
