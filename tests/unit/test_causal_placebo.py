"""Placebos in time: which rows, which dates, and what is refused."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import Panel, estimate
from liftos_pipeline.causal.diagnostics.placebo import placebo_in_time
from liftos_pipeline.errors import LiftosError


def world(n_units: int = 12, n_periods: int = 8, trend: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """Units 0-3 start at period 5, units 4-5 at 6, the rest never; treated units drift by ``trend`` per period."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame([(u, t) for u in range(n_units) for t in range(n_periods)], columns=["unit", "t"])
    start = np.where(frame["unit"] < 4, 5, np.where(frame["unit"] < 6, 6, 99))
    frame["d"] = (frame["t"] >= start).astype(int)
    frame["x"] = rng.standard_normal(len(frame))
    frame["y"] = 10 * frame["d"] + trend * frame["t"] * (start < 99) + 0.1 * rng.standard_normal(len(frame))
    return frame


def panel_of(frame: pd.DataFrame, **roles) -> Panel:
    return Panel.from_frame(frame, outcome="y", treatment="d", unit="unit", period="t", **roles)


def change(panel: Panel):
    """Difference in means of the rows."""
    return estimate("difference_in_means", panel)


def seen_by(frame: pd.DataFrame, shifts=(2,), **roles) -> list[Panel]:
    panels = []

    def look(panel: Panel):
        panels.append(panel)
        return change(panel)

    placebo_in_time(panel_of(frame, **roles), look, shifts)
    return panels


def test_the_estimator_sees_untreated_rows_with_the_date_moved():
    frame = world().sample(frac=1.0, random_state=5)
    (panel,) = seen_by(frame)
    kept = frame[frame["d"] == 0].sort_values(["unit", "t"])
    np.testing.assert_array_equal(panel.unit_labels[panel.unit], kept["unit"])
    np.testing.assert_array_equal(panel.period_labels[panel.period], kept["t"])
    start = np.where(kept["unit"] < 4, 5, np.where(kept["unit"] < 6, 6, 99))
    np.testing.assert_array_equal(panel.d, (kept["t"] >= start - 2).astype(float))
    np.testing.assert_allclose(panel.y, kept["y"])
    assert panel.n_treated == 6
    found = panel.to_input_order(panel.y)
    np.testing.assert_allclose(found, frame.loc[frame["d"] == 0, "y"])


def test_codes_weights_and_covariates_are_made_anew():
    frame = world()
    frame = frame[~((frame["unit"] == 0) & (frame["t"] < 4))]
    frame["w"] = np.where(frame["d"] == 1, 5.0, 1.0 + frame["unit"])
    frame["late"] = (frame["d"] == 1) * 1.0
    frame["account"] = frame["unit"] // 2
    (panel,) = seen_by(frame, weights="w", covariates=["x", "late"], cluster="account")
    # Unit 0 has no row before period 3, where its placebo starts.
    assert list(panel.unit_labels) == list(range(1, 12))
    assert panel.unit.max() == panel.n_units - 1
    assert panel.n_clusters == 6 and panel.cluster.max() == 5
    assert panel.covariate_names == ("x",) and panel.X.shape == (panel.n_rows, 1)
    assert panel.weights.mean() == pytest.approx(1.0)
    kept = frame[(frame["d"] == 0) & (frame["unit"] > 0)]
    np.testing.assert_allclose(panel.weights, kept["w"] / kept["w"].mean())
    assert sorted(panel.row_order) == list(range(panel.n_rows))


@pytest.mark.parametrize("kind", ["dates", "text", "gaps"])
def test_periods_of_any_type(kind):
    frame = world()
    plain = placebo_in_time(panel_of(frame), change)
    names = {
        "dates": lambda t: pd.Timestamp("2026-01-31") + pd.DateOffset(months=int(t)),
        "text": lambda t: f"week {t}",
        "gaps": lambda t: int(t) * 7 + 3,
    }[kind]
    other = placebo_in_time(panel_of(frame.assign(t=frame["t"].map(names))), change)
    pd.testing.assert_frame_equal(plain.table, other.table)
    shuffled = placebo_in_time(panel_of(frame.sample(frac=1.0, random_state=3)), change)
    pd.testing.assert_frame_equal(plain.table, shuffled.table)


