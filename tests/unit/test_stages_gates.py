"""The gates' table keeps what every rule saw, placebos come from shifted starts, and scores have parts."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.checks.density import COLUMNS
from liftos_pipeline.checks.reconciliation import METRICS
from liftos_pipeline.settings import Settings
from liftos_pipeline.simulator.scenario import scenario_named
from liftos_pipeline.simulator.world import World, generate
from liftos_pipeline.stages import quality
from liftos_pipeline.stages.effects import estimate_effects
from liftos_pipeline.stages.gates import Data, Results, gate_rows
from liftos_pipeline.stages.graph import graph_edges
from liftos_pipeline.stages.landmarks import causal_rows
from liftos_pipeline.stages.placebos import SHIFT_DAYS, placebo_rows
from liftos_pipeline.stages.propensity import propensity_scores
from liftos_pipeline.stages.quality import OVERALL, PARTS, data_quality, score_rows
from liftos_pipeline.stages.roles import MACRO

NOTHING = pd.DataFrame()
LEVELS = pd.DataFrame(columns=["platform", "account_id", "date_day", "level", *METRICS])
ATTRIBUTION = pd.DataFrame(
    columns=["platform", "account_id", "unit_id", "attribution_setting", "first_day", "n_days"]
)
PULLED = pd.DataFrame(columns=["source", "stream", "account_id", "date_day"])
LOST = pd.DataFrame(columns=["source", "stream", "account_id", "first_day", "last_day"])
CURRENCIES = pd.DataFrame(columns=["platform", "unit_id", "currency_code", "n_days", "first_day"])
ACCOUNTS = pd.DataFrame(columns=["platform", "account_id", "account_timezone"])


@pytest.fixture(scope="module")
def world() -> World:
    return generate(scenario_named("staggered_rollout"), 3, 140)


@pytest.fixture(scope="module")
def panel(world: World) -> pd.DataFrame:
    """As the mart has it."""
    table = world.panel(world.last_day).assign(
        is_boundary=False,
        vintage="captured",
        quality_ranking_level=np.nan,
        n_budget_changes=0.0,
        email_opens=lambda rows: rows["email_clicks"],
    )
    return table.assign(**dict.fromkeys(MACRO.values(), 1.0))


@pytest.fixture(scope="module")
def results(world: World, panel: pd.DataFrame) -> Results:
    treatments = world.treatments().assign(evidence="logged", standing="current")
    rows = causal_rows(panel, treatments)
    scores = propensity_scores(rows, 0)
    options = {"level": 0.95, "seed": 0, "min_effective_controls": 20.0}
    effects = estimate_effects(rows, scores, treatments, NOTHING, panel, **options)
    placebos = placebo_rows(panel, treatments, 0.95, 0)
    return Results(rows, scores, treatments, NOTHING, effects, NOTHING, NOTHING, placebos)


def gates_of(panel: pd.DataFrame, results: Results, world: World, **settings: float) -> pd.DataFrame:
    data = Data(panel, LEVELS, ATTRIBUTION, PULLED, LOST, CURRENCIES, ACCOUNTS)
    chosen = Settings(liftos_look_back_days=140, **settings)
    return gate_rows(data, results, world.last_day, chosen).set_index(["gate", "subject"])


def test_a_clean_world_passes_every_gate_that_is_an_error(
    world: World, panel: pd.DataFrame, results: Results
) -> None:
    table = gates_of(panel, results, world)
    assert table.index.is_unique
    assert set(table.index.get_level_values("gate")) == {
        *("density", "holes", "tracking", "precedence", "temporal_consistency", "overlap"),
        *("effective_sample_size", "balance", "interference", "placebo_in_time", "pre_trends"),
    }
    failed = table[~table["passed"] & (table["severity"] == "error")]
    assert failed.index.tolist() == []
    assert all(isinstance(json.loads(told), list) for told in table["offenders"])


def test_settings_reach_their_rules(world: World, panel: pd.DataFrame, results: Results) -> None:
    strict = gates_of(
        panel, results, world, liftos_overlap_min_effective_controls=90.0, liftos_density_max_holes=0.0
    )
    refused = strict.loc[("effective_sample_size", "meta.budget_change.landmarked")]
    assert (refused["passed"], refused["severity"]) == (False, "error")
    assert refused["expected"] == "at least 90 effective controls"
    assert not strict.loc[("holes", "meta"), "passed"]


def test_nothing_gives_no_gates() -> None:
    data = Data(pd.DataFrame(columns=list(COLUMNS)), LEVELS, ATTRIBUTION, PULLED, LOST, CURRENCIES, ACCOUNTS)
    nothing = Results(*[NOTHING] * 8)
    assert gate_rows(data, nothing, pd.Timestamp(2026, 5, 31).date(), Settings()).empty


def test_placebos_stand_for_analyses_whose_units_are_not_treated_yet(results: Results) -> None:
    found = results.placebos.set_index(["platform", "treatment_type"])
    assert set(found["shift_days"]) == {SHIFT_DAYS}
    assert found["p_value"].between(0, 1).all()
    assert found["estimate"].abs().max() < 0.3
    starts = pd.to_datetime(results.treatments["started_on"])
    assert found["n_treated"].sum() < len(starts)


def test_a_trend_that_begins_before_the_start_fails_its_analysis(panel: pd.DataFrame, results: Results) -> None:
    treated = results.treatments.query("platform == 'meta' and treatment_type == 'budget_change'")
    start = panel["unit_id"].map(treated.groupby("unit_id")["started_on"].min())
    since = (panel["date_day"] - pd.to_datetime(start)).dt.days
    growth = np.exp(0.012 * (since + 70).clip(0, 98).fillna(0.0))
    drifting = panel.assign(conversions_reported=panel["conversions_reported"] * growth)
    found = placebo_rows(drifting, results.treatments, 0.95, 0).set_index(["platform", "treatment_type"])
    before = results.placebos.set_index(["platform", "treatment_type"])
    broken = ("meta", "budget_change")
    assert before.loc[broken, "p_value"] > 0.02
    assert found.loc[broken, "p_value"] < 0.001
    assert found.loc[broken, "estimate"] > 0.15
    assert found.loc["klaviyo"].equals(before.loc["klaviyo"])


def scores_of(panel: pd.DataFrame, results: Results, world: World) -> pd.DataFrame:
    graph = graph_edges(
        results.rows,
        pd.DataFrame(columns=["platform", "event_no", "status", "detector", "unit_id"]),
        results.treatments,
    )
    days = world.last_day - timedelta(days=1), world.last_day
    sums = dict.fromkeys(METRICS, 100.0)
    levels = pd.DataFrame(
        [
            {"platform": "meta", "account_id": "1", "date_day": day, "level": level, **sums}
            for day in days
            for level in ("campaign", "ad")
        ]
    )
    levels.loc[3, "spend"] = 50.0
    return score_rows(
        panel,
        levels,
        NOTHING,
        results.rows,
        results.scores,
        graph,
        results.treatments,
        as_of=world.last_day,
        tolerance=0.01,
    )


def test_scores_have_every_part_or_a_reason(world: World, panel: pd.DataFrame, results: Results) -> None:
    table = scores_of(panel, results, world).set_index(["platform", "part"])
    assert set(table.index.get_level_values("part")) == {*PARTS, OVERALL}
    assert table.loc[("meta", "reconciliation"), "score"] == 0.5
    assert table.loc[("klaviyo", "reconciliation"), "reason"] == "one level only"
    assert table.loc[("meta", "maturity"), "score"] is None or np.isnan(table.loc[("meta", "maturity"), "score"])
    assert table.loc[("meta", "temporal_consistency"), "score"] == 1.0
    assert table.loc[("meta", "completeness"), "score"] == 1.0
    assert "unit_demand" in table.loc[("meta", "confounder_coverage"), "reason"]
    assert table.loc[("meta", "confounder_coverage"), "score"] >= 0.85
    known = table.loc["meta"].drop(OVERALL)["score"].dropna().astype(float)
    assert table.loc[("meta", OVERALL), "score"] == pytest.approx(float(np.exp(np.log(known).mean())))


def test_worse_data_score_lower(world: World, panel: pd.DataFrame, results: Results) -> None:
    dark = (panel["platform"] == "meta") & (panel["date_day"] >= panel["date_day"].max() - pd.Timedelta(days=13))
    unseen = panel.assign(is_observed=panel["is_observed"] & ~dark)
    quality = data_quality(scores_of(unseen, results, world), "meta")
    assert quality.completeness == pytest.approx(0.9)
    assert quality.reconciliation == 0.5
    assert quality.maturity is None
    whole = data_quality(scores_of(panel, results, world), "meta")
    assert (whole.overall or 0) > (quality.overall or 1)


def test_seasonality_is_known_with_the_date_and_a_shock_of_the_market_with_prices(panel: pd.DataFrame) -> None:
    graph = pd.DataFrame(
        [
            ("seasonality", "external_factor", "calendar"),
            ("market_shock", "external_factor", "calendar"),
            ("unit_demand", "latent", "outcome"),
            ("unit_demand", "latent", "confounder"),
        ],
        columns=["cause", "cause_role", "effect_role"],
    )
    own = panel[panel["platform"] == "meta"]
    score, reason = quality._coverage(graph, own, quality.ROLES["meta"])
    assert score == pytest.approx(2 / 3) and reason.endswith("not: unit_demand")
    score, reason = quality._coverage(graph, own.assign(spend=np.nan), quality.ROLES["meta"])
    assert score == pytest.approx(1 / 3) and reason.endswith("not: market_shock, unit_demand")
