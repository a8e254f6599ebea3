"""`liftos power` on a file: text, one JSON object, a picture, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from liftos_pipeline.causal import Panel, power
from liftos_pipeline.cli import app
from tests.panels import NEVER, adoption_panel

COLUMNS = ["--outcome", "y", "--unit", "unit", "--period", "t"]
DESIGN = ["--treated", "8", "--pre", "6", "--post", "4", "--replays", "20"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("power") / "panel.parquet"
    adoption_panel(5, n_units=30, n_periods=20, starts=(15, NEVER)).assign(none=0).to_parquet(found)
    return found


def test_text_json_and_picture(path: Path, tmp_path: Path) -> None:
    picture = tmp_path / "power.png"
    call = ["power", str(path), *COLUMNS, *DESIGN]
    text = CliRunner().invoke(app, call)
    answer = CliRunner().invoke(app, [*call, "--json", "--plot", str(picture)])
    assert text.exit_code == answer.exit_code == 0, text.output + answer.output
    frame = adoption_panel(5, n_units=30, n_periods=20, starts=(15, NEVER))
    panel = Panel.untreated(frame, outcome="y", unit="unit", period="t")
    expected = power(panel, n_treated=8, n_pre=6, n_post=4, n_replays=20)
    assert json.loads(answer.stdout) == json.loads(json.dumps(expected.to_dict()))
    assert text.stdout.strip() == expected.summary().strip()
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_treated_rows_are_left_out_and_a_treatment_of_zeros_is_none(path: Path) -> None:
    call = ["power", str(path), *COLUMNS, "--json", *DESIGN]
    answers = {
        column: CliRunner().invoke(app, [*call, *(["--treatment", column] if column else [])]).stdout
        for column in ("", "none", "d")
    }
    assert answers[""] == answers["none"] != answers["d"]
    frame = adoption_panel(5, n_units=30, n_periods=20, starts=(15, NEVER))
    panel = Panel.from_frame(frame, outcome="y", treatment="d", unit="unit", period="t")
    expected = power(panel, n_treated=8, n_pre=6, n_post=4, n_replays=20)
    assert json.loads(answers["d"])["detectable"] == expected.detectable


def test_roles_and_options_reach_the_method(path: Path) -> None:
    more = ["--cluster", "region", "--assigned", "unit", "--covariates", "x0,x1", "--option", "inference=cr3"]
    answer = CliRunner().invoke(app, ["power", str(path), *COLUMNS, *DESIGN, *more, "--json"])
    assert answer.exit_code == 0, answer.output
    frame = adoption_panel(5, n_units=30, n_periods=20, starts=(15, NEVER))
    roles = {"outcome": "y", "unit": "unit", "period": "t", "covariates": ["x0", "x1"], "cluster": "region"}
    expected = power(
        Panel.untreated(frame, **roles), assigned="unit", n_treated=8, n_pre=6, n_post=4, n_replays=20,
        options={"inference": "cr3"},
    )  # fmt: skip
    assert json.loads(answer.stdout)["detectable"] == expected.detectable


@pytest.mark.parametrize(
    ("more", "code", "text"),
    [
        (["--effect", "0.01"], 1, "CANNOT BE SEEN"),
        (["--effect", "0.02", "--relative", "--json"], 1, '"can_see": false'),
        (["--effect", "-9"], 0, "can be seen"),
        (["--effect", "0"], 2, "an effect other than 0"),
        (["--post", "15"], 2, "a window of at most 20 periods"),
        (["--plot", "power.gif"], 2, "a picture in"),
        (["--treatment", "nothing"], 2, "nothing"),
        (["--power", "1.2"], 2, "a power above"),
    ],
)
def test_how_it_ends(path: Path, more: list[str], code: int, text: str) -> None:
    answer = CliRunner().invoke(app, ["power", str(path), *COLUMNS, *DESIGN, *more])
    assert answer.exit_code == code, answer.output
    assert text in answer.output
    if "--json" in more:
        assert len(answer.stdout.strip().splitlines()) == 1 and json.loads(answer.stdout)
