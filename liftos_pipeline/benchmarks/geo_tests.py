"""Level, coverage, width and power of geo tests over made-up worlds, beside an oracle and a public method."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.benchmarks.geo_worlds import CELLS, LIFT, Cell, World, draw
from liftos_pipeline.benchmarks.side_by_side import side_by_side
from liftos_pipeline.causal import Panel, estimate
from liftos_pipeline.causal.estimators.geo_lift import measure_lift

Floats = NDArray[np.float64]

LEVEL = 0.95
N_DRAWS = 5_000
N_DRAWS_QUICK = 200
N_PEER = 100
N_PEER_QUICK = 10
SEED = 21_000
"""Seeds are (SEED, place of the cell, draw)."""
LEAST_POWER = 0.9
MOST_WIDTH = 0.6
PEER = "augmented_synthetic_control"


@dataclass(frozen=True)
class Share:
    """A share or ratio with its Monte-Carlo error."""

    value: float
    error: float


@dataclass(frozen=True)
class GeoRow:
    """What one cell showed.

    Attributes
    ----------
    missed : Share
        Released, and the interval misses the lift, of all draws. A lift moves the treated logarithms from the start on,
        and all that is computed moves with them or not at all: without spillover this is the share of false positives
        without lift too.
    refused : Share
    power : Share
        Released, and no lift is rejected, of all draws.
    power_ratio : Share
        To that of generalised least squares with the true covariance; NaN beyond the published design.
    width : Share
        Mean width of the interval, as a proportion.
    width_ratio : Share
        To the mean width of conformal intervals of augmented synthetic control on the first draws, those left out that
        are unbounded or empty; NaN where not measured.
    n_peer, n_unbounded : int
        Draws with the peer, and those on which its interval was unbounded.
    """

    cell: str
    n_draws: int
    missed: Share
    refused: Share
    power: Share
    power_ratio: Share
    width: Share
    width_ratio: Share
    n_peer: int
    n_unbounded: int
    seconds: float


@dataclass(frozen=True)
class _Drawn:
    """One world; widths as proportions."""

    missed: bool
    refused: bool
    power: bool
    oracle_power: bool
    width: float
    peer_width: float


def measure(quick: bool = False, cells: tuple[Cell, ...] = CELLS) -> Iterator[GeoRow]:
    """Every cell, one row each."""
    n_draws, n_peer = (N_DRAWS_QUICK, N_PEER_QUICK) if quick else (N_DRAWS, N_PEER)
    yield from side_by_side(_measured, [(CELLS.index(cell), n_draws, n_peer) for cell in cells])


def _measured(place: int, n_draws: int, n_peer: int) -> GeoRow:
    begun = time.perf_counter()
    cell = CELLS[place]
    wanted = n_peer if cell.is_published else 0
    drawn = [_one(cell, (SEED, place, number), number < wanted) for number in range(n_draws)]
    return _row(cell, drawn, wanted, time.perf_counter() - begun)


def _one(cell: Cell, seed: tuple[int, int, int], with_peer: bool) -> _Drawn:
    world = draw(cell, LIFT, np.random.default_rng(seed))
    found = measure_lift(world.logs[:, 0], world.logs[:, 1:], world.start)
    low, high = found.fit.step.interval(LEVEL)
    is_released = not found.is_doubtful
    return _Drawn(
        missed=is_released and not low <= math.log1p(LIFT) <= high,
        refused=not is_released,
        power=is_released and not low <= 0.0 <= high,
        oracle_power=cell.is_published and oracle_rejects(world),
        width=math.expm1(high) - math.expm1(low),
        peer_width=_peer_width(world) if with_peer else math.nan,
    )


def oracle_rejects(world: World) -> bool:
    """Whether generalised least squares with the true covariance, region and day effects rejects no lift."""
    from scipy.special import ndtri

    step, error = oracle(world)
    return bool(abs(step) > error * ndtri(0.5 + 0.5 * LEVEL))


def oracle(world: World) -> tuple[float, float]:
    """Step of the treated region and its standard error, by generalised least squares with the true covariance.

    Day effects are projected out of the precision-weighted sums; region effects and the step are solved for.
    """
    from scipy.linalg import solveh_banded

    n_days, n_regions = world.logs.shape
    step = (np.arange(n_days) >= world.start).astype(np.float64)
    own = np.concatenate([[0], np.arange(n_regions)])
    columns = np.column_stack([step, np.ones((n_days, n_regions))])
    weighted = _precise(columns, world.correlation[own], world.spread[own])
    outcome = _precise(world.logs, world.correlation, world.spread)
    scale = 1.0 / ((1.0 - world.correlation**2) * world.spread**2)
    days = np.zeros((2, n_days))
    days[0, 1:] = -np.sum(scale * world.correlation)
    days[1] = np.sum(scale * (1.0 + world.correlation**2))
    days[1, [0, -1]] = scale.sum()
    projected = solveh_banded(days, np.column_stack([weighted, outcome.sum(axis=1)]))
    gram = (own[:, None] == own) * (columns.T @ weighted) - weighted.T @ projected[:, :-1]
    moment = np.sum(columns * outcome[:, own], axis=0) - weighted.T @ projected[:, -1]
    # One region effect is a day effect in disguise: the pseudo-inverse leaves it at zero.
    inverse = np.linalg.pinv(gram, rcond=1e-10, hermitian=True)
    return float(inverse[0] @ moment), math.sqrt(float(inverse[0, 0]))


def _precise(A: Floats, correlation: Floats, spread: Floats) -> Floats:
    """Columns times the inverse covariance of stationary first-order series, one for each column."""
    found = (1.0 + correlation**2) * A
    found[[0, -1]] = A[[0, -1]]
    found[1:] -= correlation * A[:-1]
    found[:-1] -= correlation * A[1:]
    return found / ((1.0 - correlation**2) * spread**2)


def frame_of(world: World) -> pd.DataFrame:
    """Outcomes in rows: region, day, d, y."""
    n_days, n_regions = world.logs.shape
    day, region = np.repeat(np.arange(n_days), n_regions), np.tile(np.arange(n_regions), n_days)
    is_treated = (region == 0) & (day >= world.start)
    return pd.DataFrame(
        {"region": region, "day": day, "d": is_treated.astype(int), "y": np.exp(world.logs).ravel()}
    )


def _peer_width(world: World) -> float:
    """Width of the conformal interval beside the mean of what there would have been."""
    panel = Panel.from_frame(frame_of(world), outcome="y", treatment="d", unit="region", period="day")
    found = estimate(PEER, panel, level=LEVEL)
    return (found.ci_high - found.ci_low) / float(np.exp(world.logs[world.start :, 0]).mean() / (1.0 + LIFT))


def _row(cell: Cell, drawn: list[_Drawn], n_peer: int, seconds: float) -> GeoRow:
    columns = {
        name: np.array([getattr(one, name) for one in drawn], dtype=float) for name in _Drawn.__annotations__
    }
    nothing = Share(math.nan, math.nan)
    peer = columns["peer_width"][:n_peer]
    is_bounded = np.isfinite(peer)
    return GeoRow(
        cell=cell.name,
        n_draws=len(drawn),
        missed=_share(columns["missed"]),
        refused=_share(columns["refused"]),
        power=_share(columns["power"]),
        power_ratio=_ratio(columns["power"], columns["oracle_power"]) if cell.is_published else nothing,
        width=_share(columns["width"]),
        width_ratio=_ratio(columns["width"][:n_peer][is_bounded], peer[is_bounded]) if n_peer else nothing,
        n_peer=n_peer,
        n_unbounded=int(np.isinf(peer).sum()),
        seconds=seconds,
    )


def _share(values: Floats) -> Share:
    return Share(float(values.mean()), float(values.std() / math.sqrt(len(values))))


def _ratio(ours: Floats, theirs: Floats) -> Share:
    """Ratio of means over the same draws, error by the delta method."""
    ratio = float(ours.mean() / theirs.mean())
    return Share(ratio, float((ours - ratio * theirs).std() / theirs.mean() / math.sqrt(len(ours))))
