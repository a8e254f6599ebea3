"""Declared experiments from the platforms' pages to the assignment of treatments, in a world a third of which is drawn;
beside them, in the same home, the regions of another world."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.ingest import Home, open_home, pull_stream
from liftos_pipeline.platforms.app import world_at
from liftos_pipeline.settings import load_settings
from liftos_pipeline.simulator.scenario import scenario_named
from tests.pipeline.homes import environment

FIRST, LAST = date(2026, 3, 31), date(2026, 5, 30)
ROOT = Path(__file__).parents[2]
READ = {
    "meta": ("account", "insights_daily", "activities", "adsets", "ads", "campaigns", "ad_studies"),
    "google_ads": ("customer", "daily", "change_events", "experiments", "experiment_arms"),
}
DECLARING = ("campaigns", "ad_studies", "experiments", "experiment_arms")
BUILT = ("+experiments", "+int_changes__as_of", "+marketing_panel_as_of")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Both ad platforms, experiments as of two days; the models that the stage reads; the stage as Dagster runs it."""
    folder = tmp_path_factory.mktemp("drawn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", environment(folder, LIFTOS_SCENARIO="small_mixed_assignment"))
        from liftos_pipeline.defs.resources import HomeResource
        from liftos_pipeline.defs.treatments import treatments

        home = open_home(load_settings())
        for name, streams in READ.items():
            for stream in streams:
                pull_stream(home, name, stream, [FIRST, LAST] if stream in DECLARING else [LAST], "test")
        beside = open_home(load_settings().model_copy(update={"liftos_scenario": "small_geo_experiment"}))
        pull_stream(beside, "meta", "insights_geo_daily", [LAST], "test")
        for stream in ("account", "metrics", "profiles", "events"):
            pull_stream(beside, "klaviyo", stream, [LAST], "test")
        made = {"DBT_TARGET_PATH": str(folder / "dbt"), "DBT_LOG_PATH": str(folder / "dbt")}
        command = [
            str(Path(sys.executable).parent / "liftos-dbt"),
            "--quiet",
            "run",
            "--select",
            *BUILT,
        ]
        subprocess.run(command, cwd=ROOT / "dbt_models", env={**os.environ, **made}, check=True)
        done = dg.materialize([treatments], partition_key=LAST.isoformat(), resources={"home": HomeResource()})
        assert done.success
        yield home


def rows(home: Home, query: str) -> pd.DataFrame:
    with home.warehouse.read() as connection:
        return connection.execute(query).df()


def test_who_was_drawn_is_randomised_and_nobody_else(home: Home) -> None:
    found = rows(home, "SELECT * FROM causal.treatments WHERE evidence <> 'detected'")
    truth = home.world(LAST).treatments().rename(columns={"assignment_method": "truth"})
    found["started_on"] = found["started_on"].dt.date
    both = found.merge(truth, on=["unit_id", "treatment_type", "started_on"], suffixes=("", "_true"))
    assert len(both) == len(found)
    counts = both.groupby(["truth", "assignment_method"]).size()
    assert set(counts.index) == {
        ("randomized", "randomized"),
        ("observational", "observational"),
        ("quasi_experimental", "observational"),
    }
    assert both.loc[both["truth"] == "randomized", "platform"].nunique() == 2
    drawn = found[found["assignment_method"] == "randomized"]
    assert drawn["assignment_test"].str.startswith("declared experiment ").all()
    assert drawn["control_group_id"].str.endswith(": control arm").all()


@pytest.mark.parametrize("as_of", [FIRST, LAST])
def test_arms_are_as_they_were_known_on_each_day(home: Home, as_of: date) -> None:
    """A study of several accounts is one, and its units carry the account that has the campaign."""
    arms = rows(home, f"SELECT * FROM mart.experiments_as_of(DATE '{as_of}')")
    world = home.world(LAST)
    day = (as_of - world.start).days
    expected = {True: set(), False: set()}
    for platform in ("meta", "google_ads"):
        panel = world.ads(platform)
        is_on = pd.DataFrame(panel.starts).apply(lambda begun: begun.between(0, day)).any(axis=1)
        for unit, method, has_begun in zip(world.units(platform), panel.method, is_on, strict=True):
            if method == "randomized":
                expected[not has_begun].add(unit)
    for is_control, units in expected.items():
        listed = [unit for ids in arms.loc[arms["is_control"] == is_control, "unit_ids"] for unit in ids]
        assert len(listed) == len(set(listed))
        assert set(listed) == units
    assert (arms["platform"] == "meta").sum() == 2
    assert set(arms["unit"]) == {"campaign"}
    total = arms.groupby("experiment_id")["traffic_split_pct"].sum()
    assert set(total) == {100.0}


