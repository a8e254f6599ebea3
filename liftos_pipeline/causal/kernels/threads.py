"""How many threads numerical libraries take, and work on rows by as many as there are cores."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

MANY_ROWS = 50_000
_WORKERS = min(4, os.cpu_count() or 1)


@cache
def blas() -> ThreadpoolController:
    """The linear algebra library's threads: asked for once, since finding them takes longer than a small walk."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def trees_on_one_thread(n_rows: int) -> AbstractContextManager[object]:
    """One thread for tree learners where there are few rows: theirs wait for each other longer than they work."""
    from threadpoolctl import threadpool_limits

    return nullcontext() if n_rows > MANY_ROWS else threadpool_limits(1, "openmp")


def for_each_block(work: Callable[[int, int], None], n_rows: int, block: int) -> None:
    """Call ``work(first, stop)`` for every block of rows, in any order.

    Work that releases the interpreter's lock is done on all cores. Its results must not depend on the blocks.
    """
    blocks = [(first, min(first + block, n_rows)) for first in range(0, n_rows, block)]
    if len(blocks) < 2:
        for first, stop in blocks:
            work(first, stop)
        return
    with ThreadPoolExecutor(_WORKERS) as workers:
        list(workers.map(lambda ends: work(*ends), blocks))
