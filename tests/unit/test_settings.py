"""Rules that a user declares: read from the home's file or the environment, kept with a run, refused with their name."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest

from liftos_pipeline.errors import LiftosError
from liftos_pipeline.settings import CutoffRule, InstrumentRule, Settings, load_settings

README = (Path(__file__).parents[2] / "README.md").read_text()
CUTOFF = {
    "platform": "google",
    "treatment_type": "budget_change",
    "on": "2026-03-02",
    "column": "quality_score",
    "cutoff": 8,
    "window": 3,
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIFTOS_HOME", str(tmp_path))
    return tmp_path


def test_the_readmes_rules_are_read_from_the_file_of_the_home(home: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    (home / "liftos.toml").write_text(example)
    cutoff, lot = load_settings().declared_rules()
    assert isinstance(cutoff, CutoffRule) and isinstance(lot, InstrumentRule)
    assert (cutoff.cutoff, cutoff.window, cutoff.on, cutoff.accounts) == (
        8.0,
        3.0,
        date(2026, 3, 2),
        ("1234567890",),
    )
    assert (lot.on, lot.values) == (date(2026, 4, 1), {"meta:123:c1": 1.0, "meta:123:c2": 0.0})


def test_rules_from_the_environment_are_kept_with_a_run(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFTOS_CUTOFFS", json.dumps([CUTOFF]))
    then = load_settings()
    assert [rule.platform for rule in then.liftos_cutoffs] == ["google_ads"]
    kept = json.loads(json.dumps(then.behind_results()))
    again = Settings(liftos_home=home, liftos_seed=9, liftos_cutoffs=()).with_results_of(kept)
    assert (again.liftos_cutoffs, again.liftos_seed) == (then.liftos_cutoffs, then.liftos_seed)
    del kept["liftos_cutoffs"], kept["liftos_instruments"]
    assert again.with_results_of(kept).declared_rules() == ()


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ('[{"platform":', "LIFTOS_CUTOFFS"),
        (json.dumps([{**CUTOFF, "platform": "tiktok"}]), "LIFTOS_CUTOFFS.0.PLATFORM"),
        (json.dumps([{**CUTOFF, "window": 0}]), "LIFTOS_CUTOFFS.0.WINDOW"),
        (json.dumps([{**CUTOFF, "widow": 1}]), "LIFTOS_CUTOFFS.0.WIDOW"),
        (json.dumps([{name: CUTOFF[name] for name in CUTOFF if name != "on"}]), "LIFTOS_CUTOFFS.0.ON"),
    ],
)
@pytest.mark.usefixtures("home")
def test_a_rule_that_is_none_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, value: str, named: str
) -> None:
    monkeypatch.setenv("LIFTOS_CUTOFFS", value)
    with pytest.raises(LiftosError, match=re.escape(named)):
        load_settings()
