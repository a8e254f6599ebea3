"""The benchmark of the estimators: its case table, its data, one process per runner, its table and its JSON."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from liftos_pipeline.benchmarks import (
    certificate,
    detector_speed,
    estimators,
    geo_tests,
    ingestion,
    operating_points,
    runners,
    simulator,
    transformation,
    weights,
)
from liftos_pipeline.benchmarks.cases import CASES, Case
from liftos_pipeline.benchmarks.estimators import Measured, measure, surroundings
from liftos_pipeline.benchmarks.geo_tests import GeoRow, Share
from liftos_pipeline.benchmarks.panels import Design, write
from liftos_pipeline.benchmarks.tables import plain, tables
from liftos_pipeline.causal import ESTIMATORS, Panel
from liftos_pipeline.causal import estimate as estimate_effect
from liftos_pipeline.cli import app

SMALL = {
    "did": Design("two_way", 120, 50, 2, 0.1),
    "event_study": Design("staggered", 120, 100),
    "staggered_did": Design("staggered", 120, 30),
    "doubly_robust": Design("confounded", 400, 2, 3),
    "ipw": Design("confounded", 400, 2, 3),
    "iv": Design("lottery", 60_000, 1, 3),
}
TRUTH = {"did": 0.5, "event_study": 0.5, "staggered_did": 0.5, "doubly_robust": 1.0, "ipw": 1.0, "iv": 0.5}
SAME_NUMBERS = {"pyfixest", "linearmodels", "csdid", "differences"}
ROWS = [
    Measured("iv", "1 M x 10", "scan", 0.1, 0.2, 80.0, math.nan, math.nan),
    Measured("iv", "1 M x 10", "liftos", 0.5, 0.9, 300.4, 0.49910567123, 0.0040217123),
    Measured("iv", "1 M x 10", "linearmodels", 12.5, 12.0, 1866.0, 0.49910567123, 0.0040217123),
    Measured("did", "10 M x 0", "scan", 0.1, 0.2, 80.0, math.nan, math.nan),
    Measured("did", "10 M x 0", "pyfixest", *[math.nan] * 5, "MemoryError: [no room]"),
]


def test_cases_name_methods_and_peers_that_exist() -> None:
    for case in CASES.values():
        assert case.method in ESTIMATORS
        assert set(case.peers) <= set(runners.PEERS)
        for runner in (runners.SCAN, runners.OURS, *case.peers):
            assert callable(runners.runner_of(runner, case.method))
    assert {case.method for case in CASES.values() if case.quick} == set(SMALL)
    assert {peer for case in CASES.values() for peer in case.peers} == set(runners.PEERS)


def directly(method: str, path: Path) -> tuple[float, float]:
    """The library on the whole table in memory, with the roles that the case is about."""
    import duckdb

    with duckdb.connect(str(path), read_only=True) as connection:
        frame = connection.execute("FROM panel").df()
    roles: dict[str, Any] = {"covariates": [name for name in frame if name.startswith("x")]}
    roles |= {"instruments": ["z0", "z1", "z2"], "cluster": "g"} if method == "iv" else {"period": "t"}
    window = {"leads": 20, "lags": 20} if method == "event_study" else {}
    panel = Panel.from_frame(frame, outcome="y", treatment="d", unit="unit", **roles)
    found = estimate_effect(method, panel, **window)
    return pytest.approx(found.estimate, rel=1e-9), pytest.approx(found.std_error, rel=1e-9)


@pytest.mark.parametrize("method", SMALL)
def test_every_runner_finds_the_planted_effect(method: str, tmp_path: Path) -> None:
    """Peers too, where installed; those that do the same thing to nine digits, but for the factor of the variance."""
    case = Case(method, "small", SMALL[method])
    path = tmp_path / "panel.duckdb"
    write(case.design, path)
    assert all(math.isnan(value) for value in runners.runner_of(runners.SCAN, method)(case, path))
    estimate, std_error = runners.runner_of(runners.OURS, method)(case, path)
    assert abs(estimate - TRUTH[method]) < 4 * std_error
    assert std_error < 0.2
    assert (estimate, std_error) == directly(method, path)
    for peer in {peer for one in CASES.values() if one.method == method for peer in one.peers}:
        if peer not in runners.installed():
            continue
        theirs = runners.silent(runners.runner_of(peer, method), case, path)
        if peer in SAME_NUMBERS:
            factor = math.sqrt(120 / 119) if method == "staggered_did" else 1.0
            assert (theirs[0], theirs[1] * factor) == pytest.approx((estimate, std_error), rel=1e-9)
        else:
            assert abs(theirs[0] - estimate) < std_error


def test_blocks_of_units_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import duckdb

    monkeypatch.setattr("liftos_pipeline.benchmarks.panels._ROWS_AT_ONCE", 150)
    write(Design("two_way", 11, 50, 1), tmp_path / "panel.duckdb")
    with duckdb.connect(str(tmp_path / "panel.duckdb")) as connection:
        counts = connection.execute(
            "SELECT unit, count(DISTINCT t), count(*), max(d) FROM panel GROUP BY 1"
        ).fetchall()
    assert sorted(row[:3] for row in counts) == [(unit, 50, 50) for unit in range(11)]
    assert {row[3] for row in counts} == {0, 1}


def test_each_runner_has_a_process_and_its_own_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first and smallest quick case in full: numbers arrive, and no process counts the memory of this one."""
    held = bytearray(400 * 1024**2)
    held[::4096] = b"x" * len(held[::4096])
    case = CASES["doubly_robust: 0.1 M x 10"]
    monkeypatch.setattr(estimators, "CASES", {case.name: case, "did: 10 M x 0": CASES["did: 10 M x 0"]})
    monkeypatch.setattr(estimators, "installed", lambda: ())
    scan, ours = measure(quick=True)
    assert (scan.runner, ours.runner) == ("scan", "liftos")
    assert scan.peak_mb < 300
    assert 0 < scan.seconds < ours.seconds
    assert ours.cpu_seconds > 0
    assert abs(ours.estimate - 1.0) < 4 * ours.std_error
    assert ours.failed == ""


