"""The benchmark of the weights: every solver finds the same ones, wrong ones are called so, and what is asked is judged."""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Callable

import numpy as np
import pytest
from rich.console import Console

from liftos_pipeline.benchmarks import weights as benchmark
from liftos_pipeline.benchmarks.tables import plain
from liftos_pipeline.benchmarks.weight_solvers import PEERS, Problem, all_placebos, installed, solver_of
from liftos_pipeline.benchmarks.weight_tables import weight_tables
from liftos_pipeline.benchmarks.weights import (
    CASES,
    Weighed,
    WeightCase,
    factor_problem,
    first_order,
    judged,
    ridge_of,
    verdict_of,
    weighed,
)
from liftos_pipeline.causal.estimators.synthetic_did import Cohort, fit_cohort
from liftos_pipeline.causal.kernels.simplex import nearest_points

SMALL = (15, 40, 25)
CONTROL = "synthetic_control: 200 donors, 70 of 100 periods before"
DID = "synthetic_did: 200 donors, 70 of 100 periods before"


def row(solver: str, case: str = CONTROL, **changed: object) -> Weighed:
    base = Weighed(
        case, solver, 0.001, 0.001, 50.0, 1e-12, 1e-12, 0.0, 0.0, -0.01, 0.2, solver != "liftos", "optimal"
    )
    return dataclasses.replace(base, **changed)


@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.name)
def test_every_solver_of_a_case_finds_the_same_weights(case: WeightCase) -> None:
    """On a small problem, peers where installed. Frank and Wolfe's steps of azcausal stop early."""
    problem = factor_problem(*SMALL)
    weights, effect = solver_of("liftos", case.method)(problem)()
    for peer in case.peers:
        assert peer in PEERS
        if peer in installed():
            theirs, their_effect = solver_of(peer, case.method)(problem)()
            np.testing.assert_allclose(theirs, weights, atol=1e-2 if peer == "azcausal" else 1e-3)
            assert (effect is None) == (their_effect is None)
            assert effect is None or effect == pytest.approx(their_effect, abs=1e-2)


def test_the_treated_unit_is_the_first_and_only_periods_before_count() -> None:
    problem = factor_problem(*SMALL)
    assert problem.Y.shape == (40, 16)
    np.testing.assert_array_equal(problem.treated, problem.Y[:25, 0])
    np.testing.assert_array_equal(problem.donors, problem.Y[:25, 1:])


def test_placebos_are_every_unit_by_the_donors_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(
        "liftos_pipeline.causal.kernels.simplex.nearest_points",
        lambda Z, targets, donors: seen.append((Z.shape, targets, [d.tolist() for d in donors])),
    )
    all_placebos(Problem(np.zeros((5, 4)), 3))
    assert seen == [((3, 4), [0, 1, 2, 3], [[1, 2, 3], [2, 3], [1, 3], [1, 2]])]


@pytest.mark.parametrize(
    ("weights", "excess", "verdict"),
    [
        ([0.7, 0.3, 0.0], 0.9e-8, "optimal"),
        ([0.7, 0.3, 0.0], 1.1e-8, "approximate"),
        ([0.7, 0.3, 0.0], 1.1e-4, "wrong"),
        ([1 / 3, 1 / 3, 1 / 3], 0.5, "equal weights"),
        ([1 / 3, 1 / 3, 1 / 3], 0.0, "optimal"),
        ([0.7, 0.301, 0.0], 0.0, "infeasible"),
        ([0.7, 0.3001, -0.0001], 0.0, "infeasible"),
        ([0.334, 0.334, 0.334], 0.0, "equal weights"),
        ([np.nan, 0.5, 0.5], 0.0, "failed"),
    ],
)
def test_weights_are_called_what_they_are(weights: list[float], excess: float, verdict: str) -> None:
    assert verdict_of(np.array(weights), excess) == verdict


def test_objective_and_gap_of_known_weights() -> None:
    """Target 0, donors 1 and 3: all on the nearer one is best; half each costs 4, and its gradient is 2 against 6."""
    x, D = np.zeros(1), np.array([[1.0, 3.0]])
    assert first_order(x, D, 0.0, np.array([1.0, 0.0])) == (1.0, 0.0)
    assert first_order(x, D, 0.0, np.array([0.5, 0.5])) == (4.0, pytest.approx(2 * (4 - 2) / 4))
    assert first_order(x, D, 0.0, np.array([2.0, -1.0])) == (1.0, 0.0)
    objective, gap = first_order(x, D, 2.0, np.array([0.5, 0.5]))
    assert (objective, gap) == (5.0, pytest.approx(2 * (5 - 3) / 5))


def test_the_ridge_is_that_of_synthetic_did() -> None:
    """Weights that the estimator found have no gap in the problem with this ridge, and have one without it."""
    case = WeightCase("synthetic_did", *SMALL, ("azcausal",))
    problem = factor_problem(*SMALL)
    omega = fit_cohort(Cohort(problem.Y[:, :1], problem.Y[:, 1:], 25)).omega
    x, D = problem.treated - problem.treated.mean(), problem.donors - problem.donors.mean(axis=0)
    assert first_order(x, D, ridge_of(case, problem), omega)[1] == pytest.approx(0.0, abs=1e-8)
    assert first_order(x, D, 0.0, omega)[1] > 1e-3
    assert ridge_of(WeightCase("synthetic_control", *SMALL, ()), problem) == 0.0


