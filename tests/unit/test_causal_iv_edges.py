"""Instrumental variables: refusals, undefined fields, clusters, and panels of days."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal.kernels import instruments as kernel
from liftos_pipeline.errors import LiftosError
from tests.instruments import LIMITS, numbers, run, trial


@pytest.mark.parametrize(
    ("change", "call", "message"),
    [
        ({}, {"instruments": ()}, "at least one instrument; found none"),
        ({"z": 1}, {}, "an instrument that varies given the covariates, among z; found only constants"),
        ({"z": 0.1}, {"covariates": ()}, "an instrument that varies given the covariates, among z; found only"),
        ({"z": lambda f: 2 - f["x"]}, {}, "Name another instrument or drop the covariates that determine it"),
        ({"d": 2.0}, {}, "a treatment d that varies given the covariates; found a constant"),
        (
            {"d": lambda f: 1 + 2 * f["x"]},
            {},
            "a treatment d that varies .* found a combination of the covariates",
        ),
        ({}, {"options": {"estimator": "ols"}}, "estimator one of 2sls, liml; found 'ols'"),
        ({}, {"options": {"estimand": "ate"}}, "estimand one of late; found 'ate'"),
        ({}, {"options": {"window": (-1, 1)}}, "window and running together; found only window"),
        ({}, {"options": {"running": "x"}}, "window and running together; found only running"),
    ],
)
def test_wrong_calls_are_refused(change, call, message):
    with pytest.raises(LiftosError, match=message):
        run(trial().assign(**change), **call)


def test_too_few_rows_and_unrelated_instruments_are_refused():
    with pytest.raises(LiftosError, match="at least 5 rows; found 4"):
        run(trial().iloc[[0, 1, 2, 3]].assign(z=[0, 1, 0, 1], d=[0, 1, 1, 1]))
    frame = pd.DataFrame({"u": range(8), "z": [0] * 4 + [1] * 4, "d": [0, 1] * 4, "y": range(8)})
    with pytest.raises(LiftosError, match="a treatment that z moves; found no relation at all"):
        run(frame, covariates=())


def test_five_rows_suffice():
    result = run(trial().iloc[:5].assign(z=[0, 1, 0, 1, 1], d=[0, 1, 1, 1, 0]))
    assert math.isfinite(result.std_error)


@pytest.mark.parametrize("estimator", ["2sls", "liml"])
@pytest.mark.parametrize(
    ("outcome", "effect", "reason"),
    [
        (lambda _: 2.1, 0.0, "the outcome does not vary given the covariates"),
        (lambda f: 0.1 + 0.3 * f["x"], 0.0, "the outcome does not vary given the covariates"),
        (lambda f: 0.7 * f["d"], 0.7, "the outcome is an exact function of treatment and covariates"),
        (lambda f: 0.7 * f["d"] - f["x"], 0.7, "the outcome is an exact function of treatment and covariates"),
    ],
)
def test_an_exact_outcome_has_an_estimate_and_nothing_else(estimator, outcome, effect, reason):
    frame = trial(9).assign(y=outcome)
    result = run(frame, instruments=("z", "z2"), options={"estimator": estimator})
    assert result.estimate == pytest.approx(effect, rel=1e-12, abs=0.0)
    tests = ("anderson_rubin_set", "anderson_rubin_p", "wu_hausman_p", "overidentification_p")
    assert {name: result.undefined[name] for name in (*LIMITS, *tests)} == dict.fromkeys((*LIMITS, *tests), reason)
    assert all(math.isnan(getattr(result, name)) for name in LIMITS)
    assert np.isnan(result.diagnostics["anderson_rubin_set"]).all()
    assert math.isfinite(result.diagnostics["effective_f"])


def test_full_compliance_is_least_squares():
    frame = trial(10).assign(z=lambda f: f["d"])
    result = run(frame, cluster="g")
    assert result.estimate == pytest.approx(result.diagnostics["ols_estimate"], rel=1e-12)
    assert result.diagnostics["first_stage_f"] == result.diagnostics["effective_f"] == math.inf
    assert math.isnan(result.diagnostics["wu_hausman_p"])
    assert result.undefined["wu_hausman_p"].startswith("the instruments determine the treatment")
    ((low, high),) = result.diagnostics["anderson_rubin_set"]
    assert low < result.estimate < high
    assert result.warnings == ()


def test_three_clusters_leave_one_instrument_to_test():
    frame = trial(11).assign(g=lambda f: f["u"] % 3)
    one = run(frame, cluster="g")
    assert one.diagnostics["degrees_of_freedom"] == 2.0
    assert math.isfinite(one.diagnostics["anderson_rubin_p"])
    rng = np.random.default_rng(1)
    frame = frame.assign(z3=rng.standard_normal(300))
    three = run(frame, instruments=("z", "z2", "z3"), cluster="g")
    assert math.isfinite(three.std_error)
    assert math.isfinite(three.diagnostics["effective_f"])
    reason = "sums of 3 clusters do not vary in 3 directions"
    names = ("first_stage_f", "first_stage_p", "anderson_rubin_set", "anderson_rubin_p", "overidentification_p")
    assert dict(three.undefined) == dict.fromkeys(names, reason)
    assert math.isnan(three.diagnostics["first_stage_f"])
    two = run(frame, instruments=("z", "z2"), cluster="g")
    assert set(two.undefined) == set()


@pytest.mark.parametrize(
    ("z", "cluster"),
    [(lambda f: f["u"] % 2, 0), (lambda f: (f["g"] == 3) * 1, None), (lambda f: (f["u"] == 7) * 1, "u")],
)
def test_an_instrument_within_one_cluster_has_no_standard_error(z, cluster):
    frame = trial(12).assign(z=z)
    frame = frame.assign(g=cluster) if cluster == 0 else frame
    result = run(frame, cluster="u" if cluster == "u" else "g")
    assert math.isfinite(result.estimate)
    reason = "the instruments vary in one cluster only"
    assert all(
        result.undefined[name] == reason for name in (*LIMITS, "first_stage_f", "effective_f", "wu_hausman_p")
    )
    assert math.isnan(result.std_error)
    assert math.isnan(result.diagnostics["effective_f"])


def test_a_dropped_instrument_does_not_hide_that():
    frame = trial(12).assign(z=lambda f: (f["g"] == 3) * 1, flat=1.0)
    result = run(frame, instruments=("flat", "z"), cluster="g")
    assert result.undefined["std_error"] == "the instruments vary in one cluster only"


def test_which_instruments_hang_on_one_cluster():
    cluster = np.array([2, 0, 1, 0, 1, 2])
    z = np.array(
        [[5.0, 0.0, 0.0, 0.0, 0.0, 5.0], [0.0, 1.0, 0.0, 1.0, 0.0, 0.0], [1.0, 2.0, 1.0, 1.0, 3.0, 1.0]]
    ).T
    assert kernel.varies_in_one_cluster(z[:, [0]], cluster)
    assert kernel.varies_in_one_cluster(z[:, [1]], cluster)
    assert not kernel.varies_in_one_cluster(z[:, [2]], cluster)
    assert not kernel.varies_in_one_cluster(z[:, [0, 1]], cluster)
    assert not kernel.varies_in_one_cluster(z, cluster)
    assert kernel.varies_in_one_cluster(-z[:, [0]], cluster)
    assert kernel.varies_in_one_cluster(z, np.zeros(6, dtype=np.int64))


def test_a_panel_of_days_whose_treatment_switches_off():
    """Dates with gaps, text labels, a unit seen once: periods are keys and nothing else."""
    frame = trial(13).assign(
        u=lambda f: [f"geo {i // 5:02d}" for i in range(len(f))], t=lambda f: np.tile(range(5), 60)
    )
    frame = frame.drop(index=[3, 4, 11, 296, 297, 298, 299])
    dates = pd.Timestamp("2025-01-01") + pd.to_timedelta(frame["t"] ** 2, unit="D")
    results = [
        run(frame.assign(t=t), period="t")
        for t in (frame["t"], dates, dates.dt.date, frame["t"].map("day {}".format))
    ]
    assert len({tuple(numbers(r)[:5]) for r in results}) == 1
    assert results[0].n_units == results[0].n_clusters == 60
    assert results[0].n_treated == frame.loc[frame["d"] == 1, "u"].nunique()
    assert frame.groupby("u").size().min() == 1
    switches = frame.groupby("u")["d"].diff()
    assert (switches == -1).any()
