"""The report: sentences, what is not known, what changed, and the objects for machines."""

from __future__ import annotations

import csv
import dataclasses
import io
import json

import pandas as pd
import pytest

from liftos_pipeline.report import words
from liftos_pipeline.report.answers import is_about
from liftos_pipeline.report.contents import all_answers, contents
from liftos_pipeline.report.formats import as_csv, as_json
from liftos_pipeline.report.summary import HEAD, summary
from liftos_pipeline.schema.results import EFFECT_HISTORY, GATES
from tests.report_tables import analysis, attribution, earlier, empty_input, frame, report_input, verdicts


def answer_to(kind: str, **tables) -> dict:
    told = all_answers(contents(report_input(**tables)))
    return next(answer for answer in told if answer["treatment_type"] == kind)


def test_the_channel_is_told_in_one_sentence() -> None:
    (channel,) = contents(report_input())["channels"]
    assert channel["lead"] == (
        "Meta: budget changes added 1,618 conversions (1,048 to 2,187); Meta itself counted 1,421 more conversions than "
        "before in the same days (9,500 in all); return on the added spend 0.70 (0.40 to 0.95), below the break-even of 1; "
        "2 of 3 kinds of change are left out."
    )


def test_an_experiment_of_regions_leads_with_its_own_sentence_and_is_no_part_of_the_sum() -> None:
    row = {
        "treatment_type": "budget_change",
        "design": "geo_experiment",
        "outcome": "orders",
        "label": "effect_on_orders",
    }
    sales = attribution().query("treatment_type == 'budget_change' and outcome == 'conversions_reported'")
    judged = verdicts().query("treatment_type == 'budget_change' and outcome == 'conversions_reported'")
    region = sales.assign(
        **row, incremental=900.0, incremental_low=500.0, incremental_high=1300.0, reported_change=None
    )
    told = pd.concat([attribution(), region]), pd.concat([verdicts(), judged.assign(**row, tier="T1")])
    (channel,) = contents(report_input(attribution=told[0], verdicts=told[1]))["channels"]
    lead = "Meta: budget changes in drawn regions added 900 orders (500 to 1,300). Budget changes added 1,618 conversions"
    assert channel["lead"].startswith(lead) and channel["lead"].endswith("2 of 3 kinds of change are left out.")
    alone = told[0].assign(incremental=[None] * (len(told[0]) - 1) + [900.0])
    refused = pd.concat([verdicts().assign(verdict="refuse"), judged.assign(**row, tier="T1")])
    (channel,) = contents(report_input(attribution=alone, verdicts=refused))["channels"]
    assert channel["lead"] == "Meta: budget changes in drawn regions added 900 orders (500 to 1,300)."


def test_a_channel_without_numbers_tells_directions_and_what_they_wait_for() -> None:
    immature = {"verdict": "direction_only", "gates_failed": '["maturity"]', "reasons": "maturity: not known"}
    judged = verdicts()
    weak = judged["verdict"] != "refuse"
    judged.loc[weak, list(immature)] = list(immature.values())
    gate = {"gate": "maturity", "subject": "meta", "passed": False, "severity": "warn", "way_out": "Run daily."}
    nothing = attribution(incremental=None).assign(incremental=None)
    (channel,) = contents(report_input(verdicts=judged, gates=frame(GATES, gate), attribution=nothing))["channels"]
    assert channel["lead"] == (
        "Meta: budget changes raised conversions and targeting changes lowered conversions, but by how much may not be told "
        "yet: it is not sure that the youngest days are complete."
    )


def test_a_channel_without_any_answer_says_why() -> None:
    judged = verdicts().assign(
        verdict="refuse", direction=None, gates_failed="[]", reasons="no interval: one treated unit"
    )
    (channel,) = contents(report_input(verdicts=judged, attribution=attribution().assign(incremental=None)))[
        "channels"
    ]
    assert (
        channel["lead"]
        == "Meta: what its changes did to conversions is not known yet: no interval: one treated unit."
    )


