"""List health: exact exposure, what is left out, and when there is no answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from liftos_pipeline.benchmarks.list_worlds import ListWorld
from liftos_pipeline.causal import detect
from liftos_pipeline.causal.confounders import hazard_drift
from liftos_pipeline.causal.confounders.list_cells import count_cells
from liftos_pipeline.causal.confounders.serial_weeks import trend_inflation
from liftos_pipeline.errors import LiftosError

ROLES = {"unit": "list", "start": "start", "end": "end", "event": "left"}
DAY_0 = pd.Timestamp("2025-01-06")


def rows(n_lists: int = 1, seed: int = 0, **world: float) -> pd.DataFrame:
    return ListWorld(**world).draw(n_lists, np.random.default_rng([5_100, seed]))


def dated(frame: pd.DataFrame) -> pd.DataFrame:
    """Days as dates, and no end for those who stay."""
    start, end = (DAY_0 + pd.to_timedelta(frame[name], unit="D") for name in ("start", "end"))
    return frame.assign(start=start, end=end.where(frame["left"] == 1))


def test_cells_are_those_of_a_walk_over_every_day():
    rng = np.random.default_rng(5_000)
    n, n_weeks = 400, 6
    unit, start = rng.integers(0, 3, n), rng.integers(0, 7 * n_weeks, n)
    end = rng.integers(start, 7 * n_weeks)
    start[:2], end[:2] = 0, 7 * n_weeks - 1
    event = rng.random(n) < 0.4
    exposure, events = np.zeros((2, 3, n_weeks, n_weeks))
    for u, s, e, left in zip(unit, start, end, event, strict=True):
        for day in range(s, e + 1):
            exposure[u, (day - s) // 7, day // 7] += 1
        events[u, (e - s) // 7, e // 7] += left
    found = count_cells(unit, start, end, event, 3, n_weeks)
    np.testing.assert_array_equal(found.exposure, exposure)
    np.testing.assert_array_equal(found.events, events)
    np.testing.assert_array_equal(found.last_weeks(2).exposure, exposure[:, :, -2:])


def test_a_planted_drift_is_found_with_its_size_and_a_fall_is_not():
    up = detect("list_health", rows(8, drift=0.15, joins=200), **ROLES).table
    assert (up["status"] == "detected").all()
    assert up["estimate"].mean() == pytest.approx(0.15, abs=0.02)
    assert (np.abs(up["estimate"] - 0.15) < 3.5 * up["std_error"]).all()
    np.testing.assert_allclose(up["statistic"], up["estimate"] / up["std_error"])
    np.testing.assert_array_equal(up["confidence"], 1 - up["p_value"])
    falling = rows(8, drift=-0.15, joins=200)
    down = detect("list_health", falling, **ROLES).table
    assert (down["status"] == "not_detected").all() and (down["estimate"] < -0.08).all()
    either = detect("list_health", falling, alternative="either", **ROLES).table
    assert (either["status"] == "detected").all()
    np.testing.assert_allclose(either["p_value"], 2 * (1 - down["p_value"]), rtol=1e-6, atol=1e-12)


def test_an_aging_list_hides_its_drift_in_the_crude_rate_only():
    frame = rows(1, seed=1, drift=0.1, joins=300, age_slope=-0.9, shock_sd=0.05)
    day = np.arange(182)
    left = np.bincount(frame.loc[frame["left"] == 1, "end"], minlength=182)
    at_risk = np.array([((frame["start"] <= d) & (frame["end"] >= d)).sum() for d in day])
    crude = np.polyfit(day[28:], (left / at_risk)[28:], 1)[0]
    table = detect("list_health", frame, **ROLES).table
    assert crude < 0
    assert table.loc[0, "status"] == "detected"
    assert table.loc[0, "estimate"] == pytest.approx(0.1, abs=0.03)


def test_dates_arrow_zones_and_censoring_give_the_same_numbers():
    frame = rows(2, drift=0.1)
    plain = detect("list_health", frame, **ROLES).table
    dates = dated(frame)
    arrow = pa.Table.from_pandas(dates, preserve_index=False)
    for name in ("start", "end"):
        arrow = arrow.set_column(arrow.column_names.index(name), name, arrow[name].cast(pa.date32()))
    zoned = dates.assign(
        start=dates["start"].dt.tz_localize("Europe/Berlin"), end=dates["end"].dt.tz_localize("Europe/Berlin")
    )
    for other in (dates, arrow, zoned, dates.sample(frac=1.0, random_state=2)):
        pd.testing.assert_frame_equal(detect("list_health", other, **ROLES).table, plain)
    weeks = detect("list_health", dates, **ROLES).diagnostics["weeks"]
    assert weeks["week"].iloc[0] == DAY_0
    assert len(weeks) == 2 * 26
    assert weeks["observed"].sum() == frame["left"].sum()
    assert weeks["expected"].sum() == pytest.approx(frame["left"].sum())


def test_as_of_a_day_later_rows_and_ends_are_not_known():
    frame = rows(1, drift=0.1)
    past = frame[frame["start"] <= 139]
    past = past.assign(left=past["left"] * (past["end"] <= 139), end=past["end"].clip(upper=139))
    now = detect("list_health", frame, as_of=139, **ROLES).table
    then = detect("list_health", past, **ROLES).table
    columns = [name for name in then.columns if name not in {"n_left_out", "reason"}]
    pd.testing.assert_frame_equal(now[columns], then[columns])
    assert now.loc[0, "n_left_out"] == (frame["start"] > 139).sum()
    assert "that start after the last day" in now.loc[0, "reason"]


def test_bad_rows_are_left_out_and_counted_by_list():
    frame = dated(rows(2)).astype({"left": float})
    frame["list"] = frame["list"].map({0: "good", 1: "bad"})
    clean = detect("list_health", frame, **ROLES).table.set_index("unit")
    bad = pd.DataFrame(
        {
            "list": ["bad", "bad", "bad", "bad", "bad", "none"],
            "start": [DAY_0, pd.NaT, DAY_0 + pd.Timedelta(days=9), DAY_0, DAY_0, DAY_0],
            "end": [DAY_0, DAY_0, DAY_0, pd.NaT, DAY_0, DAY_0],
            "left": [2.0, 1.0, 1.0, 1.0, np.inf, np.nan],
        }
    )
    table = detect("list_health", pd.concat([frame, bad], ignore_index=True), **ROLES).table.set_index("unit")
    for name in ("estimate", "std_error", "n_subscribers", "n_events"):
        assert (table.loc[["bad", "good"], name] == clean.loc[["bad", "good"], name]).all()
    assert table["n_left_out"].to_dict() == {"bad": 5, "good": 0, "none": 1}
    assert table.loc["bad", "reason"].endswith(
        "rows left out: 1 without start, 2 with left neither 0 nor 1, 1 with left but without end, "
        "1 with end before start"
    )
    assert table.loc["none", "status"] == "undetermined"
    assert table.loc["none", "reason"] == "no row can be used; rows left out: 1 with left neither 0 nor 1"


def test_lists_that_cannot_answer_say_what_they_need():
    young = rows(1, n_days=70).assign(list="young")
    quiet = rows(1, base=0.00002).assign(list="quiet")
    noisy = rows(1, joins=2).assign(list="noisy")
    frame = pd.concat([young.assign(start=young["start"] + 112, end=young["end"] + 112), quiet, noisy])
    table = detect("list_health", frame, **ROLES).table.set_index("unit")
    assert (table["status"] == "undetermined").all()
    assert table.loc["young", "reason"] == "10 weeks with subscribers, 12 are needed"
    assert table.loc["quiet", "n_needed"] == 50
    assert np.isnan(table.loc["quiet", "p_value"])
    assert table.loc["noisy", "n_needed"] > 26
    assert "would be missed more often than not" in table.loc["noisy", "reason"]


def test_subscribers_of_one_day_cannot_tell_age_from_time():
    frame = rows(1, joins=2_000)
    together = frame[frame["start"] == 0].assign(list="import")
    table = detect("list_health", pd.concat([together] * 9), **ROLES).table
    assert table.loc[0, "status"] == "not_identified"
    assert table.loc[0, "reason"].startswith("age explains 100.0% of calendar time")
    assert np.isnan(table.loc[0, "estimate"])


def test_a_start_of_the_last_century_costs_nothing():
    frame = rows(1, drift=0.1)
    old = pd.DataFrame({"list": [0], "start": [-20_000], "end": [-19_000], "left": [1]})
    table = detect("list_health", pd.concat([frame, old]), **ROLES).table
    plain = detect("list_health", frame, **ROLES).table
    assert table.loc[0, "estimate"] == pytest.approx(plain.loc[0, "estimate"], rel=1e-6)


def test_wrong_tables_are_refused():
    frame = rows(1)
    with pytest.raises(LiftosError, match="dates or day numbers in start"):
        detect("list_health", frame.assign(start="monday"), **ROLES)
    with pytest.raises(LiftosError, match="in both start and end"):
        detect("list_health", frame.assign(end=DAY_0), **ROLES)
    with pytest.raises(LiftosError, match="alternative one of rising, either"):
        detect("list_health", frame, alternative="falling", **ROLES)
    with pytest.raises(LiftosError, match="alpha in"):
        detect("list_health", frame, alpha=0.0, **ROLES)
    with pytest.raises(LiftosError, match="as_of of the same kind"):
        detect("list_health", frame, as_of="2025-01-01", **ROLES)
    with pytest.raises(LiftosError, match="no end, event, start"):
        detect("list_health", frame, unit="list")


def test_cox_is_shown_and_does_not_decide():
    frame = rows(2, drift=0.15)
    found = detect("list_health", frame, diagnostics=True, **ROLES)
    pd.testing.assert_frame_equal(found.table, detect("list_health", frame, **ROLES).table)
    cox = found.diagnostics["cox"]
    assert (cox["p_value"] < 1e-3).all() and (cox["estimate"] > 0).all()
    assert cox["proportional_p"].between(0, 1).all()
    many = pd.concat([frame] * 8)
    assert detect("list_health", many, diagnostics=True, **ROLES).diagnostics["cox"]["reason"].notna().all()


def test_serial_correlation_widens_a_trend_by_what_it_does_to_it():
    n_weeks = 200
    time = np.arange(n_weeks) - (n_weeks - 1) / 2
    influence = (time / np.sum(time**2))[None]
    present = np.ones((1, n_weeks), dtype=bool)
    rng = np.random.default_rng(5_200)
    series = np.empty((1, n_weeks))
    series[0, 0] = rng.standard_normal()
    for now in range(1, n_weeks):
        series[0, now] = 0.6 * series[0, now - 1] + 0.8 * rng.standard_normal()
    correlation, factor = trend_inflation(series, np.ones((1, n_weeks)), influence, present)
    assert correlation[0] == pytest.approx(0.63, abs=0.12)
    assert factor[0] == pytest.approx((1 + correlation[0]) / (1 - correlation[0]), rel=0.1)
    _, alone = trend_inflation(rng.standard_normal((1, n_weeks)), np.ones((1, n_weeks)), influence, present)
    assert 1.0 <= alone[0] < 1.35


def test_the_p_value_is_a_t_with_two_weeks_less():
    from scipy import stats

    table = detect("list_health", rows(3), **ROLES).table
    np.testing.assert_allclose(table["p_value"], stats.t.sf(table["statistic"], table["n_weeks"] - 2), rtol=1e-9)


def test_the_standard_error_allows_for_serial_correlation(monkeypatch):
    frame = rows(2)
    plain = detect("list_health", frame, **ROLES).table
    wide = hazard_drift.trend_inflation

    def doubled(*parts):
        correlation, factor = wide(*parts)
        return correlation, 4.0 * factor

    monkeypatch.setattr(hazard_drift, "trend_inflation", doubled)
    np.testing.assert_allclose(
        detect("list_health", frame, **ROLES).table["std_error"], 2.0 * plain["std_error"], rtol=1e-9
    )


@pytest.mark.parametrize("times", [15, 60])
def test_a_week_in_which_a_tenth_leaves_decides_nothing(times):
    frame = rows(1, joins=60)
    purged = (frame["end"] > 90) & (frame["start"] < 90) & (np.arange(len(frame)) % 1000 < 2 * times)
    frame.loc[purged, "end"], frame.loc[purged, "left"] = 90, 1
    table = detect("list_health", frame, **ROLES).table
    assert abs(table.loc[0, "estimate"]) < 0.3
    assert table.loc[0, "std_error"] < 0.5
    assert table.loc[0, "status"] in {"not_detected", "undetermined"}
