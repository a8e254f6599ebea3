"""`liftos certify` on a Parquet and a CSV file: text, JSON, picture, exit code."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from liftos_pipeline.causal import Panel, certify
from liftos_pipeline.cli import app
from tests.panels import NEVER, adoption_panel

ROLES = ["--outcome", "y", "--treatment", "d", "--unit", "unit", "--period", "t"]
FAST = ["--replays", "20", "--workers", "1"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frame = adoption_panel(1, 24, 24, starts=(16, NEVER, NEVER, NEVER))
    frame = frame.assign(y=frame["y"] + 30.0)
    folder = tmp_path_factory.mktemp("certify")
    frame.to_parquet(folder / "panel.parquet")
    frame.to_csv(folder / "panel.csv", index=False)
    return folder / "panel.parquet"


def run(path: Path, *more: str):
    return CliRunner().invoke(app, ["certify", str(path), *ROLES, *FAST, *more])


def test_json_is_the_librarys_certificate_and_nothing_else(path: Path) -> None:
    answer = run(path, "--methods", "did, geo_did", "--seed", "3", "--level", "0.9", "--effect", "2", "--json")
    assert answer.exit_code == 0, answer.output
    panel = Panel.from_parquet(path, outcome="y", treatment="d", unit="unit", period="t")
    expected = certify(panel, ["did", "geo_did"], n_replays=20, seed=3, level=0.9, effect=2.0)
    assert json.loads(answer.stdout) == json.loads(json.dumps(expected.to_dict()))


def test_csv_and_parquet_give_the_same_table(path: Path, tmp_path: Path) -> None:
    picture = tmp_path / "certificate.png"
    text = run(path, "--methods", "did", "--plot", str(picture))
    assert text.exit_code == 0, text.output
    assert text.stdout == run(path.with_suffix(".csv"), "--methods", "did").stdout
    assert text.stdout.startswith("certificate for y: 20 replays, 6 of 24 units treated on paper")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_options_reach_their_method(path: Path) -> None:
    usual, other = (
        json.loads(run(path, "--methods", "did", "--json", *more).stdout)["methods"][0]
        for more in ([], ["--option", "did.inference=cr3"])
    )
    assert usual["detectable"] != other["detectable"]


@pytest.mark.parametrize(
    ("methods", "code"), [("did", 0), ("iv", 1), ("did,iv", 1)], ids=["released", "none", "one of two is not"]
)
def test_it_ends_with_one_if_a_method_asked_for_may_not_be_used(path: Path, methods: str, code: int) -> None:
    assert run(path, "--methods", methods).exit_code == code


def test_without_methods_one_that_may_be_used_is_enough(path: Path, monkeypatch) -> None:
    import liftos_pipeline.causal as library

    panel = Panel.from_parquet(path, outcome="y", treatment="d", unit="unit", period="t")
    for methods, code in ((["did", "iv"], 0), (["iv"], 1)):
        found = certify(panel, methods, n_replays=20)
        monkeypatch.setattr(library, "certify", lambda *_a, _found=found, **_k: _found)
        assert run(path).exit_code == code


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--methods", "nope"], "a method among"),
        (["--option", "did"], "an option as NAME=VALUE; found 'did'"),
        (["--option", "inference=cr3"], "an option as METHOD.NAME=VALUE; found inference"),
        (["--replays", "5"], "at least 20 replays; found 5"),
        (["--workers", "0"], "at least 1 worker; found 0"),
        (["--plot", "c.bmp"], "a picture in .png, .svg, .pdf; found c.bmp"),
    ],
)
def test_wrong_calls_end_with_two(path: Path, extra: list[str], message: str) -> None:
    answer = run(path, *extra)
    assert answer.exit_code == 2
    assert message in " ".join(answer.output.split())


def test_progress_goes_to_a_terminal_alone(path: Path, monkeypatch) -> None:
    assert run(path, "--methods", "did").stderr == ""
    terminal = io.StringIO()
    shown = Console(force_terminal=True, file=terminal, width=80)
    monkeypatch.setattr("liftos_pipeline.cli.console.err", shown)
    assert run(path, "--methods", "did", "--json").stdout.startswith("{")
    assert "replays" in terminal.getvalue()
