"""Instrumental variables: numbers worked out by hand, and what must not change them."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal.kernels import instruments as kernel
from tests.instruments import TESTS, numbers, run, trial


def test_one_binary_instrument_is_walds_ratio():
    frame = trial()
    result = run(frame, covariates=())
    means = frame.groupby("z")[["y", "d"]].mean()
    wald = (means["y"][1] - means["y"][0]) / (means["d"][1] - means["d"][0])
    assert result.estimate == pytest.approx(wald, rel=1e-12)
    residual = frame["y"] - wald * frame["d"]
    residual -= residual.mean()
    z, d = frame["z"] - frame["z"].mean(), frame["d"]
    hc1 = math.sqrt(300 / 298 * np.sum(z**2 * residual**2)) / abs(z @ d)
    assert result.std_error == pytest.approx(hc1, rel=1e-12)
    assert (result.n_rows, result.n_units, result.n_clusters) == (300, 300, 300)
    assert result.n_treated == frame["d"].sum()
    assert (result.method, result.estimand) == ("iv", "late")
    assert result.diagnostics["standard_error"] == "hc1"


def test_anderson_rubin_interval_of_one_instrument_by_hand():
    """Eight rows, each its own cluster: the t test of g = a - b c, and F(1, 7) at 95 % is 5.591448."""
    z, d, y = (np.tile(column, 2) for column in ([0, 0, 1, 1], [0.0, 1.0, 3.0, 5.0], [1.0, 3.0, 4.0, 12.0]))
    result = run(pd.DataFrame({"u": range(8), "z": z, "d": d, "y": y}), covariates=())
    # z - 1/2 times the centred columns, each twice; y - 5 and d - 9/4.
    a = np.tile([2.0, 1.0, -0.5, 3.5], 2)
    c = np.tile([1.125, 0.625, 0.375, 1.375], 2)
    quantile = 5.591447850732645

    def excess(b: float) -> float:
        g = a - b * c
        return float(g.mean() ** 2 / (g.var(ddof=1) / 8) - quantile)

    ((low, high),) = result.diagnostics["anderson_rubin_set"]
    assert excess(low) == pytest.approx(0.0, abs=1e-9)
    assert excess(high) == pytest.approx(0.0, abs=1e-9)
    assert low < a.sum() / c.sum() < high
    assert result.estimate == pytest.approx(a.sum() / c.sum(), rel=1e-12)


def test_one_instrument_makes_liml_two_stage_and_effective_f_the_f():
    two_stage, liml = (run(trial(), cluster="g", options={"estimator": e}) for e in ("2sls", "liml"))
    assert numbers(two_stage) == pytest.approx(numbers(liml), nan_ok=True)
    assert liml.diagnostics["kappa"] == 1.0
    assert liml.diagnostics["effective_f"] == pytest.approx(liml.diagnostics["first_stage_f"], rel=1e-12)
    assert liml.diagnostics["effective_f_critical_value"] == pytest.approx(23.1085, abs=1e-4)
    assert math.isnan(liml.diagnostics["overidentification_p"])
    assert liml.undefined["overidentification_p"].startswith("just identified")
    assert liml.diagnostics["standard_error"] == "clustered_cr1"


@pytest.mark.parametrize("estimator", ["2sls", "liml"])
def test_same_bits_whatever_the_row_order(estimator):
    frame = trial(3).assign(w=lambda f: 1 + f["g"] % 3)
    shuffled = frame.sample(frac=1.0, random_state=5).reset_index(drop=True)
    call = {"instruments": ("z", "z2"), "weights": "w", "cluster": "g", "options": {"estimator": estimator}}
    first, again, other = (run(f, **call).to_row() for f in (frame, frame, shuffled))
    assert first == again == other


@pytest.mark.parametrize("estimator", ["2sls", "liml"])
def test_answers_do_not_depend_on_units_or_on_the_basis_of_the_instruments(estimator):
    frame = trial(4)
    call = {"instruments": ("z", "z2"), "cluster": "g", "options": {"estimator": estimator}}
    plain = numbers(run(frame, **call))
    moved = frame.assign(
        z=3e4 * frame["z"] - 1e4 * frame["z2"] + 2 * frame["x"], z2=1e-3 * frame["z2"] + 5, x=2 * frame["x"] - 7
    )
    assert numbers(run(moved, **call)) == pytest.approx(plain, rel=1e-8)
    scaled = frame.assign(y=10 * frame["y"] + 3, d=2.0 * frame["d"] - 1)
    expected = np.array(plain)
    in_units = [0, 1, 2, 3, *range(5 + len(TESTS), len(plain))]
    expected[in_units] *= 5
    assert numbers(run(scaled, **call)) == pytest.approx(list(expected), rel=1e-9)


def test_small_integers_and_rescaled_weights_change_nothing():
    frame = trial(5).assign(w=np.linspace(0.5, 2.0, 300), y=lambda f: f["y"].round())
    small = frame.astype({"z": np.int8, "d": np.int8, "y": np.int8})
    call = {"instruments": ("z", "z2"), "weights": "w", "cluster": "g"}
    plain = numbers(run(frame, **call))
    assert numbers(run(small, **call)) == plain
    assert numbers(run(frame.assign(w=7 * frame["w"]), **call)) == pytest.approx(plain, rel=1e-10)
    assert numbers(run(frame, instruments=("z", "z2"), cluster="g")) != pytest.approx(plain, rel=1e-3)


def test_weights_count_like_repeated_rows():
    frame = trial(6, n=60).assign(w=lambda f: 1.0 + f["u"] % 3)
    repeated = frame.loc[frame.index.repeat(frame["w"].astype(int))].assign(u=lambda f: np.arange(len(f)))
    weighted, rows = run(frame, weights="w", cluster="g"), run(repeated, cluster="g")
    assert weighted.estimate == pytest.approx(rows.estimate, rel=1e-12)
    n, m = len(frame), len(repeated)
    factor = (n - 1) / (n - 3) / ((m - 1) / (m - 3))
    assert weighted.std_error == pytest.approx(rows.std_error * math.sqrt(factor), rel=1e-12)


def test_blocks_of_rows_do_not_show(monkeypatch):
    frame = trial(7)
    whole = numbers(run(frame, instruments=("z", "z2"), cluster="g"))
    for size in (1, 299, 300, 301):
        monkeypatch.setattr(kernel, "BLOCK_ROWS", size)
        assert numbers(run(frame, instruments=("z", "z2"), cluster="g")) == pytest.approx(whole, rel=1e-9)


@pytest.mark.parametrize("estimator", ["2sls", "liml"])
def test_collinear_columns_are_dropped_and_named(estimator):
    frame = trial(8).assign(
        x2=lambda f: 3 * f["x"] - 1, z3=lambda f: f["z"] - 2 * f["x"], flat=4.0, z4=lambda f: f["z2"] - f["z"]
    )
    call = {"cluster": "g", "options": {"estimator": estimator}}
    plain = run(frame, instruments=("z", "z2"), **call)
    more = run(frame, instruments=("flat", "z", "z3", "z2", "z4"), covariates=("x", "x2"), **call)
    assert numbers(more) == pytest.approx(numbers(plain), rel=1e-9)
    assert more.diagnostics["instruments"] == ["z", "z2"]
    assert more.warnings[:4] == (
        "covariate x2 is a combination of the others and was dropped",
        "instrument flat is a combination of covariates and instruments and was dropped",
        "instrument z3 is a combination of covariates and instruments and was dropped",
        "instrument z4 is a combination of covariates and instruments and was dropped",
    )


def test_nearly_collinear_columns_are_kept():
    frame = trial(8).assign(x2=lambda f: f["x"] + 1e-4 * np.sin(f["u"]))
    result = run(frame, covariates=("x", "x2"))
    assert result.n_rows == 300
    assert not any("dropped" in warning for warning in result.warnings)
    exact = run(frame.assign(x2=np.sin(frame["u"])), covariates=("x", "x2"))
    assert result.estimate == pytest.approx(exact.estimate, rel=1e-6)
