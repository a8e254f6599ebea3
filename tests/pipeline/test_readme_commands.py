"""Every command and every example of the README is called, on a small home or on small files."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
import typer
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from liftos_pipeline.api.app import create_app
from liftos_pipeline.cli import app
from liftos_pipeline.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
EXAMPLES = [line for kind, text in BLOCKS if not kind for line in text.splitlines() if line.startswith("liftos ")]
REQUESTS = [text for kind, text in BLOCKS if not kind and text.startswith("curl ")]
SCRIPTS = [text for kind, text in BLOCKS if kind == "python" and "from_spark" not in text]
"""What asks a cluster is no script of one machine: ``tests/scale`` calls it on a session of its own."""
FEWER = {"n_replays=500, workers=2": "n_replays=20"}
"""Of what takes minutes as the README has it."""


def test_no_block_is_left_out() -> None:
    known = ("make ", "liftos ", "curl ")
    lines = [line for kind, text in BLOCKS if not kind for line in text.splitlines() if line and line[0] != " "]
    assert [line for line in lines if not line.startswith(known)] == []
    assert (len(EXAMPLES), len(REQUESTS), len(SCRIPTS)) == (9, 1, 3)


def test_the_quick_start_is_what_make_and_ci_do() -> None:
    first = BLOCKS[0][1].splitlines()
    assert first == ["make demo", "make test"]
    makefile, ci = (ROOT / "Makefile").read_text(), (ROOT / ".ci" / "run").read_text().splitlines()
    assert re.search(r"^demo: setup\n(\t.*\n)*\t@\$\(BIN\)/liftos demo$", makefile, re.MULTILINE)
    assert re.search(r"^test: setup\n(\t.*\n)*\t@\$\(BIN\)/pytest ", makefile, re.MULTILINE)
    assert {"make check", "make test"} <= set(ci)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the examples write; those further down read what those above wrote."""
    return tmp_path_factory.mktemp("examples")


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_ends_well(line: str, folder: Path, quiet_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(app, shlex.split(line)[1:], env={"LIFTOS_HOME": str(quiet_home)})
    assert done.exit_code == 0, done.output
    assert len(done.output.splitlines()) >= 1


@pytest.mark.parametrize("text", REQUESTS)
def test_a_request_is_answered(text: str, quiet_home: Path) -> None:
    with TestClient(create_app(Settings(liftos_home=quiet_home)), base_url="http://127.0.0.1:8000") as client:
        for words in (shlex.split(call) for call in re.split(r"^(?=curl )", text, flags=re.MULTILINE) if call):
            name, key = words[words.index("-H") + 1].split(": ")
            url = urlsplit(next(word for word in words if word.startswith("http")))
            data = words[words.index("--data") + 1] if "--data" in words else None
            answer = client.request(
                "GET" if data is None else "POST",
                f"{url.path}?{url.query}",
                headers={name: key, **({} if data is None else {"Content-Type": "application/json"})},
                content=data,
            )
            assert answer.status_code == 200, answer.text
            assert answer.json().get("total", 0) > 0 or answer.json()["method"] == "did"


def table() -> pd.DataFrame:
    """Of 60 units over 120 days, with every column that the scripts name."""
    rng = np.random.default_rng(4)
    unit, day = np.repeat(np.arange(60), 120), np.tile(np.arange(120), 60)
    size = rng.normal(size=60)
    d = ((unit < 20) & (day >= 80)).astype(int)
    y = 20.0 + size[unit] + np.sin(day / 9.0) + d + rng.normal(size=len(unit))
    days = pd.Timestamp("2026-01-01") + pd.to_timedelta(day, unit="D")
    return pd.DataFrame(
        {
            "unit": unit,
            "t": day,
            "d": d,
            "y": y,
            "x1": rng.normal(size=len(unit)),
            "geo": unit,
            "day": days,
            "orders": y,
        }
    ).assign(region=unit // 2)


def test_scripts_run_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"df": table()}
    for script in SCRIPTS:
        for many, few in FEWER.items():
            script = script.replace(many, few)
        exec(script, names)
    assert {path.name for path in tmp_path.iterdir()} == {"effect.png", "power.png"}


def test_every_option_that_is_named_beside_a_command_is_one_of_it() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    options = {name: {flag for one in command.params for flag in one.opts} for name, command in commands.items()}
    spans = [*re.findall(r"`liftos ([a-z]+)([^`]*)`", README), *((line.split()[1], line) for line in EXAMPLES)]
    assert len(spans) > 40
    wrong = [
        (name, flag)
        for name, rest in spans
        for flag in re.findall(r"--[a-z-]+", rest)
        if flag not in options[name]
    ]
    rows = re.findall(r"^\| `liftos ([a-z]+)` \|(.*)\|$", README, re.MULTILINE)
    wrong += [
        (name, flag)
        for name, told in rows
        for flag in re.findall(r"`(--[a-z-]+)", told)
        if flag not in options[name]
    ]
    assert wrong == []


def test_the_container_file_calls_what_there_is() -> None:
    text = (ROOT / "Containerfile").read_text()
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    (arguments,) = re.findall(r'^CMD \["liftos", (.*)\]$', text, re.MULTILINE)
    name, *flags = re.findall(r'"([^"]+)"', arguments)
    assert flags[0] in {flag for one in commands[name].params for flag in one.opts}
    assert text.index("USER liftos") < text.index("RUN make setup") and "USER root" not in text
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {".venv", ".liftos"} <= set(ignored)


def test_pictures_are_there_and_small() -> None:
    pictures = re.findall(r"!\[[^\]]{20,}\]\((docs/[\w.]+)\)", README)
    assert pictures == ["docs/report.png", "docs/graph.png"]
    sizes = {name: (ROOT / name).stat().st_size for name in pictures}
    assert all(20_000 < size < 300_000 for size in sizes.values()), sizes
    assert all(f'keep("{Path(name).stem}"' in (ROOT / "docs" / "pictures.py").read_text() for name in pictures)


def test_links_lead_somewhere() -> None:
    headings = {
        re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in README.splitlines()
        if line[:2] == "##"
    }
    links = re.findall(r"\]\(([^)]+)\)", README)
    anchors = {link[1:] for link in links if link.startswith("#")}
    assert len(anchors) >= 9 and anchors <= headings
    files = [link for link in links if not link.startswith(("#", "http"))]
    assert all((ROOT / file).exists() for file in files), files
