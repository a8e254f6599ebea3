"""Group-time effects and their averages: numbers by hand, options, units that are not always seen."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from liftos_pipeline.causal.estimators import group_time_table
from liftos_pipeline.causal.estimators.adoption_rows import adoption_of
from liftos_pipeline.causal.estimators.group_time_averages import AGGREGATIONS, averages
from liftos_pipeline.causal.estimators.group_time_cells import from_cells
from liftos_pipeline.causal.estimators.group_time_pairs import from_pairs
from liftos_pipeline.causal.estimators.group_time_plan import plan_of
from liftos_pipeline.errors import LiftosError
from tests.adoption_worlds import panel_of, run, world


@pytest.mark.parametrize("control_group", ["never_treated", "not_yet_treated"])
def test_cells_and_pairs_give_the_same_group_times(control_group):
    adoption = adoption_of(panel_of(world(), weights="w"), "staggered_did")
    plan = plan_of(adoption, control_group, 0, "varying")
    by_cells, by_pairs = (make(adoption, adoption.unit_weights, plan) for make in (from_cells, from_pairs))
    np.testing.assert_allclose(by_cells.estimate, by_pairs.estimate, atol=1e-12)
    rng = np.random.default_rng(0)
    combined = csr_array(rng.standard_normal((len(plan.period), 3)))
    added = rng.standard_normal((len(adoption.cohorts), 3))
    cells, pairs = by_cells.influence(combined, added), by_pairs.influence(combined, added)
    np.testing.assert_allclose(cells.values, pairs.values, atol=1e-12)
    np.testing.assert_allclose(cells.squares, pairs.squares, rtol=1e-10)
    np.testing.assert_array_equal(by_cells.treated_clusters, by_pairs.treated_clusters)
    np.testing.assert_array_equal(by_cells.control_clusters, by_pairs.control_clusters)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("control_group", ["never_treated", "not_yet_treated"])
def test_influence_on_averages_is_their_derivative(aggregation, control_group):
    """With the cohorts' weights: influence is a unit's weight times the derivative with respect to it."""
    adoption = adoption_of(panel_of(world(), weights="w"), "staggered_did")
    plan = plan_of(adoption, control_group, 0, "varying")

    def averaged(weights: np.ndarray):
        every = np.ones(len(plan.period), dtype=bool)
        return averages(adoption, weights, from_cells(adoption, weights, plan), aggregation, every)

    found = averaged(adoption.unit_weights)
    effects = from_cells(adoption, adoption.unit_weights, plan)
    influence = effects.influence(found.shares, found.deviation).values
    for unit in (0, 30, 40, 59):
        step = np.zeros(adoption.n_units)
        step[unit] = 1e-5
        up, down = averaged(adoption.unit_weights + step), averaged(adoption.unit_weights - step)
        slope = adoption.unit_weights[unit] * (up.estimates - down.estimates) / 2e-5
        np.testing.assert_allclose(influence[unit], slope, rtol=1e-4, atol=1e-8)


def test_axes_of_the_averages():
    table = world()
    by_group = run("staggered_did", table, {"aggregation": "group"}).path
    assert by_group["period"].tolist() == [4, 6, 7]
    by_period = run("staggered_did", table, {"aggregation": "calendar"}).path
    assert by_period["period"].tolist() == [4, 5, 6, 7, 8, 9]
    simple, dynamic = (run("staggered_did", table, {"aggregation": name}) for name in ("simple", "dynamic"))
    pd.testing.assert_frame_equal(simple.path, dynamic.path)
    assert dynamic.estimate == pytest.approx(dynamic.path.query("event_time >= 0")["estimate"].mean(), abs=1e-12)
    cells = pd.DataFrame(simple.diagnostics["group_times"])
    assert len(cells) == 3 * 8
    post = cells[cells["period"] >= cells["group"]]
    assert simple.estimate == pytest.approx(post["estimate"].mean(), abs=1e-12)


def test_universal_base_shows_its_zero():
    found = run("staggered_did", world(), {"base_period": "universal", "anticipation": 1}).path
    assert found.set_index("event_time").loc[-2].tolist() == [0.0] * 6


def test_anticipation_moves_the_base():
    table = world(starts=(0, 5))
    mean = table.pivot_table(index="t", columns="g", values="y")
    gap = mean[5] - mean[0]
    found = run("staggered_did", table, {"anticipation": 1})
    assert found.estimate == pytest.approx(gap.loc[5:].mean() - gap[3], abs=1e-12)
    path = found.path.set_index("event_time")["estimate"]
    assert path[-1] == pytest.approx(gap[4] - gap[3], abs=1e-12)
    assert path[-2] == pytest.approx(gap[3] - gap[2], abs=1e-12)
    assert found.diagnostics["pretrend_restrictions"] == 2


def test_not_yet_treated_units_are_controls_until_they_adopt():
    table = world(starts=(4, 7))
    found = run("staggered_did", table, {"control_group": "not_yet_treated"})
    mean = table.pivot_table(index="t", columns="g", values="y")
    gap = mean[4] - mean[7]
    assert found.estimate == pytest.approx(gap.loc[4:6].mean() - gap[3], abs=1e-12)
    assert found.estimand == "att over 3 of 9 group-times"
    assert "6 times no cohort to compare with" in found.warnings[0]


def test_group_times_of_one_unit_are_not_told():
    table = world(starts=(0, 0, 5, 7))
    early = world(seed=9, starts=(0, 3), n_each=1).query("unit == 1").assign(unit=99)
    found = run("staggered_did", pd.concat([table, early]), {"aggregation": "group"})
    cells = pd.DataFrame(found.diagnostics["group_times"])
    assert cells.loc[cells["group"] == 3, "std_error"].isna().all()
    assert cells.loc[cells["group"] > 3, "std_error"].notna().all()
    assert found.path["std_error"].isna().tolist() == [True, False, False]
    assert found.diagnostics["pretrend_restrictions"] == 3 + 5
    assert math.isfinite(found.std_error)


def test_covariates_that_give_the_cohort_away():
    table = world().assign(size=lambda f: 10.0 * (f["g"] > 0) + f["base"])
    with pytest.raises(LiftosError, match="covariates all but determine the cohort"):
        run("staggered_did", table, covariates=["size"])


def test_group_times_use_the_units_seen_in_both_periods():
    table = world(starts=(0, 5), n_periods=6)
    gone = ((table.unit == 3) & (table.t == 6)) | ((table.unit == 15) & (table.t == 4))
    found = run("staggered_did", table[~gone])
    wide = table[~gone].pivot_table(index=["g", "unit"], columns="t", values="y")
    cells = {row["period"]: row["estimate"] for row in found.diagnostics["group_times"]}
    for period in (5, 6):
        change = (wide[period] - wide[4]).dropna()
        assert cells[period] == pytest.approx(change[5].mean() - change[0].mean(), abs=1e-12)


def test_group_times_without_units_are_left_out():
    table = world()
    found = run("staggered_did", table[~((table.g == 7) & (table.t == 9))])
    cells = pd.DataFrame(found.diagnostics["group_times"])
    assert cells.loc[cells["estimate"].isna(), ["group", "period"]].to_numpy().tolist() == [[7, 9]]
    assert found.estimand == "att over 12 of 13 group-times"
    assert "1 times no unit of the cohort is seen in both periods" in found.warnings[0]
    assert found.estimate == pytest.approx(cells.query("period >= group")["estimate"].mean(), abs=1e-12)


def test_points_that_rest_on_one_control_are_not_told():
    """In period 1 a single control is seen: the changes to period 2 cannot be told."""
    table = world(starts=(0, 5))
    found = run("staggered_did", table[(table.t > 1) | (table.g > 0) | (table.unit == 0)])
    path = found.path.set_index("event_time")["std_error"]
    assert path.index[path.isna()].tolist() == [-3]
    assert found.undefined == {"path": "one treated cluster or no variation at -3"}
    assert found.diagnostics["pretrend_restrictions"] == 2


def test_the_joint_test_takes_the_event_times_next_to_adoption(monkeypatch):
    """Three cohorts with 2, 4 and 5 leads from the period before: 3, 6, 8, 10 and 11 restrictions."""
    table = world()
    for most, expected in ((60, 11), (11, 11), (10, 10), (9, 8), (8, 8), (2, 3)):
        monkeypatch.setattr(group_time_table, "MOST_TESTED", most)
        found = run("staggered_did", table).diagnostics
        assert found["pretrend_restrictions"] == expected
    cells = pd.DataFrame(found["group_times"])
    last = cells[cells["period"] == cells["group"] - 1]
    assert len(last) == 3
    # The cohorts share their controls: the quadratic form is below the sum of the squared t statistics.
    t = (last["estimate"] / last["std_error"]).to_numpy()
    assert 0 < found["pretrend_statistic"] < 3 * (t**2).sum()
    monkeypatch.setattr(group_time_table, "MOST_TESTED", 2)
    anticipated = run("staggered_did", table, {"anticipation": 1}).diagnostics
    assert anticipated["pretrend_restrictions"] == 3


@pytest.mark.parametrize("control_group", ["never_treated", "not_yet_treated"])
@pytest.mark.parametrize("weights", [None, "w"])
def test_standard_errors_of_single_effects_do_not_depend_on_the_route(control_group, weights):
    """From squares where units are the clusters; from influences where the same units are named as clusters of pairs."""
    table = world()
    options = {"control_group": control_group}
    plain = pd.DataFrame(run("staggered_did", table, options, weights=weights).diagnostics["group_times"])
    adoption = adoption_of(panel_of(table, weights=weights), "staggered_did")
    plan = plan_of(adoption, control_group, 0, "varying")
    effects = from_cells(adoption, adoption.unit_weights, plan)
    everyone = csr_array(np.eye(len(plan.period)))
    influence = effects.influence(everyone, np.zeros((len(adoption.cohorts), len(plan.period))))
    errors = np.sqrt(60 / 59 * np.sum(influence.values**2, axis=0))
    np.testing.assert_allclose(plain["std_error"], errors, rtol=1e-10)


def test_clusters_of_several_units_add_up_before_they_are_squared(monkeypatch):
    table = pd.concat([world(), world(seed=5).assign(unit=lambda f: f["unit"] + 100)])
    table = table.assign(pair=lambda f: f["unit"] % 100)
    found = pd.DataFrame(run("staggered_did", table, cluster="pair").diagnostics["group_times"])
    wide = table.pivot_table(index=["pair", "unit", "g"], columns="t", values="y")
    change = wide[5] - wide[3]
    influence = 0.0
    for group, sign in ((4, 1.0), (0, -1.0)):
        own = change[change.index.get_level_values("g") == group]
        influence = influence + (sign * (own - own.mean()) / len(own)).reindex(change.index, fill_value=0.0)
    by_pair = influence.groupby("pair").sum()
    expected = np.sqrt(60 / 59 * (by_pair**2).sum())
    row = found[(found["group"] == 4) & (found["period"] == 5)].iloc[0]
    assert row["std_error"] == pytest.approx(expected, rel=1e-10)
    monkeypatch.setattr(group_time_table, "_BLOCK", 5)
    blocks = pd.DataFrame(run("staggered_did", table, cluster="pair").diagnostics["group_times"])
    pd.testing.assert_frame_equal(blocks, found)


def test_clusters_of_several_units_add_up_where_rows_are_missing():
    """By pairs of periods as by cells: one row that no effect uses is missing."""
    table = pd.concat([world(starts=(0, 5)), world(seed=5, starts=(0, 5)).assign(unit=lambda f: f["unit"] + 100)])
    table = table.assign(pair=lambda f: f["unit"] % 100)
    whole = pd.DataFrame(run("staggered_did", table, cluster="pair").diagnostics["group_times"])
    rows = table[(table["unit"] != 0) | (table["t"] != 9)]
    found = pd.DataFrame(run("staggered_did", rows, cluster="pair").diagnostics["group_times"])
    pd.testing.assert_frame_equal(found[found["period"] < 9], whole[whole["period"] < 9])


@pytest.mark.parametrize("missing", [False, True])
def test_leads_bound_what_is_compared_before_adoption(missing):
    table = world()
    rows = table[(table["unit"] != 30) | (table["t"] != 9)] if missing else table
    whole, near = (
        run("staggered_did", rows, {"aggregation": "dynamic", **options}) for options in ({}, {"leads": 2})
    )
    assert (near.estimate, near.std_error) == (whole.estimate, whole.std_error)
    assert near.path["event_time"].tolist() == [-2, -1, 0, 1, 2, 3, 4, 5]
    columns = ["event_time", "estimate", "std_error", "ci_low", "ci_high"]
    pd.testing.assert_frame_equal(
        near.path[columns], whole.path[whole.path["event_time"] >= -2][columns].reset_index(drop=True)
    )
    assert near.diagnostics["pretrend_restrictions"] == 6
    assert len(near.diagnostics["group_times"]) == 6 + len([0 for start in (4, 6, 7) for _ in range(start, 10)])
    with pytest.raises(LiftosError, match="leads a whole number from 1 on"):
        run("staggered_did", rows, {"leads": 0})