@pytest.mark.parametrize("method", ["synthetic_control", "synthetic_did"])
def test_a_row_of_ours(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "ENOUGH_S", 0.0)
    monkeypatch.setattr(benchmark, "_timed", lambda run: (0.5, 0.25, run()))
    found = weighed("liftos", WeightCase(method, *SMALL, ()))
    assert (found.seconds, found.cpu_seconds, found.verdict) == (0.5, 0.25, "optimal")
    assert found.excess == found.gap <= 1e-8
    assert abs(found.sum_error) < 1e-12
    assert found.least >= 0.0
    assert not found.is_extrapolated
    problem = factor_problem(*SMALL)
    if method == "synthetic_control":
        fit = nearest_points(problem.Y[:25], [0], [np.arange(1, 16)])[0]
        assert found.objective == pytest.approx(fit.objective, rel=1e-9)
        assert found.estimate == pytest.approx(np.mean(problem.Y[25:, 0] - problem.Y[25:, 1:] @ fit.weights))
        assert found.placebos_s == 0.5
    else:
        assert found.estimate == fit_cohort(Cohort(problem.Y[:, :1], problem.Y[:, 1:], 25)).effect
        assert math.isnan(found.placebos_s)


def test_a_row_of_a_peer_that_stays_at_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal weights are named; their placebos are single fits times the units; their excess is beside our objective."""

    def lazy(problem: Problem) -> Callable[[], tuple[np.ndarray, None]]:
        n_donors = problem.donors.shape[1]
        return lambda: (np.full(n_donors, 1 / n_donors), None)

    def solver(name: str, method: str) -> Callable[..., object]:
        return lazy if name == "lazy" else solver_of(name, method)

    monkeypatch.setattr(benchmark, "solver_of", solver)
    monkeypatch.setattr(benchmark, "_timed", lambda run: (0.5, 0.25, run()))
    found = weighed("lazy", WeightCase("synthetic_control", *SMALL, ("lazy",)))
    assert found.verdict == "equal weights"
    assert found.is_extrapolated
    assert found.placebos_s == 0.5 * 16
    problem = factor_problem(*SMALL)
    best = nearest_points(problem.Y[:25], [0], [np.arange(1, 16)])[0].objective
    assert found.objective / best - 1.0 == pytest.approx(found.excess, rel=1e-6)
    assert found.gap >= found.excess > 0.1


def test_what_is_asked_is_judged_against_the_fastest_right_peer() -> None:
    rows = [
        row("liftos", placebos_s=0.31),
        row("osqp", cpu_seconds=0.02),
        row("quadprog", cpu_seconds=0.009),
        row("pysyncon", cpu_seconds=0.002, verdict="equal weights"),
        row("liftos", DID),
        row("azcausal", DID, verdict="wrong"),
    ]
    lines = {(line.case, line.what): line for line in judged(rows)}
    assert lines[CONTROL, "excess of the objective"].verdict == "pass"
    assert lines[CONTROL, "seconds"].verdict == "pass"
    assert lines[CONTROL, "seconds, all placebos"].verdict == "fall short"
    ratio = lines[CONTROL, "times faster than quadprog"]
    assert (ratio.asked, ratio.found, ratio.verdict) == (10.0, pytest.approx(9.0), "fall short")
    assert [what for case, what in lines if case == DID] == ["excess of the objective"]
    slow = judged([row("liftos", seconds=0.0021, gap=1.1e-8), row("osqp", cpu_seconds=0.011)])
    assert [line.verdict for line in slow] == ["fall short", "fall short", "pass", "pass"]
    assert slow[3].found == pytest.approx(11.0)


def test_a_solver_in_a_process_returns_its_row_or_how_it_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = benchmark.measured("liftos", CASES[CONTROL])
    assert ours.verdict == "optimal"
    assert ours.objective == pytest.approx(51.148841989, rel=1e-8)
    monkeypatch.setattr(benchmark.sys, "executable", "false")
    found = benchmark.measured("osqp", CASES[CONTROL])
    assert (found.verdict, found.failed) == ("failed", "ended with code 1")


@pytest.mark.parametrize("quick", [True, False])
def test_ours_and_installed_peers_in_the_order_of_the_table(quick: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "installed", lambda: ("quadprog", "azcausal"))
    monkeypatch.setattr(benchmark, "measured", lambda solver, case: (solver, case.n_donors, case.method))
    found = list(benchmark.measure(quick))
    sizes = [50, 200] if quick else [50, 200, 1_000]
    expected = [
        (solver, size, method)
        for method, peer in (("synthetic_control", "quadprog"), ("synthetic_did", "azcausal"))
        for size in sizes
        for solver in ("liftos", peer)
    ]
    assert found == expected


def test_tables_fit_eighty_columns_whole() -> None:
    peers = [
        row(peer, name, seconds=62.4, cpu_seconds=21.5, placebos_s=62_462.0)
        for name, peer in ((name, peer) for name, case in CASES.items() for peer in case.peers)
    ]
    rows = [
        *(row("liftos", name) for name in CASES),
        *(dataclasses.replace(p, verdict="equal weights") for p in peers),
    ]
    rows.append(row("mlsynth", failed="MemoryError: [no room]", verdict="failed"))
    console = Console(file=io.StringIO(), width=80)
    for table in weight_tables(rows, judged([*rows, row("quadprog", cpu_seconds=0.02)])):
        console.print(table)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in text
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "mlsynth failed: MemoryError: [no room]" in text
    line = next(line for line in text.splitlines() if line.startswith("azcausal"))
    cells = ["azcausal", "62400", "21500", "1e-12", "1e-12", "0", "~62462", "-0.0100", "equal", "weights"]
    assert line.split() == cells
    assert plain(rows[0])["verdict"] == "optimal"
