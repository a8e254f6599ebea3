"""Event studies, group-time effects and imputation: numbers by hand, options, and what they do with bad panels."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import EffectEstimate, Panel, estimate
from liftos_pipeline.causal.estimators.adoption_rows import adoption_of
from liftos_pipeline.causal.estimators.group_time import from_cells, from_pairs, plan_of
from liftos_pipeline.causal.estimators.group_time_averages import AGGREGATIONS, averages
from liftos_pipeline.errors import LiftosError

METHODS = ("event_study", "staggered_did", "imputation_did")
ROLES = {"outcome": "y", "treatment": "d", "unit": "unit", "period": "t"}
PATH = ["event_time", "estimate", "std_error", "ci_low", "ci_high", "band_low", "band_high"]


def world(seed: int = 0, starts=(0, 0, 4, 6, 7), n_each: int = 12, n_periods: int = 9) -> pd.DataFrame:
    """``n_each`` units of every adoption period (0: never); effect 1 + event time / 2."""
    rng = np.random.default_rng(seed)
    start = np.repeat(starts, n_each)
    t = np.arange(1, n_periods + 1)
    treated = (start[:, None] > 0) & (t >= start[:, None])
    effect = np.where(treated, 1 + 0.5 * (t - start[:, None]), 0.0)
    y = rng.standard_normal((len(start), 1)) + np.sin(t) + effect + 0.3 * rng.standard_normal(treated.shape)
    table = pd.DataFrame(
        {
            "unit": np.repeat(np.arange(len(start)), n_periods),
            "t": np.tile(t, len(start)),
            "g": np.repeat(start, n_periods),
            "d": treated.ravel().astype(int),
            "y": y.ravel(),
        }
    )
    return table.assign(
        x=rng.standard_normal(len(table)),
        base=np.repeat(rng.standard_normal(len(start)), n_periods),
        w=np.repeat(rng.uniform(0.5, 2, len(start)), n_periods),
    )


def panel_of(table: pd.DataFrame, **roles) -> Panel:
    return Panel.from_frame(table, **{**ROLES, **roles})


def run(method: str, table: pd.DataFrame, options: dict | None = None, **roles) -> EffectEstimate:
    return estimate(method, panel_of(table, **roles), **(options or {}))


# Numbers by hand -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_two_periods_are_the_difference_of_changes(method):
    table = world(starts=(0, 4))
    table = table[table.t.isin([3, 4])]
    change = table.pivot_table(index=["g", "unit"], columns="t", values="y")
    change = change[4] - change[3]
    expected = change[4].mean() - change[0].mean()
    found = run(method, table)
    assert found.estimate == pytest.approx(expected, abs=1e-12)
    # Each side's sum of squares over its size squared, G / (G - 1); the regression adds (n - 1) / (n - p).
    variance = sum(((change[g] - change[g].mean()) ** 2).sum() / 12**2 for g in (0, 4)) * 24 / 23
    factor = (48 - 1) / (48 - 3) if method == "event_study" else 1.0
    assert found.std_error == pytest.approx(math.sqrt(variance * factor), rel=1e-10)
    assert found.diagnostics["degrees_of_freedom"] == 23
    assert found.estimand == "att"
    assert (found.n_rows, found.n_units, found.n_treated, found.n_clusters) == (48, 24, 12, 24)


@pytest.mark.parametrize("method", METHODS)
def test_paths_have_the_contracts_columns(method):
    found = run(method, world())
    assert list(found.path.columns) == PATH
    assert found.path["event_time"].is_monotonic_increasing
    assert (found.path["band_high"] >= found.path["ci_high"]).all()
    assert 0 < found.diagnostics["pretrend_p"] <= 1
    assert found.p_value < 1e-6
    # Event times 0 to 5 at 1 + e / 2; six, four and three of them in the cohorts.
    truth = 2.25 if method == "event_study" else (6 * 2.25 + 4 * 1.75 + 3 * 1.5) / 13
    assert abs(found.estimate - truth) < 4 * found.std_error
    json.loads(found.to_row()["diagnostics"])
    assert found.plot().axes[0].get_xlabel() == "event time"


def test_event_study_averages_its_post_periods():
    found = run("event_study", world(), {"leads": 3, "lags": 2})
    path = found.path.set_index("event_time")
    assert path.index.tolist() == [-3, -2, -1, 0, 1, 2]
    assert found.estimate == pytest.approx(path.loc[0:, "estimate"].mean(), abs=1e-12)
    assert path.loc[-1].tolist() == [0.0] * 6
    assert found.diagnostics["base_period"] == -1
    assert found.diagnostics["bins"] == {"-3": [-6, -3], "2": [2, 5]}


def test_bins_pool_what_lies_beyond():
    """One cohort: the binned regression has the bins' members share a coefficient."""
    table = world(starts=(0, 5))
    found = run("event_study", table, {"leads": 2, "lags": 1}).path.set_index("event_time")["estimate"]
    mean = table.pivot_table(index="t", columns="g", values="y")
    gap = mean[5] - mean[0]
    base = gap[4]
    # Event times: t - 5. Bins: t <= 3 and t >= 6.
    assert found[-2] == pytest.approx(gap.loc[:3].mean() - base, abs=1e-12)
    assert found[0] == pytest.approx(gap[5] - base, abs=1e-12)
    assert found[1] == pytest.approx(gap.loc[6:].mean() - base, abs=1e-12)


