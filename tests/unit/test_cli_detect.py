"""`liftos detect` on files: columns and options by name, dates as text."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from typer.testing import CliRunner

from liftos_pipeline.benchmarks.list_worlds import ListWorld
from liftos_pipeline.benchmarks.score_worlds import ScoreWorld
from liftos_pipeline.causal import detect
from liftos_pipeline.cli import app


def answered(*call: str) -> pd.DataFrame:
    answer = CliRunner().invoke(app, ["detect", *call, "--json"])
    assert answer.exit_code == 0, answer.output
    return pd.DataFrame(json.loads(answer.stdout)["table"])


def test_a_list_with_dates_as_text(tmp_path: Path) -> None:
    rows = ListWorld(drift=0.1).draw(1, np.random.default_rng(6_700))
    days = {name: pd.Timestamp("2025-01-06") + pd.to_timedelta(rows[name], unit="D") for name in ("start", "end")}
    frame = rows.assign(start=days["start"], end=days["end"].where(rows["left"] == 1))
    frame.to_csv(tmp_path / "people.csv", index=False)
    options = ("--option", "start=start", "--option", "end=end", "--option", "event=left")
    found = answered("list_health", str(tmp_path / "people.csv"), "--unit", "list", *options)
    own = detect("list_health", frame, unit="list", start="start", end="end", event="left").table
    assert found.loc[0, "status"] == own.loc[0, "status"]
    np.testing.assert_allclose(found["estimate"], own["estimate"])


def test_candidates_as_a_list(tmp_path: Path) -> None:
    world = ScoreWorld(n_units=150, n_days=40, counts=(1, 1, 1, 1, 0, 0))
    panel = world.draw(np.random.default_rng(6_710))
    panel.frame.to_parquet(tmp_path / "panel.parquet")
    roles = ("--unit", "unit", "--period", "day", "--option", "treatment=treated", "--option", "outcome=outcome")
    listed = ("--option", f"candidates={json.dumps(panel.candidates)}")
    found = answered("confounder_score", str(tmp_path / "panel.parquet"), *roles, *listed)
    assert tuple(found["candidate"]) == panel.candidates


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    pd.DataFrame({"u": [1], "t": [1]}).to_csv(tmp_path / "x.csv", index=False)
    answer = CliRunner().invoke(app, ["detect", "budget_change", str(tmp_path / "x.csv"), "--unit", "u"])
    assert answer.exit_code == 2
    assert "no period, value" in answer.output


def test_the_picture_is_saved_and_other_endings_are_refused(tmp_path: Path) -> None:
    days = pd.date_range("2025-01-01", periods=60)
    rows = pd.DataFrame({"u": "a", "day": days, "spend": np.where(np.arange(60) < 30, 1.0, 2.0)})
    rows.to_csv(tmp_path / "spend.csv", index=False)
    call = ("budget_change", str(tmp_path / "spend.csv"), "--unit", "u", "--period", "day", "--value", "spend")
    found = answered(*call, "--plot", str(tmp_path / "found.png"))
    assert found.loc[0, "date"].startswith("2025-01-31")
    assert (tmp_path / "found.png").read_bytes().startswith(b"\x89PNG")
    answer = CliRunner().invoke(app, ["detect", *call, "--plot", str(tmp_path / "found.txt")])
    assert answer.exit_code == 2
    assert ".png, .svg, .pdf" in answer.output
