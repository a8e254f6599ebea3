"""Calls in other processes: in which, in what order, with what error, and that none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from liftos_pipeline.errors import WarehouseError
from liftos_pipeline.stages.lanes import MANY_CALLS, Submit, lanes_for
from tests.lane_calls import numbered, refused

ORPHAN = """
from functools import partial
from liftos_pipeline.stages.lanes import MANY_CALLS, lanes_for
from tests.lane_calls import told_then_slept
lanes_for(MANY_CALLS)(0, partial(told_then_slept, {path!r})).result()
"""


@pytest.fixture
def two_lanes(monkeypatch: pytest.MonkeyPatch) -> Submit:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    return lanes_for(MANY_CALLS)


def test_calls_of_a_lane_are_made_in_order_by_one_other_process(two_lanes: Submit) -> None:
    asked = [two_lanes(number, partial(numbered, number)) for number in range(6)]
    rows = [part.result().iloc[0] for part in asked]
    assert [row["number"] for row in rows] == list(range(6))
    even, odd = {row["process"] for row in rows[::2]}, {row["process"] for row in rows[1::2]}
    assert len(even) == len(odd) == 1 and len(even | odd | {os.getpid()}) == 3
    assert [row["made"] for row in rows] == [1, 1, 2, 2, 3, 3]


def test_an_error_of_another_process_is_the_same_error(two_lanes: Submit) -> None:
    with pytest.raises(WarehouseError, match=r"^expected a day; found a night\. Wait\.$") as caught:
        two_lanes(0, partial(refused)).result()
    assert (caught.value.found, caught.value.exit_code) == ("a night", 3)


@pytest.mark.parametrize(("n_calls", "cores"), [(MANY_CALLS - 1, 2), (MANY_CALLS, 1)])
def test_few_calls_and_a_single_core_stay_here(monkeypatch: pytest.MonkeyPatch, n_calls: int, cores: int) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    rows = lanes_for(n_calls)(1, partial(numbered, 7)).result()
    assert rows["process"].tolist() == [os.getpid()]


def test_the_other_process_ends_with_one_that_is_killed(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    code = ORPHAN.format(path=str(told))
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    _wait_until(lambda: told.exists() and told.read_text() != "", 60)
    parent.send_signal(signal.SIGKILL)
    parent.wait(timeout=10)
    child = Path(f"/proc/{told.read_text()}")
    _wait_until(lambda: not child.exists(), 10)


def _wait_until(holds: object, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
