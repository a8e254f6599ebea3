"""Certificates: figures from replays, the call, and how they are told."""

from __future__ import annotations

import dataclasses
import io
import json
import math

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import ESTIMATORS, Certificate, Panel, certify, estimate
from liftos_pipeline.errors import LiftosError
from tests.panels import NEVER, adoption_panel

ROLES = {"outcome": "y", "treatment": "d", "unit": "unit", "period": "t"}


def frame_of(seed: int = 1) -> pd.DataFrame:
    frame = adoption_panel(seed, 24, 24, starts=(16, NEVER, NEVER, NEVER))
    return frame.assign(y=frame["y"] + 30.0)


@pytest.fixture(scope="module")
def panel() -> Panel:
    return Panel.from_frame(frame_of(), **ROLES)


@pytest.fixture(scope="module")
def whole(panel) -> Certificate:
    return certify(panel, n_replays=20, seed=2)


def test_every_method_of_the_register_has_a_row(whole) -> None:
    assert list(whole.table["method"]) == list(ESTIMATORS)
    status = whole.table.set_index("method")["status"]
    assert status["iv"] == status["ipw"] == "not_applicable"
    assert set(whole.released) == set(status.index[status.isin(["cleared", "widened"])])
    assert set(whole.released) >= {"did", "geo_did"}


def test_a_tenth_of_the_mean_is_injected_and_as_a_proportion_where_methods_tell_one(whole, panel) -> None:
    mean = panel.y[panel.d == 0].mean()
    assert whole.effect == pytest.approx(0.1 * mean)
    assert whole.row("did")["injected"] == whole.effect
    assert whole.row("geo_did")["injected"] == pytest.approx(0.1)


def test_an_outcome_around_zero_gets_half_its_standard_deviation() -> None:
    frame = frame_of()
    frame["y"] -= frame["y"].max()
    panel = Panel.from_frame(frame, **ROLES)
    assert certify(panel, ["did"], n_replays=20).effect == pytest.approx(0.5 * panel.y[panel.d == 0].std())


def test_size_and_coverage_are_the_shares_of_the_replays(panel) -> None:
    from liftos_pipeline.causal.diagnostics.replays import draw_replays, with_effect

    found = certify(panel, ["did"], n_replays=30, effect=1.5, level=0.8, seed=3)
    replays = draw_replays(panel, 30, seed=3)
    nulls = [estimate("did", replays.placebo(n), level=0.8, seed=3) for n in range(30)]
    lifted = [estimate("did", with_effect(replays.placebo(n), 1.5), level=0.8, seed=3) for n in range(30)]
    row = found.row("did")
    assert row["size"] == np.mean([not one.ci_low <= 0 <= one.ci_high for one in nulls])
    assert row["coverage"] == np.mean([one.ci_low <= 1.5 <= one.ci_high for one in lifted])
    assert row["bias"] == pytest.approx(np.mean([one.estimate - 1.5 for one in lifted]))
    assert (found.n_replays, found.n_units, found.n_treated, found.n_pre, found.n_post) == (30, 24, 6, 12, 3)
    assert found.n_dates == len({draw.start for draw in replays.draws})


def test_workers_do_not_change_a_number(panel) -> None:
    one, two = (certify(panel, ["did", "synthetic_did"], n_replays=20, workers=n) for n in (1, 2))
    pd.testing.assert_frame_equal(one.table, two.table, check_exact=True)


def test_options_reach_their_method(panel) -> None:
    usual, other = (
        certify(panel, ["did"], n_replays=20, options=options) for options in (None, {"did": {"inference": "cr3"}})
    )
    assert usual.row("did")["detectable"] != other.row("did")["detectable"]


def test_a_method_named_twice_is_one_row(panel) -> None:
    assert list(certify(panel, ["did", "did"], n_replays=20).table["method"]) == ["did"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"n_replays": 19}, "at least 20 replays; found 19"),
        ({"methods": []}, "at least one method; found none"),
        ({"methods": ["nope"]}, "a method among .*; found 'nope'"),
        ({"methods": ["did"], "options": {"nope": {}}}, "a method among .*; found 'nope'"),
        ({"methods": ["did"], "options": {"iv": {}}}, "options of did; found some of iv"),
        ({"methods": ["did"], "options": {"did": {"folds": 2}}}, "options of did: .*; found folds"),
        ({"effect": 0.0}, "an effect other than 0; found 0.0"),
        ({"effect": math.nan}, "an effect other than 0; found nan"),
        ({"level": 95}, "a level between 0 and 1; found 95"),
    ],
)
def test_wrong_calls_are_refused(panel, call, message) -> None:
    with pytest.raises(LiftosError, match=message):
        certify(panel, **call)


def test_an_outcome_that_is_zero_everywhere_needs_an_effect_of_the_callers(panel) -> None:
    flat = dataclasses.replace(panel, y=np.zeros(panel.n_rows))
    with pytest.raises(LiftosError, match="an untreated outcome that varies; found 0 in every row"):
        certify(flat, ["did"], n_replays=20)
    row = certify(flat, ["did"], n_replays=20, effect=1.0).row("did")
    assert row["status"] == "not_applicable"


def test_rows_of_unknown_methods_and_estimates_of_other_levels_are_refused(whole, panel) -> None:
    with pytest.raises(LiftosError, match="found 'nope'"):
        whole.row("nope")
    with pytest.raises(LiftosError, match=r"an estimate at level 0\.95, that of the certificate; found 0\.9"):
        whole.applied_to(estimate("did", panel, level=0.9))


