"""The panel by weeks: methods that follow units over time, their effects and paths.

Weeks begin on Monday and are used once none of their days is pulled again: an answer moves once a week. A unit is treated
from the first whole week after its start, for four of them; the week in which it starts is one of anticipation, and
compared with the week before that. Units that their account's date treats together are one cluster. Outcomes are divided by
the unit's own level and weighted by it, so that trends are parallel in proportion: what the calendar does to a unit grows
with its size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from liftos_pipeline.causal import Panel, estimate
from liftos_pipeline.causal.estimators.path_sensitivity import WINDOW
from liftos_pipeline.causal.results import REFUSED, EffectEstimate
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.stages.designs import DESIGNS, KEY, STAGGERED, PanelEffect, treatments_of_designs
from liftos_pipeline.stages.grid import Grid, to_grid
from liftos_pipeline.stages.memory import remembered
from liftos_pipeline.stages.roles import PRIMARY_OUTCOMES, ROLES

WEEK = 7
BASE_WEEKS = 4
"""First weeks of the panel: the level of a unit is its mean over them, and nobody who starts in them is analysed."""
AFTER_WEEKS = 4
LEADS = WINDOW + 2
"""Weeks before the treatment that are compared: as many as sensitivity to trends looks at, the base and anticipation."""
MIN_TREATED = 20
"""Treated units below which the effect of ``staggered_did`` is refused; its path is drawn."""
_THURSDAY = 3
"""Days from a Monday to 1970-01-01, day 0."""
_LIMITS = ("estimate", "std_error", "ci_low", "ci_high", "band_low", "band_high")
_OUTCOMES = (*PRIMARY_OUTCOMES, "volume")
PANEL_COLUMNS = (
    *("platform", "unit_type", "unit_id", "date_day"),
    *dict.fromkeys(roles.outcomes[name] for roles in ROLES.values() for name in _OUTCOMES),
)
"""What is read of the panel."""


def weekly_effects(
    panel: pd.DataFrame, treatments: pd.DataFrame, level: float, seed: int
) -> Iterator[PanelEffect]:
    """Effects per treated unit-day over the four whole weeks after the start, in outcome units.

    Parameters
    ----------
    panel : DataFrame
        ``PANEL_COLUMNS`` of ``marketing_panel`` as of one day.
    treatments : DataFrame
        ``causal.treatments`` as of the same day.
    """
    designed = treatments_of_designs(treatments)
    for platform in sorted(set(designed["platform"])):
        grid = to_grid(panel, platform, tuple(ROLES[platform].outcomes[name] for name in _OUTCOMES))
        mine = designed[designed["platform"] == platform]
        for (_, kind), starts in mine.groupby(KEY, sort=True):
            others = mine[mine["treatment_type"] != kind]
            for design in sorted(set(starts["design"])):
                for outcome in _outcomes(design):
                    column = ROLES[platform].outcomes[outcome]
                    for method in DESIGNS[design].weekly:
                        found = _found(grid, starts, others, design, column, method, level, seed)
                        yield PanelEffect(platform, str(kind), design, outcome, method, found)


def _outcomes(design: str) -> tuple[str, ...]:
    """Sales; where decisions rest on a weekly method, also what the treatment adds to spend."""
    return _OUTCOMES if DESIGNS[design].primary in DESIGNS[design].weekly else PRIMARY_OUTCOMES


def _found(
    grid: Grid,
    starts: pd.DataFrame,
    others: pd.DataFrame,
    design: str,
    column: str,
    method: str,
    level: float,
    seed: int,
) -> EffectEstimate | str:
    try:
        weeks = by_week(grid, starts, others, design, column)
        return _estimated(weeks, method, design, level, seed)
    except LiftosError as error:
        return str(error)


def by_week(grid: Grid, starts: pd.DataFrame, others: pd.DataFrame, design: str, column: str) -> pd.DataFrame:
    """unit, spell, week, treated (0/1), outcome (mean per day), base (mean per day over the first four weeks).

    Rows of a unit end when something of the same type that another design analyses starts, and four whole weeks after its
    own start. The week in which something of another type starts is left out and begins a new spell of the unit: weeks are
    compared within spells alone, so that no effect holds that of another change, and changes that start together hold none.

    Parameters
    ----------
    starts, others : DataFrame
        unit_id, started_on, design: treatments of the analysed type, and of all other types.

    Raises
    ------
    LiftosError
        Nobody is treated with four weeks before and after.
    """
    first_day, n_weeks = whole_weeks(grid)
    if n_weeks <= BASE_WEEKS + AFTER_WEEKS:
        raise LiftosError(
            f"more than {BASE_WEEKS + AFTER_WEEKS} final weeks", str(n_weeks), "Wait, or look back on more days."
        )
    values = grid.values[column][:, first_day : first_day + n_weeks * WEEK].reshape(-1, n_weeks, WEEK).mean(axis=2)
    begins = grid.days[first_day]
    own = starts.groupby("unit_id").agg(first=("started_on", "min"), design=("design", "first"))
    own = own.reindex(grid.units)
    days = (pd.to_datetime(own["first"]) - pd.Timestamp(begins)).dt.days.to_numpy(dtype=float)
    is_mine = (own["design"] == design).to_numpy()
    whole = np.ceil(days / WEEK)
    week = np.arange(n_weeks)
    with np.errstate(invalid="ignore"):
        is_before = ~(week[None, :] >= whole[:, None])
        is_after = (week >= whole[:, None]) & (week < whole[:, None] + AFTER_WEEKS) & is_mine[:, None]
        usable = ~(days < BASE_WEEKS * WEEK)
    changed = _weeks_of(grid, others, begins, n_weeks)
    spell = np.cumsum(changed, axis=1)
    base = values[:, :BASE_WEEKS].mean(axis=1)
    usable &= np.isfinite(base) & (base > 0)
    unit, place = np.nonzero((is_before | is_after) & usable[:, None] & np.isfinite(values) & ~changed)
    table = pd.DataFrame(
        {
            "unit": grid.units[unit],
            "spell": [
                f"{name} {number}" for name, number in zip(grid.units[unit], spell[unit, place], strict=True)
            ],
            "week": place,
            "treated": is_after[unit, place].astype(int),
            "outcome": values[unit, place],
            "base": base[unit],
        }
    )
    if not table["treated"].any():
        raise LiftosError(
            "treated units with four whole final weeks before and after their start",
            f"none of {int(is_mine.sum())}",
            "Wait, or look back on more days.",
        )
    return table


def _weeks_of(grid: Grid, others: pd.DataFrame, begins: np.datetime64, n_weeks: int) -> np.ndarray:
    """Whether something of another type starts, shape (n_units, n_weeks)."""
    found = np.zeros((len(grid.units), n_weeks), dtype=bool)
    unit = pd.Index(grid.units).get_indexer(others["unit_id"])
    week = (pd.to_datetime(others["started_on"]) - pd.Timestamp(begins)).dt.days.to_numpy() // WEEK
    inside = (unit >= 0) & (week >= 0) & (week < n_weeks)
    found[unit[inside], week[inside]] = True
    return found


def whole_weeks(grid: Grid) -> tuple[int, int]:
    """Index of the first Monday, and how many whole weeks from it on are final."""
    if len(grid.days) == 0:
        return 0, 0
    first_day = -(grid.days[0].astype(int) + _THURSDAY) % WEEK
    n_days = len(grid.days) - ROLES[grid.platform].restated_days - first_day
    return first_day, max(n_days // WEEK, 0)


@remembered
def _estimated(weeks: pd.DataFrame, method: str, design: str, level: float, seed: int) -> EffectEstimate:
    if method == "synthetic_control":
        balanced = _balanced(weeks)
        panel = Panel.from_frame(balanced, outcome="outcome", treatment="treated", unit="unit", period="week")
        return estimate(method, panel, level=level, seed=seed)
    together = weeks["unit"].str.rsplit(":", n=1).str[0] if design == STAGGERED else weeks["unit"]
    table = weeks.assign(outcome=weeks["outcome"] / weeks["base"], together=together)
    panel = Panel.from_frame(
        table,
        outcome="outcome",
        treatment="treated",
        unit="spell",
        period="week",
        weights="base",
        cluster="together",
    )
    found = estimate(
        method,
        panel,
        level=level,
        seed=seed,
        control_group="not_yet_treated",
        anticipation=1,
        aggregation="dynamic",
        leads=LEADS,
    )
    treated = weeks.groupby("unit").agg(treated=("treated", "max"), base=("base", "first"))
    told = _times(found, float(treated.loc[treated["treated"] == 1, "base"].mean()))
    n_treated = int(treated["treated"].sum())
    if n_treated >= MIN_TREATED or told.refused is not None:
        return told
    few = f"{n_treated} treated units; the standard error by weeks takes {MIN_TREATED}"
    return replace(
        told, diagnostics={**told.diagnostics, REFUSED: few}, warnings=(*told.warnings, f"refused: {few}")
    )


def _balanced(weeks: pd.DataFrame) -> pd.DataFrame:
    """Weeks that the treated unit has, and the units that have them all."""
    kept = weeks[
        weeks["week"].isin(weeks.loc[weeks["treated"].groupby(weeks["unit"]).transform("max") == 1, "week"])
    ]
    n_weeks = kept["week"].nunique()
    return kept[kept.groupby("unit")["week"].transform("size") == n_weeks]


def _times(found: EffectEstimate, factor: float) -> EffectEstimate:
    """The effect and its path in units of the outcome."""
    path = found.path
    if path is not None:
        path = path.assign(**{name: factor * path[name] for name in _LIMITS if name in path})
    numbers = {name: factor * getattr(found, name) for name in ("estimate", "std_error", "ci_low", "ci_high")}
    return replace(found, path=path, **numbers)
