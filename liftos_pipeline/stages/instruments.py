"""Declared instruments: a rule with a cutoff, or a lot that was not always followed. Who was to change, who did, and what
it brought.

Units that had not changed before the day of the rule are compared over the 28 days from it on, whether they followed or not;
the treatment is the share of these days on which the change was in force, so that an effect is one per treated unit-day. A
rule whose side got other changes too in these days, or in those before, cannot tell them apart and is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from liftos_pipeline.causal import Panel, estimate
from liftos_pipeline.causal.inference.weak_instruments import RULE_OF_THUMB
from liftos_pipeline.causal.results import EffectEstimate
from liftos_pipeline.causal.treatments.assignment import NOT_ASSIGNED, Assignment, of_cutoff
from liftos_pipeline.causal.treatments.cutoff import MIN_SIDE, cutoff_design
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.settings import CutoffRule, InstrumentRule
from liftos_pipeline.stages.designs import (
    CUTOFF,
    INSTRUMENT,
    INSTRUMENTED,
    KEY,
    PanelEffect,
    treatments_of_designs,
)
from liftos_pipeline.stages.grid import Grid, to_grid
from liftos_pipeline.stages.memory import remembered
from liftos_pipeline.stages.roles import AFTER_DAYS, BEFORE_DAYS, PRIMARY_OUTCOMES, ROLES, Roles

Rules = Sequence[CutoffRule | InstrumentRule]
_OUTCOMES = (*PRIMARY_OUTCOMES, "volume")
_NEVER = np.iinfo(np.int64).max // 2
_ONE_COUNT = 1.0 / AFTER_DAYS
_OTHER_LEVEL = 1.645
"""Standard errors beyond which other changes follow an assignment."""
_OTHER_SHARE = 0.02
"""Share of the days up to which other changes that follow it are borne."""


def running_columns(roles: Roles) -> tuple[str, ...]:
    """Columns of the panel that a rule may look at."""
    names = (*roles.outcomes.values(), roles.exposure, roles.quality, roles.frequency)
    return tuple(dict.fromkeys(name for name in names if name is not None))


PANEL_COLUMNS = tuple(
    dict.fromkeys(
        [
            *("platform", "unit_type", "unit_id", "date_day"),
            *(n for r in ROLES.values() for n in running_columns(r)),
        ]
    )
)
"""What is read of the panel."""


def declared_instruments(starts: pd.DataFrame, rules: Rules, panel: pd.DataFrame) -> dict[int, Assignment]:
    """Assignment of the treatments that a rule covers, by position.

    Covered is what was logged for a unit of the rule in the 28 days from its day on. A cutoff is tested over all rules of
    the platform and type: where adoption does not jump at it, or units crowd on one side, what it covers is observational;
    with too few units for the test it covers nothing.

    Parameters
    ----------
    starts : DataFrame
        unit, kind, day: logged treatments.
    panel : DataFrame
        ``PANEL_COLUMNS`` of ``marketing_panel``.

    Raises
    ------
    LiftosError
        A rule looks at a column that its platform does not have.
    """
    named = starts.rename(columns={"unit": "unit_id", "day": "started_on"})
    named = named.assign(platform=named["unit_id"].str.split(":").str[0])
    found: dict[int, Assignment] = {}
    for (platform, kind, design), mine in _by_analysis(rules):
        grid = to_grid(panel, platform, running_columns(ROLES[platform]))
        ours = (named["platform"] == platform) & (named["kind"] == kind)
        at_risk = _at_risk(grid, mine, named[ours])
        assignment = _tested(at_risk, mine, design)
        if assignment is None:
            continue
        units = at_risk.groupby("on")["unit"].agg(set)
        for on, members in units.items():
            inside = ours & named["unit_id"].isin(members)
            inside &= named["started_on"].between(on, on + pd.Timedelta(days=AFTER_DAYS - 1))
            found |= {int(place): assignment for place in np.flatnonzero(inside) if int(place) not in found}
    return found


def instrumented_effects(
    panel: pd.DataFrame, treatments: pd.DataFrame, rules: Rules, level: float, seed: int
) -> Iterator[PanelEffect]:
    """Effects per treated unit-day of the treatments that declared instruments cover.

    Parameters
    ----------
    panel : DataFrame
        ``PANEL_COLUMNS`` of ``marketing_panel`` as of one day.
    treatments : DataFrame
        ``causal.treatments`` as of the same day.
    """
    for (platform, kind, design), asked in _analyses(panel, treatments, rules):
        for outcome in _OUTCOMES:
            found: EffectEstimate | str
            try:
                found = _estimated(asked.with_outcome(ROLES[platform].outcomes[outcome]), design, level, seed)
            except LiftosError as error:
                found = str(error)
            yield PanelEffect(platform, kind, design, outcome, "iv", found)


def instrumented_placebos(
    panel: pd.DataFrame, treatments: pd.DataFrame, rules: Rules, shift_days: int, level: float, seed: int
) -> Iterator[tuple[PanelEffect, int]]:
    """The same on the logarithm of the count so many days earlier, when nobody had been assigned; with treated units."""
    for (platform, kind, design), asked in _analyses(panel, treatments, rules):
        found: EffectEstimate | str
        try:
            rows = asked.with_outcome(ROLES[platform].count, shift_days, is_log=True)
            found = _estimated(rows, design, level, seed)
            strength = float(str(found.diagnostics["effective_f"]))
            if not strength >= RULE_OF_THUMB:
                found = f"so early the instrument is weak in {len(rows)} rows: effective F {strength:.1f}"
        except LiftosError as error:
            found = str(error)
        yield PanelEffect(platform, kind, design, "count", "iv", found), asked.n_treated


@dataclass(frozen=True, eq=False)
class _AtRisk:
    """One analysis: its units that had not started before the day of their rule; see ``_at_risk``."""

    grid: Grid
    table: pd.DataFrame
    others: np.ndarray
    """Day index of the first treatment of every other type, shape (n_types, n_units), ``_NEVER`` without one."""

    @property
    def n_treated(self) -> int:
        return int(self.table.loc[self.table["exposure"] > 0, "unit"].nunique())

    def with_outcome(self, column: str, shift_days: int = 0, is_log: bool = False) -> pd.DataFrame:
        """Rows whose days before and after are known and final, with the change of the outcome and its level before."""
        grid, place = self.grid, self.table["place"].to_numpy()
        day = self.table["day"].to_numpy() - shift_days
        usable = day >= BEFORE_DAYS
        usable &= day + AFTER_DAYS + ROLES[grid.platform].maturity_days <= len(grid.days)
        rows, day, place = self.table[usable], day[usable], place[usable]
        before = grid.mean(column, place, day - BEFORE_DAYS, BEFORE_DAYS)
        after = grid.mean(column, place, day, AFTER_DAYS)
        if is_log:
            before, after = (np.log(np.maximum(mean, 0.0) + _ONE_COUNT) for mean in (before, after))
        other = (
            _share_of_days(self.others[:, place], day) - _share_of_days(self.others[:, place], day - BEFORE_DAYS)
        ).sum(0)
        rows = rows.assign(outcome=after - before, before=before, other=other)
        rows = rows[np.isfinite(rows["outcome"])]
        rows, n_left_out = _without_bundles(rows)
        if n_left_out and len(rows) == 0:
            raise LiftosError(
                "a rule whose units got no other change in the same days",
                f"{n_left_out} rules, none without: effects of changes that come together cannot be told apart",
                "Declare rules that gave one change at a time.",
            )
        middle = rows["assigned"].mean()
        n_sides = [int(side.sum()) for side in (rows["assigned"] > middle, rows["assigned"] < middle)]
        if min(n_sides) < MIN_SIDE or not rows["exposure"].gt(0).any():
            raise LiftosError(
                f"{MIN_SIDE} units on each side of the assignment, some of them treated, with {BEFORE_DAYS} days before the "
                f"day of their rule and {AFTER_DAYS} final ones after it",
                f"{n_sides[0]} and {n_sides[1]} units with such days, {int(rows['exposure'].gt(0).sum())} of them treated",
                "Wait, look back on more days, or correct the rule.",
            )
        return rows


def _by_analysis(rules: Rules) -> Iterator[tuple[tuple[str, str, str], list[CutoffRule | InstrumentRule]]]:
    keyed = {(rule.platform, rule.treatment_type, _design_of(rule)): None for rule in rules}
    for key in sorted(keyed):
        yield key, [rule for rule in rules if (rule.platform, rule.treatment_type, _design_of(rule)) == key]


def _design_of(rule: CutoffRule | InstrumentRule) -> str:
    return CUTOFF if isinstance(rule, CutoffRule) else INSTRUMENT


def _analyses(
    panel: pd.DataFrame, treatments: pd.DataFrame, rules: Rules
) -> Iterator[tuple[tuple[str, str, str], _AtRisk]]:
    """Every analysis with an instrument that some treatment belongs to."""
    designed = treatments_of_designs(treatments)
    asked = dict(_by_analysis(rules))
    mine = designed[designed["design"].isin(INSTRUMENTED)]
    for platform, kind, design in sorted(set(mine[[*KEY, "design"]].itertuples(index=False, name=None))):
        grid = to_grid(panel, platform, running_columns(ROLES[platform]))
        own = designed[(designed["platform"] == platform) & (designed["treatment_type"] == kind)]
        beside = designed[(designed["platform"] == platform) & (designed["treatment_type"] != kind)]
        others = [_first_starts(grid, part) for _, part in beside.groupby("treatment_type")]
        at_risk = _at_risk(grid, asked.get((platform, kind, design), []), own)
        yield (platform, kind, design), _AtRisk(grid, at_risk, np.array(others).reshape(-1, len(grid.units)))


def _at_risk(grid: Grid, rules: Iterable[CutoffRule | InstrumentRule], starts: pd.DataFrame) -> pd.DataFrame:
    """unit, place (in the grid), on, day (index of it), assigned, distance (NaN without a cutoff), exposure (0 to 1): units of
    the rules that had not started before.

    Parameters
    ----------
    starts : DataFrame
        unit_id, started_on: treatments of the platform and type.
    """
    first = _first_starts(grid, starts)
    numbers = ("place", "day", "assigned", "distance", "exposure")
    parts = [pd.DataFrame({"unit": [], "on": [], **{name: [] for name in numbers}})]
    for rule in rules:
        day = int((np.datetime64(rule.on, "D") - grid.days[0]).astype(int)) if len(grid.days) else -1
        members, assigned, distance = _assigned(rule, grid, day)
        members &= first >= day
        exposure = _share_of_days(first, np.array(day))
        columns = (np.arange(len(grid.units)), np.full(len(grid.units), day), assigned, distance, exposure)
        table = pd.DataFrame(
            {"unit": grid.units, "on": pd.Timestamp(rule.on), **dict(zip(numbers, columns, strict=True))}
        )
        parts.append(table[members])
    filled = [part for part in parts if len(part)] or parts[:1]
    return pd.concat(filled, ignore_index=True).astype({"place": int, "day": int})


def _first_starts(grid: Grid, starts: pd.DataFrame) -> np.ndarray:
    """Day index of each unit's first start, ``_NEVER`` without one."""
    first = np.full(len(grid.units), _NEVER)
    place = pd.Index(grid.units).get_indexer(starts["unit_id"])
    started = pd.to_datetime(starts["started_on"]).to_numpy(dtype="datetime64[D]")
    if len(grid.days):
        np.minimum.at(first, place[place >= 0], (started - grid.days[0]).astype(int)[place >= 0])
    return first


