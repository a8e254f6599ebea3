"""One home that was filled without disturbance: two as-of days in one range run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipeline.homes import liftos

FIRST, LAST = "2026-05-30", "2026-05-31"


@pytest.fixture(scope="session")
def quiet_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("quiet")
    done = liftos(home, "run", "--from", FIRST, "--to", LAST)
    assert done.returncode == 0, done.stderr
    return home
