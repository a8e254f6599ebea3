"""Calls of stages that do not wait for each other, side by side in processes of their own. No tables, no Dagster."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from functools import cache, partial
from multiprocessing.connection import wait

import pandas as pd
from threadpoolctl import threadpool_limits

Call = partial[pd.DataFrame]
"""A function of a module with its arguments, so that another process can make the call."""
Submit = Callable[[int, Call], "Future[pd.DataFrame]"]
"""(lane, call) -> its answer to come."""

MANY_CALLS = 8
"""From so many on it pays to start processes, which takes seconds."""
MOST_LANES = 4
_PRELOADED = ["liftos_pipeline.stages.confounders", "liftos_pipeline.stages.certificates"]


def lanes_for(n_calls: int) -> Submit:
    """Where calls are made: in this process at once, or in as many others as there are cores if there are many calls.

    Calls of one lane are made in their order by one process, which keeps what it remembers.
    """
    n_lanes = min(MOST_LANES, os.cpu_count() or 1)
    if n_lanes == 1 or n_calls < MANY_CALLS:
        return _here
    return lambda lane, call: _lane(lane % n_lanes).submit(call)


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
    """In the new process: one thread for linear algebra, and an end when the process that asked has ended."""
    threadpool_limits(1)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
