"""Estimators on Spark: the numbers of DuckDB, refusals before anything starts, and workers that die."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from liftos_pipeline.causal import Panel, estimate
from liftos_pipeline.causal.engines.rows import Block
from liftos_pipeline.errors import LiftosError
from tests.scale.calls import ADOPTION, CALLS, CONFOUNDED, DOSE, SAME, distance
from tests.scale.conftest import IS_SHORT
from tests.scale.panels import write_panel

pytestmark = [pytest.mark.scale, pytest.mark.usefixtures("spark")]

UNITS, PERIODS = (600, 50) if IS_SHORT else (10_000, 1_000)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_panel(tmp_path_factory.mktemp("panels") / "whole", UNITS, PERIODS)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_panel(tmp_path_factory.mktemp("panels") / "small", 120, 20)


@pytest.fixture(scope="session")
def ragged(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three rows of ten missing, some units seen once, some periods by one unit only; text units and weights."""
    import pandas as pd

    table = pd.read_parquet(small)
    rng = np.random.default_rng(5)
    stays = (rng.random(len(table)) < 0.7) & ((table["unit"] >= 9) | (table["unit"] == table["t"]))
    table = pd.concat([table[stays], table[table["unit"] == 9].head(1).assign(t=99)])
    table = table.assign(
        name="geo " + table["unit"].astype(str), w=rng.random(len(table)) + 0.5, cl=table["unit"] % 31
    )
    path = tmp_path_factory.mktemp("panels") / "ragged"
    path.mkdir()
    for number in range(3):
        table.iloc[number::3].to_parquet(path / f"{number}.parquet", index=False)
    return path


@pytest.mark.parametrize("method", CALLS)
def test_spark_has_the_numbers_of_duckdb(method: str, folder: Path, tell: Callable[[str], None]) -> None:
    expected = estimate(method, Panel.from_parquet(folder, **CALLS[method]))
    start = time.perf_counter()
    found = estimate(method, Panel.from_spark(folder, **CALLS[method]))
    seconds = time.perf_counter() - start
    apart = distance(found, expected)
    tell(f"{method}: {found.n_rows:,} rows, Spark {seconds:.1f} s, largest relative distance {apart:.1e}")
    assert apart <= SAME
    assert found.warnings == expected.warnings


HARD: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("did", {**ADOPTION, "unit": "name", "covariates": ["x0", "x1"], "weights": "w"}, {}),
    ("did", {**ADOPTION, "cluster": "cl"}, {}),
    ("ipw", {**CONFOUNDED, "unit": "name", "cluster": "cl"}, {"estimand": "att", "trim": 0.05}),
    ("doubly_robust", {**CONFOUNDED, "weights": "w"}, {"repeats": 3, "inference": "multiplier"}),
    (
        "iv",
        {**DOSE, "weights": "w", "cluster": "cl", "covariates": ["x0"], "instruments": ["z", "x3"]},
        {"estimator": "liml"},
    ),
    ("iv", {**DOSE, "period": None}, {}),
]


@pytest.mark.parametrize(
    ("method", "roles", "options"), HARD, ids=lambda value: value if isinstance(value, str) else ""
)
def test_ragged_panels_too(method: str, roles: dict, options: dict, ragged: Path) -> None:
    found = estimate(method, Panel.from_spark(ragged, **roles), **options)
    expected = estimate(method, Panel.from_parquet(ragged, **roles), **options)
    assert distance(found, expected) <= SAME
    assert found.warnings == expected.warnings


def test_the_same_call_has_the_same_bits_from_a_folder_a_table_and_a_frame(small: Path, spark: Any) -> None:
    frame = spark.read.parquet(str(small))
    frame.createOrReplaceTempView("stored_panel")
    rows = [
        estimate("did", Panel.from_spark(source, **ADOPTION)).to_row() for source in (small, "stored_panel", frame)
    ]
    assert rows[0] == rows[1] == rows[2]


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("doubly_robust", {"learner": "forest"}, "learner 'linear' for doubly_robust on Spark; found 'forest'"),
    ("doubly_robust", {"inference": "bootstrap"}, "inference 'influence' or 'multiplier'"),
    ("doubly_robust", {"by_period": True}, "by_period False"),
    ("ipw", {"propensity_learner": "boosting"}, "propensity_learner 'l1_logit'"),
    ("did", {"inference": "cr3"}, "inference 'cluster' for did on Spark"),
    (
        "event_study",
        {},
        "a balanced panel without covariates or weights for event_study on Spark; found covariates",
    ),
    ("synthetic_control", {}, "one of did, event_study"),
]


@pytest.mark.parametrize(("method", "options", "message"), REFUSED)
def test_what_cannot_be_pushed_down_says_so_before_a_job_starts(
    method: str, options: dict, message: str, small: Path, spark: Any
) -> None:
    panel = Panel.from_spark(small, **CONFOUNDED)
    before = _last_job(spark)
    with pytest.raises(LiftosError, match=message):
        estimate(method, panel, **options)
    assert _last_job(spark) == before


def _last_job(spark: Any) -> int:
    return max(spark.sparkContext.statusTracker().getJobIdsForGroup(None))


def test_sources_that_are_not_there(small: Path) -> None:
    with pytest.raises(LiftosError, match="no price among unit, t"):
        Panel.from_spark(small, **{**ADOPTION, "outcome": "price"})
    with pytest.raises(LiftosError, match=r"a table or folder that Spark can read; found .*no_such_table"):
        Panel.from_spark("no_such_table", **ADOPTION)
    with pytest.raises(LiftosError, match=r"a table or folder that Spark can read; found .*nowhere"):
        Panel.from_spark(small / "nowhere", **ADOPTION)


def test_a_repeated_or_missing_row_is_refused_as_on_duckdb(small: Path, spark: Any) -> None:
    frame = spark.read.parquet(str(small))
    twice = frame.union(frame.where("unit = 7 and t = 3"))
    with pytest.raises(LiftosError, match="repeated pairs, for example 7 at 3"):
        estimate("did", Panel.from_spark(twice, **ADOPTION))
    holes = frame.selectExpr("*", "if(unit = 7 and t = 3, null, y) as holed")
    with pytest.raises(LiftosError, match="a value of y in every row; found 1 of"):
        estimate("event_study", Panel.from_spark(holes, **{**ADOPTION, "outcome": "holed"}))


def test_a_worker_that_dies_is_told_and_the_session_goes_on(small: Path) -> None:
    panel = Panel.from_spark(small, **ADOPTION)

    def die(_: list, block: Block) -> None:
        if block["unit"][0] == 0:
            os._exit(1)

    with pytest.raises(LiftosError, match=r"a Spark job that finishes; found .*worker exited unexpectedly"):
        panel.rows.map_blocks(["unit", "y"], list, die)
    assert estimate("did", panel).n_rows == 120 * 20


def test_without_java_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from liftos_pipeline.causal.engines import spark_session

    monkeypatch.setattr("pyspark.sql.SparkSession.getActiveSession", lambda: None)
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    with pytest.raises(LiftosError, match="Java 17 or later for Spark; found no bin/java in JAVA_HOME /nowhere"):
        spark_session.spark_session()
