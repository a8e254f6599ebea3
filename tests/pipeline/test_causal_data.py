"""Confounders, treatments, graph and domain records of a real run, for all three platforms."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import duckdb
import pytest

from liftos_pipeline.causal.adjustment import adjustment_set
from liftos_pipeline.schema import TREATMENT_TYPES
from liftos_pipeline.schema.results import (
    CAUSAL_GRAPH,
    CAUSAL_MARKETING_DATA,
    CONFOUNDERS,
    EXTERNAL_FACTORS,
    TREATMENTS,
)
from liftos_pipeline.stages.analysis import adjusted, analyses
from liftos_pipeline.stages.graph import OUTCOME, graphs
from liftos_pipeline.stages.records import PANEL_COLUMNS, Tables, from_json, marketing_data, to_json
from liftos_pipeline.stages.roles import ROLES
from tests.pipeline.conftest import FIRST, LAST
from tests.pipeline.homes import SCENARIO


@pytest.fixture(scope="module")
def public(quiet_home: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(quiet_home / "liftos.duckdb"), read_only=True)


@pytest.fixture(scope="module")
def tables(public: duckdb.DuckDBPyConnection) -> Tables:
    panel = f"mart.marketing_panel_as_of(DATE '{LAST}', {SCENARIO['LIFTOS_LOOK_BACK_DAYS']})"
    results = [
        public.execute(f"SELECT * FROM {table.full_name} WHERE as_of = ?", [LAST]).df()
        for table in (CONFOUNDERS, EXTERNAL_FACTORS, TREATMENTS, CAUSAL_GRAPH)
    ]
    rows = public.execute(f"SELECT {', '.join(PANEL_COLUMNS)} FROM {panel}").df()
    return Tables(date.fromisoformat(LAST), rows, *results)


@pytest.mark.parametrize("platform", ROLES)
@pytest.mark.parametrize("kind", TREATMENT_TYPES)
def test_every_analysis_has_treatments_a_graph_and_records(tables: Tables, platform: str, kind: str) -> None:
    mine = tables.treatments[
        (tables.treatments["platform"] == platform) & (tables.treatments["treatment_type"] == kind)
    ]
    assert len(mine) > 0 and set(mine["assignment_method"]) == {"observational"}
    records = list(marketing_data(tables, platform, kind))
    n_days = tables.panel["date_day"].nunique()
    units = tables.panel.loc[
        tables.panel["unit_type"].eq(ROLES[platform].unit_type) & tables.panel["platform"].eq(platform)
    ]
    assert len(records) == n_days * units["unit_id"].nunique()
    assigned = {record.treatment_assignment.treatment_id for record in records if record.treatment_assignment}
    standing = mine[mine["standing"] == "current"]
    assert assigned <= set(mine["treatment_id"]) and len(assigned) == standing["unit_id"].nunique()
    last = records[-1]
    assert from_json(to_json(last)) == last
    assert last.causal_graph is not None and last.causal_graph.adjustment_set
    assert len(last.external_factors) == 5 and last.metrics
    weeks = list(marketing_data(tables, platform, kind, granularity="weekly"))
    assert len(weeks) // units["unit_id"].nunique() in (n_days // 7 - 1, n_days // 7)


def test_what_estimation_adjusts_for_is_what_the_graph_derives(
    public: duckdb.DuckDBPyConnection, tables: Tables
) -> None:
    rows = public.execute(f"SELECT * FROM {CAUSAL_MARKETING_DATA.full_name} WHERE as_of = ?", [LAST]).df()
    stored = public.execute(
        "SELECT platform, treatment_type, status, adjusted_set, minimal_set FROM causal.adjustment_sets WHERE as_of = ?",
        [LAST],
    ).fetchall()
    derived = {
        (platform, kind): (status, json.loads(union), json.loads(minimal))
        for platform, kind, status, union, minimal in stored
    }
    drawn = {(platform, kind): graph for platform, kind, graph in graphs(tables.graph)}
    done = analyses(rows.assign(design="any"))
    assert {(platform, kind) for platform, kind, *_ in done} == set(derived) == set(drawn)
    for platform, kind, _, part in done:
        status, union, minimal = derived[platform, kind]
        again = adjustment_set(drawn[platform, kind], kind, OUTCOME)
        assert (status, union, minimal) == (again.status, list(again.union), list(again.minimal))
        for outcome in ("count", "value"):
            names = {
                name.replace(f"{outcome}_before", "outcome_before").replace(f"{outcome}_trend", "outcome_trend")
                for name in adjusted(part, outcome)
            }
            assert names == set(union), (platform, kind, outcome)


def test_the_log_only_grows(public: duckdb.DuckDBPyConnection) -> None:
    lost = public.execute(
        "SELECT treatment_id, first_known_on FROM causal.treatments WHERE as_of = $first "
        "EXCEPT SELECT treatment_id, first_known_on FROM causal.treatments WHERE as_of = $last",
        {"first": FIRST, "last": LAST},
    ).fetchall()
    assert lost == []
    late = public.execute(
        "SELECT count(*) FROM causal.treatments WHERE first_known_on > as_of OR last_seen_on > as_of OR started_on > as_of"
    ).fetchall()
    assert late == [(0,)]
