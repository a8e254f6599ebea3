"""What tests of homes have in common. The homes themselves stand in ``tests/conftest.py``: the browser looks into them too."""

from __future__ import annotations

import pytest

from tests.pipeline.homes import FIRST, LAST

__all__ = ["FIRST", "LAST"]


@pytest.fixture(scope="session", autouse=True)
def _long_work_begins_first(request: pytest.FixtureRequest) -> None:
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    for name in ("killed_home", "user_interface", "backfill_status", "clicked_backfill"):
        if name in wanted:
            request.getfixturevalue(name)
