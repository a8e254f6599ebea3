"""Balance by hand, and its edges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from liftos_pipeline.causal.diagnostics.balance import balance
from liftos_pipeline.errors import LiftosError

D = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
X = np.array([1.0, 2.0, 6.0, 0.0, 1.0, 2.0])[:, None]


def test_by_hand():
    weights = np.array([1.0, 1.0, 1.0, 0.0, 1.0, 3.0])
    found = balance(X, D, ["x"], weights, unit=np.array([0, 0, 1, 2, 3, 4]))
    row = found.table.iloc[0]
    # Before: means 3 and 1, variances 7 and 1, pooled sd 2. After: control mean 7/4, its variance
    # (1/4 (3/4)^2 + 3/4 (1/4)^2) / (1 - 10/16) = .1875 / .375.
    assert row["smd_before"] == pytest.approx(1.0)
    assert row["smd_after"] == pytest.approx(1.25 / 2)
    assert (row["mean_treated"], row["mean_control"]) == (pytest.approx(3.0), pytest.approx(1.75))
    assert row["variance_ratio_before"] == pytest.approx(7.0)
    assert row["variance_ratio_after"] == pytest.approx(14.0)
    # Distribution functions before at 0, 1, 2, 6: 0, 1/3, 2/3, 1 against 1/3, 2/3, 1, 1. After: 0, 1/4, 1, 1.
    assert row["ks_before"] == pytest.approx(1 / 3)
    assert row["ks_after"] == pytest.approx(1 / 3)
    assert row["undefined"] is None
    assert found.ess_treated == pytest.approx(9 / 5)
    heavy = balance(X, D, ["x"], weights * [2.0, 1, 1, 1, 1, 1])
    assert heavy.ess_treated == pytest.approx(16 / 6)
    assert found.ess_control == pytest.approx(16 / 10)
    assert (found.largest_smd_before, found.largest_smd_after) == (pytest.approx(1.0), pytest.approx(0.625))


def test_weights_that_balance_leave_nothing():
    rng = np.random.default_rng(0)
    x = np.repeat([0.0, 1.0], 50)
    d = np.concatenate([np.arange(50) % 5 == 0, np.arange(50) % 5 != 0]).astype(float)
    e = np.where(x == 1, 0.8, 0.2)
    found = balance(x[:, None], d, ["x"], np.where(d == 1, 1 / e, 1 / (1 - e)))
    assert abs(found.table.loc[0, "smd_before"]) > 1
    assert found.table.loc[0, "smd_after"] == pytest.approx(0.0, abs=1e-12)
    assert found.table.loc[0, "ks_after"] == pytest.approx(0.0, abs=1e-12)
    order = rng.permutation(100)
    again = balance(x[order, None], d[order], ["x"], np.where(d == 1, 1 / e, 1 / (1 - e))[order])
    np.testing.assert_allclose(
        again.table.drop(columns=["covariate", "undefined"]).to_numpy(float),
        found.table.drop(columns=["covariate", "undefined"]).to_numpy(float),
        atol=1e-12,
    )


def test_sampling_weights_count_before_weighting():
    sampling = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 2.0])
    found = balance(X, D, ["x"], np.ones(6), sampling)
    repeated = balance(np.append(X, [[2.0]], axis=0), np.append(D, 0.0), ["x"], np.ones(7))
    assert found.table.loc[0, "ks_before"] == pytest.approx(repeated.table.loc[0, "ks_before"])
    assert found.table.loc[0, "mean_control"] == pytest.approx(1.0)


def test_what_does_not_vary_is_missing_with_a_reason():
    constant = np.column_stack([np.full(6, 1e6), D, np.array([1.0, 2, 3, 5, 5, 5]), X[:, 0]])
    table = balance(constant, D, ["same", "arm", "control", "x"], np.ones(6)).table.set_index("covariate")
    for name in ("same", "arm"):
        assert math.isnan(table.loc[name, "smd_before"]) and math.isnan(table.loc[name, "variance_ratio_after"])
        assert table.loc[name, "undefined"] == "no variation within the arms"
    assert table["ks_before"].iloc[:2].to_list() == pytest.approx([0.0, 1.0], abs=1e-12)
    assert math.isfinite(table.loc["control", "smd_before"])
    assert math.isnan(table.loc["control", "variance_ratio_before"])
    assert table.loc["control", "undefined"].startswith("no variation in the control arm")
    assert table.loc["x", "undefined"] is None


def test_single_rows_and_small_integers():
    one = balance(np.array([[1], [2], [4]], dtype=np.int8), np.array([1, 0, 0], dtype=np.int8), ["x"], np.ones(3))
    assert one.table.loc[0, "smd_before"] == pytest.approx((1 - 3) / math.sqrt(2 / 2))
    assert one.table.loc[0, "variance_ratio_before"] == 0.0
    big = np.full((300, 1), 100, dtype=np.int8)
    big[::2] = 120
    found = balance(big, np.arange(300) % 3 == 0, ["x"], np.ones(300))
    assert found.table.loc[0, "mean_treated"] == pytest.approx(110.0)
    none = balance(np.empty((6, 0)), D, [], np.ones(6))
    assert len(none.table) == 0 and math.isnan(none.largest_smd_after)


def test_wrong_calls_are_refused():
    with pytest.raises(LiftosError, match="untreated rows with weight"):
        balance(X, D, ["x"], D)
    with pytest.raises(LiftosError, match="treated rows with weight; found none"):
        balance(X, np.zeros(6), ["x"], np.ones(6))
    with pytest.raises(LiftosError, match="one name per covariate"):
        balance(X, D, ["x", "z"], np.ones(6))
    with pytest.raises(LiftosError, match="weights of 0 or more"):
        balance(X, D, ["x"], -np.ones(6))
    with pytest.raises(LiftosError, match="known covariates"):
        balance(np.where(X == 6, np.nan, X), D, ["x"], np.ones(6))
