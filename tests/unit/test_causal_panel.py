"""Validation of panels: every wrong table is refused with what was found, before anything is computed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from liftos_pipeline.causal import Panel
from liftos_pipeline.errors import LiftosError


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "unit": ["b", "a", "b", "a", "c", "c"],
            "day": [date(2025, 1, d) for d in (2, 1, 1, 2, 1, 2)],
            "y": [4.0, 1.0, 3.0, 2.0, 5.0, 6.0],
            "d": [1, 0, 1, 0, 0, 1],
            "x": [0.5, -1.0, 0.25, 2.0, 1.5, -0.5],
        }
    )


def build(frame: pd.DataFrame | pa.Table, **roles: object) -> Panel:
    given = {"outcome": "y", "treatment": "d", "unit": "unit", "period": "day", "covariates": ["x"], **roles}
    return Panel.from_frame(frame, **given)


def test_rows_are_sorted_by_unit_and_period_and_found_back():
    panel = build(table())
    assert panel.y.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert panel.unit_labels.tolist() == ["a", "b", "c"]
    assert panel.to_input_order(panel.y).tolist() == table()["y"].tolist()
    assert (panel.n_rows, panel.n_units, panel.n_treated, panel.n_clusters) == (6, 3, 2, 3)


def test_arrow_and_pandas_give_the_same_panel():
    frame = table()
    arrow = pa.table(
        {
            "unit": pa.array(frame["unit"]).dictionary_encode(),
            "day": pa.array(frame["day"]),
            "y": pa.array([Decimal(str(v)) for v in frame["y"]], type=pa.decimal128(18, 6)),
            "d": pa.array(frame["d"], type=pa.int8()),
            "x": pa.array(frame["x"]),
        }
    )
    left, right = build(frame), build(arrow)
    for name in ("y", "d", "X", "unit", "period", "unit_labels", "period_labels"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))


def test_files_are_read_by_role(tmp_path):
    frame = table().assign(ignored="text")
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), tmp_path / "panel.parquet")
    with duckdb.connect(str(tmp_path / "panel.duckdb")) as connection:
        connection.execute("create schema mart")
        connection.register("frame", frame)
        connection.execute("create table mart.panel as select * from frame")
    roles = {"outcome": "y", "treatment": "d", "unit": "unit", "period": "day", "covariates": ["x"]}
    expected = build(frame)
    for panel in (
        Panel.from_parquet(tmp_path / "panel.parquet", **roles),
        Panel.from_duckdb(tmp_path / "panel.duckdb", "mart.panel", **roles),
    ):
        np.testing.assert_array_equal(panel.X, expected.X)
        np.testing.assert_array_equal(panel.y, expected.y)
    with pytest.raises(LiftosError, match="no nowhere among unit"):
        Panel.from_parquet(tmp_path / "panel.parquet", **{**roles, "outcome": "nowhere"})
    with pytest.raises(LiftosError, match=r"readable table mart\.other"):
        Panel.from_duckdb(tmp_path / "panel.duckdb", "mart.other", **roles)
    with pytest.raises(LiftosError, match="a file that exists"):
        Panel.from_parquet(tmp_path / "missing.parquet", **roles)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": ["a"] * 6}, r"numeric column for outcome; found y of type"),
        ({"y": [1.0, np.nan, np.inf, 1.0, 2.0, np.nan]}, "2 missing and 1 infinite of 6 rows"),
        ({"x": [1.0, 2.0, None, 3.0, 4.0, 5.0]}, "covariate x; found 1 missing"),
        ({"d": [0, 1, 2, 0, 1, 3]}, "0 or 1 in treatment d; found also 2.0, 3.0"),
        ({"d": [1] * 6}, "all 6 rows treated"),
        ({"d": [0] * 6}, "all 6 rows untreated"),
        ({"unit": ["a", None, "b", "a", "c", "c"]}, "1 of 6 rows without unit"),
        ({"unit": ["a", 1, "b", "a", "c", "c"]}, "unit holds mixed"),
        ({"unit": [0.5, 1.0, 2.0, 3.0, 4.0, 5.0]}, "unit holds floating"),
        ({"day": [date(2025, 1, 1)] * 6}, "3 repeated pairs, first a at 2025-01-01"),
    ],
)
def test_wrong_columns_are_refused(change, message):
    with pytest.raises(LiftosError, match=message):
        build(table().assign(**change))


@pytest.mark.parametrize(
    ("roles", "extra", "message"),
    [
        ({"covariates": ["x", "z"]}, {}, "no z among unit, day, y, d, x"),
        ({"covariates": "x"}, {}, r"Pass \['x'\]"),
        ({"covariates": ["y"]}, {}, "y in more than one role"),
        ({"weights": "w"}, {"w": [1.0, 1.0, 0.0, 1.0, 1.0, -1.0]}, "2 of 6 rows at zero or below"),
        ({"propensity": "e"}, {"e": [0.5, 0.5, 0.0, 0.5, 0.5, 1.0]}, "2 of 6 rows outside, range 0 to 1"),
    ],
)
def test_wrong_roles_are_refused(roles, extra, message):
    with pytest.raises(LiftosError, match=message):
        build(table().assign(**extra), **roles)


def test_empty_and_foreign_tables_are_refused():
    with pytest.raises(LiftosError, match="an empty table"):
        build(table().iloc[:0])
    with pytest.raises(LiftosError, match="found list"):
        build([1, 2])


def test_small_integers_do_not_overflow():
    frame = table().assign(y=np.array([100, 120, 127, 100, 90, 80], dtype=np.int8))
    assert build(frame).y.sum() == 617.0


def test_constant_covariates_are_dropped_and_named():
    panel = build(table().assign(flat=3.0), covariates=["flat", "x"])
    assert panel.covariate_names == ("x",)
    assert panel.X.shape == (6, 1)
    assert panel.notes == ("covariate flat is constant and was dropped",)


def test_doses_need_instruments():
    frame = table().assign(d=[0.5, 2.0, 1.0, 0.0, 3.0, 1.0], z=[1.0, 0.0, 1.0, 1.0, 0.0, 0.0])
    assert build(frame, instruments=["z"]).Z.shape == (6, 1)
    with pytest.raises(LiftosError, match="a dose needs instruments"):
        build(frame)


def test_repeated_units_without_period_are_ordered_by_value():
    frame = table().drop(columns="day")
    shuffled = frame.sample(frac=1.0, random_state=3)
    left, right = build(frame, period=None), build(shuffled, period=None)
    np.testing.assert_array_equal(left.y, right.y)
    np.testing.assert_array_equal(left.X, right.X)


@pytest.mark.parametrize("dtype", ["uint64", "object"])
def test_keys_of_more_than_64_bits_are_refused(dtype: str):
    """Wrapped around, two of them could be one unit."""
    units = pd.Series([2**63, 2**63 + 1, 1, 2, 3, 4], dtype=dtype)
    with pytest.raises(LiftosError, match=r"whole numbers below 2\^63"):
        build(table().drop(columns="day").assign(unit=units), period=None)
    assert build(table().drop(columns="day").assign(unit=units // 4), period=None).n_rows == 6
