"""Commands that open the user interface: Dagster's web server and its daemon, side by side until they are ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from liftos_pipeline.cli.console import clear_errors, err
from liftos_pipeline.cli.serve import bound
from liftos_pipeline.errors import PlatformError
from liftos_pipeline.settings import load_settings

_MODULE = "liftos_pipeline.definitions"
_PATIENCE_S = 30.0
_PAUSE_S = 0.5
Port = Annotated[int, typer.Option(help="Port of the user interface.")]


class _Ended(Exception):
    """A signal that asks the service to end."""


def dev(port: Port = 3000) -> None:
    """Open the Dagster user interface with its daemon for this machine, until interrupted."""
    _serve("127.0.0.1", port)


def start(
    host: Annotated[
        str, typer.Option(help="Address to listen on. The user interface asks nobody for a password.")
    ] = "127.0.0.1",
    port: Port = 3000,
) -> None:
    """Run the Dagster user interface and its daemon as a service does: ends both on a signal, and if one of them ends.

    The user interface has no log-in: put a proxy that asks for one before any address that other machines reach.

    Examples: liftos start --host 0.0.0.0 --port 3000
    """
    _serve(host, port)


def _serve(host: str, port: int) -> None:
    with clear_errors():
        from liftos_pipeline.run import open_instance

        settings = load_settings()
        bound(host, port).close()  # a port that is taken is said at once
        open_instance(settings).dispose()
        os.environ["LIFTOS_HOME"] = str(settings.home)
        commands = {
            "dagster-webserver": ["-m", _MODULE, "-h", host, "-p", str(port)],
            "dagster-daemon": ["run", "-m", _MODULE],
        }
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _end)
        folder = Path(sys.executable).parent
        processes: dict[str, subprocess.Popen[bytes]] = {}
        try:
            for name, arguments in commands.items():
                processes[name] = subprocess.Popen([str(folder / name), *arguments])
            err.print(f"liftos: http://{host}:{port}, home {settings.home}", highlight=False, soft_wrap=True)
            name = _first_to_end(processes)
            raise PlatformError(
                "a web server and a daemon that go on",
                f"{name} ended with {processes[name].returncode}",
                "What it said stands above.",
            )
        except _Ended:
            pass
        finally:
            _stop(list(processes.values()))


def _end(_number: int, _frame: FrameType | None) -> None:
    raise _Ended


def _first_to_end(processes: dict[str, subprocess.Popen[bytes]]) -> str:
    while True:
        for name, process in processes.items():
            if process.poll() is not None:
                return name
        time.sleep(_PAUSE_S)


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """In order: asked first, killed if that takes too long."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    for process in processes:
        process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + _PATIENCE_S
    for process in processes:
        try:
            process.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            process.kill()
