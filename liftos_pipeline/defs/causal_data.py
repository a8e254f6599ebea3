"""Causal-ready rows and the graph behind each analysis."""

from functools import partial

from liftos_pipeline.causal.adjustment import NOT_IDENTIFIED
from liftos_pipeline.defs.stage import stage_asset
from liftos_pipeline.schema.results import (
    ADJUSTMENT_SETS,
    CAUSAL_GRAPH,
    CAUSAL_MARKETING_DATA,
    CONFOUNDERS,
    TREATMENTS,
)
from liftos_pipeline.stages.graph import adjustment_rows, first_picture, graph_edges
from liftos_pipeline.stages.landmarks import PANEL_COLUMNS, causal_rows

causal_marketing_data = stage_asset(
    CAUSAL_MARKETING_DATA,
    "causal_data",
    [
        ["mart", "marketing_panel"],
        ["mart", "experiments_as_of"],
        ["quality", "panel"],
        ["causal", "treatments"],
        ["causal", "external_factors"],
    ],
    lambda inputs: [inputs.panel(PANEL_COLUMNS), inputs.result(TREATMENTS), inputs.experiments()],
    lambda frames, _settings, _as_of: [partial(causal_rows, *frames)],
    (
        *("platform", "treatment_type", "design", "window_start", "unit_id", "is_treated"),
        *("count_before", "count_after"),
    ),
    lambda rows: {"treated_rows": float(rows["is_treated"].sum())},
)

_GRAPH_OF = (CAUSAL_MARKETING_DATA, CONFOUNDERS, TREATMENTS)
causal_graph = stage_asset(
    CAUSAL_GRAPH,
    "causal_data",
    [[table.schema, table.name] for table in _GRAPH_OF],
    lambda inputs: [inputs.result(table) for table in _GRAPH_OF],
    lambda frames, _settings, _as_of: [partial(graph_edges, *frames)],
    ("platform", "treatment_type", "cause", "effect", "cause_role", "adjusted"),
    picture=first_picture,
)

adjustment_sets = stage_asset(
    ADJUSTMENT_SETS,
    "causal_data",
    [["causal", "causal_graph"]],
    lambda inputs: [inputs.result(CAUSAL_GRAPH)],
    lambda frames, _settings, _as_of: [partial(adjustment_rows, *frames)],
    ("platform", "treatment_type", "status", "minimal_set", "adjusted_set", "open_path"),
    lambda rows: {"not_identified": float((rows["status"] == NOT_IDENTIFIED).sum())},
)
