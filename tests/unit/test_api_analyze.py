"""POST /api/v1/causal/analyze: the same numbers as the library, from records, rows and published tables."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from liftos_pipeline.api.models import AnalysisOut
from liftos_pipeline.causal import Panel, estimate
from tests import service
from tests.panels import NEVER, adoption_panel

FRAME = adoption_panel(3, n_units=30, n_periods=10, starts=(5, NEVER))
ROLES = {"outcome": "y", "treatment": "d", "unit": "unit", "period": "t", "covariates": ["x0", "x1"]}


def rows(frame: pd.DataFrame = FRAME, **more: object) -> dict[str, object]:
    return {"rows": frame.to_dict("records"), **ROLES, **more}


def in_days(frame: pd.DataFrame) -> pd.DataFrame:
    """As records have it: names of units, days, and who is treated."""
    days = pd.to_datetime(service.FIRST) + pd.to_timedelta(frame["t"], unit="D")
    return frame.assign(unit="budget_change:meta:1:" + frame["unit"].astype(str), t=days)


@pytest.mark.parametrize("method", ["doubly_robust", "did", "synthetic_control"])
def test_rows_give_what_the_library_gives(method: str) -> None:
    found = service.post("analyze", rows(), method=method, confidence_level=0.9, seed=4).json()
    expected = estimate(method, Panel.from_frame(FRAME, **ROLES), level=0.9, seed=4).to_row()
    assert found["method"] == found["results"]["method"] == method
    assert found["confidence_level"] == found["results"]["level"] == 0.9
    for name in ("estimate", "std_error", "ci_low", "ci_high", "p_value"):
        wanted = expected[name]
        assert found["results"][name] == (wanted if wanted is None else pytest.approx(wanted, rel=1e-9)), name
    AnalysisOut.model_validate(found)


def test_iv_takes_instruments() -> None:
    frame = FRAME.assign(dose=FRAME["d"] + 0.5 * FRAME["x1"])
    found = service.post(
        "analyze", rows(frame, treatment="dose", covariates=[], instruments=["d"]), method="iv"
    ).json()
    panel = Panel.from_frame(frame, outcome="y", treatment="dose", unit="unit", period="t", instruments=["d"])
    assert found["results"]["estimate"] == pytest.approx(estimate("iv", panel).estimate)
    assert found["results"]["diagnostics"]["first_stage_f"] > 10


@pytest.mark.parametrize(
    "wrap", [lambda found: found, lambda found: {"records": found}, lambda found: {"data": found}]
)
def test_records_become_a_panel(wrap) -> None:  # type: ignore[no-untyped-def]
    found = service.post("analyze", wrap(service.records(FRAME)), method="did").json()
    expected = estimate(
        "did", Panel.from_frame(FRAME, outcome="y", treatment="d", unit="unit", period="t", covariates=["x0"])
    )
    assert found["status"] == "success"
    assert found["results"]["estimate"] == pytest.approx(expected.estimate)
    assert found["results"]["ci_high"] == pytest.approx(expected.ci_high)
    assert found["results"]["n_treated"] == 15
    assert found["data_quality_score"] == 1.0


def test_a_record_is_treated_from_its_assignment_on() -> None:
    """Records of treated units carry their assignment before it too; the hour of the day and its zone count."""
    records = service.records(FRAME)
    at_start = sum(record["treatment_assignment"] is not None for record in records)
    assert at_start == 15 * 10
    found = service.post("counterfactual", {"records": records}, method="did").json()
    assert found["unit_days"] == 15 * 5


def test_a_metric_that_some_records_lack_lowers_the_score() -> None:
    records = service.records(FRAME)
    for record in records[:30]:
        record["metrics"] = {"clicks": 1.0}
    found = service.post("analyze", {"records": records, "covariates": []}, method="did").json()
    assert found["results"]["n_rows"] == 270
    assert found["data_quality"]["parts"] == {"completeness": 0.9, "temporal_consistency": 1.0}
    assert found["data_quality_score"] == pytest.approx(0.95)
    assert found["results"]["warnings"][0] == "30 of 300 records lack orders and are left out"


def test_quality_that_was_sent_and_gaps_count() -> None:
    records = [record | {"data_quality": {"overall": 0.4}} for record in service.records(FRAME)]
    del records[5:15]
    found = service.post("analyze", records, method="difference_in_means").json()
    parts = found["data_quality"]["parts"]
    assert parts == {
        "completeness": 1.0,
        "temporal_consistency": pytest.approx(290 / 300),
        "as_sent": pytest.approx(0.4),
    }
    assert found["data_quality_score"] == pytest.approx(sum(parts.values()) / 3)


def test_units_of_one_experiment_are_told_apart_by_platform() -> None:
    records = service.records(FRAME)
    for record in records:
        unit = record["experiment_id"]
        record |= {"experiment_id": "all", "platform": unit}
    found = service.post("analyze", records, method="did").json()
    assert found["results"]["n_units"] == 30


def test_a_refused_estimate_is_an_answer_with_the_reason() -> None:
    frame = FRAME.assign(x0=FRAME["d"] * 4.0 + FRAME["x0"])
    found = service.post("analyze", rows(frame)).json()
    assert found["status"] == "refused"
    assert found["reason"] == found["results"]["refused"]
    assert "propensity scores" in found["reason"]


def test_undefined_is_null_with_its_reason() -> None:
    few = FRAME[FRAME["unit"] < 4]
    found = service.post("analyze", rows(few, covariates=[]), method="synthetic_control").json()["results"]
    assert found["std_error"] is None
    assert found["undefined"]["std_error"] == "a permutation test has no standard error"
    assert not any(isinstance(value, float) and math.isnan(value) for value in found.values())


def test_options_reach_the_method_and_are_checked() -> None:
    found = service.post("analyze", rows(options={"inference": "cr3"}), method="did").json()
    expected = estimate("did", Panel.from_frame(FRAME, **ROLES), inference="cr3")
    assert found["results"]["std_error"] == pytest.approx(expected.std_error)
    for options, field in (({"inference": 3}, "options.inference"), ({"level": 0.5}, "options.level")):
        answer = service.problem(service.post("analyze", rows(options=options), method="did"), 422)
        assert answer["errors"][0]["field"] == field
    answer = service.problem(service.post("analyze", rows(options={"repeats": 10**9})), 422)
    assert answer["errors"] == [{"field": "options.repeats", "message": "at most 50"}]
    assert (
        "options of did"
        in service.problem(service.post("analyze", rows(options={"x": 1}), method="did"), 422)["expected"]
    )


def test_unknown_method_lists_the_methods() -> None:
    found = service.problem(service.post("analyze", rows(), method="magic"), 400)
    assert {"doubly_robust", "did", "synthetic_control", "iv"} <= set(found["methods"])


RECORD = service.records(FRAME)[0]
WRONG = [
    (b"{", "body", "not valid JSON"),
    (b'{"rows": [{"y": NaN}]}', "body", "not valid JSON"),
    (b"3", "body", "an object, or a list of records"),
    (b"{}", "body", "one of records, rows and table is needed; found none"),
    ([RECORD | {"timestamp": "yesterday"}], "records.0.timestamp", "Input should be a valid datetime"),
    ([RECORD | {"metrics": {"orders": "many"}}], "records.0.metrics.orders", "valid number"),
    ([RECORD | {"temporal_granularity": "hourly"}], "records.temporal_granularity", "no source"),
    ([{"platform": "meta"}], "records.0.experiment_id", "Field required"),
    ({"records": [RECORD], "outcome": "sales"}, "sales", "no record measures it; they have fatigue, orders"),
    ([RECORD | {"metrics": {"a": 1.0, "b": 2.0}}], "outcome", "there are a, b"),
    ({"rows": [{"y": 1, "d": 0}], "treatment": "d"}, "outcome", "name the column of the outcome; there are y, d"),
    ({"rows": [{"y": [1], "d": 0}], "treatment": "d", "outcome": "y"}, "rows.y", "found lists or objects"),
    ({"rows": [], "covariate": ["x"]}, "covariate", "Extra inputs are not permitted"),
    ({"table": "raw.api_page"}, "table", "one of mart.marketing_panel"),
    ({"table": "mart.marketing_panel", "filters": {"x": 1}}, "filters.x", "a column of mart.marketing_panel"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "field", "message"), WRONG, ids=[case[1] + str(n) for n, case in enumerate(WRONG)]
)
def test_wrong_data_are_named_by_field(body: object, field: str, message: str) -> None:
    if isinstance(body, bytes):
        answer = service.shared().post("/api/v1/causal/analyze", content=body)
    else:
        answer = service.post("analyze", body)
    first = service.problem(answer, 422)["errors"][0]
    assert first["field"] == field
    assert message in first["message"]


@pytest.mark.parametrize("level", ["0", "1", "95", "x"])
def test_wrong_level(level: str) -> None:
    answer = service.problem(service.post("analyze", rows(), confidence_level=level), 422)
    assert answer["errors"][0]["field"] == "query.confidence_level"


@pytest.mark.parametrize(
    ("body", "method", "needed"),
    [
        (rows(FRAME[FRAME["d"] == 0]), "did", "Add rows of the other arm"),
        (rows(FRAME[FRAME["unit"] < 2]), "synthetic_control", "donors"),
        (rows(FRAME.assign(y=FRAME["y"] * 1e60)), "did", "larger units"),
        (rows(FRAME.iloc[:0]), "did", "Send rows"),
        ([], "did", "Send records"),
    ],
)
def test_too_little_data_says_what_is_needed(body: object, method: str, needed: str) -> None:
    found = service.problem(service.post("analyze", body, method=method), 422)
    assert needed in found["way_out"]
    assert found["expected"] in found["detail"]
    assert found["found"] in found["detail"]


def test_causal_ready_rows_are_read_as_the_pipeline_reads_them() -> None:
    found = service.post("analyze", {"table": "causal.causal_marketing_data", "outcome": "count"}).json()
    assert found["results"]["n_rows"] == 60
    assert found["results"]["estimate"] == pytest.approx(2.0, abs=4 * found["results"]["std_error"])
    assert found["data_quality_score"] is None
    assert found["data_quality"]["reason"] == "no scores of that day and these platforms"


def test_panel_rows_are_treated_from_their_units_first_change_on() -> None:
    body = {"table": "mart.marketing_panel", "outcome": "conversions_reported", "treatment": "budget_change"}
    found = service.post(
        "analyze", {**body, "filters": {"platform": "meta", "is_observed": True}}, method="did"
    ).json()
    assert found["results"]["n_treated"] == 2
    assert found["results"]["estimate"] == pytest.approx(5.0, abs=0.5)
    gone = service.problem(service.post("analyze", {**body, "filters": {"platform": "tv"}}, method="did"), 422)
    assert gone["found"] == "none that match"
