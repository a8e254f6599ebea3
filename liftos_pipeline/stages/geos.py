"""Experiments of regions that a platform declares: what advertising added to the shop's own orders there.

Weeks are counted from the day of the start, so that none holds both. The arm whose spend moved more is the one that was
changed: advertising is raised in the treated regions, or switched off in the others, and then the effect is what they lose.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from liftos_pipeline.causal import Panel, estimate
from liftos_pipeline.causal.results import EffectEstimate
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.stages.designs import PanelEffect
from liftos_pipeline.stages.grid import Grid, to_grid
from liftos_pipeline.stages.memory import remembered
from liftos_pipeline.stages.roles import GEO, GEO_EXPERIMENT, PRIMARY_OUTCOMES

_BUDGET = "budget_change"
_OUTCOMES = (*PRIMARY_OUTCOMES, "volume")
_COLUMNS = tuple(GEO.outcomes[name] for name in _OUTCOMES)
WEEK = 7
PANEL_COLUMNS = ("platform", "unit_type", "unit_id", "date_day", *_COLUMNS)
"""What is read of the panel."""


def geo_effects(panel: pd.DataFrame, experiments: pd.DataFrame, level: float, seed: int) -> Iterator[PanelEffect]:
    """Effects per treated region and day of the newest experiment of regions on each platform that can be analysed.

    Orders and their value by ``geo_did`` on weeks; spend by ``did`` on each region's spend over its own before.

    Parameters
    ----------
    panel : DataFrame
        ``PANEL_COLUMNS`` of ``marketing_panel`` as of one day.
    experiments : DataFrame
        ``mart.experiments_as_of``.
    """
    drawn = experiments[experiments["unit"] == "geo"] if len(experiments) else experiments
    for platform in sorted(set(drawn["platform"])) if len(drawn) else ():
        grid = to_grid(panel, platform, _COLUMNS, GEO.unit_type)
        trials = [_trial(arms) for _, arms in drawn[drawn["platform"] == platform].groupby("experiment_id")]
        ordered = sorted(
            (trial for trial in trials if trial is not None), key=lambda trial: trial.first, reverse=True
        )
        for trial in _analysable(ordered, grid)[:1]:
            for outcome in _OUTCOMES:
                method = "did" if outcome == "volume" else "geo_did"
                found: EffectEstimate | str
                try:
                    found = _found(grid, trial, GEO.outcomes[outcome], method, level, seed)
                except LiftosError as error:
                    found = str(error)
                yield PanelEffect(platform, _BUDGET, GEO_EXPERIMENT, outcome, method, found)


@dataclass(frozen=True, eq=False)
class _Trial:
    """One experiment: its two arms, first and last day."""

    experiment_id: str
    first: np.datetime64
    last: np.datetime64 | None
    treated: tuple[str, ...]
    control: tuple[str, ...]


def _trial(arms: pd.DataFrame) -> _Trial | None:
    is_control = arms["is_control"].to_numpy(dtype=bool)
    first, last = arms["start_on"].min(), arms["end_on"].max()
    if pd.isna(first) or is_control.all() or not is_control.any():
        return None
    units = [
        tuple(sorted({u for part in arms["unit_ids"][chosen] for u in part}))
        for chosen in (~is_control, is_control)
    ]
    return _Trial(
        str(arms["experiment_id"].iloc[0]),
        np.datetime64(first, "D"),
        None if pd.isna(last) else np.datetime64(last, "D"),
        units[0],
        units[1],
    )


def _analysable(trials: list[_Trial], grid: Grid) -> list[_Trial]:
    """Those with two whole final weeks after the start; all if none has, so that the reason is told."""
    if len(grid.days) == 0:
        return trials
    newest = grid.days[-1] - GEO.maturity_days
    ready = [trial for trial in trials if (newest - trial.first).astype(int) + 1 >= 2 * WEEK]
    return ready or trials


def _found(grid: Grid, trial: _Trial, column: str, method: str, level: float, seed: int) -> EffectEstimate:
    spend = _by_week(grid, trial, GEO.outcomes["volume"])
    weeks = _by_week(grid, trial, column)
    moved = {arm: abs(_growth(spend[spend["arm"] == arm])) for arm in ("treated", "control")}
    changed = "control" if moved["control"] > moved["treated"] else "treated"
    rows = weeks.assign(treated=((weeks["arm"] == changed) & (weeks["week"] >= 0)).astype(int))
    found = _lift(rows, level, seed) if method == "geo_did" else _difference(rows, level)
    facts = {
        **found.diagnostics,
        "experiment_id": trial.experiment_id,
        "changed_arm": changed,
        "treated_unit_days": WEEK * int(rows["treated"].sum()),
        "first_day": str(trial.first),
    }
    found = replace(found, diagnostics=facts, path=None, weights=None)
    return found if changed == "treated" else _reversed(found)


def _by_week(grid: Grid, trial: _Trial, column: str) -> pd.DataFrame:
    """unit, arm, week (0 is the first of the experiment), outcome: mean per day, for weeks in which every region is known."""
    parts = {"treated": trial.treated, "control": trial.control}
    place = {arm: pd.Index(grid.units).get_indexer(list(units)) for arm, units in parts.items()}
    place = {arm: found[found >= 0] for arm, found in place.items()}
    if not all(map(len, place.values())) or len(grid.days) == 0:
        raise LiftosError(
            f"regions of both arms of experiment {trial.experiment_id} in the panel",
            ", ".join(f"{len(found)} {arm}" for arm, found in place.items()),
            "Pull the days of the experiment by region.",
        )
    start = int((trial.first - grid.days[0]).astype(int))
    end = len(grid.days) - GEO.maturity_days
    if trial.last is not None:
        end = min(end, int((trial.last - grid.days[0]).astype(int)) + 1)
    weeks = np.arange(-(max(start, 0) // WEEK), max(end - start, 0) // WEEK)
    unit = np.concatenate([*place.values()])
    arm = np.repeat(list(place), [len(found) for found in place.values()])
    days = grid.values[column][unit]
    means = (
        np.stack([days[:, start + WEEK * week : start + WEEK * (week + 1)].mean(axis=1) for week in weeks], axis=1)
        if len(weeks)
        else np.empty((len(unit), 0))
    )
    known = np.isfinite(means).all(axis=0)
    if (weeks[known] >= 0).sum() < 2 or (weeks[known] < 0).sum() < 2:
        raise LiftosError(
            f"two whole weeks of {column} by region before the start of experiment {trial.experiment_id} and two final ones "
            "after it",
            f"{int((weeks[known] < 0).sum())} and {int((weeks[known] >= 0).sum())}",
            "Wait, look back on more days, or pull missing days. Orders need regions in the shop's profiles.",
        )
    n_weeks = int(known.sum())
    return pd.DataFrame(
        {
            "unit": np.repeat(grid.units[unit], n_weeks),
            "arm": np.repeat(arm, n_weeks),
            "week": np.tile(weeks[known], len(unit)),
            "outcome": means[:, known].ravel(),
        }
    )


def _growth(rows: pd.DataFrame) -> float:
    """Relative change of an arm's total from before to after the start."""
    total = rows.groupby("week")["outcome"].sum()
    before = float(total[total.index < 0].mean())
    return float(total[total.index >= 0].mean()) / before - 1.0 if before > 0 else math.inf


