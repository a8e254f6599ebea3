"""The lock beside the working file: shared for readers, exclusive for writers. One host, no network file systems.

A turnstile keeps readers from starving a waiting writer. The kernel frees both when a process dies.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from liftos_pipeline.errors import WarehouseError


@contextmanager
def file_lock(folder: Path, exclusive: bool) -> Iterator[int]:
    """Hold the warehouse's lock; yields the descriptor that holds it.

    Raises
    ------
    WarehouseError
        The folder cannot be written.
    """
    turnstile = _open(folder / "turnstile")
    try:
        fcntl.flock(turnstile, fcntl.LOCK_EX)
        lock = _open(folder / "lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
            fcntl.flock(turnstile, fcntl.LOCK_UN)
            yield lock
        finally:
            os.close(lock)
    finally:
        os.close(turnstile)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise WarehouseError(
            "a home that can be written",
            f"{path.parent} ({error.strerror})",
            "Set LIFTOS_HOME to a folder of yours.",
        ) from error
