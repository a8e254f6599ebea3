"""What a certificate's row does to an estimate."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from liftos_pipeline.causal import EffectEstimate, Panel, estimate
from liftos_pipeline.causal.licence import licensed
from tests.panels import NEVER, adoption_panel

ROW = {"reason": "leaves out a true zero too often", "widening": 1.0, "size": 0.1}


@pytest.fixture(scope="module")
def effect() -> EffectEstimate:
    frame = adoption_panel(1, 24, 12, starts=(6, NEVER))
    panel = Panel.from_frame(frame, outcome="y", treatment="d", unit="unit", period="t")
    return estimate("event_study", panel)


def test_a_cleared_estimate_stays_as_it_is_with_its_row_beside_it(effect) -> None:
    row = {**ROW, "status": "cleared", "reason": None}
    found = licensed(effect, row)
    assert found.diagnostics["certificate"] == row
    assert found.warnings == effect.warnings
    assert found.to_row() | {"diagnostics": ""} == effect.to_row() | {"diagnostics": ""}
    assert "certificate" not in effect.diagnostics


def test_a_widened_one_moves_each_limit_away_from_its_own_centre(effect) -> None:
    found = licensed(effect, {**ROW, "status": "widened", "widening": 3.0})
    assert found.estimate == effect.estimate and found.std_error == effect.std_error
    assert found.ci_low == pytest.approx(effect.estimate - 3 * (effect.estimate - effect.ci_low))
    assert found.ci_high == pytest.approx(effect.estimate + 3 * (effect.ci_high - effect.estimate))
    for name in ("ci_low", "ci_high", "band_low", "band_high"):
        wide, narrow = (one.path[name] - one.path["estimate"] for one in (found, effect))
        np.testing.assert_allclose(wide, 3 * narrow)
    assert math.isnan(found.p_value) and "widened by the certificate" in found.undefined["p_value"]
    assert found.warnings[-1] == "widened: leaves out a true zero too often"
    assert found.refused is None


def test_sides_of_different_length_stay_so(effect) -> None:
    uneven = dataclasses.replace(effect, ci_low=effect.estimate - 1.0, ci_high=effect.estimate + 4.0)
    found = licensed(uneven, {**ROW, "status": "widened", "widening": 2.0})
    assert found.estimate - found.ci_low == pytest.approx(2.0)
    assert found.ci_high - found.estimate == pytest.approx(8.0)


def test_a_widening_without_end_leaves_the_whole_line_and_undefined_limits_undefined(effect) -> None:
    row = {**ROW, "status": "widened", "widening": math.inf}
    found = licensed(effect, row)
    assert (found.ci_low, found.ci_high) == (-math.inf, math.inf)
    assert (found.path["ci_low"].dropna() == -math.inf).all() and (
        found.path["ci_high"].dropna() == math.inf
    ).all()
    assert found.path["ci_low"].isna().equals(effect.path["ci_low"].isna())
    bare = dataclasses.replace(effect, ci_low=math.nan, ci_high=math.inf, path=None)
    found = licensed(bare, row)
    assert math.isnan(found.ci_low) and found.ci_high == math.inf and found.path is None


def test_infinite_limits_stay_infinite_under_a_finite_widening(effect) -> None:
    open_ended = dataclasses.replace(effect, ci_low=-math.inf, ci_high=math.inf)
    found = licensed(open_ended, {**ROW, "status": "widened", "widening": 1.5})
    assert (found.ci_low, found.ci_high) == (-math.inf, math.inf)


def test_a_blocked_one_is_refused_with_the_reason(effect) -> None:
    found = licensed(effect, {**ROW, "status": "blocked"})
    assert found.refused == ROW["reason"]
    assert found.warnings[-1] == f"refused: {ROW['reason']}"
    assert (found.ci_low, found.ci_high) == (effect.ci_low, effect.ci_high)
    assert "REFUSED, do not use this number: leaves out a true zero too often" in found.summary()


def test_an_older_refusal_is_kept(effect) -> None:
    poor = dataclasses.replace(effect, diagnostics={**effect.diagnostics, "refused": "poor overlap"})
    assert licensed(poor, {**ROW, "status": "blocked"}).refused == "poor overlap"


@pytest.mark.parametrize("status", ["not_applicable", "undetermined"])
def test_without_a_verdict_there_is_a_warning_and_nothing_else(effect, status) -> None:
    found = licensed(effect, {**ROW, "status": status, "reason": "too few answers"})
    assert found.refused is None and found.ci_low == effect.ci_low
    assert found.warnings[-1] == "no certificate: too few answers"


def test_the_row_is_part_of_what_is_stored(effect) -> None:
    told = licensed(effect, {**ROW, "status": "widened", "widening": math.inf}).to_row()
    assert json.loads(str(told["diagnostics"]))["certificate"]["widening"] == "Infinity"