def test_one_lead_makes_everything_before_the_base():
    table = world(starts=(0, 5))
    found = run("event_study", table, {"leads": 1, "lags": 0})
    mean = table.pivot_table(index="t", columns="g", values="y")
    gap = mean[5] - mean[0]
    assert found.estimate == pytest.approx(gap.loc[5:].mean() - gap.loc[:4].mean(), abs=1e-12)
    assert found.undefined == {"pretrend_p": "no period before that could be tested"}


def test_default_window_is_at_most_ten_to_a_side():
    table = world(starts=(0, 20), n_periods=40)
    found = run("event_study", table)
    assert found.path["event_time"].tolist() == list(range(-10, 11))
    assert found.diagnostics["bins"] == {"-10": [-19, -10], "10": [10, 20]}


def test_too_many_leads_and_lags_are_cut_and_said():
    found = run("event_study", world(), {"leads": 30, "lags": 30})
    assert found.path["event_time"].tolist() == list(range(-6, 6))
    assert found.warnings[:2] == (
        "no rows before event time -6: 6 leads instead of 30",
        "no rows after event time 5: 5 lags instead of 30",
    )


def test_cells_and_rows_give_the_same_event_study():
    """A covariate that the unit determines is dropped, but sends the panel through the rows."""
    for weights in (None, "w"):
        by_cells = run("event_study", world(), weights=weights)
        by_rows = run("event_study", world(), weights=weights, covariates=["base"])
        assert by_rows.estimate == pytest.approx(by_cells.estimate, abs=1e-12)
        assert by_rows.std_error == pytest.approx(by_cells.std_error, rel=1e-10)
        np.testing.assert_allclose(by_rows.path, by_cells.path, atol=1e-9)
        assert "covariate base was dropped" in by_rows.warnings[0]


@pytest.mark.parametrize("control_group", ["never_treated", "not_yet_treated"])
def test_cells_and_pairs_give_the_same_group_times(control_group):
    adoption = adoption_of(panel_of(world(), weights="w"), "staggered_did")
    plan = plan_of(adoption, control_group, 0, "varying")
    by_cells, by_pairs = (make(adoption, adoption.unit_weights, plan) for make in (from_cells, from_pairs))
    np.testing.assert_allclose(by_cells.estimate, by_pairs.estimate, atol=1e-12)
    combined = np.random.default_rng(0).standard_normal((len(plan.period), 3))
    np.testing.assert_allclose(by_cells.influence(combined), by_pairs.influence(combined), atol=1e-12)
    np.testing.assert_array_equal(by_cells.treated_clusters, by_pairs.treated_clusters)
    np.testing.assert_array_equal(by_cells.control_clusters, by_pairs.control_clusters)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("control_group", ["never_treated", "not_yet_treated"])
