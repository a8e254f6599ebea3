"""Builds the causal-ready rows: per weekly window the units that start in it and those not yet treated.

Covariates lie strictly before the window; the outcome is the mean of days 0 to 27 after the start and of days
-28 to -1 before it. A control has not started by day 27 of the window, so its outcome holds no effect of its own.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd

from liftos_pipeline.schema import TREATMENT_TYPES
from liftos_pipeline.stages.designs import DESIGNS, EXPERIMENT, members_of, treatments_of_designs
from liftos_pipeline.stages.grid import Grid, to_grid
from liftos_pipeline.stages.roles import (
    AFTER_DAYS,
    BEFORE_DAYS,
    MACRO,
    ROLES,
    SECONDARY_OUTCOMES,
    WINDOW_DAYS,
    Roles,
)

WHERE_IT_EXISTS = ("quality_before", "frequency_before")
"""Covariates that not every platform, nor every unit, has."""
_NEVER = np.iinfo(np.int64).max // 2
_OTHER_HORIZON_DAYS = 56
_LAST_WEEK = 7
_WHEN = ("before", "after", "trend")


def _metrics(roles: Roles) -> tuple[str, ...]:
    wanted = (*roles.outcomes.values(), roles.exposure, roles.quality, roles.frequency)
    return tuple(dict.fromkeys(name for name in wanted if name is not None))


_KEYS = ("platform", "unit_type", "unit_id", "date_day", "vintage")
PANEL_COLUMNS = tuple(dict.fromkeys([*_KEYS, *MACRO.values(), *itertools.chain(*map(_metrics, ROLES.values()))]))
"""What the rows are made of."""


def causal_rows(
    panel: pd.DataFrame, treatments: pd.DataFrame, experiments: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Rows of ``causal.causal_marketing_data`` for every platform, treatment type and landmarked design.

    Parameters
    ----------
    panel : DataFrame
        ``marketing_panel`` as of one day.
    treatments : DataFrame
        ``causal.treatments`` as of the same day.
    experiments : DataFrame, optional
        ``mart.experiments_as_of``: their units are the controls of what they cover.
    """
    calendar = _calendar(panel)
    designed = treatments_of_designs(treatments)
    parts: list[pd.DataFrame] = []
    for platform, roles in ROLES.items():
        grid = to_grid(panel, platform, _metrics(roles))
        if len(grid.units) == 0:
            continue
        starts = _starts(grid, designed)
        members = frozenset(grid.units) if experiments is None else members_of(experiments, platform)
        pools = {design: np.full(len(grid.units), True) for design in DESIGNS}
        pools[EXPERIMENT] = np.isin(grid.units, list(members))
        for kind in TREATMENT_TYPES:
            parts.extend(_analysis(grid, starts, kind, design, pool, calendar) for design, pool in pools.items())
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()


def _calendar(panel: pd.DataFrame) -> pd.DataFrame:
    """Macro values and vintage per day; vintages of one day differ by account, the weakest is kept."""
    columns = [*MACRO.values()]
    by_day = panel.groupby("date_day")
    calendar = by_day[columns].first().rename(columns={source: name for name, source in MACRO.items()})
    rank = {"captured": 0, "as_restated": 1, "reconstructed": 2}
    weakest = panel["vintage"].map(rank).groupby(panel["date_day"]).max()
    calendar["vintage"] = weakest.map({code: name for name, code in rank.items()})
    calendar.index = pd.to_datetime(calendar.index)
    return calendar


@dataclass(frozen=True)
class _Starts:
    """Treatments of one type: per unit the day index of the first one, ``_NEVER`` without one, and its design; unit and
    day of all."""

    first: np.ndarray
    design: np.ndarray
    unit: np.ndarray
    day: np.ndarray


def _starts(grid: Grid, designed: pd.DataFrame) -> dict[str, _Starts]:
    """Treatments by type."""
    starts = {}
    mine = designed[designed["platform"] == grid.platform]
    for kind in TREATMENT_TYPES:
        known = mine[mine["treatment_type"] == kind]
        unit = pd.Index(grid.units).get_indexer(known["unit_id"])
        day = (pd.to_datetime(known["started_on"]).to_numpy(dtype="datetime64[D]") - grid.days[0]).astype(int)
        unit, day, design = unit[unit >= 0], day[unit >= 0], known["design"].to_numpy()[unit >= 0]
        first, designs = np.full(len(grid.units), _NEVER), np.full(len(grid.units), None, dtype=object)
        np.minimum.at(first, unit, day)
        designs[unit] = design
        starts[kind] = _Starts(first, designs, unit, day)
    return starts