@pytest.mark.parametrize("quick", [True, False])
def test_scan_ours_and_installed_peers_in_the_order_of_the_table(
    quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimators, "write", lambda design, path: None)
    monkeypatch.setattr(estimators, "installed", lambda: ("csdid", "pyfixest"))
    monkeypatch.setattr(estimators, "_in_a_process", lambda runner, case, folder: (runner, case.name))
    found = list(measure(quick))
    chosen = [case for case in CASES.values() if case.quick or not quick]
    assert [name for runner, name in found if runner == "scan"] == [case.name for case in chosen]
    assert found[:4] == [(runner, "did: 1 M x 10") for runner in ("scan", "liftos", "pyfixest")] + [
        ("scan", "did: 0.8 M x 10, unbalanced")
    ]
    assert [name for runner, name in found if runner == "csdid"] == ["staggered_did: 1 M"]
    assert "differences" not in {runner for runner, _ in found}
    assert (("liftos", "did: 10 M x 50") in found) != quick


def test_a_runner_that_fails_says_so(tmp_path: Path) -> None:
    found = estimators._in_a_process(runners.SCAN, CASES["iv: 1 M x 10"], str(tmp_path))
    assert "warm.duckdb" in found.failed
    assert math.isnan(found.seconds)


def test_tables_fit_eighty_columns_and_hold_the_ratios() -> None:
    console = Console(file=io.StringIO(), width=80)
    for table in tables(ROWS):
        console.print(table)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(len(line) <= 80 for line in text.splitlines())
    (line,) = (line for line in text.splitlines() if line.startswith("linearmodels"))
    assert line.split() == ["linearmodels", "12.500", "125", "25", "1866", "0.49910567", "0.0040217"]
    (scan,) = (line for line in text.splitlines() if line.startswith("scan  ") and "0.20" in line)
    assert scan.split() == ["scan", "0.100", "1.00", "0.20", "80"]
    assert "std. error" in text
    assert "MemoryError:" in text
    assert "[no room]" in text


