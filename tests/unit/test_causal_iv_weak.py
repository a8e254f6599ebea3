"""Weak and contradictory instruments: alarms and Anderson-Rubin sets."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from liftos_pipeline.causal.inference.instruments import wu_hausman
from liftos_pipeline.causal.inference.weak_instruments import _not_negative
from tests.instruments import run, trial


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
