"""Two-way fixed effects: sources, keys, traps, refusals, and what staggered adoption is told."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import Panel, estimate
from liftos_pipeline.causal.kernels.sums import add_by_key
from liftos_pipeline.errors import LiftosError
from tests.panels import NEVER, adoption_panel

ROLES = {"outcome": "y", "treatment": "d", "unit": "unit", "period": "t"}
SAME = 1e-11
"""The same sums over other blocks."""


def did(frame: pd.DataFrame, **more: object):
    return estimate("did", Panel.from_frame(frame, **{**ROLES, "covariates": ["x0", "x1"], **more}))


def as_keys(frame: pd.DataFrame, kind: str) -> pd.DataFrame:
    if kind == "text":
        return frame.assign(unit="u" + frame["unit"].astype(str).str.zfill(3), t=[f"w{t:02d}" for t in frame["t"]])
    if kind == "dates":
        return frame.assign(t=pd.Timestamp("2026-01-05") + pd.to_timedelta(7 * frame["t"], unit="D"))
    if kind == "gaps":
        return frame.assign(unit=frame["unit"] * 1000 - 7, t=frame["t"] ** 2)
    return frame.assign(unit=frame["unit"] - 3, t=frame["t"] + 2020)


@pytest.mark.parametrize("kind", ["numbers", "text", "dates", "gaps"])
@pytest.mark.parametrize("source", ["table", "view", "parquet"])
@pytest.mark.parametrize("missing", [0.0, 0.2], ids=["balanced", "unbalanced"])
def test_a_file_gives_what_a_frame_gives(tmp_path: Path, source: str, kind: str, missing: float) -> None:
    frame = as_keys(adoption_panel(5, missing=missing, starts=(4, 8, NEVER)), kind)
    expected = did(frame, weights="w", cluster="region")
    shuffled = frame.sample(frac=1.0, random_state=1)
    path = tmp_path / "panel.duckdb"
    roles = {**ROLES, "covariates": ["x0", "x1"], "weights": "w", "cluster": "region"}
    if source == "parquet":
        path = tmp_path / "panel.parquet"
        shuffled.to_parquet(path)
        found = estimate("did", Panel.from_parquet(path, **roles))
    else:
        with duckdb.connect(str(path)) as connection:
            connection.register("rows", shuffled)
            connection.execute("CREATE TABLE stored AS FROM rows")
            connection.execute("CREATE VIEW seen AS SELECT y, d, unit, t, x0, x1, w, region FROM stored")
        found = estimate("did", Panel.from_duckdb(path, "stored" if source == "table" else "seen", **roles))
    for name in ("estimate", "std_error", "ci_low", "p_value"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=SAME)
    for name in ("n_rows", "n_units", "n_treated", "n_clusters", "warnings"):
        assert getattr(found, name) == getattr(expected, name)


@pytest.mark.parametrize("cluster", ["t", "cut"])
def test_clusters_of_a_file_that_cut_through_units(tmp_path: Path, cluster: str) -> None:
    frame = adoption_panel(4, missing=0.2)
    frame["cut"] = (frame["unit"] + frame["t"] // 4) % 9
    frame.to_parquet(tmp_path / "panel.parquet")
    roles = {**ROLES, "covariates": ["x0", "x1"], "cluster": cluster}
    found = estimate("did", Panel.from_parquet(tmp_path / "panel.parquet", **roles))
    assert found.std_error == pytest.approx(did(frame, cluster=cluster).std_error, rel=SAME)


def test_a_streamed_panel_still_gives_arrays(tmp_path: Path) -> None:
    frame = adoption_panel(6)
    frame.to_parquet(tmp_path / "panel.parquet")
    streamed = Panel.from_parquet(tmp_path / "panel.parquet", **ROLES, covariates=["x0"])
    held = Panel.from_frame(frame, **ROLES, covariates=["x0"])
    assert streamed.n_rows == held.n_rows
    np.testing.assert_array_equal(streamed.y, held.y)
    np.testing.assert_array_equal(streamed.X, held.X)
    for name in ("unit_rows", "period_rows", "treated_rows", "first_treated", "last_untreated", "unit_cluster"):
        np.testing.assert_array_equal(getattr(streamed.index, name), getattr(held.index, name))


def test_order_of_rows_never_matters() -> None:
    frame = adoption_panel(7, missing=0.2)
    first, second = did(frame), did(frame.sample(frac=1.0, random_state=3))
    assert (first.estimate, first.std_error) == (second.estimate, second.std_error)


def test_small_integers_do_not_overflow() -> None:
    frame = adoption_panel(8)
    small = frame.assign(d=frame["d"].astype("int8"), y=(100 * frame["y"]).round().astype("int16"))
    wide = small.assign(d=small["d"].astype(float), y=small["y"].astype(float))
    assert did(small).estimate == did(wide).estimate


def test_a_shift_of_a_billion_costs_no_digits() -> None:
    frame = adoption_panel(9)
    moved = frame.assign(y=frame["y"] + 2.0**30, x0=frame["x0"] - 2.0**30)
    assert did(moved).estimate == pytest.approx(did(frame).estimate, rel=1e-6)


def test_collinear_and_absorbed_covariates_are_dropped_and_named() -> None:
    frame = adoption_panel(10)
    frame["twice"] = 2.0 * frame["x0"] + frame["unit"]
    frame["calendar"] = np.cos(frame["t"])
    found = did(frame, covariates=["x0", "x1", "twice", "calendar"])
    assert found.estimate == pytest.approx(did(frame).estimate, rel=1e-9)
    assert [w.split()[1] for w in found.warnings if "was dropped" in w] == ["twice", "calendar"]


def test_rows_that_are_alone_say_nothing() -> None:
    frame = adoption_panel(11)
    alone = frame.iloc[[0]].assign(unit=999, y=50.0)
    last = frame.iloc[[5]].assign(t=77, y=-9.0)
    found, expected = did(pd.concat([frame, alone, last])), did(frame)
    assert found.estimate == pytest.approx(expected.estimate, rel=SAME)
    assert found.std_error == pytest.approx(expected.std_error, rel=SAME)
    assert found.diagnostics["n_singletons"] == 2
    assert any("the only one of their unit or period" in warning for warning in found.warnings)


def test_a_panel_in_two_parts() -> None:
    """The parts share neither unit nor period: the estimate is theirs, weighted by what each knows."""
    first, second = adoption_panel(12), adoption_panel(13)
    second = second.assign(unit=second["unit"] + 100, t=second["t"] + 100, region=second["region"] + 100)
    found = did(pd.concat([first, second]), covariates=[])
    parts = [did(first, covariates=[]), did(second, covariates=[])]
    assert found.diagnostics["n_components"] == 2
    assert found.estimate == pytest.approx(np.mean([part.estimate for part in parts]), rel=1e-9)


def scattered_panel(seed: int) -> pd.DataFrame:
    """8,000 units with three of 900 periods each: few of all pairs."""
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(8_000), 3)
    t = np.concatenate([np.sort(rng.choice(900, 3, replace=False)) for _ in range(8_000)])
    d = ((t > 400) & (unit % 2 == 0)).astype(int)
    y = 0.5 * d + unit % 7 + np.sin(t) + rng.normal(size=len(t))
    return pd.DataFrame({"unit": unit, "t": t, "d": d, "y": y})


def test_many_units_with_few_periods_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pairs are listed instead of laid out, and give what the table of all pairs gives."""
    frame = scattered_panel(14)
    found = did(frame, covariates=[])
    assert abs(found.estimate - 0.5) < 4 * found.std_error < 1.0
    assert found.n_rows == 24_000
    laid_out = Panel.from_frame(frame, **ROLES)
    monkeypatch.setattr("liftos_pipeline.causal.kernels.incidence._DENSE_CELLS", 10**8)
    assert estimate("did", laid_out).estimate == pytest.approx(found.estimate, rel=1e-9)


