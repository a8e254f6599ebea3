"""Instrumental variables: refusals, undefined fields, warnings, windows, invariances, and numbers worked out by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import EffectEstimate, Panel, estimate
from liftos_pipeline.causal.estimators.local_window import local_window
from liftos_pipeline.causal.inference.instruments import wu_hausman
from liftos_pipeline.causal.inference.weak_instruments import _not_negative
from liftos_pipeline.causal.kernels import instruments as kernel
from liftos_pipeline.errors import LiftosError

TESTS = ("first_stage_f", "effective_f", "wu_hausman_p", "overidentification_p", "anderson_rubin_p", "partial_r2")
LIMITS = ("std_error", "ci_low", "ci_high", "p_value")


def trial(seed: int = 0, n: int = 300, strength: float = 0.6) -> pd.DataFrame:
    """A lottery that not everyone obeys; units in groups of ten."""
    rng = np.random.default_rng(seed)
    z, x = rng.integers(0, 2, n), rng.standard_normal(n)
    hidden = rng.standard_normal(n)
    d = (strength * (2 * z - 1) + hidden + 0.3 * rng.standard_normal(n) > 0).astype(int)
    y = 1.5 * d + x + hidden + rng.standard_normal(n)
    z2 = rng.standard_normal(n) + 0.5 * z
    return pd.DataFrame({"u": np.arange(n), "g": np.arange(n) // 10, "z": z, "z2": z2, "x": x, "d": d, "y": y})


def run(frame: pd.DataFrame, *, instruments=("z",), covariates=("x",), options=None, **roles) -> EffectEstimate:
    given = {"outcome": "y", "treatment": "d", "unit": "u", "covariates": covariates, "instruments": instruments}
    return estimate("iv", Panel.from_frame(frame, **{**given, **roles}), **(options or {}))


def numbers(result: EffectEstimate) -> list[float]:
    limits = [limit for interval in result.diagnostics["anderson_rubin_set"] for limit in interval]
    return [
        result.estimate,
        *(getattr(result, n) for n in LIMITS),
        *(result.diagnostics[n] for n in TESTS),
        *limits,
    ]


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


def test_weak_instruments_point_to_the_anderson_rubin_set():
    weak = run(trial(14, strength=0.05), options={"level": 0.9})
    assert weak.diagnostics["effective_f"] < 10
    (alarm,) = weak.warnings
    assert alarm.startswith("weak instruments: effective F")
    assert "read the Anderson-Rubin set instead: [" in alarm
    assert math.isfinite(weak.ci_low)
    assert weak.refused is None
    strong = run(trial(14, n=1_000, strength=0.8))
    assert strong.diagnostics["effective_f"] > strong.diagnostics["effective_f_critical_value"]
    assert strong.warnings == ()
    between = run(trial(0, n=200, strength=0.35))
    assert 10 < between.diagnostics["effective_f"] < 23.1
    (alarm,) = between.warnings
    assert alarm.startswith("instruments may be weak: effective F")
    assert "below its critical value 23.1" in alarm


def test_liml_with_several_instruments_has_no_critical_value():
    result = run(trial(0, n=200, strength=0.35), instruments=("z", "z2"), options={"estimator": "liml"})
    assert math.isnan(result.diagnostics["effective_f_critical_value"])
    assert result.undefined["effective_f_critical_value"].startswith("known for 2SLS")
    assert result.warnings == ()


def test_instruments_that_contradict_each_other_leave_an_empty_set():
    frame = trial(15, n=1_000).assign(y=lambda f: f["y"] + f["z2"])
    result = run(frame, instruments=("z", "z2"))
    assert result.diagnostics["anderson_rubin_set"] == []
    assert result.diagnostics["overidentification_p"] < 1e-6
    assert result.warnings[-1].startswith("the Anderson-Rubin set is empty")


@pytest.mark.parametrize("seed", range(6))
def test_zero_is_in_the_set_where_its_p_value_says_so(seed):
    frame = trial(seed, n=120, strength=0.2)
    for level in (0.5, 0.9, 0.99):
        found = run(frame, instruments=("z", "z2"), options={"level": level}).diagnostics
        inside = any(low <= 0 <= high for low, high in found["anderson_rubin_set"])
        assert inside == (found["anderson_rubin_p"] > 1 - level)


@pytest.mark.parametrize(
    ("constant", "linear", "square", "expected"),
    [
        (1.0, -2.0, 1.0, [[-math.inf, math.inf]]),
        (-1.0, 0.0, 1.0, [[-math.inf, -1.0], [1.0, math.inf]]),
        (1.0, 0.0, -1.0, [[-1.0, 1.0]]),
        (-2.0, 2.0, -1.0, []),
    ],
)
def test_where_a_parabola_is_not_negative(constant, linear, square, expected):
    """The first touches zero at one: both sides belong to one interval."""
    found = _not_negative(tuple(np.array([[c]]) for c in (constant, linear, square)), 0.0)
    np.testing.assert_allclose(np.array(found).ravel(), np.array(expected).ravel())


def test_unbounded_limits_are_words_in_a_row():
    result = run(trial(14, strength=0.0))
    assert result.diagnostics["anderson_rubin_set"] == [[-math.inf, math.inf]]
    assert json.loads(result.to_row()["diagnostics"])["anderson_rubin_set"] == [["-Infinity", "Infinity"]]


def test_control_without_variance_is_undefined():
    assert wu_hausman(1.0, np.zeros(5), 1.0).reason == "its standard error is zero"


def fuzzy(seed: int = 0, n: int = 2_000, cutoff: float = 0.25) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, n)
    z = (x >= cutoff).astype(int)
    hidden = rng.standard_normal(n)
    d = (1.2 * z - 0.6 + hidden > 0).astype(int)
    y = d + 0.5 * x + z * (x - cutoff) + hidden + 0.5 * rng.standard_normal(n)
    return pd.DataFrame({"u": np.arange(n), "x": x, "z": z, "d": d, "y": y})


def by_hand(frame: pd.DataFrame, low: float, high: float, centre: float) -> EffectEstimate:
    inside = frame[frame["x"].between(low, high)]
    inside = inside.assign(slope=lambda f: f["z"] * (f["x"] - centre))
    return run(inside, covariates=("x", "slope"))


def test_window_keeps_the_rows_inside_and_both_slopes():
    frame = fuzzy()
    result = run(frame, options={"window": (-1.0, 1.0), "running": "x"})
    cutoff = frame.loc[frame["z"] == 1, "x"].min()
    expected = by_hand(frame, -1.0, 1.0, cutoff)
    assert numbers(result) == pytest.approx(numbers(expected), rel=1e-9, nan_ok=True)
    assert result.n_rows == result.n_units == result.n_clusters == frame["x"].between(-1, 1).sum()
    assert result.n_treated == frame.loc[frame["x"].between(-1, 1), "d"].sum()
    assert result.estimand == "late at x = 0.250647"
    assert result.diagnostics["centre"] == cutoff
    assert result.diagnostics["centre_is_cutoff"] is True
    assert result.diagnostics["n_rows_outside"] == (~frame["x"].between(-1, 1)).sum()
    at_limits = run(frame, options={"window": (frame["x"].min(), frame["x"].max()), "running": "x"})
    assert at_limits.n_rows == len(frame)


def test_assignment_below_the_cutoff_is_read_at_the_cutoff_too():
    frame = fuzzy().assign(x=lambda f: -f["x"])
    result = run(frame, options={"window": (-1.0, 1.0), "running": "x"})
    mirrored = run(fuzzy(), options={"window": (-1.0, 1.0), "running": "x"})
    assert numbers(result) == pytest.approx(numbers(mirrored), rel=1e-8, nan_ok=True)
    assert result.diagnostics["centre"] == -mirrored.diagnostics["centre"]


def test_a_lottery_inside_a_window_is_read_at_its_mean():
    frame = trial(16, n=600).assign(w=lambda f: 1.0 + f["g"] % 2)
    result = run(frame, weights="w", cluster="g", options={"window": (-1.0, 1.0), "running": "x"})
    inside = frame[frame["x"].between(-1, 1)]
    mean = np.average(inside["x"], weights=inside["w"])
    expected = run(
        inside.assign(slope=lambda f: f["z"] * (f["x"] - mean)),
        covariates=("x", "slope"),
        weights="w",
        cluster="g",
    )
    assert numbers(result) == pytest.approx(numbers(expected), rel=1e-9, nan_ok=True)
    assert result.diagnostics["centre_is_cutoff"] is False
    assert result.n_clusters == inside["g"].nunique()


def test_one_running_value_on_a_side_leaves_one_slope():
    frame = fuzzy().assign(x=lambda f: f["x"].round(), z=lambda f: (f["x"] >= 1).astype(int))
    result = run(frame, options={"window": (-1, 1), "running": "x"})
    inside = frame[frame["x"].between(-1, 1)]
    assert result.estimate == pytest.approx(run(inside).estimate, rel=1e-9)
    assert result.diagnostics["centre"] == 1.0
    other_side = run(frame, options={"window": (0, 2), "running": "x"})
    assert other_side.estimate == pytest.approx(run(frame[frame["x"].between(0, 2)]).estimate, rel=1e-9)
    with pytest.raises(LiftosError, match="only constants and combinations of the covariates"):
        run(frame, options={"window": (0, 1), "running": "x"})


@pytest.mark.parametrize(
    ("window", "running", "call", "message"),
    [
        ((5, 6), "x", {}, "rows with x from 5 to 6; found none; x runs from"),
        ((1, 2), "x", {}, r"with and without z inside the window; found z = 1 in all \d+ rows"),
        ((1, -1), "x", {}, r"low below high; found \(1, -1\)"),
        ((math.nan, 1), "x", {}, "low below high"),
        ("ab", "x", {}, "a window .* of two numbers; found 'ab'"),
        (1.0, "x", {}, "a window .* of two numbers; found 1.0"),
        ((-1, 1), "q", {}, "a running variable among the covariates that vary: x; found 'q'"),
        ((-1, 1), "x", {"instruments": ("z", "z2")}, "one instrument, the assignment; found 2"),
        ((-1, 1), "x", {"instruments": ("z2",)}, r"two values of the assignment z2; found \d+ values"),
    ],
)
def test_windows_that_cannot_work_are_refused(window, running, call, message):
    frame = fuzzy().assign(z2=lambda f: f["z"] + f["x"])
    with pytest.raises(LiftosError, match=message):
        run(frame, **call, options={"window": window, "running": running})


def test_a_window_of_a_panel_keeps_its_units_and_clusters():
    frame = trial(17, n=600).assign(
        u=lambda f: f.index // 3, t=lambda f: f.index % 3, w=1.5, e=0.5, x=lambda f: f["x"].round(2)
    )
    roles = {"outcome": "y", "treatment": "d", "covariates": ["x"], "instruments": ["z"], "weights": "w"}
    panel = Panel.from_frame(frame, unit="u", period="t", propensity="e", **roles)
    kept = local_window(panel, (0, 0.5), "x").panel
    whole = panel.row_order[(panel.X[:, 0] >= 0) & (panel.X[:, 0] <= 0.5)]
    np.testing.assert_array_equal(kept.row_order, whole)
    np.testing.assert_array_equal(kept.unit_labels[kept.unit], frame["u"].to_numpy()[whole])
    np.testing.assert_array_equal(kept.cluster_labels[kept.cluster], frame["u"].to_numpy()[whole])
    np.testing.assert_array_equal(kept.period_labels[kept.period], frame["t"].to_numpy()[whole])
    np.testing.assert_array_equal(kept.propensity, frame["e"].to_numpy()[whole])
    result = run(frame, period="t", weights="w", options={"window": (0, 0.5), "running": "x"})
    inside = frame[frame["x"].between(0, 0.5)]
    assert (result.n_rows, result.n_units, result.n_clusters) == (len(inside), *[inside["u"].nunique()] * 2)
    assert result.n_treated == inside.loc[inside["d"] == 1, "u"].nunique()