def _analysis(
    grid: Grid, starts: dict[str, _Starts], kind: str, design: str, pool: np.ndarray, calendar: pd.DataFrame
) -> pd.DataFrame:
    """Rows of one design. ``pool``: units that may be controls."""
    roles = ROLES[grid.platform]
    last_start = len(grid.days) - AFTER_DAYS - roles.maturity_days
    first, is_designed = starts[kind].first, starts[kind].design == design
    parts = []
    for window in range(BEFORE_DAYS, last_start - WINDOW_DAYS + 2, WINDOW_DAYS):
        treated = is_designed & (first >= window) & (first < window + WINDOW_DAYS)
        control = pool & (first >= window + AFTER_DAYS)
        if treated.any() and control.any():
            parts.append(_window_rows(grid, starts, kind, window, treated, control))
    if not parts:
        return pd.DataFrame()
    rows = pd.concat(parts, ignore_index=True).assign(design=design)
    macro = calendar.reindex(pd.to_datetime(rows["window_start"]))
    for name in (*MACRO, "vintage"):
        rows[name] = macro[name].to_numpy()
    rows[[f"{name}_{when}" for name in SECONDARY_OUTCOMES if name not in roles.outcomes for when in _WHEN]] = (
        np.nan
    )
    secondary = [f"{name}_{when}" for name in SECONDARY_OUTCOMES for when in _WHEN]
    observed = rows.drop(columns=["started_on", *WHERE_IT_EXISTS, *MACRO, *secondary]).notna().all(axis=1)
    return rows[observed]


def _window_rows(
    grid: Grid,
    starts: dict[str, _Starts],
    kind: str,
    window: int,
    treated: np.ndarray,
    control: np.ndarray,
) -> pd.DataFrame:
    chosen = np.flatnonzero(treated | control)
    is_treated = treated[chosen]
    own_start = np.where(is_treated, starts[kind].first[chosen], window)
    rows: dict[str, object] = {
        "platform": grid.platform,
        "treatment_type": kind,
        "unit_id": grid.units[chosen],
        "window_start": grid.days[window],
        "started_on": np.where(is_treated, grid.days[own_start], np.datetime64("NaT")),
        "is_treated": is_treated.astype(int),
    }
    for name, column in ROLES[grid.platform].outcomes.items():
        before = grid.mean(column, chosen, own_start - BEFORE_DAYS, BEFORE_DAYS)
        after = grid.mean(column, chosen, own_start, AFTER_DAYS)
        rows[f"{name}_before"], rows[f"{name}_after"] = before, after
        rows[f"{name}_trend"] = before * _growth_of_others(before, after, is_treated)
    others = [found for name, found in starts.items() if name != kind]
    since, count = _other_treatments(others, len(grid.units), window)
    rows |= {"days_since_other": since[chosen], "other_active": count[chosen]}
    return pd.DataFrame({**rows, **_covariates(grid, chosen, window)})


def _growth_of_others(before: np.ndarray, after: np.ndarray, is_treated: np.ndarray) -> np.ndarray:
    """Relative growth of the not-yet-treated units, each unit left out of its own figure."""
    usable = ~is_treated & np.isfinite(before) & np.isfinite(after)
    own_before = np.where(usable, before, 0.0)
    own_after = np.where(usable, after, 0.0)
    base = own_before.sum() - own_before
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = (own_after.sum() - own_after) / base - 1.0
    return np.where(base > 0, growth, 0.0)


def _covariates(grid: Grid, chosen: np.ndarray, window: int) -> dict[str, object]:
    roles = ROLES[grid.platform]
    first = np.full(len(chosen), window - BEFORE_DAYS)
    recent = np.full(len(chosen), window - _LAST_WEEK)

    def momentum(column: str) -> np.ndarray:
        late = grid.mean(column, chosen, recent, _LAST_WEEK)
        early = grid.mean(column, chosen, first, BEFORE_DAYS - _LAST_WEEK)
        return _log_of_mean(late) - _log_of_mean(early)

    exposure = grid.mean(roles.exposure, chosen, first, BEFORE_DAYS)
    clicks = grid.mean(roles.clicks, chosen, first, BEFORE_DAYS)
    where_it_exists = dict(zip(WHERE_IT_EXISTS, (roles.quality, roles.frequency), strict=True))
    return {
        "log_spend_before": _log_of_mean(grid.mean(roles.volume, chosen, first, BEFORE_DAYS)),
        "spend_momentum": momentum(roles.volume),
        "count_momentum": momentum(roles.count),
        "click_rate_before": np.divide(clicks, exposure, out=0.0 * exposure, where=exposure > 0),
        **{name: _before(grid, column, chosen, window) for name, column in where_it_exists.items()},
    }


def _before(grid: Grid, column: str | None, chosen: np.ndarray, window: int) -> np.ndarray | float:
    """Mean of the known days -28 to -1; NaN on a platform without the column."""
    if column is None:
        return np.nan
    return _mean_of_known(grid.values[column][chosen, window - BEFORE_DAYS : window])


def _log_of_mean(mean: np.ndarray) -> np.ndarray:
    """log(1 + mean); a mean below zero, where refunds outweigh orders, counts as none."""
    return np.log1p(np.maximum(mean, 0.0))


def _mean_of_known(block: np.ndarray) -> np.ndarray:
    known = np.isfinite(block)
    n_known = known.sum(axis=1)
    total = np.where(known, block, 0.0).sum(axis=1)
    return np.divide(total, n_known, out=np.full(len(block), np.nan), where=n_known > 0)


def _other_treatments(others: list[_Starts], n_units: int, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Days since each unit's last treatment of another type, and how many it had before the window."""
    last = np.full(n_units, window - _OTHER_HORIZON_DAYS)
    count = np.zeros(n_units, dtype=int)
    for found in others:
        is_before = found.day < window
        np.maximum.at(last, found.unit[is_before], found.day[is_before])
        np.add.at(count, found.unit[is_before], 1)
    return (window - last).astype(float), count
