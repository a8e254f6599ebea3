"""Instrumental variables in a local window: cutoffs and lotteries."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import EffectEstimate, Panel
from liftos_pipeline.causal.estimators.local_window import local_window
from liftos_pipeline.errors import LiftosError
from tests.instruments import numbers, run, trial


def fuzzy(seed: int = 0, n: int = 2_000, cutoff: float = 0.25) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, n)
    z = (x >= cutoff).astype(int)
    hidden = rng.standard_normal(n)
    d = (1.2 * z - 0.6 + hidden > 0).astype(int)
    y = d + 0.5 * x + z * (x - cutoff) + hidden + 0.5 * rng.standard_normal(n)
    return pd.DataFrame({"u": np.arange(n), "x": x, "z": z, "d": d, "y": y})


def by_hand(frame: pd.DataFrame, low: float, high: float, centre: float) -> EffectEstimate:
    inside = frame[frame["x"].between(low, high)]
    inside = inside.assign(slope=lambda f: f["z"] * (f["x"] - centre))
    return run(inside, covariates=("x", "slope"))


def test_window_keeps_the_rows_inside_and_both_slopes():
    frame = fuzzy()
    result = run(frame, options={"window": (-1.0, 1.0), "running": "x"})
    cutoff = frame.loc[frame["z"] == 1, "x"].min()
    expected = by_hand(frame, -1.0, 1.0, cutoff)
    assert numbers(result) == pytest.approx(numbers(expected), rel=1e-9, nan_ok=True)
    assert result.n_rows == result.n_units == result.n_clusters == frame["x"].between(-1, 1).sum()
    assert result.n_treated == frame.loc[frame["x"].between(-1, 1), "d"].sum()
    assert result.estimand == "late at x = 0.250647"
    assert result.diagnostics["centre"] == cutoff
    assert result.diagnostics["centre_is_cutoff"] is True
    assert result.diagnostics["n_rows_outside"] == (~frame["x"].between(-1, 1)).sum()
    at_limits = run(frame, options={"window": (frame["x"].min(), frame["x"].max()), "running": "x"})
    assert at_limits.n_rows == len(frame)


def test_assignment_below_the_cutoff_is_read_at_the_cutoff_too():
    frame = fuzzy().assign(x=lambda f: -f["x"])
    result = run(frame, options={"window": (-1.0, 1.0), "running": "x"})
    mirrored = run(fuzzy(), options={"window": (-1.0, 1.0), "running": "x"})
    assert numbers(result) == pytest.approx(numbers(mirrored), rel=1e-8, nan_ok=True)
    assert result.diagnostics["centre"] == -mirrored.diagnostics["centre"]


def test_a_lottery_inside_a_window_is_read_at_its_mean():
    frame = trial(16, n=600).assign(w=lambda f: 1.0 + f["g"] % 2)
    result = run(frame, weights="w", cluster="g", options={"window": (-1.0, 1.0), "running": "x"})
    inside = frame[frame["x"].between(-1, 1)]
    mean = np.average(inside["x"], weights=inside["w"])
    expected = run(
        inside.assign(slope=lambda f: f["z"] * (f["x"] - mean)),
        covariates=("x", "slope"),
        weights="w",
        cluster="g",
    )
    assert numbers(result) == pytest.approx(numbers(expected), rel=1e-9, nan_ok=True)
    assert result.diagnostics["centre_is_cutoff"] is False
    assert result.n_clusters == inside["g"].nunique()


def test_one_running_value_on_a_side_leaves_one_slope():
    frame = fuzzy().assign(x=lambda f: f["x"].round(), z=lambda f: (f["x"] >= 1).astype(int))
    result = run(frame, options={"window": (-1, 1), "running": "x"})
    inside = frame[frame["x"].between(-1, 1)]
    assert result.estimate == pytest.approx(run(inside).estimate, rel=1e-9)
    assert result.diagnostics["centre"] == 1.0
    other_side = run(frame, options={"window": (0, 2), "running": "x"})
    assert other_side.estimate == pytest.approx(run(frame[frame["x"].between(0, 2)]).estimate, rel=1e-9)
    with pytest.raises(LiftosError, match="only constants and combinations of the covariates"):
        run(frame, options={"window": (0, 1), "running": "x"})


@pytest.mark.parametrize(
    ("window", "running", "call", "message"),
    [
        ((5, 6), "x", {}, "rows with x from 5 to 6; found none; x runs from"),
        ((1, 2), "x", {}, r"with and without z inside the window; found z = 1 in all \d+ rows"),
        ((1, -1), "x", {}, r"low below high; found \(1, -1\)"),
        ((math.nan, 1), "x", {}, "low below high"),
        ("ab", "x", {}, "a window .* of two numbers; found 'ab'"),
        (1.0, "x", {}, "a window .* of two numbers; found 1.0"),
        ((-1, 1), "q", {}, "a running variable among the covariates that vary: x; found 'q'"),
        ((-1, 1), "x", {"instruments": ("z", "z2")}, "one instrument, the assignment; found 2"),
        ((-1, 1), "x", {"instruments": ("z2",)}, r"two values of the assignment z2; found \d+ values"),
    ],
)
def test_windows_that_cannot_work_are_refused(window, running, call, message):
    frame = fuzzy().assign(z2=lambda f: f["z"] + f["x"])
    with pytest.raises(LiftosError, match=message):
        run(frame, **call, options={"window": window, "running": running})


def test_a_window_of_a_panel_keeps_its_units_and_clusters():
    frame = trial(17, n=600).assign(
        u=lambda f: f.index // 3, t=lambda f: f.index % 3, w=1.5, e=0.5, x=lambda f: f["x"].round(2)
    )
    roles = {"outcome": "y", "treatment": "d", "covariates": ["x"], "instruments": ["z"], "weights": "w"}
    panel = Panel.from_frame(frame, unit="u", period="t", propensity="e", **roles)
    kept = local_window(panel, (0, 0.5), "x").panel
    whole = panel.row_order[(panel.X[:, 0] >= 0) & (panel.X[:, 0] <= 0.5)]
    np.testing.assert_array_equal(kept.row_order, whole)
    np.testing.assert_array_equal(kept.unit_labels[kept.unit], frame["u"].to_numpy()[whole])
    np.testing.assert_array_equal(kept.cluster_labels[kept.cluster], frame["u"].to_numpy()[whole])
    np.testing.assert_array_equal(kept.period_labels[kept.period], frame["t"].to_numpy()[whole])
    np.testing.assert_array_equal(kept.propensity, frame["e"].to_numpy()[whole])
    result = run(frame, period="t", weights="w", options={"window": (0, 0.5), "running": "x"})
    inside = frame[frame["x"].between(0, 0.5)]
    assert (result.n_rows, result.n_units, result.n_clusters) == (len(inside), *[inside["u"].nunique()] * 2)
    assert result.n_treated == inside.loc[inside["d"] == 1, "u"].nunique()
