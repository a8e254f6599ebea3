"""Adoption methods with few clusters: what has a standard error and what has none."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal.estimators.adoption_rows import adoption_of
from liftos_pipeline.errors import LiftosError
from tests.adoption_worlds import METHODS, panel_of, run, world


@pytest.mark.parametrize("method", METHODS)
def test_one_treated_unit_has_an_estimate_and_no_standard_error(method):
    table = world()
    found = run(method, table[(table.g == 0) | (table.unit == 30)])
    assert math.isfinite(found.estimate)
    sensitivity = {"pretrend_detectable_slope", "honest_did_breakdown"} if method == "event_study" else set()
    assert set(found.undefined) == {"std_error", "ci_low", "ci_high", "p_value", "pretrend_p"} | sensitivity
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
