"""The worked example runs as its first lines say, and ends with the planted effect."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pandas as pd
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_data.py"


def test_own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE)])
    example = runpy.run_path(str(EXAMPLE), run_name="__main__")
    told = capsys.readouterr().out
    assert pd.read_csv(tmp_path / "shops.csv").equals(example["made_up"]())
    assert re.search(r"effect 4\.94 \(5 % of the mean .*\) can be seen", told)
    (limits,) = re.findall(r"did \(ATT\).*\n.*95 % interval \[([\d.]+), ([\d.]+)\]", told)
    low, high = map(float, limits)
    assert low < example["EFFECT"] < high and high - low < 2 * example["EFFECT"]
    assert re.search(r"difference_in_means \(ATE\): 3\d\.", told)
    assert told.count("REFUSED, do not use this number") == 1
    assert re.search(r"^difference_in_means +blocked", told, re.MULTILINE)
