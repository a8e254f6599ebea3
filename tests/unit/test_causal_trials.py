"""Answers of methods to placebos: intervals, refusals, empty sets."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from liftos_pipeline.causal import Panel, estimate
from liftos_pipeline.causal.diagnostics.replays import draw_replays, with_effect
from liftos_pipeline.causal.trials import Trial, Trials, run_trials
from liftos_pipeline.errors import LiftosError
from tests.panels import NEVER, adoption_panel


@pytest.fixture(scope="module")
def replays():
    frame = adoption_panel(1, 24, 24, starts=(16, NEVER, NEVER, NEVER))
    frame["y"] += 30.0
    return draw_replays(Panel.from_frame(frame, outcome="y", treatment="d", unit="unit", period="t"), 6, seed=0)


def run(replays, *trials: Trial, **more) -> list[Trials]:
    return run_trials(replays, trials, level=0.9, seed=4, **more)


def test_answers_are_what_estimate_says_on_each_placebo(replays) -> None:
    found = run(replays, Trial("did", 0.0, {}), Trial("did", 2.0, {"inference": "cr3"}), Trial("geo_did", 0.1, {}))
    for number in range(6):
        placebo = replays.placebo(number)
        for part, method, panel, options in (
            (found[0], "did", placebo, {}),
            (found[1], "did", with_effect(placebo, 2.0), {"inference": "cr3"}),
            (found[2], "geo_did", with_effect(placebo, 0.1, is_relative=True), {}),
        ):
            expected = estimate(method, panel, level=0.9, seed=4, **options)
            got = part.estimate[number], part.ci_low[number], part.ci_high[number]
            assert got == (expected.estimate, expected.ci_low, expected.ci_high)
    assert [part.truth for part in found] == [0.0, 2.0, 0.1]
    assert found[0].reasons == (None,) * 6


def test_refusals_are_answers_with_a_reason(replays) -> None:
    weights, instruments = run(replays, Trial("ipw", 0.0, {}), Trial("iv", 0.0, {}))
    assert not weights.answered.any() and all("propensity scores lie in" in str(r) for r in weights.reasons)
    assert not instruments.answered.any() and "no instrument moves them" in str(instruments.reasons[0])
    assert np.isnan(instruments.estimate).all()


def test_instruments_do_not_bring_iv_a_certificate() -> None:
    frame = adoption_panel(1, 24, 24, starts=(16, NEVER, NEVER, NEVER)).assign(z=np.arange(24 * 24) % 7)
    roles = {"outcome": "y", "treatment": "d", "unit": "unit", "period": "t", "instruments": ["z"]}
    found = run(draw_replays(Panel.from_frame(frame, **roles), 3, seed=0), Trial("iv", 0.0, {}))
    assert not found[0].answered.any()


def test_a_method_that_cannot_work_says_why_and_the_others_go_on(replays) -> None:
    short = dataclasses.replace(replays, draws=replays.draws[:1])
    found = run(short, Trial("geo_did", 0.0, {}), Trial("did", 0.0, {}), prepare=_negative)
    assert found[0].reasons[0] is not None and "positive" in found[0].reasons[0]
    assert found[1].answered.all()


def _negative(panel: Panel) -> Panel:
    return dataclasses.replace(panel, y=panel.y - 100.0)


def test_what_cannot_be_prepared_is_unanswered_by_all(replays) -> None:
    def refuse(_panel: Panel) -> Panel:
        raise LiftosError("scores", "none", "Nothing.")

    found = run(replays, Trial("did", 0.0, {}), Trial("did", 1.0, {}), prepare=refuse)
    assert all(reason == "expected scores; found none. Nothing." for part in found for reason in part.reasons)


def test_an_empty_set_leaves_out_everything(replays, monkeypatch) -> None:
    import liftos_pipeline.causal as library

    def empty(_name, panel, level, seed):
        effect = estimate("did", panel, level=level, seed=seed)
        return dataclasses.replace(effect, ci_low=math.nan, ci_high=math.nan, p_value=0.01)

    monkeypatch.setattr(library, "estimate", empty)
    found = run(replays, Trial("did", 0.0, {}))[0]
    assert found.answered.all() and found.rejects.all()
    assert not found.covers(0.0).any() and not found.covers(float(found.estimate[0])).any()


def test_an_undefined_interval_without_a_test_is_no_answer(replays, monkeypatch) -> None:
    import liftos_pipeline.causal as library

    def undefined(_name, panel, level, seed):
        effect = estimate("did", panel, level=level, seed=seed)
        why = dict.fromkeys(("ci_low", "ci_high", "p_value"), "one cluster")
        facts = {**effect.diagnostics, "undefined": why}
        return dataclasses.replace(effect, ci_low=math.nan, ci_high=math.nan, p_value=math.nan, diagnostics=facts)

    monkeypatch.setattr(library, "estimate", undefined)
    found = run(replays, Trial("did", 0.0, {}))[0]
    assert not found.answered.any() and not found.rejects.any()
    assert found.reasons[0] == "one cluster"


def test_intervals_reject_where_they_leave_out_zero_and_cover_their_ends() -> None:
    low, high = np.array([-1.0, 0.0, 0.1, -2.0, -np.inf, np.nan]), np.array([1.0, 2.0, 2.0, -0.1, np.inf, np.nan])
    told = Trials("did", 0.0, np.zeros(6), low, high, (None,) * 5 + ("none",))
    assert list(told.rejects) == [False, False, True, True, False, False]
    assert list(told.covers(2.0)) == [False, True, True, False, True, False]
    assert list(told.answered) == [True] * 5 + [False]


def test_progress_is_told_to_the_end(replays) -> None:
    seen: list[tuple[int, int]] = []
    run(replays, Trial("did", 0.0, {}), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(k, 6) for k in range(1, 7)]


@pytest.mark.parametrize(
    ("trial", "more", "message"),
    [
        (Trial("didd", 0.0, {}), {}, "a method among .*; found 'didd'"),
        (Trial("did", 0.0, {"folds": 3}), {}, "options of did: .*found folds"),
        (Trial("did", 0.0, {}), {"level": 1.0}, "a level between 0 and 1; found 1.0"),
        (Trial("did", 0.0, {}), {"workers": 0}, "at least 1 worker; found 0"),
    ],
)
def test_wrong_calls_are_refused_before_anything_is_computed(replays, trial, more, message) -> None:
    with pytest.raises(LiftosError, match=message):
        run_trials(replays, [trial], **{"level": 0.95, "seed": 0, **more})
