"""Causal-ready rows and the graph behind each analysis."""

from liftos_pipeline.defs.stage import stage_asset
from liftos_pipeline.schema.results import CAUSAL_GRAPH, CAUSAL_MARKETING_DATA, TREATMENTS
from liftos_pipeline.stages.graph import graph_edges
from liftos_pipeline.stages.landmarks import PANEL_COLUMNS, causal_rows

causal_marketing_data = stage_asset(
    CAUSAL_MARKETING_DATA,
    "causal_data",
    [["mart", "marketing_panel"], ["causal", "treatments"], ["causal", "external_factors"]],
    lambda inputs: [inputs.panel(PANEL_COLUMNS), inputs.result(TREATMENTS)],
    lambda frames, _settings, _as_of: causal_rows(frames[0], frames[1]),
    ("platform", "treatment_type", "window_start", "unit_id", "is_treated", "count_before", "count_after"),
    lambda rows: {"treated_rows": float(rows["is_treated"].sum())},
)

causal_graph = stage_asset(
    CAUSAL_GRAPH,
    "causal_data",
    [["causal", "causal_marketing_data"]],
    lambda inputs: [inputs.result(CAUSAL_MARKETING_DATA)],
    lambda frames, _settings, _as_of: graph_edges(frames[0]),
    ("platform", "treatment_type", "cause", "effect", "cause_role", "adjusted"),
)