def test_the_view_is_the_newest_day(home: Home) -> None:
    either = "SELECT * FROM mart.experiments ORDER BY platform, experiment_id, arm_id"
    newest = f"SELECT * FROM mart.experiments_as_of(DATE '{LAST}') ORDER BY platform, experiment_id, arm_id"
    pd.testing.assert_frame_equal(rows(home, either), rows(home, newest))


def test_regions_are_rows_of_the_panel_beside_the_campaigns(home: Home) -> None:
    panel = rows(home, f"SELECT * FROM mart.marketing_panel_as_of(DATE '{LAST}', 120)")
    geo = world_at(scenario_named("small_geo_experiment"), 0, datetime(2026, 5, 31, tzinfo=UTC)).geo
    found = panel[panel["unit_type"] == "geo"]
    account = home.world(LAST).accounts()["meta"][0]
    wide = found.pivot(index="date_day", columns="unit_id", values="spend").astype(float)
    np.testing.assert_allclose(wide[[f"meta:{account}:{name}" for name in geo.geo_ids]], geo.spend[30:150])
    assert found["impressions"].notna().all() and found["is_observed"].all() and not found["is_zero_filled"].any()
    unknown = ["clicks", "conversions_reported", "email_sends", "n_budget_changes", "budget_in_force"]
    assert found[unknown].isna().all(axis=None)
    campaigns = panel[panel["unit_type"] == "campaign"]
    assert len(campaigns) == 48 * 120 and campaigns["spend"].notna().all()
    assert float(campaigns["spend"].sum()) == pytest.approx(
        sum(home.world(LAST).ads(name).spend[30:150].sum() for name in READ)
    )


def test_orders_of_a_region_are_those_of_the_people_who_live_there(home: Home) -> None:
    """Net of refunds, which come days later; nobody is counted who tells no region."""
    geo = world_at(scenario_named("small_geo_experiment"), 0, datetime(2026, 5, 31, tzinfo=UTC)).geo
    panel = rows(home, f"SELECT * FROM mart.marketing_panel_as_of(DATE '{LAST}', 120) WHERE unit_type = 'geo'")
    account = home.world(LAST).accounts()["meta"][0]
    units = [f"meta:{account}:{name}" for name in geo.geo_ids]
    net = panel.pivot(index="date_day", columns="unit_id", values="orders").astype(float)[units]
    events = rows(
        home,
        "SELECT e.date_day, p.region, e.numeric_value, e.metric_name = 'Refunded Order' AS is_back "
        "FROM raw.klaviyo_events AS e JOIN raw.klaviyo_profiles AS p USING (account_id, profile_id) "
        "WHERE p.region IS NOT NULL "
        "AND e.metric_name IN ('Placed Order', 'Refunded Order') AND e.observed_to > TIMESTAMP '9999-01-01' "
        "AND p.observed_to > TIMESTAMP '9999-01-01'",
    )
    events = events.assign(sign=np.where(events["is_back"], -1, 1), unit=f"meta:{account}:" + events["region"])
    back = events[events["is_back"]].pivot_table(index="date_day", columns="unit", values="sign", aggfunc="size")
    back = back.reindex(index=net.index, columns=units).fillna(0.0)
    np.testing.assert_array_equal(net + back, geo.orders[30:150])
    assert back.to_numpy().sum() > 100
    money = events["numeric_value"].astype(float) * events["sign"]
    value = (
        money.groupby([events["date_day"], events["unit"]]).sum().unstack().reindex(index=net.index, columns=units)
    )
    told = panel.pivot(index="date_day", columns="unit_id", values="order_revenue").astype(float)[units]
    np.testing.assert_allclose(told, value.fillna(0.0), atol=0.005)
