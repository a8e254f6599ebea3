"""Certificates tell a method that holds its size from one that does not, and a widened interval covers fresh placebos."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import Certificate, Panel, certify
from liftos_pipeline.causal.diagnostics.replays import draw_replays
from liftos_pipeline.causal.trials import Trial, run_trials

SEEDS = range(1, 9)
N_UNITS, N_DAYS, START, N_REPLAYS = 30, 80, 60, 200
DECAY = 0.5


def panel_of(seed: int, n_treated: int) -> Panel:
    """Autocorrelated units without any effect."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(N_UNITS, N_DAYS))
    noise[:, 0] /= np.sqrt(1 - DECAY**2)
    for day in range(1, N_DAYS):
        noise[:, day] += DECAY * noise[:, day - 1]
    d = np.zeros((N_UNITS, N_DAYS), dtype=int)
    d[rng.choice(N_UNITS, n_treated, replace=False), START:] = 1
    unit, day = np.repeat(np.arange(N_UNITS), N_DAYS), np.tile(np.arange(N_DAYS), N_UNITS)
    y = 100 + 10 * rng.normal(size=(N_UNITS, 1)) + 5 * noise
    frame = pd.DataFrame({"unit": unit, "day": day, "d": d.ravel(), "y": y.ravel()})
    return Panel.from_frame(frame, outcome="y", treatment="d", unit="unit", period="day")


def certified(seed: int, n_treated: int) -> Certificate:
    return certify(panel_of(seed, n_treated), ["did"], n_replays=N_REPLAYS, seed=seed)


@pytest.fixture(scope="module")
def sound() -> list[Certificate]:
    return [certified(seed, 10) for seed in SEEDS]


@pytest.fixture(scope="module")
def unsound() -> list[Certificate]:
    """Clustered standard errors with two treated clusters are far too small."""
    return [certified(seed, 2) for seed in SEEDS]


def test_a_method_that_holds_its_size_is_never_blocked_and_mostly_cleared(sound) -> None:
    status = [one.row("did")["status"] for one in sound]
    assert "blocked" not in status
    assert status.count("cleared") >= 5


def test_its_limits_hold_the_size_that_the_panels_have_together(sound) -> None:
    size = np.mean([one.row("did")["size"] for one in sound])
    assert abs(size - 0.05) < 0.02
    missed = [not one.row("did")["size_low"] <= size <= one.row("did")["size_high"] for one in sound]
    assert sum(missed) <= 2  # more has probability 0.006 at 95 %


def test_bias_is_zero_within_its_limits(sound) -> None:
    missed = [not one.row("did")["bias_low"] <= 0 <= one.row("did")["bias_high"] for one in sound]
    assert sum(missed) <= 2


def test_a_method_with_too_small_intervals_is_never_cleared(unsound) -> None:
    rows = [one.row("did") for one in unsound]
    assert {row["status"] for row in rows} <= {"widened", "blocked"}
    assert all(row["size"] > 0.12 for row in rows)
    assert any(row["status"] == "blocked" for row in rows)


def test_widened_intervals_hold_zero_in_fresh_placebos() -> None:
    """Five treated clusters: intervals too small by less than would block them."""
    held, narrow = [], []
    for seed in SEEDS:
        row = certified(seed, 5).row("did")
        if row["status"] != "widened":
            continue
        replays = draw_replays(panel_of(seed, 5), N_REPLAYS, seed=seed + 1_000)
        [null] = run_trials(replays, [Trial("did", 0.0, {})], level=0.95, seed=seed)
        low, high = (
            null.estimate + row["widening"] * (end - null.estimate) for end in (null.ci_low, null.ci_high)
        )
        held.append(np.mean((low <= 0) & (high >= 0)))
        narrow.append(np.mean(~null.rejects))
    assert len(held) >= 4
    share, error = np.mean(held), np.std(held, ddof=1) / np.sqrt(len(held))
    assert share > 0.95 - 3 * error
    assert np.mean(narrow) < share - 0.02