def test_influence_on_averages_is_their_derivative(aggregation, control_group):
    """With the cohorts' weights: influence is a unit's weight times the derivative with respect to it."""
    adoption = adoption_of(panel_of(world(), weights="w"), "staggered_did")
    plan = plan_of(adoption, control_group, 0, "varying")

    def averaged(weights: np.ndarray):
        return averages(adoption, weights, from_cells(adoption, weights, plan), aggregation)

    found = averaged(adoption.unit_weights)
    for unit in (0, 30, 40, 59):
        step = np.zeros(adoption.panel.n_units)
        step[unit] = 1e-5
        up, down = averaged(adoption.unit_weights + step), averaged(adoption.unit_weights - step)
        weight = adoption.unit_weights[unit]
        assert found.overall_influence[unit] == pytest.approx(
            weight * (up.overall - down.overall) / 2e-5, rel=1e-4, abs=1e-8
        )
        slope = weight * (up.estimates - down.estimates) / 2e-5
        np.testing.assert_allclose(found.influence[unit], slope, rtol=1e-4, atol=1e-8)


def test_imputation_by_hand():
    """Two units, three periods: unit and period effects of three untreated rows determine the imputation."""
    table = pd.DataFrame({"unit": [0, 0, 0, 1, 1, 1], "t": [1, 2, 3] * 2, "d": [0, 0, 1, 0, 0, 0]})
    table["y"] = [1.0, 3.0, 10.0, 2.0, 3.0, 6.0]
    # Unit 0 is 1.5 - 2.5... : period effects from both units in 1 and 2; 3 from unit 1 alone.
    found = run("imputation_did", table)
    # alpha_0 = mean(1, 3), alpha_1 about the same periods = mean(2, 3); 6 = alpha_1 + lambda_3.
    assert found.estimate == pytest.approx(10.0 - (6.0 + 2.0 - 2.5), abs=1e-12)
    assert found.undefined["std_error"] == "1 cluster with treated rows; at least 2 are needed"


# Options -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("event_study", {"leads": 0}, "leads a whole number from 1 on; found 0"),
        ("event_study", {"lags": -1}, "lags a whole number from 0 on; found -1"),
        ("event_study", {"leads": 2.0}, r"leads a whole number from 1 on; found 2.0"),
        ("event_study", {"lags": True}, "lags a whole number from 0 on; found True"),
        ("imputation_did", {"leads": -1}, "leads a whole number from 0 on; found -1"),
        ("staggered_did", {"anticipation": -1}, "anticipation a whole number from 0 on; found -1"),
        ("staggered_did", {"aggregation": "mean"}, "aggregation one of simple, group, calendar, dynamic"),
        ("staggered_did", {"control_group": "all"}, "control_group one of never_treated, not_yet_treated"),
        ("staggered_did", {"base_period": "first"}, "base_period one of varying, universal"),
    ],
)
def test_wrong_options_are_refused(method, options, message):
    with pytest.raises(LiftosError, match=message):
        run(method, world(), options)


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


def test_leads_of_the_imputation():
    table = world()
    assert run("imputation_did", table).path["event_time"].tolist() == list(range(-5, 6))
    none = run("imputation_did", table, {"leads": 0})
    assert none.path["event_time"].min() == 0
    assert none.undefined == {"pretrend_p": "no period before that could be tested"}
    # Six leads are all untreated rows of the last cohort: its unit effects leave the first of them open.
    many = run("imputation_did", table, {"leads": 7})
    assert many.path["event_time"].min() == -5
    assert "event times -7, -6 cannot be tested" in many.warnings


@pytest.mark.parametrize("method", METHODS)
def test_same_seed_same_bits_whatever_the_row_order(method):
    table = world()
    shuffled = table.sample(frac=1.0, random_state=1)
    first, again, mixed = (estimate(method, panel_of(part), seed=4) for part in (table, table, shuffled))
    assert first.to_row() == again.to_row() == mixed.to_row()
    pd.testing.assert_frame_equal(first.path, mixed.path, check_exact=True)
    other = estimate(method, panel_of(table), seed=5)
    assert (other.path["band_high"] != first.path["band_high"]).any()
    assert other.std_error == first.std_error


# Panels that ask for care --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_small_integers_do_not_overflow(method):
    table = world().assign(y=lambda f: (20 * f["y"]).round().clip(-128, 127))
    small = table.astype({"y": "int8", "d": "int8", "t": "int8", "unit": "int8"})
    assert run(method, small).to_row() == run(method, table).to_row()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("outcome", "value"),
    [
        (lambda f: 3.3 + 0 * f["t"], 0.0),
        (lambda f: 1.7 * f["unit"] + 0.3 * f["t"], 0.0),
        (lambda f: 1e6 + 1.7 * f["unit"] + 0.3 * f["t"] + 2.2 * f["d"], 2.2),
    ],
    ids=["constant", "unit and period effects", "and a constant effect"],
)
def test_outcomes_without_variation_have_no_standard_error(method, outcome, value):
    found = run(method, world().assign(y=outcome))
    assert found.estimate == pytest.approx(value, abs=1e-8)
    assert math.isnan(found.std_error)
    assert found.undefined["p_value"] == "the outcome does not vary within the arms"
    assert "pretrend_p" in found.undefined
    assert found.path.loc[found.path["event_time"] != -1, "band_low"].isna().all() or method == "staggered_did"
    assert math.isnan(found.path["band_low"].iloc[-1])


