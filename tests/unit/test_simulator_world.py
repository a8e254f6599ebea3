"""Worlds: longer ones begin with shorter ones, bits repeat, selection and schedules are what the scenario says."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from datetime import date, timedelta
from types import MappingProxyType

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest
from lifelines import CoxPHFitter

from liftos_pipeline.errors import LiftosError
from liftos_pipeline.schema import TREATMENT_TYPES
from liftos_pipeline.simulator import SCENARIOS, Scenario, World, generate
from liftos_pipeline.simulator.environment import PAST_DAYS
from liftos_pipeline.simulator.lists import SHORT_GAP_DAYS, USUAL_GAP_DAYS
from liftos_pipeline.simulator.scenario import scenario_named

SCENARIO = SCENARIOS["staggered_rollout"]
SMALL = replace(SCENARIO, campaigns_per_platform=12, lists=6, subscribers_per_list=30)
DAYS = 150
PARTS = ("env", "meta", "google_ads", "klaviyo")


@pytest.fixture(scope="module")
def world() -> World:
    return generate(SMALL, 4, DAYS)


def arrays(part: object) -> dict[str, np.ndarray]:
    """All arrays of a part by name, also those in mappings."""
    found = {}
    assert is_dataclass(part)
    for field in fields(part):
        value = getattr(part, field.name)
        entries = value.items() if isinstance(value, dict) else [("", value)]
        found.update({f"{field.name}.{name}": v for name, v in entries if isinstance(v, np.ndarray)})
    return found


def test_same_seed_gives_the_same_bits(world: World) -> None:
    again = generate(SMALL, 4, DAYS)
    for name in PARTS:
        ours, theirs = arrays(getattr(world, name)), arrays(getattr(again, name))
        for field, values in ours.items():
            assert values.tobytes() == theirs[field].tobytes(), f"{name}.{field}"
    assert world.macro.equals(again.macro)


def test_another_seed_gives_another_world(world: World) -> None:
    other = generate(SMALL, 5, DAYS)
    assert (other.meta.orders != world.meta.orders).mean() > 0.5
    assert not set(other.meta.campaign_ids) & set(world.meta.campaign_ids)


def everything(name: str) -> Scenario:
    """A world of the register with few units."""
    return replace(
        SCENARIOS[name], campaigns_per_platform=12, accounts_per_platform=3, lists=6, subscribers_per_list=30
    )


@pytest.mark.parametrize("n_days", [1, 37, 149])
def test_a_longer_world_begins_with_the_shorter_one(world: World, n_days: int) -> None:
    begins_with(world, generate(SMALL, 4, n_days))


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_every_world_begins_with_its_shorter_ones(name: str) -> None:
    begins_with(generate(everything(name), 5, 150), generate(everything(name), 5, 111))


def begins_with(world: World, short: World) -> None:
    n_days = short.n_days
    for name in PARTS if world.geo is None else (*PARTS, "geo"):
        longer = arrays(getattr(world, name))
        for field, values in arrays(getattr(short, name)).items():
            expected = longer[field]
            if field.startswith(("starts.", "stops.")):
                expected = np.where(expected < n_days, expected, -1)
            elif field.startswith(("received", "opened", "clicked")):
                expected = expected[expected[:, 0] < n_days]
            elif field.startswith(("people_list", "consented", "joined", "left")):
                present = world.klaviyo.joined < n_days
                expected = expected[present]
                if field.startswith("left"):
                    expected = np.where(expected < n_days, expected, 10**6)
            elif values.shape != expected.shape:
                expected = expected[: len(values)]
            np.testing.assert_array_equal(values, expected, err_msg=f"{name}.{field}")


def test_macro_of_a_longer_world_only_adds_releases(world: World) -> None:
    short = generate(SMALL, 4, 37)
    last = SMALL.start + timedelta(days=36)
    seen = [table.filter(pc.less_equal(table["realtime_start"], last)) for table in (short.macro, world.macro)]
    columns = ["series_id", "date", "realtime_start", "value"]
    assert seen[0].select(columns).equals(seen[1].select(columns))


def test_vintages_follow_one_another_after_the_day_they_are_about(world: World) -> None:
    frame = world.macro.to_pandas()
    frame[["date", "realtime_start"]] = frame[["date", "realtime_start"]].apply(pd.to_datetime)
    frame = frame.sort_values(["series_id", "date", "realtime_start"])
    assert sorted(frame["series_id"].unique()) == ["CPIAUCSL", "GDP", "UMCSENT", "UNRATE", "VIXCLS"]
    assert (frame["realtime_start"] > frame["date"]).all()
    months = frame[frame["series_id"].isin(["CPIAUCSL", "UMCSENT", "UNRATE"])]
    assert (months["realtime_start"] > months["date"] + pd.offsets.MonthEnd(1)).all()
    pairs = frame.groupby(["series_id", "date"])
    following = pairs["realtime_start"].shift(-1)
    ends = pd.to_datetime(frame["realtime_end"].where(following.notna()))
    assert (ends[following.notna()] == following[following.notna()] - pd.Timedelta(days=1)).all()
    assert set(frame["realtime_end"][following.isna()]) == {date(9999, 12, 31)}
    revised = pairs["value"].nunique()
    assert revised["GDP"].max() == 3
    assert revised["VIXCLS"].max() == 1
    assert frame["date"].min() <= pd.Timestamp(SMALL.start) - pd.Timedelta(days=PAST_DAYS - 31)


def test_released_values_stay_in_plausible_ranges() -> None:
    ranges = {
        "UMCSENT": (40, 115),
        "UNRATE": (3, 6),
        "CPIAUCSL": (300, 345),
        "GDP": (2.7e4, 3.4e4),
        "VIXCLS": (8, 45),
    }
    for seed in (0, 1, 2, 3):
        macro = generate(SMALL, seed, 30).macro.to_pandas()
        for series, values in macro.groupby("series_id")["value"]:
            low, high = ranges[str(series)]
            assert values.between(low, high).all(), (seed, series, values.min(), values.max())


def test_unemployment_falls_with_the_macro_factor_that_moves_demand(world: World) -> None:
    frame = world.macro.to_pandas()
    last = frame[frame["series_id"] == "UNRATE"].groupby("date")["value"].last()
    first_day = SMALL.start - timedelta(days=PAST_DAYS)
    level = pd.Series(world.env.macro_past, pd.date_range(first_day, periods=len(world.env.macro_past)))
    expected = (4.2 - 0.25 * level.resample("MS").mean()).round(1)
    expected.index = expected.index.date
    both = pd.concat([last, expected], axis=1, join="inner")
    assert len(both) >= 24
    # months that begin before the history does are averaged over the days there are
    assert (both.iloc[1:, 0] - both.iloc[1:, 1]).abs().max() < 0.051


def test_nothing_is_adopted_before_the_first_adoption_day() -> None:
    for seed in (0, 1):
        world = generate(replace(SMALL, base_hazard=0.5), seed, 60)
        treatments = world.treatments()
        assert treatments["started_on"].min() == SMALL.start + timedelta(days=SMALL.first_adoption_day)
        assert not treatments.duplicated(["unit_id", "treatment_type"]).any()


def test_enough_units_adopt_and_some_are_left() -> None:
    for seed in (0, 1, 2, 3):
        world = generate(SCENARIO, seed, 180)
        for panel in (world.meta, world.google_ads, world.klaviyo):
            n = len(panel.quality)
            for kind in TREATMENT_TYPES:
                adopted = panel.starts[kind] >= 0
                early = adopted & (panel.starts[kind] < 150)
                assert 0.45 * n <= early.sum(), (seed, kind)
                assert adopted.sum() <= 0.95 * n, (seed, kind)


def test_adoption_depends_on_quality_as_the_hazard_says() -> None:
    selection = MappingProxyType({kind: (0.0, 0.8, 0.0) for kind in TREATMENT_TYPES})
    scenario = replace(
        SCENARIO, campaigns_per_platform=1500, accounts_per_platform=1, lists=1, selection=selection
    )
    panel = generate(scenario, 21, 120).meta
    starts = panel.starts["targeting_change"]
    frame = pd.DataFrame(
        {"quality": panel.quality, "time": np.where(starts < 0, 120, starts), "event": (starts >= 0).astype(int)}
    )
    fitted = CoxPHFitter().fit(frame, "time", "event")
    assert abs(fitted.params_["quality"] - 0.8) < 4 * fitted.standard_errors_["quality"]


def test_lists_are_sent_to_weekly_and_more_often_from_the_volume_change_on(world: World) -> None:
    panel = world.klaviyo
    for unit, start in enumerate(panel.starts["budget_change"].tolist()):
        days = np.flatnonzero(panel.sends[:, unit])
        gaps = np.diff(days)
        if start < 0:
            assert set(gaps) == {USUAL_GAP_DAYS}
        else:
            assert set(gaps[days[1:] < start]) == {USUAL_GAP_DAYS}
            assert set(gaps[days[1:] >= start]) == {SHORT_GAP_DAYS}
            assert days[gaps.tolist().index(SHORT_GAP_DAYS) + 1] == start
        for kind in ("targeting_change", "creative_change"):
            assert panel.starts[kind][unit] == -1 or panel.sends[panel.starts[kind][unit], unit]


def test_mail_reaches_exactly_the_subscribed(world: World) -> None:
    panel = world.klaviyo
    for day in range(DAYS):
        reached = panel.received[panel.received[:, 0] == day][:, 1]
        on_list = panel.sends[day, panel.people_list] & (panel.joined < day) & (panel.left >= day)
        np.testing.assert_array_equal(np.sort(reached), np.flatnonzero(on_list))
    received = set(map(tuple, panel.received.tolist()))
    assert set(map(tuple, panel.opened.tolist())) <= received
    assert set(map(tuple, panel.clicked.tolist())) <= set(map(tuple, panel.opened.tolist()))
    gone = panel.left < DAYS
    assert set(zip(panel.left[gone].tolist(), np.flatnonzero(gone).tolist(), strict=True)) <= received


def test_an_unknown_scenario_is_refused_by_name() -> None:
    with pytest.raises(
        LiftosError,
        match=r"staggered_rollout, tracking_break; found scenario 'flat_earth'\. Correct LIFTOS_SCENARIO",
    ):
        scenario_named("flat_earth")
