"""Placebo treatments of a planned design: so many units or clusters, treated on paper on one date, in windows of fixed
length where nobody was treated. Draws them; what methods say on them is asked elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.diagnostics.replays import (
    MIN_CONTROLS,
    MIN_PRE_PERIODS,
    POST_SHARE,
    PRE_SHARE,
    Replay,
    Replays,
)
from liftos_pipeline.causal.index import NEVER, Index
from liftos_pipeline.causal.inference.long_difference import usable_windows
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

Assignment = Literal["unit", "cluster"]


@dataclass(frozen=True)
class Design:
    """Units treated, periods before and after, and whether units or whole clusters are assigned."""

    n_treated: int
    n_pre: int
    n_post: int
    assigned: Assignment = "unit"

    @property
    def length(self) -> int:
        return self.n_pre + self.n_post


@dataclass(frozen=True, eq=False)
class Untreated:
    """What a panel looks like where nobody was treated.

    Attributes
    ----------
    Y : ndarray, shape (N, T)
        Outcomes before each unit's first treated period; NaN elsewhere and where there is no row.
    cluster : ndarray, shape (N,)
        Cluster of each unit; its own code where clusters cut through units.
    """

    Y: Floats
    cluster: Integers

    def windows(self, length: int, least: int) -> Bools:
        """Units usable in each window, shape (N, W); windows with fewer than ``least`` have none.

        Raises
        ------
        LiftosError
            No window has as many.
        """
        if length > self.Y.shape[1]:
            raise LiftosError(
                f"a window of at most {self.Y.shape[1]} periods", f"one of {length}", "Shorten n_pre or n_post."
            )
        usable = usable_windows(self.Y, length)
        enough = usable.sum(axis=0) >= least
        if not enough.any():
            raise LiftosError(
                f"at least {least} units that are observed and untreated in {length} successive periods",
                f"{int(usable.sum(axis=0).max())} at the best date",
                "Treat fewer units, add untreated ones, or shorten n_pre or n_post.",
            )
        found: Bools = usable & enough
        return found


def untreated_outcomes(panel: Panel) -> Untreated:
    """Outcomes of a panel as a table of units and periods, without what was treated.

    Raises
    ------
    LiftosError
        No periods, or no untreated row before a treatment.
    """
    panel = panel.held()
    if panel.period is None:
        raise LiftosError("a panel with periods", "a cross-section", "Name the period column.")
    index = panel.index
    Y = np.full((index.n_units, index.n_periods), np.nan)
    keep = panel.period < index.first_treated[panel.unit]
    if not keep.any():
        raise LiftosError(
            "untreated rows before the treatment", "none", "Add periods before it: noise is measured there."
        )
    Y[panel.unit[keep], panel.period[keep]] = panel.y[keep]
    cluster = index.unit_cluster
    return Untreated(Y, np.arange(index.n_units) if cluster is None else cluster)


def planned_replays(panel: Panel, design: Design, n_replays: int, seed: int) -> Replays:
    """Draw placebo treatments: a window at random, then units or clusters at random among those usable in it.

    Whole clusters are drawn in random order until ``n_treated`` units are reached as nearly as they allow.

    Raises
    ------
    LiftosError
        No window with more than ``n_treated`` units.
    """
    panel = panel.held()
    untreated = untreated_outcomes(panel)
    usable = untreated.windows(design.length, design.n_treated + MIN_CONTROLS)
    firsts = np.flatnonzero(usable.any(axis=0))
    rng = np.random.default_rng(seed)
    draws = []
    for first in firsts[rng.integers(len(firsts), size=n_replays)]:
        pool = np.flatnonzero(usable[:, first])
        if design.assigned == "cluster":
            units = _whole_clusters(pool, untreated.cluster, design.n_treated, rng)
        else:
            units = rng.choice(pool, design.n_treated, replace=False)
        starts = np.full(len(units), first + design.n_pre)
        draws.append(Replay(units, starts, int(first), int(first) + design.length))
    return Replays(panel, "adoption", tuple(draws), design.n_pre, design.n_post)


def _whole_clusters(pool: Integers, cluster: Integers, n_treated: int, rng: np.random.Generator) -> Integers:
    """Units of whole clusters, about ``n_treated`` of them; at least one cluster on each side."""
    order = rng.permutation(np.unique(cluster[pool]))
    sizes = np.bincount(cluster[pool])[order]
    n_clusters = int(np.argmin(np.abs(np.cumsum(sizes)[:-1] - n_treated))) + 1
    chosen: Integers = pool[np.isin(cluster[pool], order[:n_clusters])]
    return chosen


def first_design(
    index: Index,
    untreated: Untreated,
    assigned: Assignment,
    n_treated: int | None,
    n_pre: int | None,
    n_post: int | None,
) -> Design:
    """The design that is meant where parts of it are left open: the panel's own, at most half the units at hand."""
    starts = index.first_treated[index.first_treated != NEVER]
    n_periods = index.n_periods
    start = int(starts.min()) if len(starts) else n_periods
    after = n_periods - start if len(starts) else n_periods
    before = n_pre if n_pre is not None else max(MIN_PRE_PERIODS, min(start, round(PRE_SHARE * n_periods)))
    post = n_post if n_post is not None else max(1, min(after, round(POST_SHARE * n_periods)))
    if n_treated is None:
        length = min(max(before + post, 1), n_periods)
        at_hand = int(usable_windows(untreated.Y, length).sum(axis=0).max())
        n_treated = max(1, min(len(starts) or at_hand, at_hand // 2))
    return Design(n_treated, before, post, assigned)
