"""Calls in other processes: in which, in what order, with what error, and that none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from liftos_pipeline.errors import ProcessEnded, WarehouseError
from liftos_pipeline.stages.lanes import AHEAD, MANY_DAYS, Call, Submit, answers, lanes_for
from tests.lane_calls import numbered, refused

ORPHAN = """
from functools import partial
from liftos_pipeline.stages.lanes import MANY_DAYS, lanes_for
from tests.lane_calls import told_then_slept
lanes_for(MANY_DAYS)(0, partial(told_then_slept, {path!r})).result()
"""


DAYS = [date(2026, 5, number) for number in range(1, 10)]


@pytest.fixture
def two_lanes(monkeypatch: pytest.MonkeyPatch) -> Submit:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    return lanes_for(MANY_DAYS)


def test_calls_of_a_lane_are_made_in_order_by_one_other_process(two_lanes: Submit) -> None:
    asked = [two_lanes(number, partial(numbered, number)) for number in range(6)]
    rows = [part.result().iloc[0] for part in asked]
    assert [row["number"] for row in rows] == list(range(6))
    even, odd = {row["process"] for row in rows[::2]}, {row["process"] for row in rows[1::2]}
    assert len(even) == len(odd) == 1 and len(even | odd | {os.getpid()}) == 3
    made = [row["made"] for row in rows]
    assert [later - sooner for sooner, later in zip(made, made[2:], strict=False)] == [1, 1, 1, 1]


@pytest.mark.usefixtures("two_lanes")
def test_days_come_in_their_order_with_one_lane_for_the_same_call_of_every_day() -> None:
    """Three calls a day: the first and the third share a lane. The first takes longest."""
    asked = [(day, [partial(numbered, place, 0.03 * (2 - place)) for place in range(3)]) for day in DAYS]
    found = dict(answers(iter(asked), len(DAYS)))
    assert list(found) == DAYS
    rows = pd.concat(found.values())
    assert rows["number"].tolist() == [0, 1, 2] * len(DAYS) and found[DAYS[0]].index.tolist() == [0, 1, 2]
    assert rows.groupby("number")["process"].nunique().tolist() == [1, 1, 1]
    assert rows["process"].nunique() == 2


@pytest.mark.usefixtures("two_lanes")
def test_a_call_alone_takes_turns_and_few_days_are_under_way() -> None:
    begun: list[date] = []

    def asked() -> Iterator[tuple[date, list[Call]]]:
        for number, day in enumerate(DAYS):
            begun.append(day)
            yield day, [partial(numbered, number)]

    coming = answers(asked(), len(DAYS))
    first = next(coming)
    assert begun == DAYS[: AHEAD + 1] and first[0] == DAYS[0]
    rows = pd.concat([first[1], *(frame for _, frame in coming)])
    assert rows["number"].tolist() == list(range(len(DAYS)))
    assert rows["process"].iloc[::2].nunique() == rows["process"].iloc[1::2].nunique() == 1
    assert rows["process"].nunique() == 2


@pytest.mark.usefixtures("two_lanes")
def test_an_error_of_another_process_is_the_same_error() -> None:
    with pytest.raises(WarehouseError, match=r"^expected a day; found a night\. Wait\.$") as caught:
        list(answers([(DAYS[0], [partial(refused)])], MANY_DAYS))
    assert caught.value.__cause__ is None
    assert (caught.value.found, caught.value.exit_code) == ("a night", 3)


@pytest.mark.usefixtures("two_lanes")
def test_a_process_that_was_ended_is_told_and_replaced() -> None:
    asked = [(DAYS[0], [partial(numbered, 0)])]
    ((_, rows),) = answers(asked, MANY_DAYS)
    os.kill(int(rows["process"].iloc[0]), signal.SIGKILL)
    with pytest.raises(ProcessEnded, match="found one that was ended from outside"):
        list(answers(asked, MANY_DAYS))
    ((_, again),) = answers(asked, MANY_DAYS)
    assert again["made"].tolist() == [1]


@pytest.mark.parametrize(("n_calls", "cores"), [(MANY_DAYS - 1, 2), (MANY_DAYS, 1)])
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
