"""The regime detector: planted regimes, silence, the logged score, and input that cannot be used."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.benchmarks.detect_regimes import scores
from liftos_pipeline.benchmarks.worlds import Noise, long_table
from liftos_pipeline.causal import Detection, detect
from liftos_pipeline.causal.confounders.markov_switching import bootstrap_p_values, fit_regimes
from liftos_pipeline.causal.confounders.regime_critical_values import (
    CRITICAL_VALUES,
    PERSISTENCES,
    PROBABILITIES,
    SERIES_LENGTHS,
    p_values,
    quantiles,
)
from liftos_pipeline.errors import LiftosError

N_DAYS = 300
SPELL = np.isin(np.arange(N_DAYS), [*range(60, 110), *range(180, 240)])
"""Days of the cheap regime: 60 to 109 and 180 to 239."""


def found(frame: pd.DataFrame, **options: object) -> Detection:
    return detect("quality_score_regime", frame, unit="unit", period="day", value="cpc", **options)


def costs(log_cost: np.ndarray) -> pd.DataFrame:
    return long_table({"cpc": np.exp(log_cost)})


@pytest.fixture(scope="module")
def planted() -> pd.DataFrame:
    """Ten units with two cheap spells of .3 log points (2.5 sd), then ten without."""
    noise = Noise(0.4).draw(20, N_DAYS, 0.12, np.random.default_rng(31))
    return costs(noise - 0.3 * SPELL * (np.arange(20) < 10)[:, None])


def test_planted_regimes_are_found_dated_and_sized(planted):
    result = found(planted)
    table = result.table
    assert (table["status"][:10] == "detected").all()
    assert (table["status"][10:] == "not_detected").sum() >= 9
    assert table["estimate"][:10].mean() == pytest.approx(-0.3, abs=0.04)
    events = result.events[result.events["unit"] < 10]
    nearest = [min(abs(own["date"] - day)) for _, own in events.groupby("unit") for day in (60, 110, 180, 240)]
    assert np.mean(np.array(nearest) <= 3) > 0.9
    for unit, own in events.groupby("unit"):
        assert (np.sign(own["size"]).diff().dropna() != 0).all()
        assert own["size"].iloc[0] == table.loc[unit, "estimate"]
        assert table.loc[unit, "n_events"] == len(own)
        assert table.loc[unit, "date"] == own.loc[own["size"].abs().idxmax(), "date"]


def test_the_rarer_regime_gives_the_sign():
    """Dear spells that are rare: the estimate is positive and the first event goes up."""
    noise = Noise(0.4).draw(6, N_DAYS, 0.12, np.random.default_rng(32))
    result = found(costs(noise + 0.35 * SPELL))
    assert (result.table["status"] == "detected").all()
    assert result.table["estimate"].mean() == pytest.approx(0.35, abs=0.05)
    assert (result.events.groupby("unit")["size"].first() > 0).all()


def test_dates_survive_another_calendar_and_late_starts(planted):
    late = planted[(planted["unit"] != 0) | (planted["day"] >= 40)].copy()
    late["day"] = pd.Timestamp("2025-03-01") + pd.to_timedelta(late["day"], unit="D")
    events = found(late).events
    first = events[events["unit"] == 0]["date"].iloc[0]
    assert abs(first - (pd.Timestamp("2025-03-01") + pd.Timedelta(days=60))) <= pd.Timedelta(days=3)
    early = planted[(planted["unit"] != 0) | (planted["day"] < 200)]
    of_early = found(early).events
    assert of_early[of_early["unit"] == 0]["date"].max() < 200


def test_a_week_is_no_regime_and_hides_none(planted):
    week = np.tile([0.5, 0.3, 0.0, 0.0, -0.2, -0.4, -0.2], 43)[:N_DAYS]
    weekly = planted.assign(cpc=planted["cpc"] * np.exp(np.tile(week, 20)))
    pd.testing.assert_series_equal(found(weekly).table["status"], found(planted).table["status"])


def test_a_shared_shift_goes_with_the_calendar():
    rng = np.random.default_rng(33)
    log_cost = Noise(0.2).draw(24, N_DAYS, 0.05, rng) - 0.3 * SPELL
    frame = costs(log_cost)
    assert (found(frame).table["status"] == "detected").all()
    assert (found(frame, calendar=True).table["status"] == "detected").mean() < 0.2


def test_heavy_tails_and_moving_averages_pass_the_screen_but_not_the_bootstrap():
    heavy = Noise(0.5, heavy=True).draw(60, N_DAYS, 1.0, np.random.default_rng(34))
    mixed = Noise(0.8, mixed=True).draw(60, N_DAYS, 1.0, np.random.default_rng(35))
    lengths = np.full(60, N_DAYS)
    for series in (heavy, mixed):
        fit = fit_regimes(series, lengths)
        screen = p_values(fit.statistic, lengths, fit.persistence)
        assert np.mean(screen <= 0.05) > 0.3
        assert np.mean(bootstrap_p_values(series, lengths, fit.statistic, 0.05, seed=0) <= 0.05) < 0.15
        assert (found(costs(0.12 * series)).table["status"] == "detected").mean() < 0.15


def test_a_bootstrap_hangs_on_its_seed_and_its_series_only():
    series = Noise(0.5).draw(30, 120, 1.0, np.random.default_rng(36))
    lengths = np.full(30, 120)
    fit = fit_regimes(series, lengths)
    everyone = bootstrap_p_values(series, lengths, fit.statistic, 0.05, seed=1)
    alone = bootstrap_p_values(series[7:9], lengths[7:9], fit.statistic[7:9], 0.05, seed=1)
    np.testing.assert_array_equal(everyone[7:9], alone)
    other = bootstrap_p_values(series, lengths, fit.statistic, 0.05, seed=2)
    assert (everyone != other).any()
    assert np.corrcoef(everyone, other)[0, 1] > 0.8
    mirrored = bootstrap_p_values(-series, lengths, fit.statistic, 0.05, seed=1)
    assert (mirrored != everyone).any()  # draws of its own, else each would be the mirror image
    strict = bootstrap_p_values(series, lengths, np.full(30, 1e6), 0.01, seed=1)
    np.testing.assert_array_equal(strict, 1.0 / 100.0)
    np.testing.assert_array_equal(bootstrap_p_values(series, lengths, np.zeros(30), 0.05, seed=1), 1.0)


def test_row_order_and_repetition_give_identical_bits(planted):
    one, two = found(planted, seed=4), found(planted.sample(frac=1.0, random_state=6), seed=4)
    pd.testing.assert_frame_equal(one.table, two.table, check_exact=True)
    pd.testing.assert_frame_equal(one.events, two.events, check_exact=True)


def test_small_and_short_regimes_do_not_count(planted):
    small = found(planted, min_size=0.5).table
    assert (small["status"] == "not_detected").all()
    assert small["reason"][:10].tolist() == ["regimes less than 0.5 log points apart"] * 10
    noise = Noise(0.0).draw(5, N_DAYS, 0.02, np.random.default_rng(37))
    brief = found(costs(noise - 0.5 * (np.abs(np.arange(N_DAYS) - 150) < 3))).table
    assert set(brief["status"]) <= {"not_identified", "not_detected"}
    assert (brief["status"] == "not_identified").any()
    assert brief["reason"].dropna().str.contains("at least 7 are needed").all()


def test_the_logged_score_takes_the_place_of_regimes():
    rng = np.random.default_rng(38)
    score = scores(20, N_DAYS, rng)
    score[19] = 6.0
    noise = Noise(0.5).draw(20, N_DAYS, 0.12, rng)
    frame = long_table({"cpc": np.exp(noise - 0.06 * score), "score": score})
    result = found(frame, quality_score="score")
    table = result.table
    assert table["per_point"].tolist() == [1.0] * 19 + [0.0]
    identified = table["status"][:19] != "not_identified"
    assert identified.mean() > 0.7
    assert (table["status"][:19][identified] == "detected").mean() > 0.9
    assert table["estimate"][:19].mean() == pytest.approx(-0.06, abs=0.01)
    for unit, own in result.events.groupby("unit"):
        if unit == 19:
            continue
        days = np.flatnonzero(np.diff(score[unit])) + 1
        assert own["date"].tolist() == days.tolist()
        change = np.diff(score[unit])[days - 1]
        np.testing.assert_allclose(own["size"], change * table.loc[unit, "estimate"])
        assert table.loc[unit, "date"] == days[np.argmax(np.abs(change))]
    tenths = found(frame.assign(score=10.0 * frame["score"]), quality_score="score").table
    assert tenths["status"].tolist() == table["status"].tolist()
    np.testing.assert_allclose(10.0 * tenths["estimate"][:19], table["estimate"][:19])


def test_a_score_without_effect_and_a_score_that_is_a_trend():
    rng = np.random.default_rng(39)
    score = scores(30, N_DAYS, rng)
    score[0] = np.arange(N_DAYS) / 50.0
    frame = long_table({"cpc": np.exp(Noise(0.3).draw(30, N_DAYS, 0.12, rng)), "score": score})
    table = found(frame, quality_score="score").table
    assert table.loc[0, ["status", "reason"]].tolist() == [
        "not_identified",
        "calendar and trend explain 100% of the score",
    ]
    assert (table["status"] == "detected").mean() < 0.1
    noisy = long_table({"cpc": np.exp(Noise(0.5).draw(30, N_DAYS, 0.5, rng)), "score": score})
    weak = found(noisy, quality_score="score").table.drop(index=0)
    assert (weak["status"] == "not_identified").all()
    assert weak["reason"].str.contains("leaves less than 50% power").all()
    assert (weak["n_needed"] > weak["n_observed"]).all()
    assert weak["p_value"].isna().all()


def test_a_falling_cost_is_not_the_score_of_one_day():
    """A score with an effect below the smallest one that counts is not detected, and says so."""
    rng = np.random.default_rng(40)
    score = scores(5, N_DAYS, rng)
    frame = long_table({"cpc": np.exp(Noise().draw(5, N_DAYS, 0.01, rng) - 0.01 * score), "score": score})
    table = found(frame, quality_score="score").table
    assert (table["p_value"] < 0.01).all()
    assert (table["status"] == "not_detected").all()
    assert (table["reason"] == "less than 0.1 log points over the range of the score").all()


def test_input_that_cannot_be_used_is_answered_unit_by_unit(planted):
    frame = planted.assign(score=np.nan)
    at = {unit: frame["unit"] == unit for unit in range(8)}
    frame.loc[at[0] & (frame["day"] == 5), "cpc"] = -1.0
    frame.loc[at[1] & (frame["day"] < 3), "cpc"] = np.inf
    frame.loc[at[2], "cpc"] = np.nan
    frame.loc[at[3], "cpc"] = 2.0
    frame.loc[at[5] & (frame["day"] % 3 == 0), "cpc"] = 0.0
    frame.loc[at[6] & (frame["day"] == 5), "score"] = np.inf
    frame.loc[at[7] & (frame["day"] % 7 == 3), "cpc"] = np.nan
    frame = frame[~(at[4] & (frame["day"] >= 41))]
    table = found(frame, quality_score="score").table
    expected = {
        0: ("undetermined", "1 day with a negative or infinite cost"),
        1: ("undetermined", "3 days with a negative or infinite cost"),
        2: ("undetermined", "0 days with a cost in a span of 0, at least 60 are needed"),
        3: ("not_detected", "the cost is constant"),
        4: ("undetermined", "41 days with a cost in a span of 41, at least 60 are needed"),
        5: ("undetermined", "200 days with a cost in a span of 299, at least 240 are needed"),
        6: ("undetermined", "1 day with an infinite score"),
        7: ("detected", None),
    }
    for unit, (status, reason) in expected.items():
        assert table.loc[unit, ["status", "reason"]].tolist() == [status, reason]
    assert table.loc[[0, 4, 5], "n_needed"].fillna(0).tolist() == [0.0, 60.0, 240.0]
    assert len(table) == 20
    empty = found(frame[frame["unit"] == 2]).table
    assert empty["status"].tolist() == ["undetermined"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0.005}, r"alpha in \[0.01, 0.5\]"),
        ({"min_size": -1.0}, "min_size at zero or above"),
        ({"quality_score": "quality"}, "no quality among"),
    ],
)
def test_wrong_calls_are_refused(planted, options, message):
    with pytest.raises(LiftosError, match=message):
        found(planted, **options)


def test_repeated_days_are_refused(planted):
    with pytest.raises(LiftosError, match="repeated pairs"):
        found(pd.concat([planted, planted.tail(1)]))


def test_p_values_meet_the_table_and_fall_with_the_statistic():
    row = SERIES_LENGTHS.index(365) * len(PERSISTENCES) + PERSISTENCES.index(0.7)
    statistic = np.array(CRITICAL_VALUES[row])
    at = np.full(len(statistic), 0.7)
    np.testing.assert_allclose(p_values(statistic, np.full(len(statistic), 365), at), PROBABILITIES, rtol=1e-6)
    shorter = SERIES_LENGTHS.index(240) * len(PERSISTENCES) + PERSISTENCES.index(0.7)
    between = 0.4 * statistic + 0.6 * np.array(CRITICAL_VALUES[shorter])
    np.testing.assert_allclose(p_values(between, np.full(len(between), 290), at), PROBABILITIES, rtol=1e-6)
    grid = np.linspace(0.0, 40.0, 200)
    falling = p_values(grid, np.full(200, 90), np.full(200, 0.4))
    assert np.all(np.diff(falling) <= 0)
    assert (falling[0], falling[-1]) == (pytest.approx(1.0), pytest.approx(0.01))


def test_the_table_is_what_its_script_makes():
    row = SERIES_LENGTHS.index(120) * len(PERSISTENCES) + PERSISTENCES.index(0.5)
    again = quantiles(0.5, 120, 2_000, np.random.default_rng(41))
    # The 5 % quantile of 2,000 draws has a standard error of about .25 here.
    np.testing.assert_allclose(again[2:4], CRITICAL_VALUES[row][2:4], atol=0.8)


def test_two_exact_levels_and_one_odd_day():
    """Nothing to divide by: no noise, and a day thousands of standard deviations away."""
    levels = np.zeros((3, N_DAYS))
    levels[0] -= 0.3 * SPELL
    levels[1, 150] = 5.0
    levels[2] = -0.3 * SPELL + Noise().draw(1, N_DAYS, 1e-5, np.random.default_rng(42))[0]
    result = found(costs(levels))
    assert result.table["status"].tolist() == ["detected", "not_detected", "detected"]
    np.testing.assert_allclose(result.table["estimate"][[0, 2]], -0.3, atol=0.02)
    assert result.events[result.events["unit"] == 2]["date"].tolist() == [60, 110, 180, 240]
    assert np.isfinite(result.table["statistic"]).all()