def _assigned(
    rule: CutoffRule | InstrumentRule, grid: Grid, day: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which units the rule is about, what it assigned to each, and how far each was from the cutoff."""
    if isinstance(rule, InstrumentRule):
        values = pd.Series(rule.values).reindex(grid.units).to_numpy(dtype=float)
        return np.isfinite(values), values, np.full(len(values), np.nan)
    known = running_columns(ROLES[rule.platform])
    if rule.column not in known:
        raise LiftosError(
            f"a column of {rule.platform} in LIFTOS_CUTOFFS: {', '.join(known)}",
            repr(rule.column),
            "Name the column that the rule looked at.",
        )
    if not grid.values or not 0 < day <= len(grid.days):
        nothing = np.full(len(grid.units), np.nan)
        return np.zeros(len(grid.units), dtype=bool), nothing, nothing
    distance = _last_known(grid.values[rule.column][:, max(day - BEFORE_DAYS, 0) : day]) - rule.cutoff
    with np.errstate(invalid="ignore"):
        members = np.abs(distance) <= rule.window
    if rule.accounts:
        members &= np.isin(pd.Series(grid.units).str.split(":").str[1].to_numpy(), rule.accounts)
    if rule.units:
        members &= np.isin(grid.units, rule.units)
    return members, (distance >= 0).astype(float), distance


def _share_of_days(first: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Share of the 28 days from ``day`` on that lie behind each start, same shape as ``first``."""
    share: np.ndarray = np.clip((day + AFTER_DAYS - np.maximum(first, day)) / AFTER_DAYS, 0.0, 1.0)
    return share


def _without_bundles(rows: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Rows of the rules whose assignment other changes do not follow, and how many rules they do follow.

    ``other`` is by how much the share of days under other changes grew from the days before to those after; followed is an
    assignment from whose lowest to whose highest value it moves by more than chance and ``_OTHER_SHARE``.
    """
    kept, n_left_out = [], 0
    for _, part in rows.groupby("on", sort=True):
        z = part["assigned"].to_numpy(dtype=float)
        apart, other = z - z.mean(), part["other"].to_numpy(dtype=float)
        spread = float(apart @ apart)
        slope = float(apart @ other) / spread if spread > 0.0 else 0.0
        left = other - other.mean() - slope * apart
        error = math.sqrt(float((apart * left) @ (apart * left))) / spread if spread > 0.0 else 0.0
        moved = abs(slope) * float(np.ptp(z))
        if moved > _OTHER_SHARE and abs(slope) > _OTHER_LEVEL * error:
            n_left_out += 1
        else:
            kept.append(part)
    return (pd.concat(kept, ignore_index=True) if kept else rows.iloc[:0]), n_left_out


def _last_known(block: np.ndarray) -> np.ndarray:
    known = np.isfinite(block)
    newest = block.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
    return np.where(known.any(axis=1), block[np.arange(len(block)), newest], np.nan)


def _tested(at_risk: pd.DataFrame, rules: Sequence[CutoffRule | InstrumentRule], design: str) -> Assignment | None:
    if design == INSTRUMENT:
        followed = at_risk["exposure"].gt(0).groupby(at_risk["assigned"]).mean()
        told = ", ".join(f"{share:.0%} of units at {value:g}" for value, share in followed.items())
        return Assignment(
            "quasi_experimental", None, NOT_ASSIGNED, f"declared instrument: started {told or 'none'}"
        )
    window = max(rule.window for rule in rules if isinstance(rule, CutoffRule))
    try:
        return of_cutoff(
            cutoff_design(
                at_risk["distance"].to_numpy(dtype=float), at_risk["exposure"].to_numpy() > 0, 0.0, window
            )
        )
    except LiftosError:
        return None


@remembered
def _estimated(rows: pd.DataFrame, design: str, level: float, seed: int) -> EffectEstimate:
    names = ["before"]
    options: dict[str, object] = {}
    if design == CUTOFF:
        names.append("distance")
        reach = float(rows["distance"].abs().max())
        options = {"window": (-reach, reach), "running": "distance"}
    days = {f"on_{on:%Y-%m-%d}": (rows["on"] == on).astype(float) for on in sorted(set(rows["on"]))[1:]}
    table = rows[["unit", "on", "outcome", "exposure", "assigned", *names]].assign(**days)
    panel = Panel.from_frame(
        table,
        outcome="outcome",
        treatment="exposure",
        unit="unit",
        period="on",
        covariates=[*names, *days],
        instruments=["assigned"],
    )
    return estimate("iv", panel, level=level, seed=seed, **options)