@pytest.mark.parametrize("method", METHODS)
def test_a_treatment_that_switches_off_is_refused(method):
    table = world().assign(d=lambda f: f["d"] * (f["t"] != 8))
    with pytest.raises(LiftosError, match="36 units whose treatment switches off, first 24 at 8"):
        run(method, table)


@pytest.mark.parametrize("method", METHODS)
def test_a_cross_section_is_refused(method):
    table = world().drop_duplicates("unit").assign(d=lambda f: (f["g"] > 0) * 1)
    with pytest.raises(LiftosError, match=f"a period for {method}; found a cross-section"):
        estimate(method, Panel.from_frame(table, outcome="y", treatment="d", unit="unit"))


@pytest.mark.parametrize("method", METHODS)
def test_units_treated_from_the_start_and_units_seen_once_are_dropped(method):
    table = world()
    plain = run(method, table)
    always = table[table.unit < 3].assign(unit=lambda f: f["unit"] + 1_000, d=1, y=lambda f: 50 * f["y"])
    once = table[(table.unit < 2) & (table.t == 4)].assign(unit=lambda f: f["unit"] + 2_000, y=99.0)
    late = table[(table.unit < 1) & (table.t > 6)].assign(unit=3_000, d=1, y=70.0)
    found = run(method, pd.concat([table, always, once, late]))
    assert found.estimate == pytest.approx(plain.estimate, abs=1e-12)
    assert found.std_error == pytest.approx(plain.std_error, rel=1e-10)
    assert (found.n_rows, found.n_units, found.n_treated) == (plain.n_rows, plain.n_units, plain.n_treated)
    assert "4 units treated in all their rows were dropped: they have no time before" in found.warnings
    assert "2 units seen in one period were dropped: they show no change" in found.warnings
    n_treated = int(table["d"].sum())
    renamed = f"att over {n_treated} of {n_treated + 30} treated rows"
    assert found.estimand == (renamed if method == "imputation_did" else "att")


@pytest.mark.parametrize("method", METHODS)
def test_nobody_seen_before_adoption_is_refused(method):
    table = world(starts=(0, 4))
    with pytest.raises(LiftosError, match=f"units seen before and after adoption for {method}; found none"):
        run(method, table[table.t >= 4])


@pytest.mark.parametrize("method", METHODS)
def test_one_treated_unit_has_an_estimate_and_no_standard_error(method):
    table = world()
    found = run(method, table[(table.g == 0) | (table.unit == 30)])
    assert math.isfinite(found.estimate)
    assert set(found.undefined) == {"std_error", "ci_low", "ci_high", "p_value", "pretrend_p"}
    assert found.undefined["ci_low"].startswith("1 cluster ")
    assert found.path.loc[found.path["event_time"] >= 0, "std_error"].isna().all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("starts", [(4,), (4, 6, 7)])
def test_one_never_treated_unit_shows_no_variation(method, starts):
    table = world()
    found = run(method, table[table.g.isin(starts) | (table.unit == 0)])
    assert math.isfinite(found.estimate)
    assert math.isnan(found.std_error)
    assert "at least 2 are needed" in found.undefined["std_error"]


@pytest.mark.parametrize("method", METHODS)
def test_points_of_one_treated_unit_are_not_told(method):
    """One early adopter alone has event times 6 and 7: their errors are NaN, the others stand."""
    table = world(starts=(0, 0, 5, 7))
    early = world(seed=9, starts=(0, 2), n_each=1).query("unit == 1").assign(unit=99)
    found = run(method, pd.concat([table, early]))
    path = found.path.set_index("event_time")
    assert path.loc[[5, 6, 7], "std_error"].isna().all()
    assert path.loc[[5, 6, 7], "estimate"].notna().all()
    assert path.loc[0:4, "band_low"].notna().all()
    assert math.isfinite(found.std_error)
    assert found.undefined == {"path": "one treated cluster or no variation at 5, 6, 7"}


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


