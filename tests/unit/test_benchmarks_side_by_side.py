"""Campaigns in several processes: the order of answers, errors, and what is not begun."""

from __future__ import annotations

import operator
import os
import time
from pathlib import Path

import pytest

from liftos_pipeline.benchmarks.side_by_side import side_by_side


def test_answers_come_in_the_order_of_what_is_asked_from_other_processes():
    assert list(side_by_side(pow, [(2, n) for n in range(20)])) == [2**n for n in range(20)]
    assert os.getpid() not in set(side_by_side(os.getpid, [()] * 4))


def test_an_error_is_raised_where_its_answer_is_due():
    answers = side_by_side(operator.truediv, [(1, 1), (1, 0)])
    assert next(answers) == 1
    with pytest.raises(ZeroDivisionError):
        next(answers)


def test_calls_that_nobody_waits_for_are_not_begun(tmp_path: Path):
    n_asked = 200
    answers = side_by_side(_mark, [(str(tmp_path / str(number)),) for number in range(n_asked)])
    next(answers)
    answers.close()
    assert len(list(tmp_path.iterdir())) < n_asked / 2


def _mark(name: str) -> None:
    Path(name).touch()
    time.sleep(0.05)
