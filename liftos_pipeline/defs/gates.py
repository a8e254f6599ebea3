"""Placebos in time, what the rules saw, and the scores of the data, as tables."""

from functools import partial

from liftos_pipeline.defs.stage import stage_asset
from liftos_pipeline.report.asset_pictures import gates_picture, not_passed, placebos_picture, scores_picture
from liftos_pipeline.schema.results import (
    CAUSAL_GRAPH,
    CAUSAL_MARKETING_DATA,
    CERTIFICATES,
    EFFECT_ESTIMATES,
    EXTERNAL_FACTORS,
    GATES,
    MATURITY_CURVES,
    PLACEBOS,
    PROPENSITY_SCORES,
    SCORES,
    TREATMENTS,
)
from liftos_pipeline.stages.experiments import rules_of
from liftos_pipeline.stages.gates import PANEL_COLUMNS, Data, Results, gate_rows
from liftos_pipeline.stages.landmarks import PANEL_COLUMNS as ROW_COLUMNS
from liftos_pipeline.stages.placebos import placebo_rows
from liftos_pipeline.stages.quality import COLUMNS, score_rows
from liftos_pipeline.warehouse.knowledge import Knowledge

placebos = stage_asset(
    PLACEBOS,
    "quality",
    [["mart", "marketing_panel"], ["causal", "treatments"], ["mart", "experiments_as_of"]],
    lambda inputs: [inputs.panel(ROW_COLUMNS), inputs.result(TREATMENTS), inputs.experiments()],
    lambda frames, settings, as_of: [
        partial(
            placebo_rows,
            frames[0],
            frames[1],
            settings.liftos_confidence_level,
            settings.liftos_seed,
            rules_of(settings, frames[2], as_of),
        )
    ],
    ("platform", "treatment_type", "n_treated", "estimate", "std_error", "p_value", "reason"),
    lambda rows: {
        f"placebo_{row.platform}_{row.treatment_type}": float(row.estimate)
        for row in rows[rows["estimate"].notna()].itertuples()
    },
    picture=placebos_picture,
)

_JUDGED = (
    *(CAUSAL_MARKETING_DATA, PROPENSITY_SCORES, TREATMENTS, CERTIFICATES),
    *(EFFECT_ESTIMATES, EXTERNAL_FACTORS, MATURITY_CURVES, PLACEBOS),
)
"""Result tables in the order of ``Results``."""
_LEVELS = ["intermediate", "int_levels__as_of"]
_FROM_SQL = [
    ["mart", "marketing_panel"],
    _LEVELS,
    *(["intermediate", name] for name in ("int_attribution__as_of", "int_days__visible", "int_accounts__visible")),
]
"""What ``Data`` is read from."""


def _data(inputs: Knowledge) -> Data:
    return Data(
        inputs.panel(PANEL_COLUMNS),
        inputs.levels(),
        inputs.attribution_settings(),
        inputs.pulled_days(),
        inputs.lost_days(),
        inputs.currencies(),
        inputs.accounts(),
    )


gates = stage_asset(
    GATES,
    "quality",
    [*_FROM_SQL, *([table.schema, table.name] for table in _JUDGED)],
    lambda inputs: [_data(inputs), Results(*(inputs.result(table) for table in _JUDGED))],
    lambda frames, settings, as_of: [partial(gate_rows, frames[0], frames[1], as_of, settings)],
    ("gate", "subject", "passed", "severity", "seen", "expected"),
    lambda rows: {
        "gates_failed": float((~rows["passed"]).sum()),
        "errors": float((~rows["passed"] & (rows["severity"] == "error")).sum()),
    },
    picture=gates_picture,
    summary=not_passed,
)

_SCORED = (MATURITY_CURVES, CAUSAL_MARKETING_DATA, PROPENSITY_SCORES, CAUSAL_GRAPH, TREATMENTS)
scores = stage_asset(
    SCORES,
    "quality",
    [["mart", "marketing_panel"], _LEVELS, *([table.schema, table.name] for table in _SCORED)],
    lambda inputs: [inputs.panel(COLUMNS), inputs.levels(), *(inputs.result(table) for table in _SCORED)],
    lambda frames, settings, as_of: [
        partial(score_rows, *frames, as_of=as_of, tolerance=settings.liftos_reconcile_tolerance)
    ],
    ("platform", "part", "score", "reason"),
    lambda rows: {
        f"{row.platform}_{row.part}": float(row.score) for row in rows[rows["score"].notna()].itertuples()
    },
    picture=scores_picture,
)