def test_every_unit_its_own_cohort():
    """No cohort has a spread of its own, their average does."""
    table = pd.concat(
        [
            world(starts=(0, 0)),
            world(seed=3, starts=(3, 4, 5, 6, 7, 8), n_each=1).assign(unit=lambda f: f.unit + 90),
        ]
    )
    group_times, imputed = run("staggered_did", table), run("imputation_did", table)
    assert 0.05 < group_times.std_error < 0.6
    assert 0.05 < imputed.std_error < 0.6
    assert "27 cohort-periods with a single cluster" in imputed.warnings[0]


def test_clusters_are_recentred_with_their_likes():
    """Clusters of one cohort by cohort; those of several, and a cohort's only one, together."""
    table = world(starts=(0, 4, 6), n_each=4)
    # Units 0-3 never, 4-7 from 4, 8-11 from 6.
    market = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, 8: 8, 9: 8, 10: 8, 11: 3}
    adoption = adoption_of(panel_of(table.assign(market=table.unit.map(market)), cluster="market"), "did")
    # Cohorts in order: from 4, from 6, never. Market 3 is mixed, market 8 alone in its cohort.
    assert adoption.clustering.stratum.tolist() == [1, 1, 1, 2, 0, 0, 0, 0, 2]
    chosen = np.array([[True, False, False], [False, True, True]])
    assert adoption.clusters_in(chosen).tolist() == [4, 5]


@pytest.mark.parametrize("method", METHODS)
def test_few_clusters(method):
    table = world().assign(market=lambda f: f["unit"] % 3)
    found = run(method, table, cluster="market")
    assert found.n_clusters == 3
    assert found.diagnostics["degrees_of_freedom"] == 2
    assert math.isfinite(found.p_value)
    assert found.undefined["pretrend_p"].endswith("coefficients need more than 3 clusters")
    assert any("with fewer than 10 clustered standard errors are too small" in text for text in found.warnings)
    with pytest.raises(LiftosError, match="each unit in one cluster; found unit 0 in several"):
        run(method, table.assign(market=table["t"] % 3), cluster="market")


@pytest.mark.parametrize("method", METHODS)
def test_collinear_covariates_are_dropped_and_named(method):
    table = world().assign(twice=lambda f: 2 * f["x"] + f["t"], trend=lambda f: f["t"] ** 2)
    plain = run(method, table, covariates=["x"])
    found = run(method, table, covariates=["x", "twice", "trend"])
    assert found.estimate == pytest.approx(plain.estimate, abs=1e-9)
    assert found.std_error == pytest.approx(plain.std_error, rel=1e-8)
    for name in ("twice", "trend"):
        assert any(text.startswith(f"covariate {name} was dropped") for text in found.warnings)


def test_a_covariate_that_moves_only_under_treatment():
    table = world().assign(dose=lambda f: f["d"] * (f["unit"] % 5))
    with pytest.raises(LiftosError, match="dose determined by the other columns until units are treated"):
        run("imputation_did", table, covariates=["x", "dose"])
    with pytest.raises(LiftosError, match=r"none of 13: .*covariates are collinear among the units compared"):
        run("staggered_did", table, covariates=["dose"])


def test_covariates_that_give_the_cohort_away():
    table = world().assign(size=lambda f: 10.0 * (f["g"] > 0) + f["base"])
    with pytest.raises(LiftosError, match="covariates all but determine the cohort"):
        run("staggered_did", table, covariates=["size"])


def test_staggered_adoption_is_said_to_mix_cohorts():
    assert run("event_study", world(starts=(0, 4))).warnings == ()
    text = "adoption is staggered over 3 periods: these coefficients mix cohorts and event times"
    assert run("event_study", world()).warnings[0].startswith(text)


