"""The graph of each analysis: what is drawn, what follows, and that estimation adjusts for just that."""

from __future__ import annotations

import json
from io import BytesIO

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal.adjustment import NOT_IDENTIFIED, adjustment_set
from liftos_pipeline.schema.results import ADJUSTMENT_SETS, CAUSAL_GRAPH, PROVENANCE
from liftos_pipeline.stages.analysis import COVARIATES, adjusted, analyses, covariates
from liftos_pipeline.stages.graph import OUTCOME, adjustment_rows, first_picture, graph_edges, graphs
from liftos_pipeline.stages.roles import MACRO

KIND = "creative_change"
HISTORY = {*COVARIATES, "outcome_before", "outcome_trend"}
LOGGED = pd.DataFrame({"platform": ["meta"], "treatment_type": [KIND], "evidence": ["logged"]})


def analysis_rows(**fixed: object) -> pd.DataFrame:
    """Sixty causal-ready rows in which every covariate varies, but for those given."""
    rng = np.random.default_rng(7)
    names = [*COVARIATES, *(f"{o}_{part}" for o in ("count", "value") for part in ("before", "after", "trend"))]
    frame = pd.DataFrame({name: rng.normal(size=60) for name in names})
    days = pd.to_datetime(["2026-02-02", "2026-02-09"]).repeat(30)
    frame = frame.assign(
        platform="meta", treatment_type=KIND, design="landmarked", window_start=days, is_treated=np.arange(60) % 2
    )
    return frame.assign(unit_id=[f"u{number}" for number in range(60)], **fixed)


def verdicts(detector: str, detected: int, of: int = 60, status: str = "not_detected") -> pd.DataFrame:
    units = [f"u{number}" for number in range(of)]
    frame = pd.DataFrame({"detector": detector, "platform": "meta", "unit_id": units, "event_no": 0})
    frame = frame.assign(status=status)
    frame.loc[: detected - 1, "status"] = "detected"
    return frame


NOTHING_FOUND = verdicts("budget_change", 60)


def derived(
    rows: pd.DataFrame, confounders: pd.DataFrame = NOTHING_FOUND, treatments: pd.DataFrame = LOGGED
) -> dict[str, object]:
    (row,) = adjustment_rows(graph_edges(rows, confounders, treatments)).to_dict("records")
    return row


@pytest.mark.parametrize(
    "fixed",
    [
        {},
        {"quality_before": np.nan},
        {"other_active": 0, "click_rate_before": 0.05},
        {"quality_before": [np.nan] * 20 + [2.0] * 40},
        {"count_trend": 0.0, "value_trend": 0.0},
    ],
    ids=["all", "unknown", "constant", "same where known", "no trend"],
)
def test_estimation_adjusts_for_the_derived_set_and_for_nothing_else(fixed: dict[str, object]) -> None:
    rows = analysis_rows(**fixed)
    (*_, part), = analyses(rows)  # fmt: skip
    row = derived(rows)
    union = set(json.loads(str(row["adjusted_set"])))
    for outcome in ("count", "value"):
        names = {name.replace(f"{outcome}_before", "outcome_before").replace(f"{outcome}_trend", "outcome_trend")
                 for name in adjusted(part, outcome)}  # fmt: skip
        assert names == union
        columns = {name.removesuffix("_missing") for name in covariates(part, outcome) if "window_" not in name}
        assert columns == set(adjusted(part, outcome))
    edges = graph_edges(rows, NOTHING_FOUND, LOGGED)
    assert set(edges.loc[edges["adjusted"] & (edges["cause_role"] == "confounder"), "cause"]) == union
    gone = {name for name, values in fixed.items() if not isinstance(values, list)}
    assert union == HISTORY - {name.replace("count_", "outcome_").replace("value_", "outcome_") for name in gone}


def test_the_tables_have_their_columns() -> None:
    added = {"as_of", *(column.name for column in PROVENANCE)}
    edges = graph_edges(analysis_rows(), NOTHING_FOUND, LOGGED)
    assert list(edges.columns) == [c.name for c in CAUSAL_GRAPH.columns if c.name not in added]
    rows = adjustment_rows(edges)
    assert list(rows.columns) == [c.name for c in ADJUSTMENT_SETS.columns if c.name not in added]
    assert not edges.duplicated(["cause", "effect"]).any()
    empty = graph_edges(pd.DataFrame(), NOTHING_FOUND, LOGGED)
    assert list(empty.columns) == list(edges.columns) and len(empty) == 0
    assert len(adjustment_rows(empty)) == 0 and first_picture(empty) is None