@pytest.mark.parametrize("where", ["frame", "same_block", "other_block", "scattered"])
def test_a_repeated_pair_is_refused(tmp_path: Path, where: str) -> None:
    frame = scattered_panel(15) if where == "scattered" else adoption_panel(15, n_units=3_000)
    repeated = frame.iloc[[20]] if where != "other_block" else frame.iloc[[len(frame) - 1]]
    doubled = pd.concat([repeated, frame])
    with pytest.raises(LiftosError, match=r"one row per unit and (period|t)"):
        if where == "frame":
            did(doubled)
        doubled.to_parquet(tmp_path / "panel.parquet")
        estimate("did", Panel.from_parquet(tmp_path / "panel.parquet", **ROLES))


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("y", np.nan, "finite numbers in every row; found missing or infinite ones in y"),
        ("x0", np.inf, "finite numbers in every row; found missing or infinite ones in x0"),
        ("y", None, "a value of y in every row; found 1 of"),
        ("unit", None, "a unit in every row"),
    ],
)
def test_a_missing_value_in_a_file_is_refused(tmp_path: Path, column: str, value: object, expected: str) -> None:
    frame = adoption_panel(16).astype({"unit": "Int64"})
    frame[column] = frame[column].astype(object)
    frame.loc[7, column] = value
    path = tmp_path / "panel.duckdb"
    with duckdb.connect(str(path)) as connection:
        kinds = ", ".join(
            f"{name} {'BIGINT' if name in {'unit', 't', 'd'} else 'DOUBLE'}"
            for name in ("unit", "t", "d", "y", "x0")
        )
        connection.execute(f"CREATE TABLE panel ({kinds})")
        rows = (
            frame[["unit", "t", "d", "y", "x0"]]
            .astype(object)
            .where(lambda part: part.notna() | (part == 0), None)
        )
        values = [[None if v is pd.NA else v for v in row] for row in rows.to_numpy().tolist()]
        if value is not None and np.isnan(value):
            values[7][3] = float("nan")
        connection.executemany("INSERT INTO panel VALUES (?, ?, ?, ?, ?)", values)
    with pytest.raises(LiftosError, match=f"expected {expected}"):
        estimate("did", Panel.from_duckdb(path, "panel", **ROLES, covariates=["x0"]))


