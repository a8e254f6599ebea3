"""`liftos estimate` for every method on a Parquet file, as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from liftos_pipeline.causal import ESTIMATORS, Panel, estimate
from liftos_pipeline.cli import app
from tests.panels import NEVER, adoption_panel


@pytest.fixture
def path(tmp_path: Path) -> Path:
    frame = adoption_panel(31, n_units=80, starts=(6, 8, NEVER))
    rng = np.random.default_rng(31)
    frame["z"] = frame["d"] + rng.normal(size=len(frame))
    frame.to_parquet(tmp_path / "panel.parquet")
    return tmp_path / "panel.parquet"


@pytest.mark.parametrize("method", ESTIMATORS)
def test_every_method_answers(path: Path, method: str) -> None:
    if method in ("augmented_synthetic_control", "geo_did"):
        frame = adoption_panel(31, n_units=80, starts=(6, NEVER))
        frame.assign(y=frame["y"] + 20.0).to_parquet(path)
    columns = ["--outcome", "y", "--treatment", "d", "--unit", "unit", "--period", "t", "--covariates", "x0,x1"]
    call = ["estimate", method, str(path), *columns, *(["--instruments", "z"] if method == "iv" else [])]
    text = CliRunner().invoke(app, call)
    answer = CliRunner().invoke(app, [*call, "--json"])
    assert text.exit_code == answer.exit_code == 0, text.output
    row = json.loads(answer.stdout)
    more = {"instruments": ["z"]} if method == "iv" else {}
    panel = Panel.from_parquet(
        path, outcome="y", treatment="d", unit="unit", period="t", covariates=["x0", "x1"], **more
    )
    expected = estimate(method, panel)
    assert row["estimate"] == expected.estimate
    assert row["std_error"] == (None if np.isnan(expected.std_error) else expected.std_error)
    assert text.stdout.startswith(f"{method} ({expected.estimand.upper()}): {expected.estimate:.6g}")


ROLES = ["--outcome", "y", "--treatment", "d", "--unit", "unit", "--period", "t"]


def test_options_of_a_method_and_its_picture(path: Path, tmp_path: Path) -> None:
    picture = tmp_path / "effect.png"
    call = ["estimate", "staggered_did", str(path), *ROLES, "--json", "--plot", str(picture)]
    answer = CliRunner().invoke(app, [*call, "--option", "aggregation=group", "--option", "anticipation=1"])
    assert answer.exit_code == 0, answer.output
    panel = Panel.from_parquet(path, outcome="y", treatment="d", unit="unit", period="t")
    expected = estimate("staggered_did", panel, aggregation="group", anticipation=1)
    assert json.loads(answer.stdout)["estimate"] == expected.estimate
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--option", "folds"], "an option as NAME=VALUE; found 'folds'"),
        (["--option", "=3"], "an option as NAME=VALUE; found '=3'"),
        (["--option", "size=3"], "options of did: estimand, inference; found size"),
        (["--plot", "effect.bmp"], "a picture in .png, .svg, .pdf; found effect.bmp"),
    ],
)
def test_wrong_options_and_pictures_are_refused(path: Path, extra: list[str], message: str) -> None:
    answer = CliRunner().invoke(app, ["estimate", "did", str(path), *ROLES, *extra])
    assert answer.exit_code == 2
    assert message in " ".join(answer.output.split())
