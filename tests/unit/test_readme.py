"""The README's tables are the registers'."""

from __future__ import annotations

import re
from pathlib import Path

from liftos_pipeline.api.app import create_app
from liftos_pipeline.causal import DETECTORS, ESTIMATORS
from liftos_pipeline.cli import app
from liftos_pipeline.platforms.faults import fault_table
from liftos_pipeline.schema import RESULT_TABLES
from liftos_pipeline.settings import CREDENTIALS, Settings
from liftos_pipeline.simulator import SCENARIOS

README = (Path(__file__).parents[2] / "README.md").read_text()


def first_column(heading: str) -> set[str]:
    """Names in the first column of the table whose first header cell is ``heading``."""
    table = README.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0]
    return set(re.findall(r"^\| `([^`]+)`", table, re.MULTILINE))


def methods_table() -> str:
    """The README's table of estimators, as the register has it."""
    head = ("estimator", "what it is", "estimands", "inference", "reference", "refuses when")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for spec in ESTIMATORS.values():
        estimands = ", ".join(name.upper() if name != "overlap" else name for name in spec.estimands)
        told = spec.description[0].lower() + spec.description[1:].rstrip(".")
        cells = (f"`{spec.name}`", told, estimands, spec.inference, spec.reference, spec.refuses_when)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def test_estimators_and_detectors() -> None:
    assert methods_table() in README
    assert first_column("detector") == set(DETECTORS)


def test_worlds() -> None:
    rows = [f"| `{name}` | {scenario.meaning} |" for name, scenario in SCENARIOS.items()]
    assert "\n".join(["| world | what happens in it |", "|---|---|", *rows]) in README


def test_faults() -> None:
    assert fault_table() in README


def test_commands() -> None:
    commands = {command.callback.__name__ for command in app.registered_commands}
    assert set(re.findall(r"^\| `liftos (\w+)`", README, re.MULTILINE)) == commands


def test_requests_of_the_service(tmp_path: Path) -> None:
    routes = {
        f"{method.upper()} {path}"
        for path, operations in create_app(Settings(liftos_home=tmp_path)).openapi()["paths"].items()
        for method in operations
    }
    assert first_column("request") == routes


def test_settings_are_real_and_credentials_are_all_named() -> None:
    named = set(re.findall(r"`((?:LIFTOS|META|GOOGLE_ADS|KLAVIYO|FRED)_[A-Z_]+)`", README))
    assert {name.lower() for name in named} <= set(Settings.model_fields)
    assert {name for names in CREDENTIALS.values() for name in names} <= named


def test_result_tables_are_documented() -> None:
    assert {table.full_name for table in RESULT_TABLES} <= first_column("table")


def test_make_targets_exist() -> None:
    makefile = (Path(__file__).parents[2] / "Makefile").read_text()
    for target in re.findall(r"`make ([a-z-]+)`", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