def test_three_clusters_are_counted_and_one_treated_cluster_has_no_interval() -> None:
    frame = adoption_panel(17, n_units=15, starts=(6, NEVER))
    assert did(frame, cluster="region").diagnostics["degrees_of_freedom"] == 2.0
    frame["d"] = ((frame["region"] == 0) & (frame["t"] >= 6)).astype(int)
    alone = did(frame, cluster="region")
    assert np.isfinite(alone.estimate)
    assert np.isnan(alone.std_error)
    assert "1 cluster with treated rows" in alone.undefined["std_error"]


def test_a_constant_outcome_has_no_interval() -> None:
    found = did(adoption_panel(18).assign(y=4.2), covariates=[])
    assert found.estimate == 0.0
    assert np.isnan(found.ci_low)


def test_what_effects_explain_cannot_be_estimated() -> None:
    frame = adoption_panel(19)
    with pytest.raises(LiftosError, match="varies within units"):
        did(frame.assign(d=(frame["t"] >= 6).astype(int)))
    with pytest.raises(LiftosError, match="a panel with periods"):
        cross = frame[frame["t"] == 8]
        estimate("did", Panel.from_frame(cross, outcome="y", treatment="d", unit="unit"))


def test_a_treatment_that_ends_is_said_so() -> None:
    frame = adoption_panel(20)
    frame.loc[frame["t"] == 11, "d"] = 0
    assert any("switched off" in warning for warning in did(frame).warnings)


def test_staggered_adoption_comes_with_its_weights() -> None:
    """Weights add up to one, and weighted comparisons to the coefficient (Goodman-Bacon 2021, theorem 1)."""
    frame = adoption_panel(21, n_units=40, starts=(0, 3, 7, NEVER))
    found = did(frame, covariates=[])
    table = pd.DataFrame(found.diagnostics["bacon_decomposition"])
    assert table["weight"].sum() == pytest.approx(1.0)
    assert (table["weight"] * table["estimate"]).sum() == pytest.approx(found.estimate, rel=1e-9)
    assert set(table["comparison"]) == {
        "treated_against_never",
        "treated_against_always",
        "earlier_against_later",
        "later_against_earlier",
    }
    assert any("use staggered_did" in warning for warning in found.warnings)
    assert not did(adoption_panel(21), covariates=[]).warnings


@pytest.mark.parametrize("order", ["sorted", "cycles", "shuffled", "scattered"])
def test_sums_by_key(order: str) -> None:
    rng = np.random.default_rng(22)
    n_keys = 50_000 if order == "scattered" else 40
    codes = rng.integers(0, n_keys, 500)
    if order == "sorted":
        codes = np.sort(codes)
    if order == "cycles":
        codes = (np.arange(500) + 17) % n_keys
    values = rng.normal(size=(3, 500))
    total = np.ones((n_keys, 3))
    add_by_key(total, codes, values)
    expected = np.ones((n_keys, 3))
    for position, code in enumerate(codes):
        expected[code] += values[:, position]
    np.testing.assert_allclose(total, expected, rtol=0, atol=1e-12)
