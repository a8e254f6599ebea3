"""What a result says in words, and as one row."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from liftos_pipeline.causal import Panel, estimate
from liftos_pipeline.causal.summary import shown_estimand
from liftos_pipeline.cli import app
from tests.panels import NEVER, adoption_panel


def frame_of(seed: int = 1) -> pd.DataFrame:
    frame = adoption_panel(seed, n_units=60, starts=(5, 8, NEVER))
    frame["z"] = frame["d"] + np.random.default_rng(seed).normal(size=len(frame))
    return frame


def run(method: str, frame: pd.DataFrame | None = None, instruments=(), covariates=("x0", "x1"), **options):
    roles = {"outcome": "y", "treatment": "d", "unit": "unit", "period": "t", "covariates": covariates}
    panel = Panel.from_frame(frame_of() if frame is None else frame, **roles, instruments=instruments)
    return estimate(method, panel, **options)


def said(found) -> str:
    """The summary without its line breaks."""
    return " ".join(found.summary().split())


def test_first_lines():
    found = run("did", level=0.9)
    first, second, third, fourth, *_ = found.summary().splitlines()
    assert first == f"did (ATT): {found.estimate:.6g}, effect of d on y, averaged over the treated"
    limits = f"90 % interval [{found.ci_low:.6g}, {found.ci_high:.6g}], p {found.p_value:.3g}"
    assert second == f"  standard error {found.std_error:.6g}, {limits}"
    assert third == "  inference: clustered standard errors (CR1), t limits with 59 degrees of freedom"
    assert fourth == "  720 rows, 60 units (40 treated), 60 clusters"
    assert max(map(len, found.summary().splitlines())) <= 110


def test_estimands_keep_their_words():
    assert shown_estimand("ate on scores from 0.1 to 0.9") == "ATE on scores from 0.1 to 0.9"
    assert shown_estimand("overlap") == "OVERLAP"


def test_sensitivity_in_words():
    found = run("did", adoption_panel(3, effect=2.0, n_units=60))
    facts = found.diagnostics
    assert f"risk ratios of {facts['e_value']:.3g} with both treatment and outcome" in said(found)
    assert f"away, {facts['e_value_limit']:.3g} to bring the interval to zero" in said(found)
    assert f"explains {100 * facts['robustness_value']:.3g} % of what is left" in said(found)
    null = run("did", adoption_panel(3, effect=0.0, n_units=60))
    assert "away (E-value)" in said(null)


def test_balance_and_overlap_in_words():
    found = run("ipw")
    facts = found.diagnostics
    sizes = f"{facts['largest_smd_before']:.2g} sd before weighting, {facts['largest_smd']:.2g} sd after"
    assert f"largest difference of a covariate between the arms {sizes} (good below 0.1)" in said(found)
    assert f"{100 * facts['share_inside']:.3g} % of propensity scores in [0.1, 0.9]" in said(found)
    assert f"{facts['ess_treated']:.3g} treated and {facts['ess_control']:.3g} untreated units" in said(found)
    plain = run("difference_in_means")
    assert f"arms {plain.diagnostics['largest_smd']:.2g} sd (good below 0.1)" in said(plain)
    assert "balance" not in said(run("difference_in_means", covariates=()))


def test_adoption_in_words():
    found = run("staggered_did", covariates=())
    facts = found.diagnostics
    assert f"{len(facts['group_times'])} group-time effects are in diagnostics['group_times']" in said(found)
    test = f"joint test of no effect in {facts['pretrend_restrictions']} periods, p {facts['pretrend_p']:.3g}"
    assert f"before adoption: {test} (a large p is no proof of parallel trends)" in said(found)
    share = run("did", covariates=()).diagnostics["bacon_weights"]["treated_against_never"]
    assert f"{100 * share:.3g} % treated against never" in said(run("did", covariates=()))


def test_instruments_in_words():
    found = run("iv", instruments=["z"])
    facts = found.diagnostics
    strength = f"effective F {facts['effective_f']:.4g} (weak below {facts['effective_f_critical_value']:.3g})"
    assert f"instruments: {strength}" in said(found)
    ((low, high),) = facts["anderson_rubin_set"]
    assert f"which holds with weak instruments too: [{low:.6g}, {high:.6g}]" in said(found)
    assert f"least squares would do: p {facts['wu_hausman_p']:.3g}" in said(found)
    assert "all instruments agree" not in said(found)
    assert "undefined overidentification_p: just identified" in said(found)


def test_a_reason_is_said_once():
    frame = frame_of().assign(y=2.0)
    text = said(run("did", frame, covariates=()))
    assert "no standard error, interval or p-value: the outcome does not vary within the arms" in text
    assert text.count("does not vary") == 1
    assert "undefined treatment_partial_r2, robustness_value, robustness_value_alpha: the regression fits" in text


def test_a_refusal_is_said_once_and_first():
    frame = frame_of().assign(e=lambda f: np.where(f["unit"] % 2 == 0, 0.02, 0.97))
    roles = {"outcome": "y", "treatment": "d", "unit": "unit", "period": "t", "propensity": "e"}
    found = estimate("ipw", Panel.from_frame(frame, **roles))
    lines = found.summary().splitlines()
    assert lines[4].startswith("  REFUSED, do not use this number: 0.0 % of propensity scores")
    assert said(found).count(found.refused) == 1


def test_results_without_diagnostics_have_a_summary_too():
    found = dataclasses.replace(run("did"), diagnostics={}, warnings=())
    assert found.summary().splitlines()[0] == f"did (ATT): {found.estimate:.6g}"
    assert len(found.summary().splitlines()) == 3


def test_rows_hold_infinite_numbers_as_words():
    found = run("did")
    facts = {
        "a": math.inf,
        "b": [-math.inf, math.nan, 1.0],
        "c": {"d": np.array([math.inf, 2.0])},
        "e": np.float64(3),
    }
    row = dataclasses.replace(
        found, ci_low=-math.inf, ci_high=math.inf, p_value=math.nan, diagnostics=facts
    ).to_row()
    assert (row["ci_low"], row["ci_high"], row["p_value"]) == ("-Infinity", "Infinity", None)
    told = json.loads(row["diagnostics"], parse_constant=lambda name: pytest.fail(name))
    assert told == {"a": "Infinity", "b": ["-Infinity", None, 1.0], "c": {"d": ["Infinity", 2.0]}, "e": 3.0}
    assert float(row["ci_low"]) == -math.inf
    json.loads(json.dumps(row, allow_nan=False))


def test_the_command_line_answers_with_valid_json_where_a_set_is_unbounded(tmp_path):
    frame = frame_of().assign(z=np.random.default_rng(0).normal(size=720))
    frame.to_parquet(tmp_path / "panel.parquet")
    call = [
        "--outcome",
        "y",
        "--treatment",
        "d",
        "--unit",
        "unit",
        "--period",
        "t",
        "--instruments",
        "z",
        "--json",
    ]
    answer = CliRunner().invoke(app, ["estimate", "iv", str(tmp_path / "panel.parquet"), *call])
    assert answer.exit_code == 0
    row = json.loads(answer.stdout, parse_constant=lambda name: pytest.fail(name))
    found = json.loads(row["diagnostics"], parse_constant=lambda name: pytest.fail(name))
    assert found["anderson_rubin_set"][0][0] == "-Infinity" and found["anderson_rubin_set"][-1][1] == "Infinity"
