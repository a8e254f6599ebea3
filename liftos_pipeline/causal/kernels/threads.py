"""How many threads numerical libraries take."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

MANY_ROWS = 50_000


@cache
def blas() -> ThreadpoolController:
    """The linear algebra library's threads: asked for once, since finding them takes longer than a small walk."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def trees_on_one_thread(n_rows: int) -> AbstractContextManager[object]:
    """One thread for tree learners where there are few rows: theirs wait for each other longer than they work."""
    from threadpoolctl import threadpool_limits

    return nullcontext() if n_rows > MANY_ROWS else threadpool_limits(1, "openmp")
