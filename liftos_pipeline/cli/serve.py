"""The command that serves the HTTP interface."""

from __future__ import annotations

import logging
import signal
import socket
import sys
from typing import Annotated

import typer

from liftos_pipeline.cli.console import clear_errors, err
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.settings import load_settings


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but this machine's own needs keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for any that is free.")] = 8000,
) -> None:
    """Serve published results and analyses over HTTP, until interrupted. One line of JSON per request goes to standard error.

    Examples: liftos serve --port 8080

    LIFTOS_API_KEYS=KEY1,KEY2 liftos serve --host 0.0.0.0

    curl 'http://127.0.0.1:8080/api/v1/verdicts?platform=meta'
    """
    with clear_errors():
        import uvicorn

        from liftos_pipeline.api.app import create_app
        from liftos_pipeline.api.security import is_loopback

        settings = load_settings()
        if not is_loopback(host) and not settings.api_keys():
            raise LiftosError(
                "keys in LIFTOS_API_KEYS for an address that other machines reach",
                f"--host {host} and no keys",
                "Set LIFTOS_API_KEYS, or serve this machine alone: --host 127.0.0.1.",
            )
        _log_to_stderr()
        application = create_app(settings)
        listening = bound(host, port)
        config = uvicorn.Config(
            application, access_log=False, log_level="warning", server_header=False, timeout_keep_alive=30
        )
        shown = f"[{host}]" if ":" in host else host
        err.print(
            f"liftos: http://{shown}:{listening.getsockname()[1]}", highlight=False, soft_wrap=True, markup=False
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(
                number, _nothing
            )  # the server ends in order on both, and raises them once more when it has
        uvicorn.Server(config).run(sockets=[listening])


def _nothing(*_: object) -> None:
    """Interrupted is how it ends: exit code 0."""


def bound(host: str, port: int) -> socket.socket:
    """Bound here, so that a port that is taken is a wrong call and not a failure later."""
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
        found.listen(2048)  # who reads the address and calls at once waits for the server and is not turned away
    except OSError as error:
        found.close()
        raise LiftosError(
            f"an address to listen on at {host}:{port}",
            error.strerror or "none",
            "Choose another --host or --port.",
        ) from error
    return found


def _log_to_stderr() -> None:
    """Requests, one line each, as they are."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("liftos_pipeline.api")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