def test_applied_to_an_estimate_it_carries_the_row(whole, panel) -> None:
    told = whole.applied_to(estimate("did", panel)).diagnostics["certificate"]
    assert told["method"] == "did" and told["n_replays"] == 20


def hand_made(whole: Certificate, *rows: dict[str, object], **more: object) -> Certificate:
    first = {name: value for name, value in whole.row("did").items()}
    return dataclasses.replace(whole, table=pd.DataFrame([{**first, **row} for row in rows]), **more)


NONE = dict.fromkeys(("size", "size_low", "size_high", "coverage", "detectable", "widening"), math.nan)


def test_the_summary_tells_each_verdict_and_why_there_is_none(whole) -> None:
    made = hand_made(
        whole,
        {"status": "blocked", "size": 0.31, "size_low": 0.2, "size_high": 0.42, "coverage": 0.7, "answered": 18},
        {"method": "iv", "status": "not_applicable", "reason": "no instrument", "answered": 0, **NONE},
        {"method": "geo_did", "status": "undetermined", "reason": "3 of 20", "answered": 3, **NONE},
    )
    text = made.summary()
    assert "certificate for y: 20 replays, 6 of 24 units treated on paper, 12 periods before and 3 after" in text
    line = next(line for line in text.splitlines() if line.startswith("did "))
    assert line.split()[:4] == ["did", "blocked", "31.0", "%"] and "20.0-42.0 %" in line and "70.0 %" in line
    assert "not applicable, iv: no instrument" in text
    assert "undetermined, geo_did: 3 of 20" in text
    assert "did answered in 18 of 20 replays" in text


def test_the_dictionary_is_strict_json(whole) -> None:
    made = hand_made(whole, {"widening": math.inf, "detectable": -math.inf}, {"method": "iv", **NONE})
    told = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    assert told["n_replays"] == 20 and told["placement"] == "adoption" and told["outcome"] == "y"
    first, second = told["methods"]
    assert (first["widening"], first["detectable"]) == ("Infinity", "-Infinity")
    assert first["size"] == whole.row("did")["size"] and second["size"] is None


def figure_of(certificate: Certificate):
    figure = certificate.plot()
    figure.savefig(io.BytesIO(), format="png")
    return figure


def test_the_picture_has_a_line_per_verdict_and_the_limits_of_the_rule(whole) -> None:
    figure = figure_of(whole)
    size, coverage, seen = figure.axes
    judged = [
        name for name in whole.table["method"] if whole.row(name)["status"] in ("cleared", "widened", "blocked")
    ]
    assert [label.get_text() for label in size.get_yticklabels()] == judged
    points = [line.get_xdata()[0] for line in size.lines if line.get_marker() in ("o", "s", "X")]
    assert points == pytest.approx([100 * whole.row(name)["size"] for name in judged])
    assert any(line.get_xdata()[0] == pytest.approx(7.5) for line in size.lines)
    assert any(line.get_xdata()[0] == pytest.approx(95) for line in coverage.lines)
    assert any(line.get_xdata()[0] == 1.0 for line in seen.lines)


def test_the_picture_says_none_where_no_effect_is_seen(whole) -> None:
    made = hand_made(whole, {"detectable": math.inf, "detectable_low": math.inf, "detectable_high": math.inf})
    assert [text.get_text() for text in figure_of(made).axes[2].texts] == ["none"]


def test_a_picture_without_verdicts_is_empty_and_one_without_certainty_is_not_a_line(whole) -> None:
    made = hand_made(whole, {"method": "iv", "status": "undetermined", "answered": 3, **NONE})
    assert [label.get_text() for label in figure_of(made).axes[0].get_yticklabels()] == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f[f["unit"].isin([0, 1])], "units that are observed and untreated in"),
        (lambda f: f.assign(d=1), "treated and untreated rows in d; found all 576 rows treated"),
        (lambda f: f.assign(d=((f["t"] > 8) & (f["t"] < 12)).astype(int)), "switched off"),
        (lambda f: f.assign(d=(f["t"] >= 3).astype(int)), "units that are observed and untreated in"),
    ],
    ids=["two units", "all treated", "switched off", "all treated from period 3 on"],
)
def test_panels_without_placebos_say_so(change, message) -> None:
    with pytest.raises(LiftosError, match=message):
        certify(Panel.from_frame(change(frame_of()), **ROLES), n_replays=20)


def test_a_cross_section_is_certified_by_rows() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"unit": range(60), "d": [1] * 20 + [0] * 40, "y": rng.normal(5, 1, 60)})
    panel = Panel.from_frame(frame, outcome="y", treatment="d", unit="unit")
    found = certify(panel, ["difference_in_means", "did"], n_replays=40)
    assert (found.placement, found.n_treated) == ("rows", 13)
    assert found.row("difference_in_means")["answered"] == 40
    assert found.row("did")["status"] == "not_applicable"
    assert "13 of 60 units treated on paper, in one period; effect" in found.summary()


@pytest.mark.parametrize("change", ["missing days", "unbalanced", "weights"])
def test_holes_and_weights_are_carried_through(change) -> None:
    frame = frame_of()
    if change == "missing days":
        frame = frame[~frame["t"].isin([5, 6])]
    elif change == "unbalanced":
        frame = frame[np.random.default_rng(0).random(len(frame)) > 0.01]
    more = {"weights": "w"} if change == "weights" else {}
    found = certify(Panel.from_frame(frame, **ROLES, **more), ["did", "synthetic_did"], n_replays=20)
    assert found.row("did")["answered"] == 20
    assert found.n_pre + found.n_post <= 24
