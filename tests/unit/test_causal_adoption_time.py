"""Periods of any kind, gaps in time, and adoption between two rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal.estimators.adoption_rows import adoption_of
from liftos_pipeline.causal.index import adoption_dates
from liftos_pipeline.errors import LiftosError
from tests.adoption_worlds import METHODS, panel_of, run, world


def days(t: pd.Series) -> pd.Series:
    return pd.Timestamp("2026-01-31") + pd.to_timedelta(t, unit="D")


def month_ends(t: pd.Series) -> pd.Series:
    return pd.Series(pd.date_range("2026-01-31", periods=9, freq="ME"), index=range(1, 10)).loc[t].to_numpy()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("keys", [days, month_ends, lambda t: "week" + t.astype(str), lambda t: t * 7.0])
def test_periods_of_any_kind_give_the_same(method, keys: Callable[[pd.Series], pd.Series]):
    table = world()
    found, plain = run(method, table.assign(t=keys(table["t"]))), run(method, table)
    assert (found.estimate, found.std_error) == (plain.estimate, plain.std_error)
    assert found.warnings == plain.warnings
    pd.testing.assert_frame_equal(found.path, plain.path)


@pytest.mark.parametrize("method", METHODS)
def test_text_periods_out_of_order_are_refused(method):
    table = world().assign(t=lambda f: "week" + (f["t"] + 5).astype(str))
    with pytest.raises(LiftosError, match="sorted order is their order in time; found text, sorted week10"):
        run(method, table)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("keys", "after"),
    [(lambda t: t, "2, 7"), (days, "2026-02-02, 2026-02-07"), (month_ends, "2026-02-28, 2026-07-31")],
)
def test_gaps_in_time_are_said(method, keys, after):
    table = world()
    table = table[~table.t.isin([3, 8])]
    found = run(method, table.assign(t=keys(table["t"])))
    text = f"periods are missing after {after}: event time counts periods, not calendar distance"
    assert text in found.warnings


@pytest.mark.parametrize("method", METHODS)
def test_missing_rows_leave_adoption_open_and_the_fewest_dates_close_it(method):
    """Unit 30 is not seen in 3 and 4, so that it may adopt in 3, 4 or 5: others adopt in 4."""
    table = world()
    gaps = table[~((table.unit == 30) & table.t.isin([3, 4]))]
    found = run(method, gaps)
    assert found.diagnostics["n_adoption_dates"] == run("did", gaps).diagnostics["n_adoption_dates"] == 3
    assert found.diagnostics["n_open_adoption_dates"] == 1
    assert any(
        text.startswith("1 units have no row just before their first treated one") for text in found.warnings
    )
    assert run(method, table).diagnostics["n_open_adoption_dates"] == 0


@pytest.mark.parametrize(("missing", "n_open"), [([], 0), ([5], 0), ([2], 0), ([3], 1), ([4], 1), ([3, 4], 1)])
def test_one_missing_row_at_adoption_leaves_it_open(missing, n_open):
    """Unit 30 adopts in 4; rows elsewhere may be missing without a doubt."""
    table = world()
    found = run("event_study", table[~((table.unit == 30) & table.t.isin(missing))])
    assert found.diagnostics["n_open_adoption_dates"] == n_open
    assert found.diagnostics["n_adoption_dates"] == 3


def test_open_dates_are_the_last_that_others_must_have():
    """Two dates are open to a unit not seen from 4 to 7: it is put down to the later one, 7."""
    table = world(starts=(0, 4, 7))
    gaps = table[~((table.unit == 30) & table.t.between(4, 7))]
    adoption = adoption_of(panel_of(gaps), "did")
    assert adoption.start[[12, 24, 30]].tolist() == [3, 6, 6]
    assert adoption.n_open == 1


@pytest.mark.parametrize("method", METHODS)
def test_unbalanced_panels(method):
    rng = np.random.default_rng(0)
    table = world(n_each=40)
    table = table[(rng.random(len(table)) > 0.1) | table.t.isin([3, 4, 5, 6, 7])]
    found = run(method, table)
    assert found.n_rows == len(table)
    assert found.estimate == pytest.approx(run(method, world(n_each=40)).estimate, abs=0.2)


def test_calendar_periods_keep_their_labels():
    table = world().assign(t=lambda f: days(f["t"]))
    path = run("staggered_did", table, {"aggregation": "calendar"}).path
    assert path["period"].iloc[0] == pd.Timestamp("2026-02-04")
    row = run("staggered_did", table).to_row()
    assert '"group": "2026-02-04 00:00:00"' in row["diagnostics"]


def test_fewest_dates_by_hand():
    first, last = np.array([5, 6, 9, 9, 4]), np.array([4, 3, 8, 4, 0])
    # 4 closes the last unit and [4, 6]; then 5, which unit 0 must have; [9, 9] must have 9, [5, 9] has 5.
    assert adoption_dates(first, last).tolist() == [4, 5, 9]
    assert adoption_dates(first[:0], last[:0]).tolist() == []
    assert adoption_dates(np.array([0, 7]), np.array([-1, 6])).tolist() == [0, 7]
