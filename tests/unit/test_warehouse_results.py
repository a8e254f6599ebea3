"""Result partitions are replaced whole or not at all."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from liftos_pipeline.errors import LiftosError
from liftos_pipeline.schema import TABLES
from liftos_pipeline.warehouse import Warehouse
from liftos_pipeline.warehouse.results import replace_partitions, replace_table

FACTORS = TABLES["causal.external_factors"]
DAY, NEXT_DAY = date(2026, 2, 1), date(2026, 2, 2)
CONTENT = "SELECT as_of, factor, value, run_id FROM causal.external_factors"
RECEIPTS = "SELECT as_of, rows_out, run_id FROM ops.result_receipt WHERE table_name = 'causal.external_factors'"


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path, "simulated")


def factors(run_id: str, **values: float) -> pd.DataFrame:
    fixed = {"series_id": "S", "unit": "percent", "observation_date": None, "realtime_start": None}
    fixed |= {"expected_on": None, "overdue_after": None}
    provenance = {"run_id": run_id, "code_version": "1", "seed": 0, "source_mode": "simulated"}
    rows = {"factor": list(values), "value": list(values.values())}
    return pd.DataFrame({**rows, **fixed, "is_stale": False, **provenance})


def fetch(warehouse: Warehouse, query: str) -> list[tuple]:
    with warehouse.read() as connection:
        return connection.execute(query).fetchall()


def test_partition_is_replaced_and_the_others_stay(warehouse: Warehouse) -> None:
    first = {DAY: factors("r1", b=2.0, a=1.0), NEXT_DAY: factors("r1", a=3.0)}
    assert replace_partitions(warehouse, FACTORS, first, "r1") == {DAY: 2, NEXT_DAY: 1}
    replace_partitions(warehouse, FACTORS, {DAY: factors("r2", c=4.0)}, "r2")
    assert sorted(fetch(warehouse, CONTENT)) == [(DAY, "c", 4.0, "r2"), (NEXT_DAY, "a", 3.0, "r1")]
    assert sorted(fetch(warehouse, RECEIPTS)) == [(DAY, 1, "r2"), (NEXT_DAY, 1, "r1")]


def test_rows_lie_in_key_order(warehouse: Warehouse) -> None:
    replace_partitions(warehouse, FACTORS, {DAY: factors("r1", c=3.0, a=1.0, b=2.0)}, "r1")
    assert [row[1] for row in fetch(warehouse, CONTENT)] == ["a", "b", "c"]


def test_empty_result_has_a_receipt(warehouse: Warehouse) -> None:
    replace_partitions(warehouse, FACTORS, {DAY: factors("r1", a=1.0)}, "r1")
    replace_partitions(warehouse, FACTORS, {DAY: pd.DataFrame()}, "r2")
    assert fetch(warehouse, CONTENT) == []
    assert fetch(warehouse, RECEIPTS) == [(DAY, 0, "r2")]


def test_missing_and_unexpected_columns_are_named(warehouse: Warehouse) -> None:
    wrong = factors("r1", a=1.0).rename(columns={"unit": "units"})
    with pytest.raises(LiftosError, match=r"missing \['unit'\], unexpected \['units'\]"):
        replace_partitions(warehouse, FACTORS, {DAY: wrong}, "r1")


def test_one_bad_partition_writes_none(warehouse: Warehouse) -> None:
    doubled = pd.concat([factors("r1", a=1.0), factors("r1", a=2.0)])
    with pytest.raises(LiftosError, match=r"one row per as_of, factor .*found 1 more, the first .*'factor': 'a'"):
        replace_partitions(warehouse, FACTORS, {DAY: factors("r1", a=1.0), NEXT_DAY: doubled}, "r1")
    assert fetch(warehouse, CONTENT) == []


def test_table_without_partitions_is_replaced_whole(warehouse: Warehouse) -> None:
    table = TABLES["truth.treatments"]
    row = {"platform": "meta", "unit_id": "u", "treatment_type": "budget_change", "started_on": DAY, "dose": None}
    row["ended_on"] = None
    for unit in ("u", "v"):
        rows = pd.DataFrame([{**row, "unit_id": unit, "assignment_method": "observational"}])
        assert replace_table(warehouse, table, rows) == 1
    assert fetch(warehouse, "SELECT unit_id, dose FROM truth.treatments") == [("v", None)]


def test_a_replaced_table_takes_the_columns_of_the_schema(warehouse: Warehouse) -> None:
    table = TABLES["truth.shocks"]
    with warehouse.write() as connection:
        connection.execute("CREATE OR REPLACE TABLE truth.shocks (kind VARCHAR)")
    row = {"kind": "rival", "started_on": DAY, "ended_on": None, "log_demand": -0.1, "log_price": 0.1}
    assert replace_table(warehouse, table, pd.DataFrame([row])) == 1
    assert fetch(warehouse, "SELECT kind, log_price FROM truth.shocks") == [("rival", 0.1)]
