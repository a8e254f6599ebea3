"""Event studies and group-time effects from files: the same numbers as from a frame, and the same refusals."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import EffectEstimate, Panel, estimate
from liftos_pipeline.causal.kernels import outcome_table
from liftos_pipeline.causal.kernels.outcome_table import OutcomeTable
from liftos_pipeline.causal.panel import StreamedPanel
from liftos_pipeline.errors import LiftosError
from tests.adoption_worlds import ROLES, panel_of, world

METHODS = ("event_study", "staggered_did")
SOURCES = ("duckdb", "parquet")


def stored(table: pd.DataFrame, source: str, folder: Path, **roles) -> Panel:
    path = folder / f"panel{len(list(folder.iterdir()))}.{source}"
    if source == "parquet":
        table.to_parquet(path, index=False)
        return Panel.from_parquet(path, **{**ROLES, **roles})
    with duckdb.connect(str(path)) as connection:
        connection.register("rows", table)
        connection.execute("CREATE TABLE panel AS SELECT * FROM rows")
    return Panel.from_duckdb(path, "panel", **{**ROLES, **roles})


def is_read(panel: Panel) -> bool:
    assert isinstance(panel, StreamedPanel)
    return "_held" in panel.__dict__


def assert_same(found: EffectEstimate, expected: EffectEstimate) -> None:
    assert found.to_row() == expected.to_row()
    pd.testing.assert_frame_equal(found.path, expected.path)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("order", ["by unit", "by period", "shuffled"])
def test_files_give_the_bits_of_a_frame_without_being_read(method, source, order, tmp_path):
    table = world()
    laid = {
        "by unit": table,
        "by period": table.sort_values(["t", "unit"]),
        "shuffled": table.sample(frac=1.0, random_state=0),
    }[order]
    panel = stored(laid.astype({"d": "int8"}), source, tmp_path)
    assert_same(estimate(method, panel, seed=3), estimate(method, panel_of(table), seed=3))
    assert not is_read(panel)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "keys",
    [
        lambda table: table.assign(t=pd.Timestamp("2026-01-31") + pd.to_timedelta(table["t"], unit="D")),
        lambda table: table.assign(t="week" + table["t"].astype(str), unit="geo" + table["unit"].astype(str)),
        lambda table: table.assign(t=7 * table["t"] - 100, unit=3 * table["unit"]),
    ],
)
def test_keys_of_any_kind(method, keys, tmp_path):
    table = keys(world())
    panel = stored(table, "duckdb", tmp_path)
    assert_same(estimate(method, panel), estimate(method, panel_of(table)))
    assert not is_read(panel)


@pytest.mark.parametrize("method", METHODS)
def test_clusters_and_units_treated_throughout(method, tmp_path):
    table = world().assign(market=lambda f: f["unit"] % 17)
    always = table[table.unit < 3].assign(unit=lambda f: f["unit"] - 1_000, d=1, y=lambda f: 50 * f["y"])
    table = pd.concat([table, always])
    for roles in ({}, {"cluster": "market"}):
        panel = stored(table, "duckdb", tmp_path, **roles)
        found = estimate(method, panel)
        assert_same(found, estimate(method, panel_of(table, **roles)))
        assert "3 units treated in all their rows were dropped: they have no time before" in found.warnings
        assert (found.n_units, found.n_treated, found.n_rows) == (60, 36, 540)
        assert not is_read(panel)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("roles", [{"weights": "w"}, {"covariates": ["x"]}, {}])
def test_what_does_not_compress_is_held(method, roles, tmp_path):
    table = world() if roles else world().drop(index=[7, 300])
    panel = stored(table, "duckdb", tmp_path, **roles)
    assert_same(estimate(method, panel), estimate(method, panel_of(table, **roles)))
    assert is_read(panel)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("source", SOURCES)
def test_missing_values_are_refused(method, source, tmp_path):
    for column, message in (("d", "a value of d in every row"), ("y", "a value of y in every row")):
        table = world().astype({column: "Float64"})
        table.loc[5, column] = pd.NA
        with pytest.raises(LiftosError, match=f"{message}; found 1 of"):
            estimate(method, stored(table, source, tmp_path))
    for value in (np.nan, np.inf):
        table = world()
        table.loc[[5, 9], "y"] = value
        # pandas' NaN is NULL in Parquet.
        message = "finite numbers in every row; found .* in y in 2 rows|a value of y in every row"
        with pytest.raises(LiftosError, match=message):
            estimate(method, stored(table, source, tmp_path))


@pytest.mark.parametrize("source", SOURCES)
def test_doses_are_refused_when_the_file_is_opened(source, tmp_path):
    with pytest.raises(LiftosError, match="0 or 1 in treatment d; found other numbers"):
        stored(world().assign(d=lambda f: 2 * f["d"]), source, tmp_path)


@pytest.mark.parametrize("method", METHODS)
def test_repeated_rows_behind_balanced_counts_are_refused(method, tmp_path):
    """Two units swap a period: every unit and every period keeps its number of rows."""
    table = world()
    table.loc[(table.unit == 3) & (table.t == 2), "t"] = 3
    table.loc[(table.unit == 4) & (table.t == 3), "t"] = 2
    with pytest.raises(LiftosError, match=r"one row per unit and period; found repeated pairs, .* of unit 3"):
        estimate(method, stored(table, "duckdb", tmp_path))


@pytest.mark.parametrize("method", METHODS)
def test_refusals_do_not_need_the_rows(method, tmp_path):
    table = world().assign(d=lambda f: f["d"] * (f["t"] != 8), market=lambda f: f["t"] % 3)
    for roles, message in (
        ({}, "36 units whose treatment switches off"),
        ({"cluster": "market"}, "found unit 0 in"),
    ):
        panel = stored(table, "duckdb", tmp_path, **roles)
        with pytest.raises(LiftosError, match=message):
            estimate(method, panel)
        assert not is_read(panel)


@pytest.mark.parametrize("method", METHODS)
def test_tables_too_large_to_hold_are_read_by_slabs(method, tmp_path, monkeypatch):
    table = world().sample(frac=1.0, random_state=1)
    whole = estimate(method, stored(table, "duckdb", tmp_path))
    monkeypatch.setattr(outcome_table, "MOST_ENTRIES", 9 * 25)
    monkeypatch.setattr("liftos_pipeline.causal.kernels.cells._BLOCK_ENTRIES", 9 * 10)
    panel = stored(table, "duckdb", tmp_path)
    found = estimate(method, panel)
    assert found.estimate == pytest.approx(whole.estimate, abs=1e-12)
    assert found.std_error == pytest.approx(whole.std_error, rel=1e-10)
    outcomes = OutcomeTable(panel.rows, panel.index)
    expected = table.pivot_table(index="unit", columns="t", values="y").to_numpy()
    for units in (slice(0, 3), slice(20, 30), slice(55, 60), slice(24, 26)):
        np.testing.assert_array_equal(outcomes[units], expected[units])
        assert len(outcomes._held[1]) <= 35


def test_a_file_gives_the_same_bits_every_time(tmp_path):
    table = pd.concat(
        [world(seed=seed, n_each=300).assign(unit=lambda f, s=seed: f["unit"] + 2_000 * s) for seed in range(10)]
    )
    for method in METHODS:
        first, again = (estimate(method, stored(table, "duckdb", tmp_path), seed=5) for _ in range(2))
        assert_same(first, again)
