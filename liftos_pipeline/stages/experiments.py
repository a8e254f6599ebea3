"""Which treatments a declared experiment covers, and what the hazard of starting says of each declaration.

Where it contradicts a lot, the arms are an instrument: who followed was not drawn, who was asked to was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd

from liftos_pipeline.causal.treatments.adoption_hazard import HazardTest
from liftos_pipeline.causal.treatments.assignment import NOT_ASSIGNED, Assignment, Experiment, of_experiment
from liftos_pipeline.causal.treatments.drawn_starts import drawn_starts
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.schema import TREATMENT_TYPES
from liftos_pipeline.settings import InstrumentRule, Settings
from liftos_pipeline.stages.grid import Grid, to_grid
from liftos_pipeline.stages.instruments import Rules
from liftos_pipeline.stages.roles import BEFORE_DAYS, ROLES, Roles

ALPHA = 0.01
"""Chance of contradicting an experiment that was drawn by lot."""
STARTS_PER_COVARIATE = 5
"""With fewer starts the test has no level to speak of."""
MIN_ARM = 20
"""Campaigns in each arm from which on the arms are an instrument."""
MOST_UNKNOWN = 0.1
"""A covariate that is unknown for more of the rows is left out."""
_RECENT_DAYS = 7


@dataclass(frozen=True, eq=False)
class Declared:
    """What platforms declared, as of one day.

    Parameters
    ----------
    experiments : DataFrame
        ``mart.experiments_as_of``.
    panel : DataFrame
        ``instruments.PANEL_COLUMNS`` of ``marketing_panel`` over the look-back window.
    rules : sequence of CutoffRule or InstrumentRule
        What the settings declare.
    """

    experiments: pd.DataFrame
    panel: pd.DataFrame
    rules: Rules = ()


@dataclass(frozen=True, eq=False)
class _Trial:
    """One experiment of campaigns. ``first``, ``last``: days on which starts belong to it."""

    platform: str
    experiment_id: str
    first: pd.Timestamp
    last: pd.Timestamp
    treated: frozenset[str]
    control: frozenset[str]
    probability: float | None

    @property
    def has_arms(self) -> bool:
        """Whether its arms can be compared."""
        return min(len(self.treated), len(self.control)) >= MIN_ARM


def declared_assignments(starts: pd.DataFrame, declared: Declared, as_of: date) -> dict[int, Assignment]:
    """Assignment of the treatments that a declared experiment covers, by position.

    Covered is what was logged for a campaign of a treated arm while the experiment ran: randomised, or, where who starts was
    not left to the lot, a treatment that the arms are an instrument of. A campaign of the control arm was not to be treated,
    and where people were drawn (a lift study) nothing follows for how campaigns were chosen.

    Parameters
    ----------
    starts : DataFrame
        unit, kind, day: logged treatments.
    """
    found: dict[int, Assignment] = {}
    for trial in _trials(declared.experiments, as_of):
        inside = starts["unit"].isin(trial.treated) & starts["day"].between(trial.first, trial.last)
        if inside.any():
            experiment = Experiment(trial.experiment_id, trial.probability, f"{trial.experiment_id}: control arm")
            assignment = of_experiment(experiment, _tested(trial, starts, declared.panel))
            if assignment.method == "observational" and trial.has_arms:
                assignment = replace(assignment, method="quasi_experimental", control_group=NOT_ASSIGNED)
            found |= {int(place): assignment for place in np.flatnonzero(inside) if int(place) not in found}
    return found


def rules_of(settings: Settings, experiments: pd.DataFrame, as_of: date) -> Rules:
    """What the settings declare, and the arms of experiments of campaigns, as instruments of every treatment type."""
    arms = [
        InstrumentRule(
            platform=trial.platform,
            treatment_type=kind,
            on=trial.first.date(),
            values=dict.fromkeys(trial.control, 0.0) | dict.fromkeys(trial.treated, 1.0),
        )
        for trial in _trials(experiments, as_of)
        for kind in TREATMENT_TYPES
        if trial.has_arms
    ]
    return (*settings.declared_rules(), *arms)


def _trials(experiments: pd.DataFrame, as_of: date) -> Iterator[_Trial]:
    drawn = experiments[experiments["unit"] == "campaign"]
    for (platform, name), arms in drawn.groupby(["platform", "experiment_id"]):
        is_control = arms["is_control"].to_numpy(bool)
        first = arms["start_on"].min()
        if pd.isna(first) or is_control.all() or not is_control.any():
            continue
        last = arms["end_on"].max()
        share = float(arms["traffic_split_pct"].to_numpy(float)[~is_control].sum()) / 100.0
        yield _Trial(
            str(platform),
            str(name),
            pd.Timestamp(first),
            pd.Timestamp(as_of) if pd.isna(last) else min(pd.Timestamp(last), pd.Timestamp(as_of)),
            frozenset(unit for units in arms["unit_ids"][~is_control] for unit in units),
            frozenset(unit for units in arms["unit_ids"][is_control] for unit in units),
            share if 0.0 < share < 1.0 else None,
        )


def _tested(trial: _Trial, starts: pd.DataFrame, panel: pd.DataFrame) -> HazardTest | None:
    """Whether anything known before tells which campaigns of the experiment start first; None where nothing can.

    All types of treatment count, each with a level of its own per day.
    """
    roles = ROLES[trial.platform]
    names = tuple(dict.fromkeys(n for n in (roles.count, roles.volume, roles.quality) if n is not None))
    grid = to_grid(panel[panel["unit_id"].isin(trial.treated | trial.control)], trial.platform, names)
    unit, day, stratum, starts_now = _at_risk(trial, starts, grid)
    x = _covariates(grid, roles, unit, day)
    x = x[:, np.isnan(x).sum(axis=0) <= MOST_UNKNOWN * len(x)]
    known = np.isfinite(x).all(axis=1)
    x = x[known]
    x = x[:, np.ptp(x, axis=0) > 0] if len(x) else x
    if x.shape[1] == 0 or starts_now[known].sum() < STARTS_PER_COVARIATE * x.shape[1]:
        return None
    try:
        return drawn_starts(x, stratum[known], starts_now[known], ALPHA)
    except LiftosError:
        return None


def _at_risk(
    trial: _Trial, starts: pd.DataFrame, grid: Grid
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Unit, day, stratum (type and day) and whether the unit starts: every campaign that has not changed anything of the
    type before, on every day of the experiment on which one does."""
    rows = [(np.empty(0, int), np.empty(0, int), np.empty(0, int), np.empty(0, bool))]
    index, n_days = pd.Index(grid.units), len(grid.days)
    low, high = (
        int((day.to_datetime64().astype("datetime64[D]") - grid.days[0]).astype(int)) if n_days else 0
        for day in (trial.first, trial.last)
    )
    for number, (_, mine) in enumerate(starts[starts["unit"].isin(index)].groupby("kind")):
        first = mine.groupby("unit")["day"].min()
        begun = np.full(len(index), np.iinfo(np.int64).max)
        begun[index.get_indexer(first.index)] = (first.to_numpy("datetime64[D]") - grid.days[0]).astype(int)
        inside = (begun >= max(low, BEFORE_DAYS)) & (begun <= min(high, n_days - 1))
        days = np.unique(begun[inside])
        unit, place = np.nonzero(begun[:, None] >= days)
        rows.append((unit, days[place], days[place] + number * n_days, begun[unit] == days[place]))
    unit, day, stratum, starts_now = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    return unit, day, stratum, starts_now


def _covariates(grid: Grid, roles: Roles, unit: np.ndarray, day: np.ndarray) -> np.ndarray:
    """What was known before each day: log volume and quality of 28 days, growth of the count in the last 7 of them."""
    if len(unit) == 0:
        return np.empty((0, 1))
    first, recent = day - BEFORE_DAYS, day - _RECENT_DAYS

    def mean(name: str, start: np.ndarray, n_days: int) -> np.ndarray:
        return np.log1p(np.maximum(grid.mean_of_known(name, unit, start, n_days), 0.0))

    growth = mean(roles.count, recent, _RECENT_DAYS) - mean(roles.count, first, BEFORE_DAYS - _RECENT_DAYS)
    columns = [mean(roles.volume, first, BEFORE_DAYS), growth]
    if roles.quality is not None:
        columns.append(grid.mean_of_known(roles.quality, unit, first, BEFORE_DAYS))
    return np.column_stack(columns)
