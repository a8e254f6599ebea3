"""Splits the change of every effect between two runs into its causes.

The from-run's data are turned into the to-run's step by step, and today's code estimates after each step: what an
effect moves in a step is that step's part. The parts of a telescope add up to the change whatever the steps do.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from liftos_pipeline.settings import Settings
from liftos_pipeline.stages.confounders import BUDGET_CHANGE, find_confounders
from liftos_pipeline.stages.confounders import PANEL_COLUMNS as DETECTOR_COLUMNS
from liftos_pipeline.stages.effects import estimate_effects
from liftos_pipeline.stages.experiments import Declared, rules_of
from liftos_pipeline.stages.landmarks import PANEL_COLUMNS as ROW_COLUMNS
from liftos_pipeline.stages.landmarks import causal_rows
from liftos_pipeline.stages.propensity import propensity_scores
from liftos_pipeline.stages.roles import ROLES
from liftos_pipeline.stages.treatments import identify_treatments, remember_treatments

PANEL_COLUMNS = tuple(dict.fromkeys([*DETECTOR_COLUMNS, *ROW_COLUMNS, "is_final"]))
"""What is read of the panel."""
EFFECT = ["platform", "treatment_type", "design", "outcome", "method", "estimand"]
"""What names an effect."""
PARTS = ("code", "seed", "data_maturity", "data_corrections", "new_days")
_CELL = ["unit_type", "unit_id", "date_day"]
_MATURING = list(dict.fromkeys(name for roles in ROLES.values() for name in (roles.count, roles.value)))


@dataclass(frozen=True)
class Seen:
    """What a run saw of one as-of day.

    ``panel`` has ``PANEL_COLUMNS``; ``changes``, ``log_days``, ``memory`` and ``experiments`` are what
    ``identify_treatments`` and ``remember_treatments`` take.
    """

    as_of: date
    panel: pd.DataFrame
    changes: pd.DataFrame
    log_days: pd.DataFrame
    memory: pd.DataFrame
    experiments: pd.DataFrame


def explain(
    start: Seen,
    meant: Seen,
    later: Seen,
    given: pd.DataFrame,
    wanted: pd.DataFrame,
    settings: tuple[Settings, Settings],
) -> pd.DataFrame:
    """Parts of the change of every effect from an earlier look at the data to a later one.

    Parameters
    ----------
    start, later : Seen
        What the earlier and the later run saw.
    meant : Seen
        What the later run knew of the earlier one's days: its as-of day is the earlier one's, its panel reaches as far
        back.
    given, wanted : DataFrame
        ``causal.effect_history`` of the two runs.
    settings : tuple of Settings
        Those of the two runs.

    Returns
    -------
    DataFrame
        ``EFFECT``, from_estimate, to_estimate, change, ``PARTS``, each in outcome units per treated unit-day, and
        undefined: why there are no parts; None if there are.
    """
    then, now = settings
    reseeded = then.model_copy(update={"liftos_seed": now.liftos_seed})
    matured = dataclasses.replace(start, panel=_with_final_conversions(start.panel, meant.panel))
    corrected = _corrected(start, meant)
    steps = pd.DataFrame(
        {
            "from": _published(given),
            "code": effects_seen(start, then),
            "seed": effects_seen(start, reseeded),
            "data_maturity": effects_seen(matured, reseeded),
            "data_corrections": effects_seen(corrected, reseeded),
            "new_days": effects_seen(later, now),
            "to": _published(wanted),
        }
    )
    moved = steps.diff(axis=1)
    parts = moved[list(PARTS)].assign(code=moved["code"] + moved["to"])
    table = parts.assign(
        from_estimate=steps["from"],
        to_estimate=steps["to"],
        change=steps["to"] - steps["from"],
        undefined=[_undefined(row) for _, row in steps.iterrows()],
    )
    table.loc[table["undefined"].notna(), list(PARTS)] = np.nan
    return table.rename_axis(index=EFFECT).reset_index()[
        [*EFFECT, "from_estimate", "to_estimate", "change", *PARTS, "undefined"]
    ]


def reverse(table: pd.DataFrame) -> pd.DataFrame:
    """The same change told from the later run to the earlier one."""
    swapped = table.rename(columns={"from_estimate": "to_estimate", "to_estimate": "from_estimate"})
    told = swapped.assign(**{name: -swapped[name] for name in ("change", *PARTS)})
    return told[list(table.columns)]


def _published(rows: pd.DataFrame) -> pd.Series:
    return rows.set_index(EFFECT)["estimate"].astype(float)


def effects_seen(seen: Seen, settings: Settings) -> pd.Series:
    """Estimate of every effect, by ``EFFECT``, by today's code. Certificates widen and refuse; they move no estimate."""
    seed, look_back = settings.liftos_seed, settings.liftos_look_back_days
    breaks = find_confounders(seen.panel, pd.DataFrame(), seen.as_of, seed, only={BUDGET_CHANGE})
    rules = rules_of(settings, seen.experiments, seen.as_of)
    declared = Declared(seen.experiments, seen.panel, settings.declared_rules())
    found = identify_treatments(seen.changes, breaks, seen.log_days, seen.as_of, look_back, declared)
    treatments = remember_treatments(seen.memory, found, seen.as_of, look_back)
    rows = causal_rows(seen.panel, treatments, seen.experiments)
    effects = estimate_effects(
        rows,
        propensity_scores(rows, seed),
        treatments,
        pd.DataFrame(),
        seen.panel,
        level=settings.liftos_confidence_level,
        seed=seed,
        min_effective_controls=settings.liftos_overlap_min_effective_controls,
        rules=rules,
        experiments=seen.experiments,
    )
    return _published(effects) if len(effects) else pd.Series(dtype=float)


def _with_final_conversions(panel: pd.DataFrame, meant: pd.DataFrame) -> pd.DataFrame:
    """The panel with what is known now in the outcome cells of days that were not final then."""
    known = meant.set_index(_CELL).reindex(pd.MultiIndex.from_frame(panel[_CELL]))
    open_cells = ~panel["is_final"].to_numpy(dtype=bool) & known["platform"].notna().to_numpy()
    filled = {name: np.where(open_cells, _numbers(known[name]), _numbers(panel[name])) for name in _MATURING}
    return panel.assign(**filled)


def _numbers(column: pd.Series) -> np.ndarray:
    return column.to_numpy(dtype=float, na_value=np.nan)


def _corrected(start: Seen, meant: Seen) -> Seen:
    """What the later run knows of the earlier one's units and days; neither a unit nor a day more."""
    known = meant.panel.set_index(_CELL).reindex(pd.MultiIndex.from_frame(start.panel[_CELL])).reset_index()
    units = set(start.panel["unit_id"])
    until = pd.Timestamp(start.as_of)
    changes = meant.changes[
        meant.changes["unit_id"].isin(units) & (pd.to_datetime(meant.changes["changed_on"]) <= until)
    ]
    return Seen(
        start.as_of,
        known[known["platform"].notna()].reset_index(drop=True),
        changes.reset_index(drop=True),
        meant.log_days,
        start.memory,
        meant.experiments,
    )


_STEPS = {
    "from": "by the earlier run",
    "code": "by today's code on its data",
    "seed": "after the seed",
    "data_maturity": "after data maturity",
    "data_corrections": "after data corrections",
    "new_days": "after new days",
    "to": "by the later run",
}


def _undefined(steps: pd.Series) -> str | None:
    missing = [told for name, told in _STEPS.items() if np.isnan(steps[name])]
    return f"no estimate {', '.join(missing)}" if missing else None
