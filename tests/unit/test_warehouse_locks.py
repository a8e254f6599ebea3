"""The side-file lock: readers together, a writer alone, and no writer starved."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path

import pytest

from liftos_pipeline.warehouse.locks import file_lock

PATIENCE = 500
"""Looks at a file, a hundredth of a second apart, before a test gives up."""


def would_wait(path: Path, kind: int) -> bool:
    """Whether a newcomer would have to wait for this kind of lock."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def wait_until_taken(path: Path) -> None:
    for _ in range(PATIENCE):
        if would_wait(path, fcntl.LOCK_EX):
            return
        time.sleep(0.01)
    pytest.fail(f"nobody took {path.name}")


@pytest.mark.parametrize(
    ("exclusive", "reader_waits", "writer_waits"),
    [(False, False, True), (True, True, True)],
    ids=["reader", "writer"],
)
def test_who_waits_for_whom(tmp_path: Path, exclusive: bool, reader_waits: bool, writer_waits: bool) -> None:
    with file_lock(tmp_path, exclusive=exclusive):
        assert would_wait(tmp_path / "lock", fcntl.LOCK_SH) is reader_waits
        assert would_wait(tmp_path / "lock", fcntl.LOCK_EX) is writer_waits
    assert would_wait(tmp_path / "lock", fcntl.LOCK_EX) is False


def test_reader_that_comes_after_a_waiting_writer_goes_after_it(tmp_path: Path) -> None:
    order: list[str] = []

    def take(name: str, exclusive: bool) -> None:
        with file_lock(tmp_path, exclusive=exclusive):
            order.append(name)

    writer = threading.Thread(target=take, args=("writer", True))
    late_reader = threading.Thread(target=take, args=("late reader", False))
    with file_lock(tmp_path, exclusive=False):
        writer.start()
        wait_until_taken(tmp_path / "turnstile")
        late_reader.start()
        late_reader.join(timeout=0.2)
        assert order == []
    writer.join()
    late_reader.join()
    assert order == ["writer", "late reader"]