def test_no_never_treated_units():
    table = world(starts=(4, 6, 8))
    with pytest.raises(LiftosError, match=r"never treated units; found 36 .*control_group='not_yet_treated'"):
        run("staggered_did", table)
    # Adoption every second period leaves every second event time open: two leads fewer than there are.
    study = run("event_study", table)
    assert study.path["event_time"].min() == -5
    assert study.diagnostics["bins"] == {"-5": [-7, -5]}
    with pytest.raises(LiftosError, match="event times that unit and period effects leave determined"):
        run("event_study", table, {"leads": 7})
    imputed = run("imputation_did", table)
    assert imputed.estimand == "att over 72 of 144 treated rows"
    assert "72 treated rows were left out: no untreated row tells their period effect" in imputed.warnings
    assert imputed.n_treated == 24
    assert imputed.n_rows == 12 * (3 + 5 + 7) + 72


@pytest.mark.parametrize("method", METHODS)
def test_adoption_of_all_at_once_is_refused(method):
    options = {"control_group": "not_yet_treated"} if method == "staggered_did" else {}
    with pytest.raises(LiftosError, match=r"determined; found|can be computed; found|seen untreated; found"):
        run(method, world(starts=(5,)), options)


def test_weights_that_change_within_units():
    table = world().assign(v=lambda f: 1 + f["t"] % 2)
    with pytest.raises(LiftosError, match="one weight per unit; found weights that change within units"):
        run("staggered_did", table, weights="v")
    assert run("event_study", table, weights="v").estimate != run("event_study", table).estimate
    assert run("imputation_did", table, weights="v").estimate != run("imputation_did", table).estimate


@pytest.mark.parametrize("method", METHODS)
def test_weights_stand_for_copies_of_units(method):
    table = world()
    copies = pd.concat([table, table[table.unit % 3 == 0].assign(unit=lambda f: f["unit"] + 1_000)])
    weighted = run(method, table.assign(w=1 + (table.unit % 3 == 0)), weights="w")
    assert weighted.estimate == pytest.approx(run(method, copies).estimate, abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_unbalanced_panels(method):
    rng = np.random.default_rng(0)
    table = world(n_each=40)
    table = table[(rng.random(len(table)) > 0.1) | table.t.isin([3, 4, 5, 6, 7])]
    found = run(method, table)
    assert found.n_rows == len(table)
    assert found.estimate == pytest.approx(run(method, world(n_each=40)).estimate, abs=0.2)


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


def test_a_missing_row_before_adoption_is_said():
    table = world()
    found = run("event_study", table[~((table.unit == 30) & (table.t == 3))])
    assert "1 units have no row just before their first treated one, which is taken as adoption" in found.warnings


# Time ----------------------------------------------------------------------------------------------------------


def days(t: pd.Series) -> pd.Series:
    return pd.Timestamp("2026-01-31") + pd.to_timedelta(t, unit="D")


def month_ends(t: pd.Series) -> pd.Series:
    return pd.Series(pd.date_range("2026-01-31", periods=9, freq="ME"), index=range(1, 10)).loc[t].to_numpy()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("keys", [days, month_ends, lambda t: "week" + t.astype(str), lambda t: t * 7.0])
def test_periods_of_any_kind_give_the_same(method, keys: Callable[[pd.Series], pd.Series]):
    table = world()
    found, plain = run(method, table.assign(t=keys(table["t"]))), run(method, table)
    assert (found.estimate, found.std_error) == (plain.estimate, plain.std_error)
    assert found.warnings == plain.warnings
    pd.testing.assert_frame_equal(found.path, plain.path)


@pytest.mark.parametrize("method", METHODS)
def test_text_periods_out_of_order_are_refused(method):
    table = world().assign(t=lambda f: "week" + (f["t"] + 5).astype(str))
    with pytest.raises(LiftosError, match="sorted order is their order in time; found text, sorted week10"):
        run(method, table)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("keys", "after"),
    [(lambda t: t, "2, 7"), (days, "2026-02-02, 2026-02-07"), (month_ends, "2026-02-28, 2026-07-31")],
)
def test_gaps_in_time_are_said(method, keys, after):
    table = world()
    table = table[~table.t.isin([3, 8])]
    found = run(method, table.assign(t=keys(table["t"])))
    text = f"periods are missing after {after}: event time counts periods, not calendar distance"
    assert text in found.warnings


def test_calendar_periods_keep_their_labels():
    table = world().assign(t=lambda f: days(f["t"]))
    path = run("staggered_did", table, {"aggregation": "calendar"}).path
    assert path["period"].iloc[0] == pd.Timestamp("2026-02-04")
    row = run("staggered_did", table).to_row()
    assert '"group": "2026-02-04 00:00:00"' in row["diagnostics"]
