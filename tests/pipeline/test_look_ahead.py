"""No feature of a day reads what was seen after it: hidden or shown, the panel is the same to the last bit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from tests.pipeline.conftest import FIRST
from tests.pipeline.homes import environment
from tests.pipeline.probes import changed_macro, curtained, probe

DBT_PROJECT = Path(__file__).parents[2] / "dbt_models"
N_DAYS = 40


@pytest.fixture(scope="module")
def quiet(quiet_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with curtained(quiet_home, tmp_path_factory.mktemp("curtain")) as connection:
        yield connection


def test_what_was_seen_later_changes_no_feature(quiet: duckdb.DuckDBPyConnection) -> None:
    """The later pull restated what the earlier day had seen, so that there is something to hide."""
    restated = quiet.execute(
        "SELECT count(*) FROM raw.meta_insights_daily WHERE observed_to <> TIMESTAMP '9999-12-31'"
    ).fetchall()[0][0]
    assert restated > 50
    for seed in range(6):
        assert probe(quiet, [date.fromisoformat(FIRST)], seed)[-1] == []


def test_macro_factors_of_a_day_are_those_known_on_it_whatever_came_out_later(
    quiet: duckdb.DuckDBPyConnection,
) -> None:
    """Days before and after releases of all five series, on which something was revised."""
    last = date.fromisoformat(FIRST)
    for days_before in (1, 14, 17, 29, 31, 45, 60, 88):
        assert changed_macro(quiet, last, last - timedelta(days=days_before)) == []


@pytest.mark.faults
def test_a_thousand_probes_of_a_home_that_was_pulled_every_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """40 as-of days of the world whose platforms restate most; pulls and SQL only."""
    from liftos_pipeline.ingest import open_home, pull_stream
    from liftos_pipeline.settings import load_settings
    from liftos_pipeline.sources import SOURCES
    from liftos_pipeline.warehouse.publish import publish

    settings = environment(
        tmp_path, LIFTOS_SCENARIO="small_restated_conversions", DBT_TARGET_PATH=str(tmp_path / "dbt")
    )
    for name in set(os.environ) - set(settings):
        monkeypatch.delenv(name)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    days = [date.fromisoformat(FIRST) + timedelta(days=number) for number in range(N_DAYS)]
    home = open_home(load_settings())
    for source in SOURCES.values():
        for stream in source.streams:
            pull_stream(home, source.name, stream.name, days, "probes")
    subprocess.run(
        [str(Path(sys.executable).parent / "liftos-dbt"), "--quiet", "run"], cwd=DBT_PROJECT, check=True
    )
    publish(home.warehouse)
    folder = tmp_path / "curtain"
    folder.mkdir()
    with curtained(tmp_path, folder) as connection:
        found = [probe(connection, days[:-1], seed) for seed in range(1000)]
    assert [result for result in found if result[-1]] == []
    assert len({result[:3] for result in found}) > 500
