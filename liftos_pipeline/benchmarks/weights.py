"""Weights of synthetic controls beside those of other solvers on the same matrices: seconds, and how right they are.

``python -m liftos_pipeline.benchmarks.weights SOLVER CASE`` is one solver in a process of its own, with one thread of
linear algebra for everyone; it prints one JSON object.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.benchmarks.runners import OURS
from liftos_pipeline.benchmarks.weight_solvers import Problem, all_placebos, installed, solver_of

Floats = NDArray[np.float64]
Ran = TypeVar("Ran")
Verdict = Literal["optimal", "approximate", "wrong", "equal weights", "infeasible", "failed"]

OPTIMAL = 1e-8
"""Relative excess of the objective over a lower bound of the optimum, up to which weights are right."""
APPROXIMATE = 1e-4
FEASIBLE = 1e-6
"""Largest error of the sum, and largest negative weight, of weights that are judged at all."""
MOST_REPEATS = 15
ENOUGH_S = 4.0
SEED = 0
_SMALL = (12, 30, 20)
_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class WeightCase:
    """Donors and periods; ``most_s`` and ``most_placebos_s`` are what is asked of us, ``fewer`` how many times less than
    the fastest right peer."""

    method: str
    n_donors: int
    n_periods: int
    n_pre: int
    peers: tuple[str, ...]
    most_s: float = float("inf")
    most_placebos_s: float = float("inf")
    fewer: float = 1.0
    quick: bool = False

    @property
    def name(self) -> str:
        return f"{self.method}: {self.n_donors} donors, {self.n_pre} of {self.n_periods} periods before"


_PEERS = ("osqp", "clarabel", "quadprog", "pysyncon", "mlsynth", "scpi_pkg")

CASES = {
    case.name: case
    for case in (
        WeightCase("synthetic_control", 50, 100, 70, _PEERS, quick=True),
        WeightCase("synthetic_control", 200, 100, 70, _PEERS, 0.002, 0.3, 10.0, quick=True),
        WeightCase("synthetic_control", 1_000, 1_000, 700, _PEERS, 0.2, 5.0, 10.0),
        WeightCase("synthetic_did", 50, 100, 70, ("azcausal",), quick=True),
        WeightCase("synthetic_did", 200, 100, 70, ("azcausal",), fewer=10.0, quick=True),
        WeightCase("synthetic_did", 1_000, 1_000, 700, ("azcausal",), fewer=10.0),
    )
}


@dataclass(frozen=True)
class Weighed:
    """One solver on one case.

    Attributes
    ----------
    seconds, cpu_seconds : float
        Medians of single fits, after a small one that loads and compiles.
    objective : float
        Of the weights as they are.
    excess : float
        Of the objective of the weights, cut at zero and made to add to one, over ours, relative to it; of ours: gap.
    gap : float
        Duality gap of the same weights beside their objective: the Karush-Kuhn-Tucker residual.
    sum_error, least : float
        Sum of the weights less one, and the smallest weight.
    placebos_s : float
        All in-space placebos of a synthetic control; of peers, a single fit times the number of units
        (``is_extrapolated``).
    """

    case: str
    solver: str
    seconds: float
    cpu_seconds: float
    objective: float
    excess: float
    gap: float
    sum_error: float
    least: float
    estimate: float
    placebos_s: float
    is_extrapolated: bool
    verdict: Verdict
    failed: str = ""

    @property
    def title(self) -> str:
        return f"{self.case}, {self.solver}"


@dataclass(frozen=True)
class Judged:
    """A number asked of us; ``verdict`` is ``pass`` or ``fall short``."""

    case: str
    what: str
    asked: float
    found: float
    verdict: Literal["pass", "fall short"]


def factor_problem(n_donors: int, n_periods: int, n_pre: int) -> Problem:
    """Outcomes with four common factors that wander, and noise of one."""
    rng = np.random.default_rng(SEED)
    factors = 0.3 * rng.standard_normal((n_periods, 4)).cumsum(axis=0)
    loadings = rng.standard_normal((4, n_donors + 1))
    return Problem(factors @ loadings + rng.standard_normal((n_periods, n_donors + 1)), n_pre)


def measure(quick: bool = False) -> Iterator[Weighed]:
    """Ours and the installed peers of every case, or of the quick ones."""
    here = installed()
    for case in CASES.values():
        if quick and not case.quick:
            continue
        for solver in (OURS, *(peer for peer in case.peers if peer in here)):
            yield measured(solver, case)


def judged(found: Iterable[Weighed]) -> list[Judged]:
    """What was asked of us, by cases that were measured; ratios are of processor seconds, to the fastest right peer."""
    rows = list(found)
    lines = []
    for name in dict.fromkeys(row.case for row in rows):
        case, here = CASES[name], [row for row in rows if row.case == name]
        ours = next(row for row in here if row.solver == OURS)
        lines.append(_line(name, "excess of the objective", OPTIMAL, ours.gap, ours.gap <= OPTIMAL))
        for what, most, seconds in (
            ("seconds", case.most_s, ours.seconds),
            ("seconds, all placebos", case.most_placebos_s, ours.placebos_s),
        ):
            if np.isfinite(most):
                lines.append(_line(name, what, most, seconds, seconds <= most))
        right = [row for row in here if row.solver != OURS and row.verdict == "optimal"]
        if case.fewer > 1.0 and right:
            fastest = min(right, key=lambda row: row.cpu_seconds)
            ratio = fastest.cpu_seconds / ours.cpu_seconds
            lines.append(
                _line(name, f"times faster than {fastest.solver}", case.fewer, ratio, ratio >= case.fewer)
            )
    return lines


def _line(case: str, what: str, asked: float, found: float, is_met: bool) -> Judged:
    return Judged(case, what, asked, found, "pass" if is_met else "fall short")


def verdict_of(weights: Floats, excess: float) -> Verdict:
    """How right weights are.

    Parameters
    ----------
    excess : float
        Of the objective, relative to a lower bound of the optimum.
    """
    if not np.isfinite(weights).all():
        return "failed"
    if abs(weights.sum() - 1.0) > FEASIBLE or weights.min() < -FEASIBLE:
        is_equal = float(np.abs(weights * len(weights) - 1.0).max()) < 1e-2
        return "equal weights" if is_equal else "infeasible"
    if excess <= OPTIMAL:
        return "optimal"
    if excess <= APPROXIMATE:
        return "approximate"
    return "equal weights" if float(np.abs(weights * len(weights) - 1.0).max()) < 1e-2 else "wrong"


def ridge_of(case: WeightCase, problem: Problem) -> float:
    """What synthetic difference-in-differences adds to the squared gap, per squared weight (Arkhangelsky et al. 2021)."""
    if case.method == "synthetic_control":
        return 0.0
    noise = float(np.var(np.diff(problem.donors, axis=0), ddof=1))
    return float(np.sqrt(case.n_periods - case.n_pre) * noise * case.n_pre)


def first_order(x: Floats, D: Floats, ridge: float, weights: Floats) -> tuple[float, float]:
    """Objective, and its duality gap beside it, of weights that are cut at zero and made to add to one."""
    w = np.maximum(weights, 0.0)
    w /= w.sum()
    away = D - x[:, None]
    left = away @ w
    objective = float(left @ left + ridge * w @ w)
    gradient = left @ away + ridge * w
    return objective, 2.0 * (objective - float(gradient.min())) / objective


def weighed(solver: str, case: WeightCase) -> Weighed:
    """One solver on one case, in this process."""
    n_sizes = (case.n_donors, case.n_periods, case.n_pre)
    solver_of(solver, case.method)(factor_problem(*_SMALL))()
    problem = factor_problem(*n_sizes)
    x, D, ridge = problem.treated, problem.donors, ridge_of(case, problem)
    if case.method == "synthetic_did":
        x, D = x - x.mean(), D - D.mean(axis=0)
    run = solver_of(solver, case.method)(problem)
    walls, cpus, (weights, effect) = _timed(run)
    objective, gap = first_order(x, D, ridge, weights)
    best, best_gap = objective, gap
    if solver != OURS:
        best, best_gap = first_order(x, D, ridge, solver_of(OURS, case.method)(problem)()[0])
    excess = gap if solver == OURS else objective / best - 1.0 + max(best_gap, 0.0)
    after = problem.Y[case.n_pre :]
    left = D @ weights - x
    placebos = walls * (case.n_donors + 1) if case.method == "synthetic_control" else float("nan")
    if solver == OURS and case.method == "synthetic_control":
        all_placebos(factor_problem(*_SMALL))
        placebos = _timed(lambda: all_placebos(problem))[0]
    return Weighed(
        case.name,
        solver,
        walls,
        cpus,
        float(left @ left + ridge * weights @ weights),
        excess,
        gap,
        float(weights.sum() - 1.0),
        float(weights.min()),
        float((after[:, 0] - after[:, 1:] @ weights).mean()) if effect is None else effect,
        placebos,
        solver != OURS,
        verdict_of(weights, excess),
    )


def _timed(run: Callable[[], Ran]) -> tuple[float, float, Ran]:
    """Median seconds, of the clock and of the processor, and what the last run returned."""
    walls: list[float] = []
    cpus: list[float] = []
    while len(walls) < MOST_REPEATS and sum(walls) < ENOUGH_S:
        begun, cpu = time.perf_counter(), time.process_time()
        found = run()
        walls.append(time.perf_counter() - begun)
        cpus.append(time.process_time() - cpu)
    return statistics.median(walls), statistics.median(cpus), found


def measured(solver: str, case: WeightCase) -> Weighed:
    """One solver on one case, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", __name__, solver, case.name],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **_ONE_THREAD},
    )
    if done.returncode == 0:
        return Weighed(**json.loads(done.stdout.splitlines()[-1]))
    said = done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"]
    nan = float("nan")
    return Weighed(case.name, solver, nan, nan, nan, nan, nan, nan, nan, nan, nan, False, "failed", said[-1])


if __name__ == "__main__":
    print(json.dumps(vars(weighed(sys.argv[1], CASES[sys.argv[2]]))))  # noqa: T201