@remembered
def _lift(rows: pd.DataFrame, level: float, seed: int) -> EffectEstimate:
    """Of the proportion, per region and day."""
    panel = Panel.from_frame(rows, outcome="outcome", treatment="treated", unit="unit", period="week")
    found = estimate("geo_did", panel, level=level, seed=seed)
    usual = float(rows.loc[rows["treated"] == 1, "outcome"].mean())
    added, low, high = (usual * _added(lift) for lift in (found.estimate, found.ci_low, found.ci_high))
    facts = {**found.diagnostics, "lift": found.estimate, "lift_low": found.ci_low, "lift_high": found.ci_high}
    error = usual * found.std_error / (1.0 + found.estimate) ** 2
    return replace(found, diagnostics=facts, estimate=added, std_error=error, ci_low=low, ci_high=high)


def _added(lift: float) -> float:
    """Share of what was seen that a lift added."""
    return 1.0 - 1.0 / (1.0 + lift)


@remembered
def _difference(rows: pd.DataFrame, level: float) -> EffectEstimate:
    base = rows[rows["week"] < 0].groupby("unit")["outcome"].mean()
    table = rows.assign(base=rows["unit"].map(base))
    table = table[table["base"] > 0]
    panel = Panel.from_frame(
        table.assign(outcome=table["outcome"] / table["base"]),
        outcome="outcome",
        treatment="treated",
        unit="unit",
        period="week",
        weights="base",
    )
    found = estimate("did", panel, level=level)
    usual = float(base[rows.loc[rows["treated"] == 1, "unit"].unique()].mean())
    return replace(
        found,
        estimate=usual * found.estimate,
        std_error=usual * found.std_error,
        ci_low=usual * found.ci_low,
        ci_high=usual * found.ci_high,
    )


def _reversed(found: EffectEstimate) -> EffectEstimate:
    """The effect of advertising from that of switching it off."""
    return replace(found, estimate=-found.estimate, ci_low=-found.ci_high, ci_high=-found.ci_low)
