"""Pictures of detectors: which units come first, and that events stand where they were found."""

from __future__ import annotations

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import detect
from liftos_pipeline.causal.confounders.budget_change import budget_change
from liftos_pipeline.errors import LiftosError

START = pd.Timestamp("2025-03-01")


def spend(n_units: int, stepping: dict[int, int]) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    log_spend = 4.0 + 0.05 * rng.standard_normal((n_units, 90))
    for unit, day in stepping.items():
        log_spend[unit, day:] += 0.5
    days = np.tile(pd.date_range(START, periods=90), n_units)
    return pd.DataFrame(
        {"campaign": np.repeat(np.arange(n_units), 90), "day": days, "spend": np.exp(log_spend).ravel()}
    )


def test_detected_units_come_first_and_their_events_are_marked():
    found = detect("budget_change", spend(9, {5: 40, 7: 60}), unit="campaign", period="day", value="spend")
    figure = found.plot()
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert len(titles) == 6
    assert [title.split(",")[0] for title in titles[:3]] == [
        "5: detected",
        "7: detected",
        f"{titles[2][0]}: not detected",
    ]
    for axes, day in zip(figure.axes[:2], (40, 60), strict=True):
        series, event = axes.lines
        assert len(series.get_xdata()) == 90
        assert (
            mdates.num2date(mdates.date2num(event.get_xdata()[0])).date()
            == (START + pd.Timedelta(days=day)).date()
        )
        assert axes.texts[0].get_text().startswith("+0.")
    assert len(figure.axes[2].lines) == 1
    assert "2 detected, 7 not detected" in figure.get_suptitle()
    assert figure.get_supylabel() == "spend"


def test_a_market_shock_stands_in_every_panel():
    frame = spend(10, dict.fromkeys(range(10), 50))
    found = detect("market_shock", frame, unit="campaign", period="day", cpm="spend")
    figure = found.plot()
    assert [len(axes.lines) for axes in figure.axes] == [2] * 6
    assert figure.get_supylabel() == "spend"


def test_lists_are_drawn_week_by_week():
    rng = np.random.default_rng(2)
    joined = rng.integers(0, 200, 3_000)
    left = joined + rng.geometric(0.01, 3_000)
    people = pd.DataFrame(
        {"list": "a", "joined": joined, "left": np.minimum(left, 200), "gone": (left <= 200).astype(int)}
    )
    found = detect("list_health", people, unit="list", start="joined", end="left", event="gone")
    (axes,) = found.plot().axes
    values = axes.lines[0].get_ydata()
    assert np.nanmean(values) == pytest.approx(1.0, abs=0.15)
    assert "list_health" in axes.figure.get_suptitle()


def test_candidates_are_drawn_by_their_p_values():
    rng = np.random.default_rng(3)
    n, days = 200, 40
    quality = np.repeat(rng.standard_normal(n), days)
    noise = np.repeat(rng.standard_normal(n), days)
    treated = (rng.random(n * days) < 0.01 * np.exp(quality)).astype(int)
    frame = pd.DataFrame({"unit": np.repeat(np.arange(n), days), "day": np.tile(np.arange(days), n), "d": treated})
    frame = frame.assign(y=quality + rng.standard_normal(n * days), quality=quality, noise=noise)
    found = detect(
        "confounder_score",
        frame,
        unit="unit",
        period="day",
        treatment="d",
        outcome="y",
        candidates=["quality", "noise"],
    )
    (axes,) = found.plot().axes
    assert [label.get_text().split()[0] for label in axes.get_yticklabels()] == ["quality", "noise"]
    assert all(line.get_xdata()[0] > line.get_xdata()[1] for line in axes.lines[:2])


def test_a_detector_called_by_itself_has_no_picture():
    alone = budget_change(spend(2, {}), unit="campaign", period="day", value="spend")
    with pytest.raises(LiftosError, match="made through detect"):
        alone.plot()
