"""Placebo treatments on a user's own panel: untreated rows, treated on paper at other dates and in other units.

Draws them and makes the panels. What methods say on them is asked elsewhere.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.index import NEVER
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.specification import one_of
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

Placement = Literal["adoption", "rows"]
PLACEMENTS = ("adoption", "rows")
MIN_PRE_PERIODS = 2
MIN_CONTROLS = 2
POST_SHARE, PRE_SHARE = 1 / 7, 1 / 2
"""Of the panel's periods: at most so many stand after and before a placebo date, which leaves room for many dates."""


@dataclass(frozen=True, eq=False)
class Replay:
    """One placebo treatment.

    Attributes
    ----------
    units, starts : ndarray, shape (k,)
        Codes of the units treated on paper, and of the first treated period of each.
    first, end : int
        Periods of the window, the second exclusive.
    """

    units: Integers
    starts: Integers
    first: int
    end: int

    @property
    def start(self) -> int:
        """First treated period."""
        return int(self.starts.min())


@dataclass(frozen=True, eq=False)
class Replays:
    """Placebo treatments of one panel.

    Attributes
    ----------
    panel : Panel
        Whose untreated rows they are made of.
    placement : {"adoption", "rows"}
        ``adoption``: units stay treated to the end of a window of fixed length. ``rows``: a unit's row is treated and
        its later rows are left out, as in landmarked tables; all periods are used.
    draws : tuple of Replay
    n_pre, n_post : int
        Periods before and from the first start on; 0 for ``rows``.
    """

    panel: Panel
    placement: Placement
    draws: tuple[Replay, ...]
    n_pre: int
    n_post: int

    def placebo(self, number: int) -> Panel:
        """Panel of one replay, without any effect."""
        replay, panel = self.draws[number], self.panel
        when = _periods(panel)
        starts = np.full(panel.n_units, NEVER)
        starts[replay.units] = replay.starts
        start, free = starts[panel.unit], panel.index.first_treated[panel.unit]
        if self.placement == "adoption":
            keep = (when >= replay.first) & (when < replay.end) & (free >= replay.end)
        else:
            keep = (panel.d == 0) & (when <= start)
        treated = (when >= start)[keep]
        return panel_of_rows(panel, keep, treated.astype(np.float64), panel.y[keep])


def with_effect(panel: Panel, effect: float, is_relative: bool = False) -> Panel:
    """The panel with an effect added to (or, relative, multiplied into) its treated outcomes."""
    if effect == 0.0:
        return panel
    y = np.where(panel.d == 1, panel.y * (1.0 + effect) if is_relative else panel.y + effect, panel.y)
    return dataclasses.replace(panel, y=y)


def panel_of_rows(panel: Panel, keep: Bools, d: Floats, y: Floats) -> Panel:
    """Some rows of a panel under another treatment; codes, weights and constant covariates are made anew.

    Parameters
    ----------
    keep : ndarray, shape (n,)
    d, y : ndarray, shape (n_kept,)
    """
    unit, units = _recoded(panel.unit[keep], panel.n_units)
    cluster, clusters = _recoded(panel.cluster[keep], len(panel.cluster_labels))
    X = panel.X[keep]
    varies = np.ptp(X, axis=0) > 0 if len(X) else np.ones(X.shape[1], dtype=bool)
    weights = None if panel.weights is None else panel.weights[keep] / panel.weights[keep].mean()
    period, labels = None, None
    if panel.period is not None and panel.period_labels is not None:
        period, times = _recoded(panel.period[keep], len(panel.period_labels))
        labels = panel.period_labels[times]
    return dataclasses.replace(
        panel,
        y=y,
        d=d,
        X=np.ascontiguousarray(X[:, varies]),
        Z=panel.Z[keep],
        unit=unit,
        unit_labels=panel.unit_labels[units],
        period=period,
        period_labels=labels,
        cluster=cluster,
        cluster_labels=panel.cluster_labels[clusters],
        weights=weights,
        propensity=None if panel.propensity is None else panel.propensity[keep],
        covariate_names=tuple(n for n, v in zip(panel.covariate_names, varies, strict=True) if v),
        row_order=np.argsort(np.argsort(panel.row_order[keep])),
    )


def _recoded(codes: Integers, n_codes: int) -> tuple[Integers, Integers]:
    """Codes from 0 without gaps, and which of the old ones they stand for."""
    used = np.bincount(codes, minlength=n_codes) > 0
    recoded: Integers = (np.cumsum(used) - 1)[codes]
    return recoded, np.flatnonzero(used)


def _periods(panel: Panel) -> Integers:
    return np.zeros(panel.n_rows, dtype=np.int64) if panel.period is None else panel.period


