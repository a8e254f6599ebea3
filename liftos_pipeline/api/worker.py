"""The process that analyses: reads requests from its standard input, one after another, and writes the answers.

It ends when the input does, so that it never outlives the service for longer than one analysis.
"""

from __future__ import annotations

import gc
import os
import signal
import struct
import sys
from typing import BinaryIO

import orjson

HEAD = struct.Struct(">IQ")
"""Length of the call, as JSON, and of the body; then both. An answer has its status in place of the first."""
READY = b"ready\n"
_ALL_EVERY = 100
"""Requests after which all garbage is looked for; after each it is what that one left."""
MEMORY_BYTES = 8 * 1024**3


def main() -> None:
    """Serve until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get between the answers
    _limit_memory()
    from threadpoolctl import threadpool_limits

    from liftos_pipeline.api.analyze import answer
    from liftos_pipeline.api.limits import cause

    gc.disable()  # it would walk every record again and again while they are read; garbage goes between the requests
    gc.freeze()
    n_answered = 0
    answers.write(READY)
    answers.flush()
    while (asked := _read(sys.stdin.buffer)) is not None:
        call, body = asked
        try:
            with threadpool_limits(1):
                status, content = answer(str(call["task"]), body, call)
            written = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
        except Exception as error:  # noqa: BLE001 - an error of ours ends this request, not the service
            status, written = 500, orjson.dumps(cause(error))
        answers.write(HEAD.pack(status, len(written)) + written)
        answers.flush()
        del asked, call, body, written
        n_answered += 1
        gc.collect(2 if n_answered % _ALL_EVERY == 0 else 1)


def _read(stream: BinaryIO) -> tuple[dict[str, object], bytes] | None:
    head = stream.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    n_call, n_body = HEAD.unpack(head)
    return orjson.loads(stream.read(n_call)), stream.read(n_body)


def _limit_memory() -> None:
    """More than this and the analysis fails, not the machine. Where the system has no such limit there is none."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))
    except (ImportError, ValueError, OSError):
        return


if __name__ == "__main__":
    main()
