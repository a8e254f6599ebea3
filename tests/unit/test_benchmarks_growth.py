"""How cost grows between cases: which are put beside one another, and with what power."""

from __future__ import annotations

import math

import pytest

from liftos_pipeline.benchmarks.cases import CASES
from liftos_pipeline.benchmarks.estimators import Measured
from liftos_pipeline.benchmarks.growth import Growth, growth_table, of_estimators, of_weights, power
from liftos_pipeline.benchmarks.runners import OURS, SCAN
from liftos_pipeline.benchmarks.weights import CASES as WEIGHT_CASES
from liftos_pipeline.benchmarks.weights import Weighed


def measured(case: str, seconds: float, runner: str = OURS, failed: str = "") -> Measured:
    method, label = case.split(": ")
    return Measured(method, label, runner, seconds, seconds, 200.0 * seconds, 0.5, 0.01, failed)


@pytest.mark.parametrize(
    ("cost", "size", "expected"),
    [((1.0, 10.0), (10, 100), 1.0), ((1.0, 4.0), (10, 20), 2.0), ((2.0, 2.0), (1, 7), 0.0)],
)
def test_power_of_a_cost(cost: tuple[float, float], size: tuple[int, int], expected: float) -> None:
    assert power(cost, size) == pytest.approx(expected)


def test_power_from_nothing_is_unknown() -> None:
    assert math.isnan(power((1.0, 2.0), (0, 10))) and math.isnan(power((0.0, 2.0), (1, 10)))


def test_cases_that_differ_in_one_size_are_compared() -> None:
    found = [
        measured("did: 1 M x 10", 1.0),
        measured("did: 1 M x 10", 0.1, SCAN),
        measured("did: 10 M x 10", 10.0),
        measured("did: 10 M x 10, 100,000 units", 20.0),
        measured("did: 10 M x 50", 100.0),
        measured("did: 10 M x 0", math.nan, failed="out of memory"),
        measured("event_study: 1 M", 3.0),
    ]
    lines = {(row.method, row.what, row.small, row.large): row for row in of_estimators(found)}
    assert lines.keys() == {
        ("did", "periods", 100, 1_000),
        ("did", "units", 10_000, 100_000),
        ("did", "covariates", 10, 50),
    }
    periods = lines["did", "periods", 100, 1_000]
    assert periods.power == pytest.approx(1.0) and periods.memory == (200.0, 2_000.0)


def test_every_size_grows_somewhere_in_the_whole_benchmark() -> None:
    """So that the growth of time and memory in rows, units and covariates is printed."""
    grown = {row.what for row in of_estimators(measured(name, 1.0) for name in CASES)}
    assert grown == {"units", "periods", "covariates"}


def test_donors_grow_by_method() -> None:
    nan = math.nan
    found = [
        Weighed(name, OURS, seconds, seconds, nan, nan, nan, nan, nan, nan, nan, False, "optimal")
        for name, seconds in zip(WEIGHT_CASES, (1.0, 4.0, 8.0, 1.0, 4.0, 8.0), strict=True)
    ]
    lines = list(of_weights(found))
    assert [(row.method, row.what) for row in lines][:2] == [
        ("synthetic_control", "donors"),
        ("synthetic_control", "donors, with 1,000 periods"),
    ]
    assert len(lines) == 4 and lines[0].power == pytest.approx(1.0)


def test_the_table_leaves_out_what_is_unknown() -> None:
    table = growth_table([Growth("did", "covariates", 0, 10, (1.0, 2.0), (math.nan, math.nan))])
    assert table.row_count == 1
    assert [next(iter(column.cells)) for column in table.columns] == ["did: covariates", "0", "10", "1, 2", "", ""]
