"""What all adoption methods do: contract, wrong calls, bad panels, covariates and weights."""

from __future__ import annotations

import json
import math

import pandas as pd
import pytest

from liftos_pipeline.causal import Panel, estimate
from liftos_pipeline.errors import LiftosError
from tests.adoption_worlds import METHODS, panel_of, run, world

PATH = ["event_time", "estimate", "std_error", "ci_low", "ci_high", "band_low", "band_high"]


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


@pytest.mark.parametrize("method", ["event_study", "staggered_did"])
def test_a_constant_outcome_has_an_effect_of_exactly_zero(method):
    """Seven times 0.1 over seven is not 0.1 in floating point."""
    found = run(method, world(n_each=7).assign(y=0.1))
    assert found.estimate == 0.0
    assert (found.path["estimate"] == 0.0).all()
