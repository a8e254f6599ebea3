"""Treatments: change logs and detected breaks, reconciled."""

from collections.abc import Sequence
from functools import partial

import pandas as pd

from liftos_pipeline.defs.stage import stage_asset
from liftos_pipeline.schema.results import CONFOUNDERS, TREATMENTS
from liftos_pipeline.stages.experiments import Declared
from liftos_pipeline.stages.instruments import PANEL_COLUMNS
from liftos_pipeline.stages.treatments import identify_treatments, remember_treatments
from liftos_pipeline.warehouse.knowledge import Knowledge


def _read(inputs: Knowledge) -> Sequence[pd.DataFrame]:
    """Change logs, confounders, days whose log was pulled, experiments and the panel."""
    return [
        inputs.changes(),
        inputs.result(CONFOUNDERS),
        inputs.log_days(),
        inputs.experiments(),
        inputs.panel(PANEL_COLUMNS),
    ]


treatments = stage_asset(
    TREATMENTS,
    "treatments",
    [
        ["intermediate", "int_changes__as_of"],
        ["intermediate", "int_days__visible"],
        ["mart", "experiments_as_of"],
        ["mart", "marketing_panel"],
        ["causal", "confounders"],
    ],
    _read,
    lambda frames, settings, as_of: [
        partial(
            identify_treatments,
            frames[0],
            frames[1],
            frames[2],
            as_of,
            settings.liftos_look_back_days,
            Declared(frames[3], frames[4], settings.declared_rules()),
        )
    ],
    ("unit_id", "treatment_type", "started_on", "dose", "evidence", "visibility", "assignment_method"),
    lambda rows: {f"treatments_{name}": float(count) for name, count in rows["evidence"].value_counts().items()},
    lambda before, rows, settings, as_of: remember_treatments(before, rows, as_of, settings.liftos_look_back_days),
)