def draw_replays(
    panel: Panel,
    n_replays: int,
    seed: int,
    *,
    placement: Placement = "adoption",
    n_treated: int | None = None,
    n_pre: int | None = None,
    n_post: int | None = None,
) -> Replays:
    """Placebo treatments of a panel, drawn at random.

    ``adoption`` moves the panel's own pattern of starts, cut to the window, to other dates and to units that nobody
    treated within the window. ``rows`` draws, in each period, the panel's share of treated among its untreated rows,
    with the odds of the panel's propensity scores where it has them.

    Parameters
    ----------
    panel : Panel
    n_treated : int, optional
        Units treated on paper; as many as in the panel, at most half of those at hand.
    n_pre, n_post : int, optional
        Periods before and from the start on; those of the panel, at most half and a seventh of its periods.

    Raises
    ------
    LiftosError
        A treatment that is not 0/1 or switches off, too few untreated units or periods for any placebo.

    References
    ----------
    Abadie, Diamond and Hainmueller (2015), AJPS 59(2): placebos in space and time. Bertrand, Duflo and Mullainathan
    (2004), QJE 119(1), section III: rejection rates under placebo laws.
    """
    one_of("placement", placement, PLACEMENTS)
    if n_replays < 1:
        raise LiftosError("at least 1 replay", str(n_replays), "500 are usual.")
    for name, value in (("n_treated", n_treated), ("n_pre", n_pre), ("n_post", n_post)):
        if value is not None and value < 1:
            raise LiftosError(f"{name} of at least 1", str(value), "Leave it out for that of the panel.")
    panel = panel.held()
    if not (panel.is_binary and panel.index.is_absorbing):
        raise LiftosError(
            "a 0/1 treatment that stays on once it is on",
            "one that is switched off, or a dose",
            "Keep the rows up to the first switch.",
        )
    rng = np.random.default_rng(seed)
    if placement == "rows" or panel.period is None:
        return Replays(panel, "rows", tuple(_row_draws(panel, n_replays, rng, n_treated)), 0, 0)
    pattern = _Pattern.of(panel, n_treated, n_pre, n_post)
    return Replays(panel, "adoption", tuple(pattern.draws(panel, n_replays, rng)), pattern.n_pre, pattern.n_post)


@dataclass(frozen=True, eq=False)
class _Pattern:
    """What is moved about: starts after the first one, shape (k,), in a window of ``n_pre`` + ``n_post`` periods."""

    offsets: Integers
    n_pre: int
    n_post: int

    @classmethod
    def of(cls, panel: Panel, n_treated: int | None, n_pre: int | None, n_post: int | None) -> _Pattern:
        index = panel.index
        starts = np.sort(index.first_treated[index.first_treated != NEVER])
        n_periods, start = index.n_periods, int(starts[0])
        n_post = n_post or max(1, min(n_periods - start, round(POST_SHARE * n_periods)))
        n_pre = n_pre or max(MIN_PRE_PERIODS, min(start, round(PRE_SHARE * n_periods)))
        if n_pre + n_post > n_periods:
            raise LiftosError(
                f"a window of at most {n_periods} periods", f"{n_pre} before and {n_post} after", "Shorten it."
            )
        offsets = np.minimum(starts - start, n_post - 1)
        if n_treated is not None:
            offsets = np.sort(np.resize(offsets, n_treated))
        return cls(offsets, n_pre, n_post)

    def draws(self, panel: Panel, n_replays: int, rng: np.random.Generator) -> list[Replay]:
        """Each takes a date at random, and units at random among those untreated and observed throughout its window."""
        seen = np.zeros((panel.n_units, panel.index.n_periods + 1), dtype=np.int64)
        seen[panel.unit, _periods(panel) + 1] = 1
        seen = np.cumsum(seen, axis=1)
        free = panel.index.first_treated
        length = self.n_pre + self.n_post
        pools: dict[int, Integers] = {}
        for first in range(panel.index.n_periods - length + 1):
            end = first + length
            pool = np.flatnonzero((free >= end) & (seen[:, end] - seen[:, first] == length))
            if len(pool) > MIN_CONTROLS:
                pools[first] = pool
        if not pools:
            raise LiftosError(
                f"at least {MIN_CONTROLS + 1} units that are observed and untreated in {length} successive periods",
                "fewer at every date",
                "Add untreated units, or shorten the window.",
            )
        firsts, found = list(pools), []
        for _ in range(n_replays):
            first = firsts[rng.integers(len(firsts))]
            pool = pools[first]
            k = max(1, min(len(self.offsets), len(pool) // 2))
            units = rng.choice(pool, k, replace=False)
            offsets = self.offsets[rng.choice(len(self.offsets), k, replace=False)]
            starts = first + self.n_pre + offsets - offsets.min()
            found.append(Replay(units, starts, first, first + length))
        return found


def _row_draws(panel: Panel, n_replays: int, rng: np.random.Generator, n_treated: int | None) -> list[Replay]:
    when = _periods(panel)
    is_control = panel.d == 0
    n_periods = int(when.max()) + 1
    controls = np.bincount(when[is_control], minlength=n_periods)
    share = 1.0 - controls / np.maximum(np.bincount(when, minlength=n_periods), 1)
    wanted = share * controls
    if n_treated is not None:
        wanted = wanted * (n_treated / wanted.sum())
    rows = [np.flatnonzero(is_control & (when == period)) for period in range(n_periods)]
    odds = np.ones(panel.n_rows) if panel.propensity is None else panel.propensity / (1.0 - panel.propensity)
    possible = wanted * np.array([len(part) > MIN_CONTROLS for part in rows])
    if possible.sum() == 0:
        raise LiftosError(
            f"more than {MIN_CONTROLS} untreated rows in a period with treated ones", "fewer", "Add controls."
        )
    found = []
    for _ in range(n_replays):
        starts = np.full(panel.n_units, NEVER)
        counts = np.floor(wanted + rng.random(n_periods)).astype(np.int64) * (possible > 0)
        counts[rng.choice(n_periods, p=possible / possible.sum())] += counts.sum() == 0
        for period in rng.permutation(np.flatnonzero(counts)):
            open_rows = rows[period][starts[panel.unit[rows[period]]] == NEVER]
            k = min(int(counts[period]), len(open_rows) - MIN_CONTROLS)
            if k > 0:
                chance = odds[open_rows] / odds[open_rows].sum()
                starts[panel.unit[rng.choice(open_rows, k, replace=False, p=chance)]] = period
        units = np.flatnonzero(starts != NEVER)
        found.append(Replay(units, starts[units], 0, n_periods))
    return found
