"""``liftos simulate``: lists worlds, writes one with its truth, refuses wrong calls."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from liftos_pipeline.cli import app
from liftos_pipeline.schema.truth import TRUTH_TABLES
from liftos_pipeline.simulator import SCENARIOS, generate, scenario_named


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["simulate", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_without_a_name_all_worlds_are_listed() -> None:
    code, text, _ = run("--json")
    assert code == 0
    assert json.loads(text) == {name: scenario.meaning for name, scenario in SCENARIOS.items()}
    code, text, _ = run()
    assert code == 0 and all(name in text for name in SCENARIOS)


def test_a_world_is_written_whole(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "world"
    code, text, _ = run("small_geo_experiment", "--days", "100", "--seed", "3", "--out", str(folder), "--json")
    facts = json.loads(text)
    assert code == 0 and (facts["world"], facts["seed"]) == ("small_geo_experiment", 3)
    assert (facts["first_day"], facts["last_day"]) == ("2026-01-01", "2026-04-10")
    world = generate(scenario_named("small_geo_experiment"), 3, 100)
    assert facts["unit_days"] == world.unit_days == 100 * (24 + 24 + 12 + 40)
    files = {str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.parquet")}
    assert files == set(facts["rows"])
    assert {f"truth/{table.name}" for table in TRUTH_TABLES} < files
    for table in TRUTH_TABLES:
        written = pq.read_table(folder / "truth" / f"{table.name}.parquet")
        assert written.schema.equals(table.arrow()), table.name
        assert len(written) == facts["rows"][f"truth/{table.name}"]
    geo = pd.read_parquet(folder / "panel_geo.parquet")
    expected = world.panel(date(2026, 1, 1) + timedelta(days=99)).query("unit_type == 'geo'")
    assert geo["orders"].tolist() == expected["orders"].tolist()
    assert "clicks" not in geo


def test_what_is_printed_names_the_folder(tmp_path: Path) -> None:
    code, text, _ = run("small_outage", "--days", "40", "--out", str(tmp_path))
    assert code == 0 and text.startswith("SIMULATED small_outage") and "truth/faults" in text
    assert "written to" in text
    assert "Nothing was written" in run("small_outage", "--days", "40")[1]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("flat_earth",), "found scenario 'flat_earth'"),
        (("outage", "--days", "0"), "expected 1 to 1100 days; found 0"),
        (("outage", "--days", "1101"), "expected 1 to 1100 days; found 1101"),
        (("outage", "--seed", "-1"), "expected a seed of 0 or more; found -1"),
    ],
)
def test_wrong_calls_end_with_one_line(arguments: tuple[str, ...], expected: str) -> None:
    code, text, error = run(*arguments)
    assert (code, text) == (2, "")
    assert expected in error


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "taken"
    file.touch()
    code, _, error = run("outage", "--out", str(file))
    assert code == 2 and "which is a file" in error
