"""Both engines hand every row to exactly one worker, in order, and aggregate alike."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from liftos_pipeline.causal.engines.frame import ArrayRows
from liftos_pipeline.causal.engines.rows import BLOCK_ROWS, Block, Rows
from liftos_pipeline.causal.engines.tables import TableRows, row_ranges
from liftos_pipeline.errors import LiftosError

SIZES = [1, BLOCK_ROWS, 2 * BLOCK_ROWS + 5, 3 * BLOCK_ROWS, 500_000]


def array_rows(n: int) -> Rows:
    return ArrayRows({"unit": np.arange(n) // 7, "y": np.arange(n, dtype=float)})


def table_rows(n: int) -> Rows:
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE stored AS SELECT range AS i FROM range({n})")
    columns = {"unit": "i // 7", "y": "CAST(i AS DOUBLE)"}
    return TableRows(connection, "stored", columns, row_ranges(n - 1))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("make", [array_rows, table_rows])
def test_every_row_is_seen_once_and_in_order(make, n: int) -> None:
    def visit(seen: list, block: Block) -> None:
        assert len(block["y"]) <= BLOCK_ROWS
        seen.append(block["y"].copy())

    parts = make(n).map_blocks(["y"], list, visit)
    np.testing.assert_array_equal(np.concatenate([block for part in parts for block in part]), np.arange(n))


@pytest.mark.parametrize("make", [array_rows, table_rows])
def test_aggregates_and_small_tables(make) -> None:
    rows = make(20)
    rows.put("wanted", pa.table({"u": [0, 2]}))
    found = rows.aggregate(["unit"], {"n": "count(*)", "top": "max(y)"}, join="JOIN wanted ON u = r.unit")
    assert found.to_pydict() == {"unit": [0, 2], "n": [7, 6], "top": [6.0, 19.0]}
    assert make(20).aggregate([], {"n": "count(*)"}).to_pydict() == {"n": [20]}
    np.testing.assert_array_equal(rows.head(["y"], 3)["y"], [0.0, 1.0, 2.0])


def test_a_missing_value_names_its_role() -> None:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE stored AS SELECT 1 AS unit, CAST(NULL AS DOUBLE) AS y")
    with pytest.raises(LiftosError, match="a value of y in every row; found 1 of 1"):
        TableRows(connection, "stored", {"unit": "unit", "y": "y"}).map_blocks(
            ["unit", "y"], list, lambda *_: None
        )