def test_decisions_that_somebody_logged_rest_on_records_and_identify_the_effect() -> None:
    row = derived(analysis_rows())
    assert row["status"] == "identified" and row["open_path"] is None
    assert set(json.loads(str(row["minimal_set"]))) == HISTORY - {"outcome_trend"}
    assert set(json.loads(str(row["absorbed_by_calendar"]))) == {"calendar", *MACRO}
    assert json.loads(str(row["forbidden"])) == {"delivery": f"mediator: {KIND} -> delivery -> outcome"}
    assert "rest on what the platform records" in str(row["explanation"])


def test_without_a_log_demand_itself_may_have_moved_the_treatment() -> None:
    for treatments in (LOGGED.assign(evidence="detected"), LOGGED.assign(platform="google_ads"), LOGGED.iloc[:0]):
        row = derived(analysis_rows(), treatments=treatments)
        assert row["status"] == NOT_IDENTIFIED
        assert row["open_path"] == f"{KIND} <- unit_demand -> outcome"
        assert json.loads(str(row["minimal_set"])) == []
        assert set(json.loads(str(row["adjusted_set"]))) == HISTORY
        assert "demand itself may have moved it" in str(row["explanation"])
    assert derived(analysis_rows(), treatments=LOGGED.assign(evidence="both"))["status"] == "identified"


def test_what_detectors_find_is_a_latent_node_behind_what_records_it() -> None:
    rows = analysis_rows()
    found = derived(rows, verdicts("audience_fatigue", 20))
    assert found["status"] == "identified"
    (_, _, graph), = graphs(graph_edges(rows, verdicts("audience_fatigue", 20), LOGGED))  # fmt: skip
    assert graph.latent == {"unit_demand", "audience_fatigue"}
    assert {("audience_fatigue", "click_rate_before"), ("audience_fatigue", OUTCOME)} <= set(graph.edges)
    unrecorded = derived(analysis_rows(quality_before=np.nan), verdicts("quality_score_regime", 20))
    assert (unrecorded["status"], unrecorded["open_path"]) == (
        NOT_IDENTIFIED,
        f"{KIND} <- quality_regime -> outcome",
    )
    assert derived(rows, verdicts("quality_score_regime", 20))["status"] == "identified"


def test_edges_say_which_detector_stands_behind_their_cause() -> None:
    scores = pd.DataFrame(
        {
            "detector": "confounder_score",
            "platform": "meta",
            "unit_id": [f"meta:{KIND}:frequency", f"meta:{KIND}:quality", "meta:budget_change:volume"],
            "event_no": 0,
            "status": ["detected", "not_detected", "detected"],
        }
    )
    edges = graph_edges(analysis_rows(), pd.concat([scores, verdicts("audience_fatigue", 20)]), LOGGED)
    evidence = edges.groupby("cause")["evidence"].agg(set)
    assert evidence.pop("frequency_before") == {"confounder_score"}
    assert evidence.pop("audience_fatigue") == {"audience_fatigue"}
    assert set().union(*evidence) == {"platform_knowledge"}


def test_what_units_share_acts_through_the_calendar() -> None:
    row = derived(analysis_rows(), pd.concat([verdicts("market_shock", 60), verdicts("seasonality", 60)]))
    assert row["status"] == "identified"
    assert {"market_shock", "seasonality"} <= set(json.loads(str(row["absorbed_by_calendar"])))


@pytest.mark.parametrize(
    ("detected", "of", "enters"), [(0, 60, False), (7, 60, False), (9, 60, True), (1, 1, False)]
)
def test_as_many_findings_as_chance_brings_draw_nothing(detected: int, of: int, enters: bool) -> None:
    """Of 60 units without anything, 8 or more are flagged at the level .05 with probability .0088."""
    edges = graph_edges(analysis_rows(), verdicts("list_health", detected, of), LOGGED)
    assert ("list_health" in set(edges["cause"])) == enters
    unsure = verdicts("list_health", detected, of, "undetermined")
    assert ("list_health" in set(graph_edges(analysis_rows(), unsure, LOGGED)["cause"])) == (
        enters or (of == 60 and detected > 1)
    )


def test_graphs_come_back_from_their_rows_with_the_minimal_set() -> None:
    edges = graph_edges(analysis_rows(), NOTHING_FOUND, LOGGED)
    (platform, kind, graph), = graphs(edges.sample(frac=1.0, random_state=1))  # fmt: skip
    assert (platform, kind) == ("meta", KIND)
    assert (
        len(graph.edges) == len(edges) and graph.roles[KIND] == "treatment" and graph.roles[OUTCOME] == "outcome"
    )
    assert graph.adjustment_set == adjustment_set(graph, kind, OUTCOME).minimal != ()


def test_the_picture_is_small() -> None:
    from PIL import Image

    png = first_picture(graph_edges(analysis_rows(), NOTHING_FOUND, LOGGED))
    assert png is not None and len(png) < 60_000
    assert Image.open(BytesIO(png)).size[0] == 640
