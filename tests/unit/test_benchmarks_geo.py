"""The benchmark of geo tests: its worlds, its oracle by dense matrices, what it calls passed, its table."""

from __future__ import annotations

import io
import json
import math

import numpy as np
import pytest
from rich.console import Console
from scipy.linalg import toeplitz

from liftos_pipeline.benchmarks import geo_tests
from liftos_pipeline.benchmarks.geo_tables import (
    PASS,
    SHORT,
    UNDECIDED,
    at_most,
    beyond,
    geo_table,
    plain,
    verdicts,
)
from liftos_pipeline.benchmarks.geo_tests import GeoRow, Share, frame_of, measure, oracle
from liftos_pipeline.benchmarks.geo_worlds import CELLS, HAZARDS, LIFT, N_AFTER, Cell, draw

NOTHING = Share(math.nan, math.nan)
ROWS = [
    GeoRow(
        "10 regions, 30 d",
        5_000,
        Share(0.052, 0.003),
        Share(1.0, 0.0),
        Share(0.9, 0.01),
        Share(0.97, 0.004),
        Share(0.1, 0.001),
        Share(0.4, 0.02),
        100,
        3,
        20.0,
    ),
    GeoRow(
        "uneven maturing",
        5_000,
        Share(0.09, 0.004),
        Share(0.5, 0.01),
        Share(0.3, 0.01),
        NOTHING,
        Share(0.1, 0.01),
        NOTHING,
        0,
        0,
        9.0,
    ),
]


def test_cells_are_the_published_ones_and_every_hazard():
    assert len({cell.name for cell in CELLS}) == len(CELLS)
    assert {cell.hazard for cell in CELLS if not cell.is_published} == set(HAZARDS)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_a_lift_is_added_to_the_treated_region_alone(cell):
    silent, lifted = (draw(cell, lift, np.random.default_rng(1)) for lift in (0.0, LIFT))
    assert silent.logs.shape == (cell.n_before + N_AFTER, cell.n_donors + 1)
    added = lifted.logs - silent.logs
    np.testing.assert_allclose(added[silent.start :, 0], math.log1p(LIFT))
    assert not added[: silent.start].any()
    reached = np.isclose(added[-1, 1:], math.log1p(LIFT / 2)).mean()
    assert reached == {"spillover, some": 0.3, "spillover, all": 1.0}.get(cell.hazard, 0.0)


def test_the_oracle_is_that_of_dense_matrices():
    world = draw(Cell("small", n_donors=3, n_before=15), 0.2, np.random.default_rng(4))
    n_days, n_regions = world.logs.shape
    blocks = [
        spread**2 * toeplitz(correlation ** np.arange(n_days))
        for correlation, spread in zip(world.correlation, world.spread, strict=True)
    ]
    V = np.zeros((n_days * n_regions,) * 2)
    for region, block in enumerate(blocks):
        place = slice(region * n_days, (region + 1) * n_days)
        V[place, place] = block
    region, day = np.repeat(np.arange(n_regions), n_days), np.tile(np.arange(n_days), n_regions)
    X = np.column_stack(
        [
            (region == 0) & (day >= world.start),
            region[:, None] == np.arange(n_regions),
            day[:, None] == np.arange(1, n_days),
        ]
    ).astype(float)
    P = np.linalg.inv(V)
    covariance = np.linalg.inv(X.T @ P @ X)
    expected = (covariance @ X.T @ P @ world.logs.T.ravel())[0], math.sqrt(covariance[0, 0])
    assert oracle(world) == pytest.approx(expected, rel=1e-7)


def test_a_treatment_that_reacts_starts_after_a_low_week():
    (cell,) = (cell for cell in CELLS if cell.hazard == "reacting")
    before = []
    for seed in range(60):
        world = draw(cell, 0.0, np.random.default_rng(seed))
        apart = world.logs[:, 0] - world.logs[:, 1:].mean(axis=1)
        before.append((apart[world.start - 7 : world.start].mean() - apart.mean()) / world.spread[0])
    assert np.mean(before) < -0.7


def test_bounds_are_judged_by_their_errors():
    assert at_most(Share(0.057, 0.003), 0.05, 17, 5_000) == PASS
    assert at_most(Share(0.062, 0.003), 0.05, 17, 5_000) == SHORT
    assert at_most(Share(0.05, 0.03), 0.05, 17, 200) == UNDECIDED
    assert at_most(Share(0.3, 0.03), 0.05, 17, 200) == SHORT
    assert [beyond(Share(v, 0.01), 0.9, 5, is_least=True) for v in (0.95, 0.91, 0.85)] == [PASS, UNDECIDED, SHORT]
    assert [beyond(Share(v, 0.01), 0.6, 5, is_least=False) for v in (0.5, 0.61, 0.7)] == [PASS, UNDECIDED, SHORT]
    assert verdicts(ROWS) == [{"missed": PASS, "power_ratio": PASS, "width_ratio": PASS}, {"missed": SHORT}]


def test_the_table_fits_eighty_columns():
    console = Console(file=io.StringIO(), width=80)
    console.print(geo_table(ROWS))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in text
    (line,) = (line for line in text.splitlines() if line.startswith("10 regions, 30 d"))
    assert line.split()[4:] == ["5.2±0.3", "100.0±0.0", "90.0±1.0", "0.97±0.00", "0.40±0.02", "pass"]
    (line,) = (line for line in text.splitlines() if line.startswith("uneven maturing"))
    assert line.rstrip().endswith("fall short")


def test_json_has_null_for_what_was_not_measured():
    facts = json.loads(json.dumps(plain(ROWS[1]), allow_nan=False))
    assert facts["power_ratio"] == {"value": None, "error": None}
    assert facts["missed"] == {"value": 0.09, "error": 0.004}


def test_a_campaign_in_small(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(geo_tests, "N_DRAWS_QUICK", 12)
    monkeypatch.setattr(geo_tests, "N_PEER_QUICK", 2)
    first, hazard = measure(quick=True, cells=(CELLS[0], CELLS[10]))
    assert (first.cell, first.n_draws, first.n_peer) == (CELLS[0].name, 12, 2)
    assert first.power.value > 0.5
    assert 0.8 < first.power_ratio.value < 1.2
    assert 0 < first.width_ratio.value < 1.5
    assert 0.04 < first.width.value < 0.2
    assert math.isnan(hazard.power_ratio.value)
    (again,) = measure(quick=True, cells=(CELLS[10],))
    assert (again.missed, again.refused, again.width) == (hazard.missed, hazard.refused, hazard.width)


def test_rows_of_a_world():
    world = draw(CELLS[2], LIFT, np.random.default_rng(0))
    frame = frame_of(world)
    assert frame["d"].sum() == N_AFTER
    wide = frame.pivot(index="day", columns="region", values="y").to_numpy()
    np.testing.assert_allclose(np.log(wide), world.logs)
    assert (frame.loc[frame["d"] == 1, "region"] == 0).all()
