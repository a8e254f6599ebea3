"""The campaign at scale. ``LIFTOS_SCALE=short`` is cheap enough for every change; anything else is the whole of it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

IS_SHORT = os.environ.get("LIFTOS_SCALE", "long") == "short"
long_only = pytest.mark.skipif(IS_SHORT, reason="of the long campaign")


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints a figure, whatever is captured."""

    def say(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n   {line}")
            sys.stdout.flush()

    return say


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """One Spark session on two cores of this machine; skipped where there is no Java."""
    home = os.environ.get("JAVA_HOME")
    if shutil.which("java", path=None if home is None else str(Path(home) / "bin")) is None:
        pytest.skip("no Java on the PATH or in JAVA_HOME")
    from tests.scale.measure import spark as session_on_this_machine

    session = session_on_this_machine()
    yield session
    session.stop()