def test_table_and_joint_p():
    found = placebo_in_time(panel_of(world(trend=0.0)), change, shifts=(1, 2, 3))
    table = found.table
    assert list(table["periods_before"]) == [1, 2, 3]
    assert list(table["n_treated"]) == [6, 6, 6]
    smallest = table["p_value"].min()
    assert found.joint_p == pytest.approx(min(1.0, 3 * smallest))
    assert table["p_holm"].min() == pytest.approx(found.joint_p)
    assert (table["p_holm"] >= table["p_value"]).all()
    row = table.iloc[1]
    (panel,) = seen_by(world())
    assert (row["estimate"], row["std_error"]) == (change(panel).estimate, change(panel).std_error)
    assert row["undefined"] is None


def test_a_drift_is_seen_and_the_effect_is_not():
    assert placebo_in_time(panel_of(world(trend=0.5)), change).joint_p < 0.01
    assert placebo_in_time(panel_of(world(trend=0.0)), change).joint_p > 0.05
    assert abs(placebo_in_time(panel_of(world()), change).table["estimate"]).max() < 0.5


def test_shifts_beyond_the_panel_have_a_reason():
    found = placebo_in_time(panel_of(world()), change, shifts=(1, 5, 6, 40))
    missing = found.table["estimate"].isna()
    # Units 4 and 5 start at 6 and still have one period before a shift of 5.
    assert list(found.table["n_treated"]) == [6, 2, 0, 0]
    assert list(missing) == [False, False, True, True]
    assert found.table["undefined"].iloc[3].startswith("no treated unit has untreated rows both before and within")
    alone = placebo_in_time(panel_of(world()), change, shifts=(40,))
    assert math.isnan(alone.joint_p)


def test_refusals_of_the_estimator_become_reasons():
    def refuse(_: Panel):
        raise LiftosError("something else", "this", "Try that.")

    found = placebo_in_time(panel_of(world()), refuse)
    assert found.table["undefined"].iloc[0] == "expected something else; found this. Try that."
    assert math.isnan(found.joint_p)

    def without_inference(panel: Panel):
        result = change(panel)
        diagnostics = {"undefined": {"p_value": "too few"}}
        return dataclasses.replace(result, p_value=math.nan, diagnostics=diagnostics)

    found = placebo_in_time(panel_of(world()), without_inference)
    assert math.isfinite(found.table["estimate"].iloc[0])
    assert found.table["undefined"].iloc[0] == "p_value: too few"


def test_panels_that_cannot_be_shifted_are_refused():
    frame = world()
    off = frame.assign(d=((frame["unit"] < 4) & (frame["t"] == 5)).astype(int))
    with pytest.raises(LiftosError, match=r"a treatment that stays on once it began; found 4 units .* first 0"):
        placebo_in_time(panel_of(off), change)
    section = Panel.from_frame(frame[frame["t"] == 5], outcome="y", treatment="d", unit="unit")
    with pytest.raises(LiftosError, match="a panel with periods"):
        placebo_in_time(section, change)
    dose = panel_of(frame.assign(d=0.5 * frame["d"]), instruments=["x"])
    with pytest.raises(LiftosError, match="a 0/1 treatment"):
        placebo_in_time(dose, change)
    for shifts in ((0,), (1.5,), (-1,), ()):
        with pytest.raises(LiftosError, match="shifts of 1 period or more"):
            placebo_in_time(panel_of(frame), change, shifts)


def test_units_that_are_always_treated_or_seen_once_stay_out():
    frame = world()
    always = frame.assign(d=np.where(frame["unit"] == 0, 1, frame["d"]))
    (panel,) = seen_by(always)
    assert 0 not in panel.unit_labels and panel.n_treated == 5
    once = frame[(frame["unit"] != 1) | (frame["t"] == 4)]
    (panel,) = seen_by(once)
    # Unit 1, seen once and untreated, never shows a start: it stays as a control.
    assert panel.n_treated == 5 and 1 in panel.unit_labels
