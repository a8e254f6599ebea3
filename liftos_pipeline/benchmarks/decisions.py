"""What verdicts are worth: intervals, refusals, decisions and attribution on worlds whose truth is known.

Every number stands on worlds, whose errors are those of clusters. Clean worlds are drawn by chance from those whose data
are what they seem; each planted violation is one world beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from liftos_pipeline.benchmarks.decision_worlds import Judged, judged_world
from liftos_pipeline.benchmarks.operating_points import Cell
from liftos_pipeline.benchmarks.side_by_side import side_by_side

DETECTOR = "decisions"
CLEAN = ("staggered_rollout", "null_effect", "confounded_budget", "mixed_assignment")
N_REPLAYS = 100
LOW, HIGH = 0.935, 0.965
MANY_WORLDS = 30
"""Worlds from which on their spread is known."""
_TOO_FEW = ("effective_sample_size", "overlap", "weak_instrument")
"""Gates that ask for more controls, or units that follow a rule, than a world has: what they refuse is no false alarm."""
_COUNTS = ("conversions_reported", "orders")


def cells_of(worlds: list[Judged]) -> Iterator[Cell]:
    """Coverage by method, bias, clean analyses refused, wrong decisions, waste and the error of attribution."""
    yield from _coverage(worlds)
    yield from _errors(worlds)
    yield from _refusals(worlds)
    yield from _decisions(worlds)
    yield from _attribution(worlds)


def played(asked: list[tuple[str, int]], with_study: bool = True, n_replays: int = N_REPLAYS) -> Iterator[Judged]:
    """Worlds by scenario and seed in their order, side by side."""
    yield from side_by_side(judged_world, [(*world, with_study, n_replays) for world in asked])


def _stacked(worlds: list[Judged], name: str) -> pd.DataFrame:
    """One of their tables, below one another: as records, since a column that one world lacks whole has no type."""
    parts = [getattr(world, name).assign(world=number) for number, world in enumerate(worlds)]
    return pd.DataFrame.from_records([row for part in parts for row in part.to_dict("records")])


def ratio(
    name: str,
    sense: str,
    asked: float,
    rows: pd.DataFrame,
    above: str,
    below: str | None = None,
    detector: str = DETECTOR,
) -> Cell:
    """Share of rows that a column marks, or ratio of two sums; linearised standard error over worlds.

    That of a share over fewer than ``MANY_WORLDS``, or without any spread, is never below the one of as many independent
    worlds: a few worlds without a hit show little.
    """
    if len(rows) == 0:
        return Cell(detector, name, sense, asked, 0, math.nan, math.nan)  # type: ignore[arg-type]
    top = rows[above].to_numpy(dtype=float)
    bottom = np.ones(len(rows)) if below is None else rows[below].to_numpy(dtype=float)
    value = float(top.sum() / bottom.sum())
    sums = pd.Series(top - value * bottom).groupby(rows["world"].to_numpy()).sum().to_numpy()
    n = len(sums)
    error = math.sqrt(n / max(n - 1, 1) * float(sums @ sums)) / abs(float(bottom.sum()))
    if below is None and (n < MANY_WORLDS or error == 0.0):
        off_zero = (value * n + 0.5) / (n + 1.0)
        error = max(error, math.sqrt(off_zero * (1.0 - off_zero) / n))
    return Cell(detector, name, sense, asked, len(rows), value, error)  # type: ignore[arg-type]


def _coverage(worlds: list[Judged]) -> Iterator[Cell]:
    """Intervals of effects that were not refused: those of decisions by the verdict, others by their own."""
    effects = _stacked(worlds, "effects")
    told = effects[effects["refused"].isna() & effects["ci_low"].notna() & effects["verdict"].ne("refuse")]
    told = told.assign(held=(told["ci_low"] <= told["truth"]) & (told["truth"] <= told["ci_high"]))
    for method, part in told.groupby("method"):
        yield ratio(f"coverage, {method}, at least", "at least", LOW, part, "held")
        yield ratio(f"coverage, {method}, at most", "at most", HIGH, part, "held")
    yield ratio("coverage of what decisions rest on", "shown", math.nan, told[told["role"] == "primary"], "held")


def _errors(worlds: list[Judged]) -> Iterator[Cell]:
    """Bias of what decisions rest on, as a share of the mean effect; errors beside those of the bare difference."""
    effects = _stacked(worlds, "effects")
    told = effects[effects["refused"].isna() & effects["estimate"].notna() & effects["outcome"].isin(_COUNTS)]
    told = told.assign(error=told["estimate"] - told["truth"], size=told["truth"].abs())
    told = told.assign(absolute=told["error"].abs())
    primary = told[(told["role"] == "primary") & (told["size"] > 0)]
    yield ratio("bias over mean effect", "shown", math.nan, primary, "error", "size")
    yield ratio("mean absolute error over mean effect", "shown", math.nan, primary, "absolute", "size")
    naive = told[(told["role"] == "naive") & (told["size"] > 0)]
    yield ratio("bias over mean effect, bare difference", "shown", math.nan, naive, "error", "size")


def _refusals(worlds: list[Judged]) -> Iterator[Cell]:
    effects = _stacked(worlds, "effects")
    primary = effects[effects["role"].eq("primary")].assign(
        refuse=lambda rows: rows["verdict"].eq("refuse"), lowered=lambda rows: rows["verdict"].eq("direction_only")
    )
    gates = _stacked(worlds, "gates")
    failed = gates[~gates["passed"].astype(bool) & gates["severity"].eq("error")]
    blocked = set(failed.loc[~failed["gate"].isin(_TOO_FEW), "world"])
    table = pd.DataFrame({"world": range(len(worlds))}).assign(blocked=lambda rows: rows["world"].isin(blocked))
    yield ratio("clean worlds in which a violation is seen", "at most", 0.05, table, "blocked")
    table = table.assign(blocked=lambda rows: rows["world"].isin(set(failed["world"])))
    yield ratio("clean worlds with an analysis of too few controls", "shown", math.nan, table, "blocked")
    yield ratio("clean analyses refused", "shown", math.nan, primary, "refuse")
    yield ratio("clean analyses told by direction alone", "shown", math.nan, primary, "lowered")


def _decisions(worlds: list[Judged]) -> Iterator[Cell]:
    """Against reported return on spend; what is not decided keeps what stands."""
    table = _stacked(worlds, "decisions")
    table = table[table["net_truth"].abs() > 1e-9]
    right = np.where(table["net_truth"] > 0, "go", "no_go")
    ours = table["decision"].replace("keep", "go")
    table = table.assign(
        naive_wrong=table["naive"] != right,
        wrong=ours != right,
        third=(table["naive"] != right) / 3,
        kept=table["decision"].eq("keep"),
    )
    yield ratio("wrong decisions by reported return on spend", "shown", math.nan, table, "naive_wrong")
    yield ratio("wrong decisions by verdicts", "shown", math.nan, table, "wrong")
    yield ratio("wrong decisions, verdicts over reported", "at most", 1 / 3, table, "wrong", "naive_wrong")
    yield ratio("decisions not taken", "shown", math.nan, table, "kept")
    losing = table[(table["net_truth"] < 0) & (table["spend"] > 0)]
    losing = losing.assign(stopped=losing["spend"] * losing["decision"].eq("no_go"))
    yield ratio("wasted spend that verdicts stop", "at least", 0.4, losing, "stopped", "spend")


def _attribution(worlds: list[Judged]) -> Iterator[Cell]:
    """Absolute errors of treatments' totals in orders: ours, the reported change, all that is reported."""
    told = _stacked(worlds, "attribution")
    told = told[told["incremental"].notna()]
    told = told.assign(
        ours=(told["incremental"] - told["true_orders"]).abs(),
        change=(told["reported_change"] - told["true_orders"]).abs(),
        claimed=(told["reported"] - told["true_orders"]).abs(),
    )
    told = told.assign(gain=told["claimed"] - told["ours"], gain_on_change=told["change"] - told["ours"])
    yield ratio("error less than that of what platforms report", "at least", 0.8, told, "gain", "claimed")
    yield ratio("error less than that of the change in it", "shown", math.nan, told, "gain_on_change", "change")
