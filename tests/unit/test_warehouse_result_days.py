"""The published database: which days it has, and what is said where there is none."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from liftos_pipeline.errors import LiftosError, WarehouseError
from liftos_pipeline.report.contents import contents
from liftos_pipeline.reporting import page_of, read_day, write_report
from liftos_pipeline.schema.results import ATTRIBUTION, GATES
from liftos_pipeline.warehouse import Warehouse
from liftos_pipeline.warehouse.public import PublicDatabase
from liftos_pipeline.warehouse.publish import publish
from liftos_pipeline.warehouse.result_days import result_days
from liftos_pipeline.warehouse.results import replace_partitions

FIRST, SECOND, BROKEN = date(2026, 6, 28), date(2026, 6, 29), date(2026, 6, 30)


@pytest.fixture(scope="module")
def young(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A live home with two empty days, and one whose run was broken off."""
    home = tmp_path_factory.mktemp("young")
    warehouse = Warehouse(home, "live")
    nothing = pd.DataFrame()
    replace_partitions(warehouse, GATES, {FIRST: nothing, SECOND: nothing, BROKEN: nothing}, "run")
    replace_partitions(warehouse, ATTRIBUTION, {FIRST: nothing, SECOND: nothing}, "run")
    publish(warehouse)
    return home


def test_the_newest_day_that_was_computed_to_its_end_is_read(young: Path) -> None:
    given = read_day(young)
    assert (given.as_of, given.source_mode, given.truth) == (SECOND, "live", None)
    assert given.earlier is not None and given.earlier.as_of == FIRST
    assert read_day(young, FIRST).earlier is None


def test_a_young_live_home_has_its_page(young: Path) -> None:
    given = read_day(young)
    file = write_report(given, contents(given), "html", page_of(young, given.as_of))
    assert file == young / "reports" / "2026-06-29.html"
    text = file.read_text(encoding="utf-8")
    assert "There is nothing to tell yet" in text and "SIMULATED" not in text


@pytest.mark.parametrize("day", [BROKEN, date(2026, 1, 1)])
def test_a_day_without_results_is_refused_with_those_that_have_some(young: Path, day: date) -> None:
    with pytest.raises(
        LiftosError, match=f"found {day}; the newest: 2026-06-28, 2026-06-29. `liftos run --date {day}`"
    ):
        read_day(young, day)


def test_a_home_without_database_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(
        LiftosError, match=r"found none in the home yet\. Fill the home with `liftos demo`"
    ) as caught:
        read_day(tmp_path)
    assert caught.value.exit_code == 2


def test_a_damaged_database_is_a_failure_of_the_warehouse(tmp_path: Path) -> None:
    (tmp_path / "liftos.duckdb").write_bytes(b"no database" * 1000)
    with pytest.raises(WarehouseError, match="a published database that opens"):
        read_day(tmp_path)


def test_one_reading_keeps_to_one_file_while_another_is_published(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path, "live")
    for table in (GATES, ATTRIBUTION):
        replace_partitions(warehouse, table, {FIRST: pd.DataFrame()}, "run")
    publish(warehouse)
    kept, follower = (PublicDatabase(warehouse.public_file, follows=follows) for follows in (False, True))
    assert result_days(kept) == result_days(follower) == [FIRST]
    for table in (GATES, ATTRIBUTION):
        replace_partitions(warehouse, table, {SECOND: pd.DataFrame()}, "run")
    publish(warehouse)
    assert (result_days(kept), result_days(follower)) == ([FIRST], [FIRST, SECOND])
