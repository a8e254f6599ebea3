"""Operating points of confounder scoring: who is found, who is found wrongly, and the size of both tests."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.benchmarks.list_worlds import autoregression
from liftos_pipeline.benchmarks.operating_points import DRAWS, Cell, proportion
from liftos_pipeline.benchmarks.score_worlds import DemandWorld, ScoreWorld, adoption
from liftos_pipeline.benchmarks.side_by_side import side_by_side
from liftos_pipeline.causal import detect

SEED = 72_000
DATA_SETS = 200
"""Panels per world at ``DRAWS`` draws; fewer with fewer."""
FOUND = {
    "1,000 adopters": (ScoreWorld(), True),
    "1,000 adopters, every effect at .3 and .15": (ScoreWorld(gamma=(0.3, 0.3), beta=(0.15, 0.15)), True),
    "625 adopters": (ScoreWorld(n_units=1_250), False),
    "200 adopters": (ScoreWorld(n_units=400), False),
    "1,000 adopters, correlation .6": (ScoreWorld(rho=0.6), False),
}
NO_CONFOUNDER = {
    "1,000 adopters": ScoreWorld(counts=(0, 4, 5, 9, 3, 3)),
    "200 adopters": ScoreWorld(n_units=400, counts=(0, 4, 5, 9, 3, 3)),
}
NULL_KINDS = ("constant in units", "constant in accounts", "moving")
OF_EACH_KIND = 4


def cells(draws: int) -> Iterator[Cell]:
    """Size of both tests, false flags without a confounder, then precision and F1."""
    for place, shared in enumerate((False, True)):
        yield from _sizes(shared, draws, place)
    n_sets = max(2, math.ceil(draws * DATA_SETS / DRAWS))
    for place, (name, world) in enumerate(NO_CONFOUNDER.items(), start=10):
        flagged = int((_scores(world, place, n_sets)[:, 2] > 0).sum())
        yield proportion("confounder_score", f"any flag, no confounder, {name}", "at most", 0.1, flagged, n_sets)
    for place, (name, (found_in, is_asked)) in enumerate(FOUND.items(), start=20):
        scores = _scores(found_in, place, n_sets)
        for column, measure in enumerate(("precision", "F1")):
            yield _mean(f"{measure}, {name}", scores[:, column], 0.95 if is_asked else None)
    for place, confounding in enumerate((0.0, 1.0), start=30):
        yield from _demand(DemandWorld(confounding=confounding), place, max(2, n_sets // 4))


def _scored(frame: pd.DataFrame, candidates: Sequence[str], cluster: str | None) -> pd.DataFrame:
    roles = {"treatment": "treated", "outcome": "outcome", "candidates": candidates, "cluster": cluster}
    return detect("confounder_score", frame, "unit", "day", None, 0, **roles).table


def _mean(name: str, values: np.ndarray, asked: float | None) -> Cell:
    error = float(values.std(ddof=1) / math.sqrt(len(values)))
    if asked is None:
        return Cell("confounder_score", name, "shown", math.nan, len(values), float(values.mean()), error)
    return Cell("confounder_score", name, "at least", asked, len(values), float(values.mean()), error)


def _scores(
    world: ScoreWorld | DemandWorld, place: int, n_sets: int, cluster: str | None = None
) -> NDArray[np.float64]:
    """Precision, F1 and flags of panels side by side, shape (n_sets, 3)."""
    return np.array(list(side_by_side(_precision_and_f1, [(world, place, n, cluster) for n in range(n_sets)])))


def _precision_and_f1(
    world: ScoreWorld | DemandWorld, place: int, number: int, cluster: str | None = None
) -> tuple[float, float, int]:
    """Of one panel, and how many were flagged; a panel without flags has precision 1."""
    panel = world.draw(np.random.default_rng([SEED, place, number]))
    table = _scored(panel.frame, panel.candidates, cluster)
    flagged = set(table.loc[table["status"] == "detected", "candidate"])
    right = len(flagged & panel.confounders)
    precision = right / len(flagged) if flagged else 1.0
    return precision, 2.0 * right / max(len(flagged) + len(panel.confounders), 1), len(flagged)


def _demand(world: DemandWorld, place: int, n_sets: int) -> Iterator[Cell]:
    """Campaigns on demand: accounts as clusters."""
    scores = _scores(world, place, n_sets, "account")
    if not world.confounding:
        flagged = int((scores[:, 2] > 0).sum())
        yield proportion(
            "confounder_score", "any flag, demand world without confounding", "at most", 0.1, flagged, n_sets
        )
        return
    for column, measure in enumerate(("precision", "F1")):
        yield _mean(f"{measure}, demand world", scores[:, column], None)


def _sizes(shared: bool, draws: int, place: int) -> Iterator[Cell]:
    """Rejection rates of candidates that do nothing, by kind and test; accounts share shocks or do not."""
    n_panels = math.ceil(draws / OF_EACH_KIND)
    panels = side_by_side(_rejected, [(shared, place, number) for number in range(n_panels)])
    rejected = np.sum(list(panels), axis=0)
    where = "accounts share shocks" if shared else "independent units"
    for test, tested in enumerate(("adoption", "outcome")):
        for kind, name in enumerate(NULL_KINDS):
            hits, total = int(rejected[test, kind]), n_panels * OF_EACH_KIND
            yield proportion("confounder_score", f"{tested} test, {name}, {where}", "at most", 0.05, hits, total)


def _rejected(shared: bool, place: int, number: int) -> NDArray[np.int64]:
    """Candidates of one panel that each test calls significant, shape (2, kinds)."""
    frame, names = _null_panel(shared, np.random.default_rng([SEED, place, number]))
    table = _scored(frame, names, "account" if shared else None)
    small = table[["gamma_p", "beta_p"]].to_numpy().T <= 0.05
    return small.reshape(2, len(NULL_KINDS), OF_EACH_KIND).sum(axis=2)


def _null_panel(shared: bool, rng: np.random.Generator) -> tuple[pd.DataFrame, list[str]]:
    """400 units in 20 accounts over 60 days, half of them leaving as they adopt, by unobserved quality."""
    n_units, n_days = 400, 60
    account = np.arange(n_units) // 20
    of_account = rng.standard_normal((2 + OF_EACH_KIND, account[-1] + 1))[:, account]
    quality, own = rng.standard_normal((2, n_units))
    steady = 0.4 * quality + 0.6 * own + (0.5 * of_account[0] if shared else 0.0)
    moved = 0.8 * quality + (0.7 * of_account[1] if shared else 0.0)
    treated = adoption(np.repeat(np.exp(moved)[:, None], n_days - 1, axis=1), 0.5, rng)
    y = steady[:, None] + 0.6 * autoregression(n_units, n_days, 0.5, rng)
    if shared:
        y = y + 0.3 * autoregression(account[-1] + 1, n_days, 0.5, rng)[account]
    kinds = [rng.standard_normal((OF_EACH_KIND, n_units, 1)), of_account[2:, :, None]]
    kinds.append(np.stack([autoregression(n_units, n_days, 0.7, rng) for _ in range(OF_EACH_KIND)]))
    columns = [np.broadcast_to(column, y.shape).ravel() for kind in kinds for column in kind]
    names = [f"x{place}" for place in range(len(columns))]
    unit, day = np.indices(y.shape).reshape(2, -1)
    roles = {"unit": unit, "account": account[unit], "day": day, "treated": treated.ravel(), "outcome": y.ravel()}
    return pd.DataFrame(roles | dict(zip(names, columns, strict=True))), names
