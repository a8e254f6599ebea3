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
