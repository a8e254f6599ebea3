"""Calls of stages that do not wait for each other, side by side in processes of their own. No tables, no Dagster."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache, partial
from multiprocessing.connection import wait
from typing import TypeVar

import pandas as pd
from threadpoolctl import threadpool_limits

from liftos_pipeline.errors import LiftosError, ProcessEnded

Call = partial[pd.DataFrame]
"""A function of a module with its arguments, so that another process can make the call."""
Submit = Callable[[int, Call], "Future[pd.DataFrame]"]
"""(lane, call) -> its answer to come."""

Day = TypeVar("Day")

MANY_DAYS = 8
"""From so many on it pays to start processes, which takes seconds."""
AHEAD = 5
"""Days that may be computed before the oldest one is taken."""
MOST_LANES = 4
_PRELOADED = ["liftos_pipeline.stages.confounders", "liftos_pipeline.stages.certificates"]


def answers(asked: Iterable[tuple[Day, Sequence[Call]]], n_days: int) -> Iterator[tuple[Day, pd.DataFrame]]:
    """Rows of each day in the order of the days: the answers to its calls, one below the other.

    Parameters
    ----------
    asked : iterable of (day, calls)
        A call that is alone takes turns between lanes with those of other days. Of several, each keeps the lane where
        the same one of the day before was made, which remembers its answer.
    n_days : int
        How many there will be.
    """
    submit = lanes_for(n_days)
    waiting: deque[tuple[Day, list[Future[pd.DataFrame]]]] = deque()
    for number, (day, calls) in enumerate(asked):
        lanes = [number] if len(calls) == 1 else range(len(calls))
        waiting.append((day, [submit(lane, call) for lane, call in zip(lanes, calls, strict=True)]))
        if len(waiting) > AHEAD:
            yield _joined(*waiting.popleft())
    for entry in waiting:
        yield _joined(*entry)


def lanes_for(n_days: int) -> Submit:
    """Where calls are made: in this process at once, or in as many others as there are cores if there are many days.

    Calls of one lane are made in their order by one process, which keeps what it remembers.
    """
    n_lanes = min(MOST_LANES, os.cpu_count() or 1)
    if n_lanes == 1 or n_days < MANY_DAYS:
        return _here
    return lambda lane, call: _lane(lane % n_lanes).submit(call)


def _joined(day: Day, parts: Sequence[Future[pd.DataFrame]]) -> tuple[Day, pd.DataFrame]:
    rows = [_result(part) for part in parts]
    return day, rows[0] if len(rows) == 1 else pd.concat(rows, ignore_index=True)


def _result(part: Future[pd.DataFrame]) -> pd.DataFrame:
    """The answer, or its error without the other process's account of it, which would hide a message for users."""
    try:
        return part.result()
    except BrokenProcessPool:
        _lane.cache_clear()
        raise ProcessEnded(
            "processes that compute to the end",
            "one that was ended from outside",
            f"Memory is the usual reason: run fewer than {MANY_DAYS} days at once, or free some.",
        ) from None
    except LiftosError as error:
        error.__cause__ = None
        raise


def _here(_lane: int, call: Call) -> Future[pd.DataFrame]:
    done: Future[pd.DataFrame] = Future()
    with threadpool_limits(1):
        done.set_result(call())
    return done


@cache
def _lane(_number: int) -> ProcessPoolExecutor:
    """One process that lives as long as this one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return ProcessPoolExecutor(1, context, initializer=_begin)


def _begin() -> None:
    """In the new process: one thread for linear algebra, and an end when, and only when, the one that asked has ended."""
    threadpool_limits(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
