"""Tables of a world: typed as the schema says, cut at their day, and what was visible then."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from liftos_pipeline.errors import LiftosError
from liftos_pipeline.schema.truth import TRUTH_TABLES
from liftos_pipeline.simulator import SCENARIOS, World, generate, scenario_named, small

SEED = 8
DAYS = 140
CUT = 110
PLANTED = {
    "audience_fatigue": "fatigue",
    "quality_regimes": "regimes",
    "failing_list": "list_hazards",
    "geo_experiment": "geo_effects",
    "spillover": "spillovers",
    "outage": "faults",
    "tracking_break": "faults",
}
"""Tables that one world fills and the plain one leaves empty."""


@pytest.fixture(scope="module", params=list(SCENARIOS))
def world(request: pytest.FixtureRequest) -> World:
    return generate(small(SCENARIOS[request.param]), SEED, DAYS)


def test_every_table_has_the_types_of_the_schema_and_its_key(world: World) -> None:
    for table in TRUTH_TABLES:
        rows = world.table(table.name, world.last_day)
        typed = pa.Table.from_pandas(rows, schema=table.arrow(), preserve_index=False)
        for column in table.columns:
            assert column.nullable or typed[column.name].null_count == 0, column.name
        assert set(rows.columns) == {column.name for column in table.columns}
        assert not rows.duplicated(list(table.key)).any(), table.name


def test_a_world_fills_the_tables_of_what_it_plants(world: World) -> None:
    name = world.scenario.name.removeprefix("small_")
    name = name if name in SCENARIOS else f"small_{name}"
    tables = world.tables(world.last_day)
    for table in set(PLANTED.values()):
        assert (len(tables[table]) > 0) == (PLANTED.get(name) == table), table
    assert min(len(tables[table]) for table in ("treatments", "effects", "confounders", "change_dates")) > 0


def test_tables_by_a_day_do_not_know_the_days_after(world: World) -> None:
    short = generate(world.scenario, SEED, CUT)
    for table in TRUTH_TABLES:
        seen = world.table(table.name, short.last_day).reset_index(drop=True)
        pd.testing.assert_frame_equal(seen, short.table(table.name, short.last_day), check_dtype=False)
    pd.testing.assert_frame_equal(world.panel(short.last_day), short.panel(short.last_day))
    pd.testing.assert_frame_equal(world.subscriptions(short.last_day), short.subscriptions(short.last_day))


def test_before_the_world_there_is_nothing() -> None:
    world = generate(SCENARIOS["small_rollout"], SEED, 60)
    eve = world.start - timedelta(days=1)
    empty = {table.name: len(world.table(table.name, eve)) for table in TRUTH_TABLES}
    assert empty.pop("confounders") > 0
    assert set(empty.values()) == {0}


def test_the_panel_is_the_world_as_it_was_shown() -> None:
    scenario = replace(small(SCENARIOS["outage"]), cells=SCENARIOS["many_units"].cells, geo_experiment=None)
    world = generate(scenario, SEED, DAYS)
    through = world.start + timedelta(days=CUT - 1)
    panel = world.panel(through)
    assert len(panel) == CUT * (24 + 24 + 12)
    rows = panel[panel["platform"] == "google_ads"].reset_index(drop=True)
    grid = {name: rows[name].to_numpy().reshape(24, CUT).T for name in rows.columns}
    ads, span = world.google_ads, slice(0, CUT)
    lost = (ads.delivered & ~ads.shown)[span]
    assert lost.any()
    np.testing.assert_array_equal(grid["is_observed"], ~lost)
    np.testing.assert_array_equal(grid["spend"], np.where(lost, np.nan, ads.spend[span]))
    age = CUT - 1 - np.arange(CUT)
    known = ads.reported(span, age, np.arange(24))
    np.testing.assert_array_equal(grid["conversions_reported"], np.where(lost, np.nan, known))
    assert known[-1].sum() < ads.conversions[CUT - 1].sum()
    np.testing.assert_array_equal(grid["true_orders"], ads.orders[span])
    np.testing.assert_array_equal(grid["unit_id"][0], world.units("google_ads"))
    np.testing.assert_array_equal(grid["date_day"][:, 0].astype("datetime64[D]"), world.env.days[span])
    start = ads.starts["budget_change"]
    np.testing.assert_array_equal(grid["budget_change"], (np.arange(CUT)[:, None] >= start) & (start >= 0))
    assert rows["orders"].isna().all() and rows["frequency"].isna().all() and rows["quality_score"].notna().any()


def test_lists_of_the_panel_count_their_people() -> None:
    world = generate(small(SCENARIOS["failing_list"]), SEED, DAYS)
    through = world.start + timedelta(days=CUT - 1)
    rows = world.panel(through).query("platform == 'klaviyo'").set_index(["unit_id", "date_day"])
    people = world.subscriptions(through)
    gone = people[people["has_left"]].groupby(["unit_id", "ended_on"]).size()
    found = rows.loc[rows["unsubscribes"] > 0, "unsubscribes"]
    assert found.to_dict() == gone.to_dict()
    assert len(people) == (world.klaviyo.joined < CUT).sum()
    assert (people["started_on"] <= people["entered_on"]).all()
    assert people["entered_on"].min() == pd.Timestamp(world.start)
    assert (people["started_on"].dt.date < world.start).sum() == 12 * 120
    assert people.loc[~people["has_left"], "ended_on"].eq(pd.Timestamp(through)).all()
    sent = rows["email_sends"].groupby("unit_id").sum()
    lists = world.klaviyo.people_list[world.klaviyo.received[world.klaviyo.received[:, 0] < CUT, 1]]
    assert sent[world.units("klaviyo")].tolist() == np.bincount(lists, minlength=12).tolist()


def test_lost_rows_have_no_true_report() -> None:
    world = generate(small(SCENARIOS["outage"]), SEED, DAYS)
    truth = world.truth(world.last_day)
    meta = truth[truth["platform"] == "meta"]
    day = (meta["date_day"] - pd.Timestamp(world.start)).dt.days.to_numpy()
    unit = pd.Index(world.units("meta")).get_indexer(meta["unit_id"])
    lost = (world.meta.delivered & ~world.meta.shown)[day, unit]
    assert lost.sum() > 20
    np.testing.assert_array_equal(meta["effect_on_reported"].isna(), lost)
    assert meta["effect_on_orders"].notna().all()


def test_spells_of_a_treatment_end_before_their_stop() -> None:
    world = generate(small(SCENARIOS["non_absorbing"]), SEED, DAYS)
    treatments = world.treatments().set_index(["unit_id", "treatment_type"])
    truth = world.truth(world.last_day)
    on = truth[truth["is_on"]].groupby(["unit_id", "treatment_type"])["date_day"].max()
    ended = treatments["ended_on"].dropna()
    assert len(ended) > 20
    assert (on[ended.index].dt.date == ended).all()
    assert (on[on.index.difference(ended.index)] == pd.Timestamp(world.last_day)).all()


def test_refreshes_are_treatments_of_their_own_without_effect() -> None:
    world = generate(small(SCENARIOS["audience_fatigue"]), SEED, DAYS)
    rows = world.treatments().query("platform == 'meta' and treatment_type == 'creative_change'")
    assert len(rows) == world.meta.refreshes.sum() > 24
    by_unit = rows.groupby("unit_id").size()
    told = world.table("fatigue", world.last_day).set_index("unit_id")["refreshes"]
    assert by_unit.to_dict() == told[told > 0].to_dict()
    effects = world.truth(world.last_day).query("treatment_type == 'creative_change' and platform == 'meta'")
    assert (effects["effect_on_orders"] == 0.0).all()
    first = rows.groupby("unit_id")["started_on"].min()
    assert (effects.groupby("unit_id")["started_on"].first().dt.date == first).all()
    causes = world.table("confounders", world.last_day).query(
        "platform == 'meta' and treatment_type == 'creative_change'"
    )
    assert not causes["is_confounder"].any()


def test_shocks_are_those_of_the_market_and_the_rivals() -> None:
    world = generate(small(SCENARIOS["macro_shock"]), SEED, DAYS)
    shocks = world.table("shocks", world.last_day).set_index("kind")
    market = shocks.loc["market"]
    assert market["started_on"] == pd.Timestamp(date(2026, 4, 11))
    assert market["ended_on"] == pd.Timestamp(date(2026, 5, 10))
    assert market["log_demand"] == pytest.approx(-0.35 - 0.16)
    eve = world.start + timedelta(days=99)
    assert set(world.table("shocks", eve)["kind"]) == {"rival"}
    assert set(world.table("shocks", eve + timedelta(days=1))["kind"]) == {"market", "rival"}
    pushed = world.env.rival - 0.85 * np.concatenate([[0.0], world.env.rival[:-1]])
    days = np.flatnonzero(pushed > 1e-12)
    rivals = shocks.loc[["rival"]]
    assert ((rivals["started_on"] - pd.Timestamp(world.start)).dt.days == days).all()
    np.testing.assert_allclose(rivals["log_price"], 0.10 * pushed[days])


def test_geo_effects_are_net_of_refunds_and_of_treated_regions_alone() -> None:
    world = generate(small(SCENARIOS["geo_experiment"]), SEED, DAYS)
    geo = world.geo
    rows = world.table("geo_effects", world.last_day)
    wide = {
        name: rows.pivot(index="date_day", columns="geo_id", values=name).to_numpy() for name in rows.columns[2:]
    }
    during = slice(84, DAYS)
    np.testing.assert_array_equal(wide["is_treated"], np.broadcast_to(geo.is_treated, (56, 40)))
    np.testing.assert_allclose(wide["mean_orders"], 0.97 * geo.means[during])
    np.testing.assert_allclose(wide["effect_on_orders"], 0.97 * (geo.means - geo.means_without)[during])
    assert (wide["effect_on_orders"][:, geo.is_treated] > 0).all()
    assert (wide["effect_on_orders"][:, ~geo.is_treated] == 0).all()


def test_small_before_a_name_keeps_the_world() -> None:
    assert scenario_named("small_outage") is scenario_named("small_outage")
    scenario = scenario_named("small_tracking_break")
    assert (scenario.name, scenario.campaigns_per_platform) == ("small_tracking_break", 24)
    assert scenario.tracking_break == SCENARIOS["tracking_break"].tracking_break
    assert scenario_named("small_rollout") is SCENARIOS["small_rollout"]
    with pytest.raises(LiftosError, match="found scenario 'small_flat'"):
        scenario_named("small_flat")
