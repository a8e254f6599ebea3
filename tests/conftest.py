"""Which tests share a process when they run in several: those that share homes, and otherwise those of one file."""

from __future__ import annotations

from pathlib import Path

import pytest

HOMES = "homes"
_SHARE_HOMES = Path(__file__).parent / "pipeline"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Homes take longest and begin first."""
    items.sort(key=lambda item: _SHARE_HOMES not in item.path.parents)
    for item in items:
        group = HOMES if _SHARE_HOMES in item.path.parents else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