def test_every_label_fits_too() -> None:
    console = Console(file=io.StringIO(), width=80)
    rows = [
        Measured(c.method, c.label, r, 1000.123, 1.0, 12345.0, -0.12345678, 0.00012345)
        for c in CASES.values()
        for r in ("scan", "liftos", *c.peers)
    ]
    for table in tables(rows):
        console.print(table)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in text
    assert text.count("-0.12345678 0.00012345") + text.count("-0.12345678  0.00012345") == len(rows)


def test_json_is_one_strict_object(monkeypatch: pytest.MonkeyPatch) -> None:
    times = transformation.TransformationTimes(720, 0.5, 0.1, 3.0, 6.0)
    monkeypatch.setattr(transformation, "measure", lambda records: times)
    pulled = ingestion.IngestionTimes(1_000_000, 28, 20.0, 25.0, 380.0, 77_000, 1.5, 1.6)
    monkeypatch.setattr(ingestion, "measure", lambda n_rows, days: pulled)
    monkeypatch.setattr(estimators, "measure", lambda quick: iter(ROWS))
    share = Share(0.05, 0.003)
    cell = GeoRow("published", 5_000, *[share] * 6, n_peer=100, n_unbounded=1, seconds=30.0)
    monkeypatch.setattr(geo_tests, "measure", lambda quick: iter([cell]))
    monkeypatch.setattr(weights, "measure", lambda quick: iter([]))
    monkeypatch.setattr(simulator, "measure", lambda quick: [simulator.WorldSpeed("many_units", 720, 0.5, 0.25)])
    certified = certificate.CertificateTimes(50, 200, 500, 2, 12, 11, 40.0)
    monkeypatch.setattr(certificate, "measure", lambda quick: certified)
    speed = detector_speed.DetectorSpeed("seasonality", 10_000, 3_650_000, 4.0, 4.2)
    monkeypatch.setattr(detector_speed, "measure", lambda quick: [speed])
    points = [operating_points.proportion("list_health", "no shocks", "at most", 0.05, 150, 5_000)]
    points += [operating_points.proportion("list_health", "nobody", "shown", math.nan, 0, 0)]
    monkeypatch.setattr(operating_points, "measure", lambda quick: iter(points))
    found = CliRunner().invoke(app, ["benchmark", "--json"])
    assert found.exit_code == 0
    facts = json.loads(found.stdout, parse_constant=pytest.fail)
    assert facts["estimators"][0]["estimate"] is None
    assert facts["estimators"][2]["seconds"] == 12.5
    assert facts["transformation"]["records"] == 720
    assert [row["rows_per_s"] for row in facts["ingestion"]] == [50_000.0, 50_000.0]
    assert facts["geo_tests"][0]["missed"] == {"value": 0.05, "error": 0.003}
    assert facts["simulator"][0]["unit_days_per_core_s"] == 2_880
    assert (facts["certificate"]["judged"], facts["certificate"]["seconds"]) == (11, 40.0)
    assert facts["detector_speed"][0]["units"] == 10_000
    assert [row["rate"] for row in facts["operating_points"]] == [0.03, None]
    assert facts["operating_points"][0]["verdict"] == "pass"
    assert "failed  MemoryError: [no room]  did: 10 M x 0, pyfixest" in found.stderr
    text = CliRunner().invoke(app, ["benchmark", "--quick"])
    assert text.exit_code == 0
    assert "liftos-pipeline" in text.stdout
    assert "linearmodels" in text.stdout
    for word in ("published", "many_units", "11 of 12 methods", "seasonality", "list_health: no shocks"):
        assert word in text.stdout
    assert "geo tests: published, 5000 draws" in text.stderr


def test_surroundings_name_every_peer() -> None:
    found = surroundings()
    assert set(runners.PEERS) <= set(found)
    assert all(found[name] != "not installed" for name in runners.installed())
    assert "cores" in found["machine"]


def test_nothing_that_is_not_a_number_is_shown() -> None:
    assert plain(ROWS[4])["seconds"] is None
    assert plain(ROWS[1])["peak_mb"] == 300.4
