"""Event studies: numbers by hand, their window and its bins."""

from __future__ import annotations

import numpy as np
import pytest

from tests.adoption_worlds import run, world


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
    assert found.undefined == {
        "pretrend_p": "no period before that could be tested",
        "pretrend_detectable_slope": "no event time -2 with a standard error",
        "honest_did_breakdown": "no event time -2 with a standard error",
    }


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


def test_staggered_adoption_is_said_to_mix_cohorts():
    assert run("event_study", world(starts=(0, 4))).warnings == ()
    text = "adoption is staggered over 3 periods: these coefficients mix cohorts and event times"
    assert run("event_study", world()).warnings[0].startswith(text)
