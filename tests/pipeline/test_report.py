"""The report of a filled home: what the command writes, how large and how fast it is. ``tests/browser`` looks at it."""

from __future__ import annotations

import csv
import importlib
import json
import time
from pathlib import Path

import duckdb
import pytest
from click.testing import Result
from typer.testing import CliRunner

from liftos_pipeline.cli import app
from liftos_pipeline.report.contents import contents
from liftos_pipeline.reporting import read_day
from tests.pipeline.conftest import FIRST, LAST

LARGEST_BYTES, LONGEST_S = 2_000_000, 3.0


def report(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["report", *arguments], env={"LIFTOS_HOME": str(home)})


@pytest.fixture(scope="module")
def made(quiet_home: Path) -> tuple[Result, float]:
    """The command's answer, and the processor time that it took, in seconds."""
    importlib.import_module("matplotlib.backends.backend_svg")
    started = time.process_time()
    done = report(quiet_home)
    return done, time.process_time() - started


@pytest.fixture
def page(made: tuple[Result, float], quiet_home: Path) -> Path:
    done, _ = made
    written = quiet_home / "reports" / f"{LAST}.html"
    assert (done.exit_code, f"report         {written}" in done.output) == (0, True), done.output
    return written


def test_the_page_is_small_and_made_fast(made: tuple[Result, float], page: Path) -> None:
    assert page.stat().st_size < LARGEST_BYTES
    assert made[1] < LONGEST_S
    assert "SIMULATED: what each change caused" in made[0].output


def test_json_has_an_answer_for_every_verdict_on_counts_and_its_numbers(quiet_home: Path) -> None:
    done = report(quiet_home, "--as-of", FIRST, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout, parse_constant=lambda literal: pytest.fail(literal))
    told = {
        (answer["platform"], answer["treatment_type"], answer["design"]): (
            answer["verdict"],
            answer["incremental"],
        )
        for channel in found["channels"]
        for answer in channel["answers"]
    }
    with duckdb.connect(str(quiet_home / "liftos.duckdb"), read_only=True) as connection:
        rows = connection.execute(
            "SELECT platform, treatment_type, design, verdict, incremental FROM causal.verdicts "
            "JOIN causal.attribution USING (as_of, platform, treatment_type, design, outcome) "
            "WHERE as_of = ? AND scope = 'treatment' AND outcome IN ('orders', 'conversions_reported')",
            [FIRST],
        ).fetchall()
    assert told == {row[:3]: row[3:] for row in rows} and len(told) >= 9
    assert found["changes"] is None


def test_the_last_day_is_compared_with_the_one_before(quiet_home: Path) -> None:
    changes = contents(read_day(quiet_home))["changes"]
    assert (changes["since"], changes["command"]) == (FIRST, f"liftos explain --from {FIRST} --to {LAST}")


def test_csv_has_every_row_of_the_attribution(quiet_home: Path, tmp_path: Path) -> None:
    file = tmp_path / "attribution.csv"
    done = report(quiet_home, "--format", "csv", "--out", str(file))
    assert done.exit_code == 0, done.output
    with file.open() as lines, duckdb.connect(str(quiet_home / "liftos.duckdb"), read_only=True) as connection:
        count = connection.execute("SELECT count(*) FROM causal.attribution WHERE as_of = ?", [LAST]).fetchall()
        assert [(len(list(csv.DictReader(lines))),)] == count


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "pdf"], "expected --format html, json, csv; found 'pdf'"),
        (["--as-of", "yesterday"], "expected a date as YYYY-MM-DD; found 'yesterday'"),
        (["--json", "--format", "csv"], "expected --json alone"),
    ],
)
def test_wrong_calls_are_refused(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = report(tmp_path, *arguments)
    assert (done.exit_code, message in done.output) == (2, True)
