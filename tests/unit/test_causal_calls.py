"""The two public calls: names, options, levels, refusals, identical bits and independence of row order."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import DETECTORS, ESTIMATORS, Panel, detect, estimate
from liftos_pipeline.causal.propensity.overlap import OverlapRule
from liftos_pipeline.errors import LiftosError

COVARIATES = ["x0", "x1", "x2"]
UNDER_IGNORABILITY = ("difference_in_means", "ipw", "doubly_robust")


def confounded(seed: int, n: int = 240, slope: float = 0.8) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3))
    d = (rng.random(n) < 1 / (1 + np.exp(-slope * X[:, 0]))).astype(int)
    y = X @ [1.0, 0.5, 0.0] + d + rng.standard_normal(n)
    frame = pd.DataFrame(X, columns=COVARIATES)
    return frame.assign(d=d, y=y, unit=[f"geo_{i:03d}" for i in range(n)])


def panel_of(frame: pd.DataFrame, **roles: str) -> Panel:
    return Panel.from_frame(frame, outcome="y", treatment="d", unit="unit", covariates=COVARIATES, **roles)


def test_unknown_names_and_options_list_the_valid_ones():
    panel = panel_of(confounded(0))
    with pytest.raises(LiftosError, match=f"a method among {', '.join(ESTIMATORS)}; found 'magic'"):
        estimate("magic", panel)
    with pytest.raises(
        LiftosError,
        match=r"options of ipw: estimand, folds, clip, trim, propensity_learner, overlap_rule; found lerner",
    ):
        estimate("ipw", panel, lerner="linear")
    with pytest.raises(LiftosError, match="options of difference_in_means: estimand; found seeds"):
        estimate("difference_in_means", panel, seeds=1)
    with pytest.raises(LiftosError, match="estimand one of ate, att; found 'overlap'"):
        estimate("difference_in_means", panel, estimand="overlap")
    with pytest.raises(LiftosError, match="learner one of linear, lasso, forest, boosting; found 'svm'"):
        estimate("doubly_robust", panel, learner="svm")
    with pytest.raises(LiftosError, match=f"a detector among {', '.join(DETECTORS)}"):
        detect("nothing", pd.DataFrame({"unit": [1]}), unit="unit")
    with pytest.raises(LiftosError, match="no period, value"):
        detect("budget_change", pd.DataFrame({"unit": [1]}), unit="unit")


@pytest.mark.parametrize("level", [0.0, 1.0, 95])
def test_levels_outside_zero_and_one_are_refused(level):
    with pytest.raises(LiftosError, match="a level between 0 and 1"):
        estimate("ipw", panel_of(confounded(0)), level=level)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 1}, "2 to 240 folds"),
        ({"clip": 0.5}, r"clip in \[0, 0.5\)"),
        ({"trim": -0.1}, r"trim in \[0, 0.5\)"),
        ({"trim": 0.1, "estimand": "overlap"}, "trim=0 for the overlap population"),
        ({"repeats": 0}, "at least 1 repeat"),
        ({"inference": "refit"}, "inference one of influence, multiplier"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(LiftosError, match=message):
        estimate("doubly_robust", panel_of(confounded(0)), **options)


@pytest.mark.parametrize("method", UNDER_IGNORABILITY)
def test_same_seed_same_bits_whatever_the_row_order(method):
    frame = confounded(4)
    shuffled = frame.sample(frac=1.0, random_state=11).reset_index(drop=True)
    for estimand in ESTIMATORS[method].estimands:
        rows = [
            estimate(method, panel_of(f), seed=7, estimand=estimand).to_row() for f in (frame, frame, shuffled)
        ]
        assert rows[0] == rows[1] == rows[2]


def test_another_seed_draws_other_folds():
    panel = panel_of(confounded(4))
    first, second = (estimate("doubly_robust", panel, seed=s).estimate for s in (0, 1))
    assert first != second
    assert abs(first - second) < estimate("doubly_robust", panel).std_error


def test_poor_overlap_is_estimated_warned_about_and_refused():
    panel = panel_of(confounded(1, slope=6.0))
    for method in ("ipw", "doubly_robust"):
        result = estimate(method, panel)
        assert "the ATE needs 80 %" in result.diagnostics["refused"]
        assert result.warnings[0].startswith("refused: ")
        assert math.isfinite(result.estimate)
        assert "REFUSED" in result.summary()
    lenient = OverlapRule(min_share=0.0)
    assert estimate("ipw", panel, overlap_rule=lenient).refused is None


def test_good_overlap_is_not_refused():
    for estimand in ("ate", "att", "overlap"):
        assert estimate("doubly_robust", panel_of(confounded(1)), estimand=estimand).refused is None


def test_trimming_renames_the_estimand():
    panel = panel_of(confounded(1, slope=2.0))
    result = estimate("doubly_robust", panel, trim=0.1)
    assert result.estimand == "ate on scores from 0.1 to 0.9"
    assert result.diagnostics["share_inside"] == pytest.approx(1.0, abs=1e-12)
    assert 0.0 < result.diagnostics["trimmed_share"] < 0.5


def test_trimming_leaves_the_rows_out():
    frame = confounded(1, slope=2.0)
    frame = frame.assign(e=1 / (1 + np.exp(-2.0 * frame["x0"])))
    kept = frame[frame["e"].between(0.1, 0.9)]
    for method in ("ipw", "doubly_robust"):
        trimmed = estimate(method, panel_of(frame, propensity="e"), trim=0.1)
        alone = estimate(method, panel_of(kept, propensity="e"))
        # The outcome models standardise their covariates on the rows that count: the same numbers up to rounding.
        assert trimmed.estimate == pytest.approx(alone.estimate, rel=1e-9)
        assert trimmed.std_error == pytest.approx(alone.std_error, rel=1e-9)
        assert trimmed.n_clusters == len(kept)


def test_scores_of_the_panel_are_used():
    frame = confounded(2).assign(e=0.5)
    given = estimate("ipw", panel_of(frame, propensity="e"))
    means = frame.groupby("d")["y"].mean()
    assert given.estimate == pytest.approx(means[1] - means[0], abs=1e-12)
    assert given.diagnostics["propensity"] == "given"


def test_too_few_treated_units_to_cross_fit():
    frame = confounded(3).assign(d=0)
    frame.loc[:1, "d"] = 1
    with pytest.raises(LiftosError, match="treated units outside each of 5 folds"):
        estimate("doubly_robust", panel_of(frame))


def test_one_treated_unit_has_an_estimate_and_no_standard_error():
    frame = confounded(3).assign(d=0)
    frame.loc[0, "d"] = 1
    result = estimate("difference_in_means", panel_of(frame))
    assert result.estimate == pytest.approx(frame["y"][0] - frame["y"][1:].mean(), abs=1e-12)
    assert math.isnan(result.std_error)
    assert set(result.undefined) == {"std_error", "ci_low", "ci_high", "p_value", "e_value_limit"}
    assert result.undefined["std_error"] == "1 treated unit; at least 2 are needed"


def test_one_cluster_per_arm_has_no_standard_error():
    frame = confounded(3).assign(account=lambda f: f["d"])
    result = estimate("difference_in_means", panel_of(frame, cluster="account"))
    assert result.n_clusters == 2
    assert math.isnan(result.p_value)
    assert "1 cluster with treated rows" in result.undefined["p_value"]


def test_an_outcome_without_variation_has_no_standard_error():
    for method in UNDER_IGNORABILITY:
        result = estimate(method, panel_of(confounded(3).assign(y=2.1)))
        assert result.estimate == 0.0
        assert math.isnan(result.std_error)
        assert result.undefined["ci_low"] == "the outcome does not vary within the arms"
    by_arm = estimate("difference_in_means", panel_of(confounded(3).assign(y=lambda f: 0.3 + 0.7 * f["d"])))
    assert by_arm.estimate == pytest.approx(0.7)
    assert math.isnan(by_arm.std_error)


def test_row_is_strict_json_and_has_no_nan():
    frame = confounded(3).assign(d=0)
    frame.loc[0, "d"] = 1
    row = estimate("difference_in_means", panel_of(frame)).to_row()
    assert row["std_error"] is None
    assert row["undefined"].splitlines()[0] == "std_error: 1 treated unit; at least 2 are needed"
    assert json.loads(row["diagnostics"])["degrees_of_freedom"] is None
    assert row["warnings"].startswith("3 covariates are not used")


def test_multiplier_bootstrap_agrees_with_the_influence_function():
    panel = panel_of(confounded(5))
    plain = estimate("doubly_robust", panel, seed=2)
    drawn = estimate("doubly_robust", panel, seed=2, inference="multiplier")
    assert drawn.estimate == plain.estimate
    # The standard deviation of 1,000 draws has a relative error of 1 / sqrt(2000) = 2.2 %: four of them.
    assert drawn.std_error == pytest.approx(plain.std_error, rel=0.09)
    assert drawn.std_error != plain.std_error


def test_repeats_take_the_median_and_add_their_spread():
    panel = panel_of(confounded(6))
    single = [estimate("doubly_robust", panel, seed=s) for s in range(5)]
    combined = estimate("doubly_robust", panel, seed=0, repeats=5)
    assert combined.estimate == np.median([r.estimate for r in single])
    spread = [r.std_error**2 + (r.estimate - combined.estimate) ** 2 for r in single]
    assert combined.std_error == pytest.approx(np.sqrt(np.median(spread)), rel=1e-12)


def test_figures_show_estimate_and_interval():
    result = estimate("ipw", panel_of(confounded(1)))
    axes = result.plot().axes[0]
    drawn = axes.containers[0].lines[0].get_xdata()
    assert drawn[0] == result.estimate


def test_import_is_light():
    code = (
        "import sys, liftos_pipeline.causal;"
        "heavy = {'scipy', 'sklearn', 'statsmodels', 'numba', 'matplotlib', 'duckdb', 'dagster'};"
        "print(','.join(sorted(heavy & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
