"""Placebo treatments: who, when, and what the panels made of them hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import Panel
from liftos_pipeline.causal.diagnostics.replays import draw_replays, with_effect
from liftos_pipeline.causal.index import NEVER as NO_PERIOD
from liftos_pipeline.errors import LiftosError
from tests.panels import NEVER, adoption_panel

ROLES = {"outcome": "y", "treatment": "d", "unit": "unit", "period": "t"}


def panel_of(frame: pd.DataFrame, **more) -> Panel:
    return Panel.from_frame(frame, **{**ROLES, **more})


def single(seed: int = 1, **more) -> Panel:
    """20 units, 24 periods; units 0, 4, 8, ... start in period 16."""
    return panel_of(adoption_panel(seed, 20, 24, starts=(16, NEVER, NEVER, NEVER), **more))


def test_a_placebo_has_the_panels_number_of_units_in_a_window_of_fixed_length() -> None:
    replays = draw_replays(single(), 50, seed=0)
    assert (replays.placement, replays.n_pre, replays.n_post) == ("adoption", 12, 3)
    for draw in replays.draws:
        assert len(set(draw.units)) == 5
        assert draw.end - draw.first == 15
        assert set(draw.starts) == {draw.first + 12} == {draw.start}
        assert draw.first >= 0 and draw.end <= 24


def test_every_date_with_room_is_used() -> None:
    assert {draw.first for draw in draw_replays(single(), 300, seed=0).draws} == set(range(10))


def test_no_treated_row_is_ever_part_of_a_placebo() -> None:
    panel = single()
    replays = draw_replays(panel, 60, seed=3)
    treated = set(panel.unit_labels[np.unique(panel.unit[panel.d == 1])])
    late = [n for n, draw in enumerate(replays.draws) if draw.end > 16]
    early = [n for n, draw in enumerate(replays.draws) if draw.end <= 16]
    assert late and early
    assert all(not treated & set(replays.placebo(n).unit_labels) for n in late)
    assert all(treated <= set(replays.placebo(n).unit_labels) for n in early)


def test_a_placebo_panel_holds_the_rows_of_its_window_and_its_treatment() -> None:
    frame = adoption_panel(1, 20, 24, starts=(16, NEVER, NEVER, NEVER))
    replays = draw_replays(panel_of(frame), 20, seed=1)
    for number, draw in enumerate(replays.draws):
        placebo = replays.placebo(number)
        assert list(placebo.period_labels) == list(range(draw.first, draw.end))
        assert placebo.n_treated == 5 and placebo.index.is_absorbing
        np.testing.assert_array_equal(placebo.index.cohorts, [12])
        assert set(placebo.unit_labels[placebo.index.first_treated != NO_PERIOD]) == set(draw.units)
        cells = frame.set_index(["unit", "t"])["y"]
        keys = list(zip(placebo.unit_labels[placebo.unit], placebo.period_labels[placebo.period], strict=True))
        np.testing.assert_array_equal(placebo.y, cells.loc[keys].to_numpy())


def test_staggered_starts_keep_their_spacing_within_the_window() -> None:
    panel = panel_of(adoption_panel(2, 24, 30, starts=(20, 22, NEVER, NEVER)))
    for draw in draw_replays(panel, 40, seed=0, n_post=4).draws:
        at_hand = 24 if draw.end <= 20 else 18 if draw.end <= 22 else 12
        assert len(draw.units) == at_hand // 2
        np.testing.assert_array_equal(np.unique(draw.starts - draw.first), [15, 17])
    short = draw_replays(panel, 10, seed=0, n_post=1).draws
    assert all(len(np.unique(draw.starts)) == 1 for draw in short)


def test_the_first_of_fewer_units_starts_where_the_window_has_its_start() -> None:
    panel = panel_of(adoption_panel(2, 7, 30, starts=(20, 22, 22, 22, NEVER, NEVER, NEVER)))
    draws = draw_replays(panel, 80, seed=0, n_pre=6, n_post=4).draws
    assert {len(draw.units) for draw in draws} >= {1, 3}
    assert all(draw.start == draw.first + 6 for draw in draws)


def test_units_treated_on_paper_are_at_most_half_of_those_at_hand() -> None:
    panel = panel_of(adoption_panel(3, 10, 12, starts=(8, 8, 8, 8, NEVER)))
    sizes = {(draw.end > 8, len(draw.units)) for draw in draw_replays(panel, 60, seed=0, n_pre=3, n_post=1).draws}
    assert sizes == {(False, 5)}  # late windows have 2 untreated units, which are too few
    assert {len(d.units) for d in draw_replays(single(), 20, seed=0, n_treated=2).draws} == {2}


def test_a_unit_with_a_missing_period_is_never_treated_on_paper_there() -> None:
    frame = adoption_panel(4, 20, 24, starts=(16, NEVER, NEVER, NEVER))
    gone = (frame["unit"] == 1) & (frame["t"] == 12)
    replays = draw_replays(panel_of(frame[~gone]), 300, seed=0)
    panel = replays.panel
    with_one = [draw for draw in replays.draws if 1 in panel.unit_labels[draw.units]]
    assert all(not draw.first <= 12 < draw.end for draw in with_one)
    kept = next(n for n, draw in enumerate(replays.draws) if draw.first <= 12 < draw.end)
    assert 1 in replays.placebo(kept).unit_labels  # it stays as a control


def test_weights_covariates_clusters_and_scores_go_along() -> None:
    frame = adoption_panel(5, 20, 24, starts=(16, NEVER, NEVER, NEVER))
    frame["season"] = (frame["t"] >= 23).astype(float)
    frame["e"] = 0.1 + 0.001 * np.arange(len(frame))
    more = {"weights": "w", "cluster": "region", "covariates": ["x0", "season"], "propensity": "e"}
    replays = draw_replays(panel_of(frame, **more), 30, seed=0)
    number = next(n for n, draw in enumerate(replays.draws) if draw.first == 0)
    placebo = replays.placebo(number)
    rows = frame[frame["t"] < 15].sort_values(["unit", "t"])
    assert placebo.covariate_names == ("x0",)  # the other one does not vary there
    np.testing.assert_allclose(placebo.weights, rows["w"] / rows["w"].mean())
    np.testing.assert_array_equal(placebo.cluster_labels[placebo.cluster], rows["region"])
    np.testing.assert_array_equal(placebo.propensity, rows["e"])
    np.testing.assert_array_equal(placebo.to_input_order(placebo.y), rows["y"])


def test_effects_are_added_to_or_multiplied_into_treated_outcomes_alone() -> None:
    placebo = draw_replays(single(), 1, seed=0).placebo(0)
    added, times = with_effect(placebo, 2.0), with_effect(placebo, 0.5, is_relative=True)
    on = placebo.d == 1
    np.testing.assert_array_equal(added.y[on], placebo.y[on] + 2.0)
    np.testing.assert_array_equal(times.y[on], placebo.y[on] * 1.5)
    np.testing.assert_array_equal(added.y[~on], placebo.y[~on])
    np.testing.assert_array_equal(times.y[~on], placebo.y[~on])
    assert with_effect(placebo, 0.0) is placebo


def test_the_same_seed_gives_the_same_placebos() -> None:
    first, again, other = (draw_replays(single(), 5, seed).draws for seed in (7, 7, 8))
    assert all((a.units == b.units).all() and a.first == b.first for a, b in zip(first, again, strict=True))
    assert any((a.units != b.units).any() or a.first != b.first for a, b in zip(first, other, strict=True))


def cross_section(n_treated: int = 10, n_control: int = 40) -> pd.DataFrame:
    d = np.array([1] * n_treated + [0] * n_control)
    return pd.DataFrame({"unit": np.arange(len(d)), "d": d, "y": np.arange(len(d), dtype=float)})


def test_a_cross_section_treats_untreated_rows_with_its_own_share() -> None:
    panel = Panel.from_frame(cross_section(), outcome="y", treatment="d", unit="unit")
    replays = draw_replays(panel, 400, seed=0)
    assert (replays.placement, replays.n_pre, replays.n_post) == ("rows", 0, 0)
    counts = np.array([len(draw.units) for draw in replays.draws])
    assert set(counts) == {8}
    hits = np.bincount(np.concatenate([draw.units for draw in replays.draws]), minlength=50)
    assert (hits[:10] == 0).all() and (hits[10:] > 40).all()
    placebo = replays.placebo(0)
    assert (placebo.n_rows, int(placebo.d.sum())) == (40, 8)


def test_a_share_below_one_unit_still_treats_somebody_in_every_replay() -> None:
    panel = Panel.from_frame(cross_section(1, 8), outcome="y", treatment="d", unit="unit")
    assert {len(draw.units) for draw in draw_replays(panel, 200, seed=0).draws} == {1}


def landmarked(seed: int = 0, n_windows: int = 3) -> pd.DataFrame:
    """Units appear in each window until they are treated, as in landmarked tables."""
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 2 * n_windows, 60)
    rows = [(u, t, int(t == start[u])) for u in range(60) for t in range(n_windows) if t <= start[u]]
    frame = pd.DataFrame(rows, columns=["unit", "t", "d"])
    return frame.assign(y=rng.normal(size=len(frame)))


def test_landmarked_rows_end_with_the_placebo() -> None:
    replays = draw_replays(panel_of(landmarked()), 30, seed=0, placement="rows")
    for number, draw in enumerate(replays.draws):
        placebo = replays.placebo(number)
        start = dict(zip(replays.panel.unit_labels[draw.units], draw.starts, strict=True))
        last = pd.Series(placebo.period).groupby(placebo.unit).max()
        for code, label in enumerate(placebo.unit_labels):
            if label in start:
                on = placebo.d[placebo.unit == code]
                assert on.sum() == 1 and last[code] == start[label]
            else:
                assert (placebo.d[placebo.unit == code] == 0).all()


def test_scores_set_the_odds_of_being_treated_on_paper() -> None:
    frame = cross_section().assign(e=0.1)
    frame.loc[frame["unit"] >= 30, "e"] = 0.5
    panel = Panel.from_frame(frame, outcome="y", treatment="d", unit="unit", propensity="e")
    hits = np.bincount(np.concatenate([d.units for d in draw_replays(panel, 400, seed=0).draws]), minlength=50)
    assert hits[30:].sum() > 2.5 * hits[10:30].sum()


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (
            lambda f: f.assign(d=(f["t"] == 5).astype(int)),
            {},
            "stays on once it is on; found one that is switched off",
        ),
        (lambda f: f[f["unit"] < 5], {"n_pre": 3}, "untreated in 7 successive periods"),
        (lambda f: f, {"n_pre": 22, "n_post": 5}, "a window of at most 24 periods; found 22 before and 5 after"),
        (lambda f: f, {"n_post": 0}, "n_post of at least 1; found 0"),
        (lambda f: f, {"n_treated": 0}, "n_treated of at least 1; found 0"),
        (lambda f: f, {"n_pre": -1}, "n_pre of at least 1; found -1"),
        (lambda f: f, {"placement": "rooms"}, "placement one of adoption, rows"),
        (lambda f: f, {"n_replays": 0}, "at least 1 replay; found 0"),
        (lambda f: f[f["t"] == 20], {"placement": "rows", "few": True}, "more than 2 untreated rows"),
    ],
)
def test_panels_without_room_for_placebos_are_refused(change, options, message) -> None:
    frame = change(adoption_panel(1, 20, 24, starts=(16, NEVER, NEVER, NEVER)))
    call = dict(options)
    if call.pop("few", False):
        frame = frame[frame["unit"].isin([0, 1, 2])]
    if "successive" in message:
        call["n_post"] = 4
        frame = frame[(frame["unit"] % 4 == 0) | (frame["unit"] == 1)]
        frame = frame[(frame["t"] >= 12)]
    with pytest.raises(LiftosError, match=message):
        draw_replays(panel_of(frame), call.pop("n_replays", 5), seed=0, **call)