def test_a_change_that_loses_money_is_a_no_go() -> None:
    answer = answer_to("budget_change")
    assert answer["decision_in_words"] == "no-go"
    assert answer["sentence"].endswith("return on the added spend 0.70 (0.40 to 0.95), below the break-even of 1.")


@pytest.mark.parametrize(
    ("low", "value", "high", "told"),
    [
        (-400.0, -300.0, -200.0, "cost 300 conversions (200 to 400)"),
        (-80.0, 120.0, 320.0, "moved conversions by +120 (−80 to 320), which is not told from none"),
        (2.1, 3.4, None, "added 3.4 conversions (from 2.1, no upper limit)"),
    ],
)
def test_the_sign_is_in_the_words(low: float, value: float, high: float | None, told: str) -> None:
    numbers = {"incremental_low": low, "incremental": value, "incremental_high": high}
    answer = answer_to("budget_change", attribution=attribution(**numbers))
    assert told in answer["sentence"]


def test_a_direction_has_no_number_and_says_why_and_the_way_out() -> None:
    answer = answer_to("targeting_change")
    assert answer["sentence"] == (
        "Targeting changes lowered conversions, by how much may not be told; Meta itself counted 20 fewer conversions than "
        "before in the same days (700 in all)."
    )
    assert answer["reason_in_words"] == "Changed and unchanged ones differ in something that matters"
    assert answer["ways_out"] == ["Compare."]
    assert answer["decision_in_words"] == "keep as it is"


def test_a_refusal_names_the_gate_that_is_about_it_and_no_other() -> None:
    answer = answer_to("creative_change")
    assert "have no answer: what they did to conversions is not known" in answer["sentence"]
    assert answer["ways_out"] == ["Widen the control pool."]
    assert answer_to("budget_change")["ways_out"] == []


def test_warnings_are_no_reason_where_an_error_refuses() -> None:
    judged = verdicts()
    judged.loc[judged["verdict"] == "refuse", "gates_failed"] = '["balance", "overlap"]'
    gate = {"passed": False, "seen": "-", "subject": "meta"}
    gates = frame(
        GATES,
        {**gate, "gate": "balance", "severity": "warn", "way_out": "Compare."},
        {**gate, "gate": "overlap", "severity": "error", "way_out": "Widen."},
    )
    answer = answer_to("creative_change", verdicts=judged, gates=gates)
    assert answer["ways_out"] == ["Widen."]
    assert answer["reason_in_words"].startswith("Some changed ones have nothing comparable")


@pytest.mark.parametrize(
    ("subject", "is_it"),
    [
        ("google_ads", True),
        ("google_ads.budget_change", True),
        ("google_ads.budget_change.landmarked", True),
        ("google", False),
        ("google_ads.budget", False),
        ("google_ads.conversions_reported", False),
    ],
)
def test_a_gate_is_about_an_analysis_by_whole_names(subject: str, is_it: bool) -> None:
    assert is_about(subject, ("google_ads", "budget_change", "landmarked")) is is_it


def test_numbers_of_a_refused_method_are_not_in_the_evidence() -> None:
    report = contents(report_input())
    by_kind = {proof["treatment_type"]: proof["methods"] for proof in report["evidence"]}
    (refused,) = by_kind["creative_change"]
    assert refused["estimate"] is None and refused["refused"] == "3 of 60 have a score above 0.9"
    assert [row["estimate"] for row in by_kind["budget_change"]] == [0.9, 0.9]


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), "text"])
@pytest.mark.parametrize("write", [words.amount, words.rate, words.share, words.number, words.p_value, words.move])
def test_what_is_not_known_is_said(write, value: object) -> None:
    assert write(value) == "not known"


