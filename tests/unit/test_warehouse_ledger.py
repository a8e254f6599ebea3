"""What each run knew, remembered and gave stays readable, and a user's words find the run that is meant."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pandas as pd
import pytest

from liftos_pipeline.errors import LiftosError
from liftos_pipeline.schema import Table
from liftos_pipeline.schema.results import EFFECT_ESTIMATES, TREATMENTS
from liftos_pipeline.settings import Settings
from liftos_pipeline.warehouse import Warehouse, ledger
from liftos_pipeline.warehouse.results import replace_partitions

DAY, NEXT_DAY, LATER = date(2026, 2, 1), date(2026, 2, 2), date(2026, 2, 20)
BLANK = {"VARCHAR": "x", "DOUBLE": 0.5, "BIGINT": 0, "INTEGER": 0, "BOOLEAN": False, "DATE": DAY}
SETTINGS = Settings(liftos_look_back_days=90, liftos_seed=3)


def row(table: Table, run_id: str, **known: object) -> pd.DataFrame:
    blank = {column.name: BLANK[column.type] for column in table.columns if column.name != "as_of"}
    return pd.DataFrame([{**blank, "run_id": run_id, **known}])


def pulled(warehouse: Warehouse, *clocks: datetime) -> None:
    with warehouse.write() as connection:
        for clock in clocks:
            connection.execute(
                "INSERT INTO ops.load_receipt VALUES ('meta', 'insights_daily', '1', ?, ?, 1, 0, 0, 0, 0, 'r', 'live', ?)",
                [DAY, clock, clock],
            )


def run(warehouse: Warehouse, run_id: str, as_of: date, estimate: float, **vantage: object) -> None:
    """Treatments, the record and an effect, in the order of a run."""
    with warehouse.read() as connection:
        memory = ledger.newest_memory(connection, as_of)
    with warehouse.write() as connection:
        seen = ledger.Vantage(as_of, SETTINGS, **vantage)  # type: ignore[arg-type]
        ledger.record_run(connection, run_id, seen, memory, warehouse.source_mode)
    known = row(TREATMENTS, run_id, treatment_id=f"t{estimate:g}")
    replace_partitions(warehouse, TREATMENTS, {as_of: known}, run_id)
    effect = row(EFFECT_ESTIMATES, run_id, estimate=estimate)
    replace_partitions(warehouse, EFFECT_ESTIMATES, {as_of: effect}, run_id)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Six runs in this order; the second and the last are of one day, and so are those that they remember."""
    filled = Warehouse(tmp_path_factory.mktemp("ledger"), "simulated")
    pulled(filled, datetime(2026, 2, 3), datetime(2026, 2, 21))
    for run_id, as_of, number in RUNS:
        run(filled, run_id, as_of, number)
    return filled


RUNS = [
    ("aa1", DAY, 1.0),
    ("abc1", NEXT_DAY, 2.0),
    ("cc1", DAY, 3.0),
    ("dd1", DAY, 4.0),
    ("abd2", LATER, 5.0),
    ("abd2", NEXT_DAY, 6.0),
]


def test_effects_of_every_run_survive_being_recomputed(warehouse: Warehouse) -> None:
    with warehouse.read() as connection:
        rows = connection.execute(
            "SELECT run_id, as_of, estimate, vintage FROM causal.effect_history ORDER BY estimate"
        ).fetchall()
    vintages = {DAY: "as_restated", NEXT_DAY: "captured", LATER: "captured"}
    assert rows == [(run_id, as_of, number, vintages[as_of]) for run_id, as_of, number in RUNS]


def test_a_run_finds_the_treatments_that_it_remembered_after_they_were_replaced(warehouse: Warehouse) -> None:
    assert ledger.find_run(warehouse, Settings(), "abc1").vantage.memory == ledger.Memory(DAY, "aa1")
    with warehouse.read() as connection:
        found = {
            run_id: ledger.remembered_treatments(connection, ledger.Memory(DAY, run_id))["treatment_id"].tolist()
            for run_id in ("aa1", "cc1", "dd1", "ee1")
        }
        assert ledger.remembered_treatments(connection, None).empty
    assert found == {"aa1": ["t1"], "cc1": ["t3"], "dd1": ["t4"], "ee1": []}


def test_a_replay_takes_settings_clock_and_memory_of_the_newest_run_of_the_day(warehouse: Warehouse) -> None:
    again = ledger.replayed(warehouse, Settings(liftos_seed=9), NEXT_DAY)
    assert again.settings.behind_results() == SETTINGS.behind_results()
    assert again.known_until == ledger.knowledge_end(NEXT_DAY) == datetime(2026, 2, 4)
    assert (again.memory, again.is_replay) == (ledger.Memory(DAY, "dd1"), True)


def test_a_day_that_was_never_run_knows_what_was_pulled_by_its_end(warehouse: Warehouse) -> None:
    never = ledger.replayed(warehouse, SETTINGS, date(2026, 2, 10))
    assert (never.known_until, never.memory) == (datetime(2026, 2, 12), ledger.Memory(NEXT_DAY, "abd2"))
    before = ledger.replayed(warehouse, SETTINGS, date(2026, 1, 31))
    assert (before.known_until, before.memory) == (None, None)


def test_a_live_run_has_seen_what_was_pulled_up_to_now(tmp_path: Path) -> None:
    live = Warehouse(tmp_path, "live")
    pulled(live, datetime(2026, 2, 2, 6, 30), datetime(2026, 2, 2, 6, 31))
    run(live, "a1", DAY, 1.0)
    pulled(live, datetime(2026, 2, 2, 18))
    assert ledger.replayed(live, SETTINGS, DAY).known_until == datetime(2026, 2, 2, 6, 31, 0, 1)


@pytest.mark.parametrize(
    ("name", "found"),
    [("abc1", ("abc1", NEXT_DAY)), ("abd@2026-02-20", ("abd2", LATER)), ("2026-02-02", ("abd2", NEXT_DAY))],
)
def test_a_run_is_found_by_what_a_user_says(warehouse: Warehouse, name: str, found: tuple[str, date]) -> None:
    meant = ledger.find_run(warehouse, SETTINGS, name)
    assert (meant.run_id, meant.as_of) == found


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ab", r"found 'ab', which is 3; for example abc1@2026-02-02, abd2@2026-02-20, abd2@2026-02-02"),
        ("abd2", "which is 2"),
        ("zz", "found 'zz'; the newest runs: abd2@2026-02-02"),
        ("2026-03-01", "the newest runs"),
    ],
)
def test_no_run_and_several_runs_are_refused(warehouse: Warehouse, name: str, said: str) -> None:
    with pytest.raises(LiftosError, match=said):
        ledger.find_run(warehouse, SETTINGS, name)
