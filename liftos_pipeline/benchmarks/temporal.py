"""Temporal cross-validation: what earlier weeks say of later ones, with the assumptions checked in every fold.

Folds are spans of adoption windows, each with about as many treated units of the analysis as the others; nothing is split
by the order of rows. A fold's effect is estimated from its own windows, and held against its truth and the fold before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from liftos_pipeline.benchmarks.decision_tables import LEVEL, experiments_of, panel_of, treatments_of
from liftos_pipeline.benchmarks.decision_worlds import N_DAYS, means_of, truth_of
from liftos_pipeline.benchmarks.decisions import ratio
from liftos_pipeline.benchmarks.operating_points import Cell
from liftos_pipeline.benchmarks.side_by_side import side_by_side
from liftos_pipeline.causal import estimate
from liftos_pipeline.causal.propensity.overlap import OverlapRule
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.settings import Settings
from liftos_pipeline.simulator import generate, scenario_named
from liftos_pipeline.stages.analysis import analyses, to_panel
from liftos_pipeline.stages.gates import score_outcomes, with_scores
from liftos_pipeline.stages.landmarks import causal_rows
from liftos_pipeline.stages.propensity import propensity_scores
from liftos_pipeline.stages.roles import ROLES

DETECTOR = "temporal"
N_FOLDS = 3
SCENARIO = "staggered_rollout"
_TRUTH = {"effect_on_reported": "effect_on_reported", "effect_on_orders": "effect_on_orders"}


@dataclass(frozen=True)
class Fold:
    """One span of windows of one analysis, sales by count.

    ``holds``: whether overlap and balance pass in it; ``held``: whether its interval holds its truth; ``agrees``: whether
    its estimate and that of the fold before differ by less than their joint error, None in the first fold.
    """

    world: int
    analysis: str
    number: int
    holds: bool
    held: bool
    agrees: bool | None


def cells(n_worlds: int, seed: int) -> Iterator[Cell]:
    """Coverage in folds whose assumptions hold, how many do, and what earlier windows say of later ones.

    Parameters
    ----------
    seed : int
        Of the first world.
    """
    worlds = side_by_side(folds_of_world, [(seed + number,) for number in range(n_worlds)])
    table = pd.DataFrame([vars(fold) for folds in worlds for fold in folds])
    if len(table) == 0:
        return
    good = table[table["holds"]]
    later = good[good["agrees"].notna()].assign(agrees=lambda rows: rows["agrees"].astype(float))
    for sense, asked in (("at least", 0.935), ("at most", 0.965)):
        name = f"coverage in folds whose assumptions hold, {sense}"
        yield ratio(name, sense, asked, good, "held", detector=DETECTOR)
    yield ratio("folds whose assumptions hold", "shown", math.nan, table, "holds", detector=DETECTOR)
    yield ratio(
        "later effects that agree with earlier ones", "shown", math.nan, later, "agrees", detector=DETECTOR
    )


def folds_of_world(seed: int) -> list[Fold]:
    """All folds of a world's landmarked analyses of sales."""
    folds = []
    world = generate(scenario_named(SCENARIO), seed, N_DAYS)
    rows = causal_rows(panel_of(world), treatments_of(world), experiments_of(world))
    truth = truth_of(world)
    for platform, kind, design, part in analyses(rows):
        effect = _TRUTH[ROLES[platform].label]
        known = part[part[["count_before", "count_after", "count_trend"]].notna().all(axis=1)]
        spans = spans_of(known)
        before: tuple[float, float] | None = None
        for number, span in enumerate(spans):
            own = known[known["window_start"].isin(span)].reset_index(drop=True)
            found = _fold(own, float(means_of(own, truth)[effect].iloc[0]), seed)
            if found is None:
                continue
            value, error, holds, held = found
            agrees = None if before is None else abs(value - before[0]) <= 1.96 * math.hypot(error, before[1])
            folds.append(Fold(seed, f"{platform}.{kind}.{design}", number, holds, held, agrees))
            before = (value, error)
    return folds


def spans_of(rows: pd.DataFrame) -> list[list[pd.Timestamp]]:
    """Consecutive windows, ``N_FOLDS`` times, with about as many treated rows each."""
    treated = rows[rows["is_treated"] == 1].groupby("window_start").size().sort_index()
    if len(treated) < N_FOLDS:
        return []
    fold = np.minimum((treated.cumsum() - treated) * N_FOLDS // treated.sum(), N_FOLDS - 1)
    return [list(part.index) for _, part in treated.groupby(fold)]


def _fold(rows: pd.DataFrame, truth: float, seed: int) -> tuple[float, float, bool, bool] | None:
    """Estimate, standard error, whether the assumptions hold, whether the interval holds the truth."""
    scores = propensity_scores(rows, seed)
    if len(scores) == 0:
        return None
    scored = with_scores(rows, scores)
    checks = score_outcomes(rows, scores, Settings())
    try:
        found = estimate(
            "doubly_robust",
            to_panel(scored, "count", scored["propensity"].to_numpy()),
            level=LEVEL,
            seed=seed,
            estimand="att",
            overlap_rule=OverlapRule(min_share=0.0, min_effective_units=0.0),
        )
    except LiftosError:
        return None
    if math.isnan(found.std_error):
        return None
    return (
        found.estimate,
        found.std_error,
        all(one.passed for one in checks),
        found.ci_low <= truth <= found.ci_high,
    )
