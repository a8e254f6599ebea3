"""The fatigue detector: planted decay, silence, what is not identified, and input that cannot be used."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.benchmarks.detect_fatigue import Campaigns
from liftos_pipeline.benchmarks.worlds import Noise
from liftos_pipeline.causal import Detection, detect
from liftos_pipeline.errors import LiftosError

REFRESHED = Campaigns(Noise(0.4), 0.2, refreshes=2)


def found(frame: pd.DataFrame, **options: object) -> Detection:
    roles = {"value": "ctr", "frequency": "frequency", "impressions": "impressions", **options}
    return detect("audience_fatigue", frame, unit="unit", period="day", **roles)


@pytest.fixture(scope="module")
def campaigns() -> pd.DataFrame:
    """Forty campaigns of 120 days with two refreshes and a decay of .2."""
    return REFRESHED.draw(40, np.random.default_rng(21))


def test_a_planted_decay_is_found_with_its_size(campaigns):
    table = found(campaigns).table
    assert (table["status"] == "detected").mean() > 0.9
    assert table["estimate"].mean() == pytest.approx(0.2, abs=4 * table["estimate"].std() / np.sqrt(40))
    errors = (table["estimate"] - 0.2) / table["std_error"]
    assert 0.6 < errors.std() < 1.4
    np.testing.assert_allclose(table["statistic"], table["estimate"] / table["std_error"])
    np.testing.assert_allclose(table["confidence"], 1.0 - table["p_value"])
    assert table["reason"].str.startswith("frequency was reset").all()
    assert found(campaigns).events.empty


def test_only_decay_counts():
    """A rate that rises with frequency is no fatigue: the test is one-sided."""
    rising = Campaigns(Noise(0.4), -0.2, refreshes=2).draw(20, np.random.default_rng(22))
    table = found(rising).table
    assert (table["status"] == "not_detected").all()
    assert table["p_value"].min() > 0.9
    assert table["estimate"].max() < 0.0


def test_per_cent_and_row_order_change_nothing(campaigns):
    one = found(campaigns)
    other = found(campaigns.assign(ctr=100.0 * campaigns["ctr"]).sample(frac=1.0, random_state=3))
    pd.testing.assert_frame_equal(one.table, other.table, rtol=1e-9)
    pd.testing.assert_frame_equal(one.table, found(campaigns).table, check_exact=True)


def test_a_week_and_a_trend_are_not_fatigue():
    """Without their columns in the regression these campaigns would be detected."""
    world = Campaigns(Noise(0.0, weekly=True), refreshes=0, trend=-0.004)
    table = found(world.draw(60, np.random.default_rng(23))).table
    assert (table["status"] == "detected").mean() < 0.15
    assert table["estimate"].abs().mean() < 0.1
    assert table["explained"].mean() > 0.4


def test_named_refreshes_have_levels_of_their_own():
    world = Campaigns(Noise(0.3), 0.2, 365, 3, 0.5, names_refreshes=True)
    frame = world.draw(20, np.random.default_rng(24))
    told, untold = found(frame, refresh="refresh").table, found(frame).table
    assert (told["status"] == "detected").mean() > 0.9
    assert told["estimate"].std() < 0.05 < untold["estimate"].std()
    assert told["reason"].isna().all()


def test_levels_of_new_creatives_that_are_not_named_mislead():
    """The reason says what is assumed; told of the refreshes, the detector is silent."""
    world = Campaigns(Noise(0.3), 0.0, refreshes=2, level_sd=0.3, names_refreshes=True)
    frame = world.draw(60, np.random.default_rng(25))
    assert (found(frame).table["status"] == "detected").mean() > 0.15
    assert (found(frame, refresh="refresh").table["status"] == "detected").mean() < 0.1


def test_frequency_that_follows_the_calendar_is_not_identified(campaigns):
    day = campaigns["day"]
    table = found(campaigns.assign(frequency=1.0 + 0.01 * day + 0.2 * (day % 7 == 2))).table
    assert (table["status"] == "not_identified").all()
    assert table["reason"].iloc[0] == "calendar, trend and creatives explain 100% of frequency"
    assert table[["p_value", "statistic", "estimate"]].isna().all(axis=None)
    constant = found(campaigns.assign(frequency=2.0)).table
    assert (constant["status"] == "not_identified").all()


def test_a_large_standard_error_is_not_identified_with_the_days_needed(campaigns):
    nearly = campaigns.assign(frequency=2.0 + 0.05 * (campaigns["frequency"] - 2.0))
    table = found(nearly).table
    assert (table["status"] == "not_identified").all()
    assert table["reason"].str.contains("leaves less than 50% power at a decay of 0.1").all()
    largest = 0.1 / 1.6448536
    np.testing.assert_array_equal(
        table["n_needed"], np.ceil(table["n_observed"] * (table["std_error"] / largest) ** 2)
    )
    assert table["p_value"].isna().all()
    assert (found(nearly, min_decay=10.0).table["status"] == "detected").mean() > 0.9


def test_few_impressions_weigh_little(campaigns):
    """Days of a hundredth of the impressions and wild rates leave the answer nearly alone."""
    few = campaigns["day"] % 9 == 4
    wild = np.where(
        few, campaigns["ctr"] * np.exp(np.tile([0.4, -0.3, 0.1], len(campaigns) // 3)), campaigns["ctr"]
    )
    weighted = campaigns.assign(ctr=wild, impressions=np.where(few, 200.0, campaigns["impressions"]))
    with_weights, without = found(weighted).table, found(weighted, impressions=None).table
    change = with_weights["estimate"] - found(campaigns).table["estimate"]
    assert change.abs().mean() < 0.02
    assert with_weights["std_error"].mean() < 0.82 * without["std_error"].mean()


def test_gaps_and_outliers_do_not_matter(campaigns):
    rng = np.random.default_rng(26)
    holes = campaigns.assign(ctr=campaigns["ctr"].where(rng.random(len(campaigns)) > 0.1))
    spikes = campaigns.assign(ctr=campaigns["ctr"] * np.where(campaigns["day"].isin([30, 77]), 8.0, 1.0))
    for other, days in ((holes, 120 * 0.9), (spikes, 118)):
        table = found(other).table
        assert (table["status"] == "detected").mean() > 0.85
        assert table["n_observed"].mean() == pytest.approx(days, abs=1.5)
        assert table["estimate"].mean() == pytest.approx(0.2, abs=0.03)


def test_input_that_cannot_be_used_is_answered_unit_by_unit(campaigns):
    frame = campaigns.copy()
    at = {unit: frame["unit"] == unit for unit in range(12)}
    frame.loc[at[0] & (frame["day"] == 7), "ctr"] = -0.1
    frame.loc[at[1] & (frame["day"] < 2), "ctr"] = np.inf
    frame.loc[at[2], "ctr"] = np.nan
    frame.loc[at[3], "ctr"] = 0.02
    frame.loc[at[4] & (frame["day"] == 9), "ctr"] = 1.2
    frame.loc[at[5], "impressions"] = 100.0
    frame.loc[at[6] & (frame["day"] == 9), "impressions"] = -5.0
    frame.loc[at[7], "frequency"] = np.nan
    frame.loc[at[8] & (frame["day"] == 3), "frequency"] = -1.0
    frame.loc[at[10] & (frame["day"] < 10), ["ctr", "impressions"]] = [np.inf, 0.0]
    frame = frame[~(at[9] & (frame["day"] >= 30))]
    table = found(frame).table
    reasons = {
        0: "1 day with a negative or infinite rate",
        1: "2 days with a negative or infinite rate",
        2: "0 days observed, at least 42 are needed",
        4: "1 day with more clicks than impressions",
        6: "1 day with negative or infinite impressions",
        7: "0 days observed, at least 42 are needed",
        8: "1 day with a negative or infinite frequency",
    }
    for unit, words in reasons.items():
        assert table.loc[unit, ["status", "reason"]].tolist() == ["undetermined", words]
    assert table.loc[3, ["status", "reason", "p_value"]].tolist() == ["not_detected", "the rate is constant", 1.0]
    assert table.loc[5, "status"] == "undetermined"
    assert "clicks a day, at least 5 are needed" in table.loc[5, "reason"]
    assert table.loc[9, ["status", "n_needed"]].tolist() == ["undetermined", 42.0]
    assert table.loc[10, "n_observed"] <= 110
    assert table.loc[10, "status"] != "undetermined"
    untouched = found(campaigns).table.loc[11:]
    pd.testing.assert_frame_equal(table.loc[11:], untouched, rtol=1e-9)


def test_clicks_are_held_against_impressions(campaigns):
    clicks = campaigns["ctr"] * campaigns["impressions"]
    frame = campaigns.assign(clicks=clicks.where(campaigns["unit"] != 3, campaigns["impressions"] + 1))
    table = found(frame, clicks="clicks").table
    assert table.loc[3, "reason"] == "120 days with more clicks than impressions"
    assert (table.drop(index=3)["status"] == "detected").mean() > 0.9


def test_a_refresh_is_zero_or_one(campaigns):
    table = found(campaigns.assign(refresh=0.5), refresh="refresh").table
    assert set(table["reason"]) == {"120 days with a refresh other than 0 or 1"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0.0}, r"alpha in \(0, 0.5\]"),
        ({"min_decay": 0.0}, "min_decay above zero"),
        ({"impressions": None, "clicks": "ctr"}, "impressions beside clicks"),
        ({"frequency": "reach"}, "no reach among"),
    ],
)
def test_wrong_calls_are_refused(campaigns, options, message):
    with pytest.raises(LiftosError, match=message):
        found(campaigns, **options)


def test_repeated_days_are_refused(campaigns):
    with pytest.raises(LiftosError, match="repeated pairs"):
        found(pd.concat([campaigns, campaigns.head(1)]))