def test_digits() -> None:
    assert [words.amount(value) for value in (1618.4, 12.0, 3.44, 0.0, -250.0)] == [
        "1,618",
        "12",
        "3.4",
        "0",
        "−250",
    ]
    assert [words.share(value) for value in (0.953, 0.0, 0.0471)] == ["95\u00a0%", "0\u00a0%", "4.7\u00a0%"]
    assert [words.signed_share(value) for value in (-0.0001, 0.124)] == ["0\u00a0%", "+12.4\u00a0%"]
    assert words.span(None, None) == "no limits" and words.span(None, 2.0) == "up to 2, no lower limit"
    assert [words.p_value(value) for value in (0.0002, 0.034, 0.6)] == ["< 0.001", "0.034", "0.60"]


def test_what_changed_and_why() -> None:
    numbers = {"std_error": 0.2, "role": "primary", "n_rows": 300, "certificate": "cleared", "vintage": "captured"}
    then, now = (
        frame(EFFECT_HISTORY, {**analysis("budget_change"), **numbers, "estimate": estimate, "code_version": code})
        for estimate, code in ((0.8, "0.9"), (0.9, "1.0"))
    )
    given = dataclasses.replace(report_input(), earlier=earlier("refuse", then), given=now)
    changes = contents(given)["changes"]
    assert changes["since"] == "2026-06-29"
    assert changes["command"] == "liftos explain --from 2026-06-29 --to 2026-06-30"
    budget = next(row for row in changes["analyses"] if row["treatment_type"] == "budget_change")
    assert (budget["verdict_then"], budget["verdict_now"]) == ("refuse", "report")
    assert (budget["incremental_then"], budget["incremental_now"]) == (1500.0, 1618.0)
    assert budget["moved_in_errors"] == pytest.approx(0.5)
    assert budget["why"] == ["60 changed units instead of 58", "version 1.0 instead of 0.9"]


def test_a_check_that_fails_anew_is_named() -> None:
    tables = earlier("report").tables
    cleared = verdicts()
    cleared["gates_failed"] = "[]"
    given = dataclasses.replace(
        report_input(),
        earlier=dataclasses.replace(earlier("report"), tables={**tables, "causal.verdicts": cleared}),
    )
    why = {row["treatment_type"]: row["why"] for row in contents(given)["changes"]["analyses"]}
    assert why["creative_change"] == ["the check overlap now fails"]


def test_breaks_that_nothing_explains_are_no_changes() -> None:
    timeline = contents(report_input())["timeline"]
    assert (timeline["n_treatments"], timeline["n_unexplained"], timeline["n_randomized"]) == (2, 1, 1)
    assert timeline["weeks"] == [
        {"platform": "meta", "treatment_type": "budget_change", "week": "2026-03-02", "starts": 2}
    ]


def test_json_is_one_strict_object() -> None:
    def refuse(literal: str) -> None:
        raise AssertionError(literal)

    for given in (report_input(), empty_input()):
        json.loads(as_json(contents(given)), parse_constant=refuse)


def test_csv_is_the_attribution_with_its_verdicts() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(report_input()))))
    assert [(row["scope"], row["treatment_type"], row["verdict"]) for row in rows[:3]] == [
        ("treatment", "budget_change", "report"),
        ("treatment", "budget_change", "report"),
        ("treatment", "targeting_change", "direction_only"),
    ]
    assert (rows[0]["incremental"], rows[2]["incremental"]) == ("1618.0", "")


def test_the_terminal_table_has_the_truth_only_where_it_is_known() -> None:
    head, cells = summary(contents(report_input()))
    assert head == HEAD and [len(row) for row in cells] == [len(HEAD)] * 3
    head, cells = summary(contents(report_input("live")))
    assert "truth" not in head
    assert cells[0] == [
        "Meta",
        "budget",
        "T3 report",
        "conversions",
        "60",
        "+1,421",
        "+1,618",
        "1,048 to 2,187",
        "no-go",
    ]
