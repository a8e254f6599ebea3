"""A few processes that analyse, each one request at a time: what takes too long can be ended, and reads stay fast."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from queue import Empty, LifoQueue
from threading import Event, Lock, Thread, Timer

import orjson

from liftos_pipeline.api.problems import Problem
from liftos_pipeline.api.worker import HEAD, READY

DEFAULT_COUNT = min(4, os.cpu_count() or 1)


class WorkerEnded(Exception):
    """A worker ended in the middle of an analysis."""


class Workers:
    """Starts processes when they are needed and keeps them.

    Parameters
    ----------
    count : int
        Analyses at once. More wait for their turn, which counts as their time.
    """

    def __init__(self, count: int = DEFAULT_COUNT) -> None:
        self._all = [_Worker() for _ in range(count)]
        self._idle: LifoQueue[_Worker] = LifoQueue()
        for worker in self._all:
            self._idle.put(worker)
        self.close = weakref.finalize(self, _end, self._all)

    def warm(self) -> None:
        """Start all processes in the background."""
        for worker in self._all:
            Thread(target=worker.try_to_start, daemon=True).start()

    def ask(self, call: Mapping[str, object], body: bytes, seconds: float) -> tuple[int, bytes]:
        """Status and content of the answer.

        Raises
        ------
        Problem
            Not within ``seconds``: 504.
        WorkerEnded
            The process ended from outside.
        """
        started = time.monotonic()
        try:
            worker = self._idle.get(timeout=max(0.0, seconds))
        except Empty:
            raise out_of_time() from None
        try:
            return worker.ask(orjson.dumps(call), body, seconds - (time.monotonic() - started))
        finally:
            self._idle.put(worker)


class _Worker:
    """One process, started anew once it has ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = Lock()

    def start(self) -> subprocess.Popen[bytes]:
        """The process, once it answers."""
        with self._lock:
            return self._started()

    def try_to_start(self) -> None:
        """Ahead of the first request; one that cannot be started is told then."""
        with suppress(WorkerEnded):
            self.start()

    def _started(self) -> subprocess.Popen[bytes]:
        process = self._process
        if process is None or process.poll() is not None:
            command = [sys.executable, "-m", "liftos_pipeline.api.worker"]
            process = self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            assert process.stdout is not None
            if process.stdout.read(len(READY)) != READY:
                self.end()
                raise WorkerEnded("at its start")
        return process

    def ask(self, call: bytes, body: bytes, seconds: float) -> tuple[int, bytes]:
        process = self.start()
        is_late = Event()

        def end() -> None:
            is_late.set()
            process.kill()

        timer = Timer(max(0.0, seconds), end)
        timer.start()
        try:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(HEAD.pack(len(call), len(body)) + call)
            process.stdin.write(body)
            process.stdin.flush()
            head = process.stdout.read(HEAD.size)
            status, length = HEAD.unpack(head) if len(head) == HEAD.size else (0, 0)
            answer = process.stdout.read(length)
        except OSError:
            status, answer, length = 0, b"", 0
        finally:
            timer.cancel()
        is_whole = status > 0 and len(answer) == length
        if is_late.is_set() or not is_whole:
            self.end()
        if is_whole:
            return status, answer
        if is_late.is_set():
            raise out_of_time()
        raise WorkerEnded("in an analysis")

    def end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()


def _end(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.end()


def out_of_time() -> Problem:
    return Problem(
        504,
        "time-limit",
        "The analysis took too long",
        "It was ended. Send fewer rows, choose a faster method, or raise LIFTOS_API_TIME_LIMIT_S.",
    )
