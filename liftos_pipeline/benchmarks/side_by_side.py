"""Calls of a campaign side by side: as many processes as cores, linear algebra in one thread each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

Answer = TypeVar("Answer")


def side_by_side(call: Callable[..., Answer], asked: Iterable[tuple[object, ...]]) -> Iterator[Answer]:
    """Answers in the order of what is asked, as they are there; calls that nobody waits for any more are not begun.

    Parameters
    ----------
    call : function of a module
    asked : iterable of tuple
        Arguments of each call.
    """
    with ProcessPoolExecutor(os.cpu_count() or 1, get_context("forkserver")) as pool:
        waiting = [pool.submit(_in_one_thread, call, arguments) for arguments in asked]
        try:
            for answer in waiting:
                yield answer.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _in_one_thread(call: Callable[..., Answer], arguments: tuple[object, ...]) -> Answer:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return call(*arguments)
