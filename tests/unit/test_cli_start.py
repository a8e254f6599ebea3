"""The service of the user interface says at once where it cannot listen. That it runs and ends: ``tests/pipeline``."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from liftos_pipeline.cli import app


@pytest.mark.parametrize("command", ["dev", "start"])
def test_a_port_that_is_taken_is_a_wrong_call(tmp_path: Path, command: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = CliRunner().invoke(app, [command, "--port", str(port)], env={"LIFTOS_HOME": str(tmp_path)})
    assert done.exit_code == 2
    assert f"expected an address to listen on at 127.0.0.1:{port}; found Address already in use" in done.output
    assert not (tmp_path / "dagster").exists()
