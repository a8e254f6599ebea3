"""Figures show the numbers of the result: points, intervals, bands, balance, overlap, group-times, refusals."""

from __future__ import annotations

import dataclasses
import io
import math

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import ESTIMATORS, Panel, estimate
from liftos_pipeline.causal.plots.style import label_places
from liftos_pipeline.causal.propensity.overlap import OverlapRule, OverlapSums
from tests.panels import NEVER, adoption_panel

COVARIATES = ["x0", "x1"]


def panel_of(method: str, seed: int = 1, dates: bool = False) -> Panel:
    starts = (4, NEVER) if method in ("augmented_synthetic_control", "geo_did") else (4, 6, 9, NEVER)
    frame = adoption_panel(seed, n_units=60, starts=starts)
    frame["y"] += 20.0
    if dates:
        frame["t"] = pd.Timestamp("2026-01-05") + pd.to_timedelta(7 * frame["t"], unit="D")
    frame["z"] = frame["d"] + np.random.default_rng(seed).normal(size=len(frame))
    roles = {"outcome": "y", "treatment": "d", "unit": "unit", "period": "t", "covariates": COVARIATES}
    return Panel.from_frame(frame, **roles, instruments=["z"] if method == "iv" else ())


def picture(figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def texts(axes) -> str:
    return "\n".join([text.get_text() for text in axes.texts] + [axes.get_title()])


@pytest.mark.parametrize("method", ESTIMATORS)
def test_every_method_has_a_picture_640_pixels_wide(method):
    figure = estimate(method, panel_of(method)).plot()
    data = picture(figure)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(data[16:20], "big") == 640
    assert figure.axes[0].get_xlabel() and f"{method} (" in figure.get_suptitle()


def test_the_interval_is_drawn_from_limit_to_limit():
    found = estimate("did", panel_of("did"))
    (axes,) = found.plot().axes
    (bar,) = axes.containers
    assert bar.lines[0].get_xdata()[0] == found.estimate
    np.testing.assert_allclose([cap.get_xdata()[0] for cap in bar.lines[1]], [found.ci_low, found.ci_high])
    low, high = axes.get_xlim()
    assert low < min(0.0, found.ci_low) and high > max(0.0, found.ci_high)
    assert f"[{found.ci_low:.4g}, {found.ci_high:.4g}], p {found.p_value:.2g}" in texts(axes)
    assert axes.get_xlabel() == "effect on y (outcome units)"
    assert axes.get_yticklabels()[0].get_text() == "95 % interval"


def test_infinite_limits_are_arrows_at_the_edge():
    found = dataclasses.replace(estimate("did", panel_of("did")), ci_low=-math.inf, ci_high=math.inf)
    (axes,) = found.plot().axes
    arrows = {line.get_marker(): line.get_xdata()[0] for line in axes.lines if line.get_marker() in "<>"}
    assert arrows == dict(zip("<>", axes.get_xlim(), strict=True))
    caps = [cap.get_xdata()[0] for cap in axes.containers[0].lines[1]]
    np.testing.assert_allclose(caps, axes.get_xlim())
    half = dataclasses.replace(found, ci_low=found.estimate - 1.0)
    markers = [line.get_marker() for line in half.plot().axes[0].lines]
    assert "<" not in markers and ">" in markers


def test_what_is_undefined_is_said():
    reasons = {"undefined": {"ci_low": "1 treated unit; at least 2 are needed", "estimate": "no rows"}}
    plain = estimate("did", panel_of("did"))
    blank = dict.fromkeys(("std_error", "ci_low", "ci_high", "p_value"), math.nan)
    found = dataclasses.replace(plain, **blank, diagnostics=reasons)
    (axes,) = found.plot().axes
    assert "no interval: 1 treated unit" in texts(axes).replace("\n", " ")
    assert axes.get_xlabel() == "effect (outcome units)"
    none = dataclasses.replace(found, estimate=math.nan)
    assert "no estimate: no rows" in texts(none.plot().axes[0])
    picture(none.plot())


def test_shares_are_labelled_as_shares():
    found = dataclasses.replace(estimate("did", panel_of("did")), method="geo_did")
    assert found.plot().axes[0].get_xlabel() == "effect on y (share of the outcome)"


def test_instruments_have_their_set_and_least_squares_beside():
    found = estimate("iv", panel_of("iv"))
    (axes,) = found.plot().axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["95 % interval", "95 % Anderson-Rubin set", "least squares, no instrument"]
    ((low, high),) = found.diagnostics["anderson_rubin_set"]
    np.testing.assert_allclose([cap.get_xdata()[0] for cap in axes.containers[1].lines[1]], [low, high])
    assert found.diagnostics["ols_estimate"] in [line.get_xdata()[0] for line in axes.lines]
    unbounded = {**found.diagnostics, "anderson_rubin_set": [[-math.inf, -1.0], [2.0, math.inf]]}
    (axes,) = dataclasses.replace(found, diagnostics=unbounded).plot().axes
    assert len(axes.containers) == 3
    empty = dataclasses.replace(found, diagnostics={**found.diagnostics, "anderson_rubin_set": []})
    assert len(empty.plot().axes[0].containers) == 1


def test_a_path_has_points_intervals_band_and_base():
    found = estimate("event_study", panel_of("event_study"), leads=3, lags=2)
    (axes,) = found.plot().axes
    base = found.path["std_error"] == 0
    points, hollow = (line for line in axes.lines if line.get_marker() == "o")
    np.testing.assert_array_equal(points.get_xdata(), found.path.loc[~base, "event_time"])
    np.testing.assert_array_equal(points.get_ydata(), found.path.loc[~base, "estimate"])
    assert (hollow.get_xdata().tolist(), hollow.get_ydata().tolist()) == ([-1.0], [0.0])
    band, intervals = axes.collections
    vertices = band.get_paths()[0].vertices[:, 1]
    assert (vertices.min(), vertices.max()) == (found.path["band_low"].min(), found.path["band_high"].max())
    drawn = [segment[:, 1].tolist() for segment in intervals.get_segments()]
    np.testing.assert_allclose(drawn, found.path.loc[~base, ["ci_low", "ci_high"]].to_numpy())
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["95 % simultaneous band", "95 % interval", "base period, 0", "adoption"]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert (labels[0], labels[-1]) == ("\u2264 -3", "\u2265 2")
    assert -0.5 in [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == "--"]


def test_points_without_an_error_are_crosses():
    found = estimate("event_study", panel_of("event_study"))
    path = found.path.copy()
    path.loc[0, ["std_error", "ci_low", "ci_high", "band_low", "band_high"]] = math.nan
    (axes,) = dataclasses.replace(found, path=path).plot().axes
    (cross,) = (line for line in axes.lines if line.get_marker() == "x")
    assert cross.get_ydata()[0] == path.loc[0, "estimate"]
    nothing = path.assign(std_error=math.nan)
    picture(dataclasses.replace(found, path=nothing).plot())


@pytest.mark.parametrize("aggregation", ["simple", "group", "calendar", "dynamic"])
@pytest.mark.parametrize("dates", [False, True])
def test_group_times_are_a_heat_map(aggregation, dates):
    found = estimate("staggered_did", panel_of("staggered_did", dates=dates), aggregation=aggregation)
    path, heat, bar = found.plot().axes
    named = {"group": "period of adoption", "calendar": "period"}
    assert path.get_xlabel() == named.get(aggregation, "event time")
    entries = pd.DataFrame(found.diagnostics["group_times"])
    cells = entries.pivot(index="group", columns="period", values="estimate").sort_index().sort_index(axis=1)
    image = heat.images[0]
    np.testing.assert_allclose(np.asarray(image.get_array().filled(np.nan)), cells.to_numpy())
    assert -image.norm.vmin == image.norm.vmax == np.nanmax(np.abs(cells.to_numpy()))
    starts = [line.get_xdata()[0] + 0.5 for line in heat.lines]
    assert starts == [list(cells.columns).index(cohort) for cohort in cells.index]
    assert bar.get_ylabel() == "effect on y (outcome units)"
    labels = [label.get_text() for label in heat.get_yticklabels()]
    assert labels == (["2026-02-02", "2026-02-16", "2026-03-09"] if dates else ["4", "6", "9"])
    assert len(heat.texts) == np.isfinite(cells.to_numpy()).sum()
    if dates and aggregation in named:
        assert path.get_xticklabels()[0].get_text() == "2026-02-02"


def test_the_love_plot_has_both_differences_largest_first():
    found = estimate("ipw", panel_of("ipw"))
    love = found.plot().axes[1]
    table = pd.DataFrame(found.diagnostics["balance"])
    size = table[["smd_before", "smd_after"]].abs().max(axis=1)
    ordered = table.loc[size.sort_values(ascending=False).index]
    before, after = (line for line in love.lines if line.get_marker() == "o")
    np.testing.assert_array_equal(before.get_xdata(), ordered["smd_before"])
    np.testing.assert_array_equal(after.get_xdata(), ordered["smd_after"])
    assert [label.get_text() for label in love.get_yticklabels()] == list(ordered["covariate"])
    assert [text.get_text() for text in love.get_legend().get_texts()] == ["before weighting", "after"]
    plain = estimate("difference_in_means", panel_of("ipw")).plot().axes[1]
    assert plain.get_legend() is None


def test_many_covariates_with_long_names_stay_readable():
    names = [f"a_rather_long_name_of_a_covariate_{j}" for j in range(20)]
    rows = [{"covariate": n, "smd_before": 0.1 * j, "smd_after": 0.0} for j, n in enumerate(names)]
    rows.append({"covariate": "flat", "smd_before": math.nan, "smd_after": math.nan})
    found = estimate("did", panel_of("did"))
    found = dataclasses.replace(found, diagnostics={**found.diagnostics, "balance": rows})
    love = found.plot().axes[1]
    labels = [label.get_text() for label in love.get_yticklabels()]
    assert len(labels) == 12 and labels[0].endswith("covariate_19"[-9:]) and len(labels[0]) == 18
    assert "8 smaller ones not shown" in love.get_xlabel()
    flat = dataclasses.replace(found, diagnostics={"balance": rows[-1:]})
    assert len(flat.plot().axes) == 1


def test_overlap_is_mirrored_with_the_thresholds():
    frame = adoption_panel(3, n_units=40).assign(e=lambda f: np.where(f["x0"] > 0.5, 1 - 1e-12, 0.31))
    frame.loc[0, "e"] = 0.025
    panel = Panel.from_frame(frame, outcome="y", treatment="d", unit="unit", period="t", propensity="e")
    found = estimate("ipw", panel)
    histogram = found.diagnostics["overlap_histogram"]
    treated, e = frame["d"] == 1, frame["e"]
    for name, arm in (("treated", treated), ("control", ~treated)):
        expected, edges = np.histogram(e[arm], bins=40, range=(0, 1))
        assert histogram[name] == expected.tolist()
    np.testing.assert_allclose(histogram["edges"], edges)
    overlap = found.plot().axes[-1]
    heights = [[bar.get_height() for bar in container] for container in overlap.containers]
    assert heights == [histogram["treated"], [-count for count in histogram["control"]]]
    assert "beyond 0.1, 0.9" in overlap.get_xlabel()
    assert overlap.yaxis.get_major_formatter()(-20, 0) == "20"


def test_scores_near_zero_and_one_stand_in_the_outer_bins():
    sums = OverlapSums("overlap", OverlapRule(), 3, 1)
    units = np.arange(3)
    inner = np.nextafter(1.0, 0.0)
    sums.add(np.array([1e-300, inner, inner]), np.array([0.0, 1.0, 0.0]), np.ones(3), units, units)
    found = sums.histogram()
    assert (found["control"][0], found["control"][-1], found["treated"][-1]) == (1, 1, 1)
    assert len(found["control"]) == len(found["treated"]) == 40


def test_a_refused_effect_says_so_in_its_title():
    found = estimate("ipw", panel_of("ipw"))
    refused = dataclasses.replace(found, diagnostics={**found.diagnostics, "refused": "too little overlap"})
    assert "REFUSED, do not use: too little overlap" in refused.plot().get_suptitle()
    assert "REFUSED" not in found.plot().get_suptitle()


@pytest.mark.parametrize("n", [1, 2, 3, 7, 40, 400])
@pytest.mark.parametrize("width", [1, 4, 10])
def test_labels_under_an_axis_do_not_touch(n, width):
    labels = ["m" * width] * n
    places = label_places(labels)
    assert places[0] == 0 and places[-1] == n - 1
    assert places == sorted(set(places))
    assert len(places) <= max(2, 62 // (width + 2)) + 1
