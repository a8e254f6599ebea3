"""Event studies, group-time effects and imputation against pyfixest, csdid and diff-diff.

``make_adoption_witnesses.py`` made the numbers; the data are generated here again.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import EffectEstimate, Panel, estimate
from tests.reference.make_adoption_witnesses import EVENT_STUDIES, GROUP_TIMES, IMPUTATIONS, STORE, frame

WITNESSES = json.loads(STORE.read_text())
EXACT = 1e-12
"""Same formula in another order of operations."""
ITERATED = 1e-10
"""The peer demeans, or fits its logit, by iteration."""


def panel_of(table: pd.DataFrame, weights=None, covariates=(), cluster=None) -> Panel:
    roles = {"outcome": "y", "treatment": "d", "unit": "unit", "period": "t"}
    return Panel.from_frame(table, covariates=covariates, weights=weights, cluster=cluster, **roles)


def without_g(found: EffectEstimate) -> float:
    """csdid and diff-diff have no factor G / (G - 1) in their variances."""
    return np.sqrt((found.n_clusters - 1) / found.n_clusters)


@pytest.mark.parametrize("name", EVENT_STUDIES)
def test_event_study_is_pyfixests(name):
    case, theirs = EVENT_STUDIES[name], WITNESSES["event_study"][name]
    roles = {key: value for key, value in case.items() if key != "missing"}
    ours = estimate("event_study", panel_of(frame(case.get("missing", 0.0)), **roles), leads=4, lags=5)
    path = ours.path[ours.path["event_time"] != -1]
    assert list(path["event_time"]) == [-4, -3, -2, 0, 1, 2, 3, 4, 5]
    np.testing.assert_allclose(path["estimate"], theirs["coefficients"], rtol=ITERATED, atol=EXACT)
    np.testing.assert_allclose(path["std_error"], theirs["std_errors"], rtol=ITERATED)
    assert ours.estimate == pytest.approx(theirs["estimate"], rel=ITERATED)
    assert ours.std_error == pytest.approx(theirs["std_error"], rel=ITERATED)
    assert ours.diagnostics["pretrend_statistic"] == pytest.approx(theirs["wald"], rel=ITERATED)


@pytest.mark.parametrize("name", GROUP_TIMES)
def test_group_time_effects_are_csdids(name):
    case, theirs = GROUP_TIMES[name], WITNESSES["staggered_did"][name]
    tolerance = ITERATED if "covariates" in case else EXACT
    roles = {key: case[key] for key in ("covariates", "weights", "cluster") if key in case}
    options = {key: case[key] for key in ("control_group", "anticipation", "base_period") if key in case}
    panel = panel_of(frame(never=case.get("never", True)), **roles)
    for kind in ("simple", "group", "calendar", "dynamic"):
        ours = estimate("staggered_did", panel, aggregation=kind, **options)
        value, error = theirs[kind]
        assert ours.estimate == pytest.approx(value, rel=tolerance)
        assert ours.std_error * without_g(ours) == pytest.approx(error, rel=tolerance)
    points, values, errors = np.transpose(theirs["path"])
    np.testing.assert_array_equal(ours.path["event_time"], points)
    np.testing.assert_allclose(ours.path["estimate"], values, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(ours.path["std_error"] * without_g(ours), errors, rtol=tolerance, atol=tolerance)
    cells = {(row["group"], row["period"]): row for row in ours.diagnostics["group_times"]}
    for group, period, value, error in theirs["cells"]:
        row = cells[group, period]
        assert row["estimate"] == pytest.approx(value, rel=tolerance, abs=tolerance)
        assert row["std_error"] * without_g(ours) == pytest.approx(error, rel=tolerance)


@pytest.mark.parametrize("name", IMPUTATIONS)
def test_imputation_is_diff_diffs(name):
    case, theirs = IMPUTATIONS[name], WITNESSES["imputation_did"][name]
    table = frame(case.get("missing", 0.0), case.get("units", 240))
    panel = panel_of(table, covariates=case.get("covariates", ()))
    for key, leave_one_out in (("plain", False), ("leave_one_out", True)):
        ours = estimate("imputation_did", panel, leads=3, leave_one_out=leave_one_out)
        value, error = theirs[key]
        assert ours.estimate == pytest.approx(value, rel=ITERATED)
        assert ours.std_error * without_g(ours) == pytest.approx(error, rel=ITERATED)
    leads = ours.path[ours.path["event_time"] < 0]
    np.testing.assert_allclose(leads["estimate"], theirs["leads"], rtol=ITERATED)
    np.testing.assert_allclose(
        leads["std_error"] * without_g(ours), theirs["lead_errors_without_g"], rtol=ITERATED
    )
