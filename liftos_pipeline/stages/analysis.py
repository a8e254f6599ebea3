"""Maps the causal-ready rows of one analysis to the roles of a ``Panel``. The only place where the pipeline's
column names meet the library."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from liftos_pipeline.causal import Panel
from liftos_pipeline.schema.results import PROVENANCE
from liftos_pipeline.stages.roles import PRIMARY_OUTCOMES, SECONDARY_OUTCOMES

COVARIATES = (
    "log_spend_before",
    "spend_momentum",
    "count_momentum",
    "click_rate_before",
    "quality_before",
    "frequency_before",
    "days_since_other",
    "other_active",
)
"""Covariates measured before the window. Calendar and macro are absorbed by the window indicators."""

ANALYSIS_KEY = ["platform", "treatment_type", "design"]

_MISSING, _WINDOW = "_missing", "window_"
_LEVELS = frozenset(f"{outcome}_before" for outcome in (*PRIMARY_OUTCOMES, *SECONDARY_OUTCOMES))

_NOT_DATA = ["as_of", *(column.name for column in PROVENANCE)]


def data_of(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows without the columns that say when and by which run they were written."""
    return rows.drop(columns=_NOT_DATA, errors="ignore")


def analyses(rows: pd.DataFrame) -> list[tuple[str, str, str, pd.DataFrame]]:
    """(platform, treatment type, design, rows) of every analysis, in a fixed order."""
    if len(rows) == 0:
        return []
    ordered = data_of(rows).sort_values([*ANALYSIS_KEY, "window_start", "unit_id"], ignore_index=True)
    return [
        (str(platform), str(kind), str(design), part.reset_index(drop=True))
        for (platform, kind, design), part in ordered.groupby(ANALYSIS_KEY, sort=True)
    ]


def to_panel(rows: pd.DataFrame, outcome: str, propensity: np.ndarray | None = None) -> Panel:
    """Panel of one analysis.

    Parameters
    ----------
    rows : DataFrame
        Causal-ready rows of one analysis.
    outcome : str
        Role of the outcome: its mean after minus its mean before is the panel's outcome.
    propensity : ndarray, shape (n_rows,), optional
        Stored scores of the rows; the level of the outcome is then left to them.
    """
    explained = covariates(rows, outcome)
    names = list(explained.columns)
    roles = {
        "outcome": (rows[f"{outcome}_after"] - rows[f"{outcome}_before"]).to_numpy(),
        "treated": rows["is_treated"].to_numpy(),
        "unit": rows["unit_id"].to_numpy(),
        "window": rows["window_start"].to_numpy(),
    }
    if propensity is not None:
        roles["propensity"] = propensity
    frame = pd.concat([explained, pd.DataFrame(roles)], axis=1)
    panel = Panel.from_frame(
        frame,
        outcome="outcome",
        treatment="treated",
        unit="unit",
        period="window",
        covariates=names,
        propensity=None if propensity is None else "propensity",
    )
    return panel if propensity is None else with_level_in_scores(panel)


def with_level_in_scores(panel: Panel) -> Panel:
    """The panel without the outcome's level among its covariates, once its scores know it.

    Units are chosen by their level, so that it belongs into the scores. A model of the change would read from it a return
    to the mean of all units, where each returns to a mean of its own: treated units, whose own is higher, would seem to
    fall less than they should (Lord 1967).
    """
    kept = [place for place, name in enumerate(panel.covariate_names) if name not in _LEVELS]
    return dataclasses.replace(
        panel, X=panel.X[:, kept], covariate_names=tuple(panel.covariate_names[place] for place in kept)
    )


def adjusted(rows: pd.DataFrame, outcome: str) -> tuple[str, ...]:
    """Unit covariates that an analysis adjusts for: those that vary, or that only some rows have."""
    names = [name.removesuffix(_MISSING) for name in covariates(rows, outcome) if not name.startswith(_WINDOW)]
    return tuple(dict.fromkeys(names))


def covariates(rows: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """Unit covariates, the calendar's pull on the unit, and one indicator per window but the first.

    A covariate that no row has is left out; where some rows lack it, they get the mean and an indicator.
    """
    columns: dict[str, np.ndarray] = {}
    for name in (*COVARIATES, f"{outcome}_before", f"{outcome}_trend"):
        values = rows[name].to_numpy(dtype=float)
        known = np.isfinite(values)
        if not known.any():
            continue
        columns[name] = np.where(known, values, values[known].mean())
        if not known.all():
            columns[f"{name}{_MISSING}"] = (~known).astype(float)
    codes, windows = pd.factorize(rows["window_start"], sort=True)
    for number, window in list(enumerate(windows))[1:]:
        columns[f"{_WINDOW}{window:%Y-%m-%d}"] = (codes == number).astype(float)
    return pd.DataFrame({name: values for name, values in columns.items() if np.ptp(values) > 0})
