"""A disk without room, as the system's limit on the size of a file shows it: the load says so, and nothing is lost."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from liftos_pipeline.errors import WarehouseError
from liftos_pipeline.schema import Page, Window
from liftos_pipeline.warehouse import Warehouse
from liftos_pipeline.warehouse.load import load_windows
from liftos_pipeline.warehouse.publish import publish
from tests.worlds import FIRST_DAY, restated_window

LATER = [restated_window(FIRST_DAY + timedelta(days=day), units=60) for day in range(1, 15)]
RECEIPTS = "SELECT date_day, observed_at, rows_in FROM ops.load_receipt ORDER BY ALL"
FACTS = "SELECT * EXCLUDE (run_id) FROM raw.meta_insights_daily ORDER BY ALL"


@contextmanager
def files_no_larger_than(n_bytes: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.fixture
def home(tmp_path: Path) -> Warehouse:
    warehouse = Warehouse(tmp_path / "home", "simulated")
    load_windows(warehouse, [restated_window(FIRST_DAY)], "first")
    return warehouse


def rows(warehouse: Warehouse, query: str) -> list[tuple]:
    with warehouse.read() as connection:
        return connection.execute(query).fetchall()


def test_a_load_without_room_loses_nothing(home: Warehouse, tmp_path: Path) -> None:
    before = rows(home, RECEIPTS), rows(home, FACTS)
    with (
        files_no_larger_than(100_000),
        pytest.raises(WarehouseError, match=r"room on the disk.*Free some space"),
    ):
        load_windows(home, LATER, "full")
    assert (rows(home, RECEIPTS), rows(home, FACTS)) == before
    load_windows(home, LATER, "again")
    undisturbed = Warehouse(tmp_path / "undisturbed", "simulated")
    load_windows(undisturbed, [restated_window(FIRST_DAY), *LATER], "undisturbed")
    assert rows(home, RECEIPTS) == rows(undisturbed, RECEIPTS)
    assert rows(home, FACTS) == rows(undisturbed, FACTS)


def with_a_page(window: Window, n_bytes: int) -> Window:
    now = datetime.now(UTC).replace(tzinfo=None)
    return replace(window, pages=(Page(0, "http://x", "h", 200, now, "s" * 64, b"x" * n_bytes, n_bytes),))


def test_an_archive_without_room_stops_the_load_before_it_begins(home: Warehouse) -> None:
    before = rows(home, RECEIPTS)
    with files_no_larger_than(2_000_000), pytest.raises(WarehouseError, match="room on the disk"):
        load_windows(home, [with_a_page(LATER[0], 3_000_000)], "full")
    assert rows(home, RECEIPTS) == before


def test_a_publication_without_room_leaves_the_old_one(home: Warehouse) -> None:
    publish(home)
    before = home.public_file.read_bytes()
    load_windows(home, LATER, "more")
    with files_no_larger_than(len(before) - 4096), pytest.raises(WarehouseError, match="room on the disk"):
        publish(home)
    assert home.public_file.read_bytes() == before
