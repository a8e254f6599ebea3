"""Imputation of untreated outcomes: numbers by hand, and its leads."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.adoption_worlds import run, world


def test_imputation_by_hand():
    """Two units, three periods: unit and period effects of three untreated rows determine the imputation."""
    table = pd.DataFrame({"unit": [0, 0, 0, 1, 1, 1], "t": [1, 2, 3] * 2, "d": [0, 0, 1, 0, 0, 0]})
    table["y"] = [1.0, 3.0, 10.0, 2.0, 3.0, 6.0]
    # Unit 0 is 1.5 - 2.5... : period effects from both units in 1 and 2; 3 from unit 1 alone.
    found = run("imputation_did", table)
    # alpha_0 = mean(1, 3), alpha_1 about the same periods = mean(2, 3); 6 = alpha_1 + lambda_3.
    assert found.estimate == pytest.approx(10.0 - (6.0 + 2.0 - 2.5), abs=1e-12)
    assert found.undefined["std_error"] == "1 cluster with treated rows; at least 2 are needed"


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
