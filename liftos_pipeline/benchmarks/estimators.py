"""Estimators against a scan of the same columns and against peers, each in a process of its own.

``python -m liftos_pipeline.benchmarks.estimators RUNNER CASE FOLDER`` is one such process; it prints one JSON object.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from liftos_pipeline.benchmarks.cases import CASES, Case
from liftos_pipeline.benchmarks.panels import write
from liftos_pipeline.benchmarks.runners import OURS, PEERS, SCAN, installed, runner_of, silent
from liftos_pipeline.benchmarks.weight_solvers import PEERS as WEIGHT_PEERS

REPEATS = 3
ENOUGH_S = 4.0
"""Runs that took as long together are not repeated."""
_WARM_UNITS = 300
_BASIS = ("liftos-pipeline", "numpy", "scipy", "pandas", "duckdb", "pyarrow", "scikit-learn", "numba")


@dataclass(frozen=True)
class Measured:
    """One runner on one case: median seconds from the file to the numbers, peak memory of its process.

    ``cpu_seconds`` are those of all its threads, which other work on the machine disturbs less.
    ``failed`` is the last line of what a runner that ended early said; its numbers are NaN then.
    """

    method: str
    label: str
    runner: str
    seconds: float
    cpu_seconds: float
    peak_mb: float
    estimate: float
    std_error: float
    failed: str = ""

    @property
    def title(self) -> str:
        return f"{self.method}: {self.label}, {self.runner}"


def measure(quick: bool = False) -> Iterator[Measured]:
    """The scan, ours and the installed peers of every case, or of the quick ones."""
    here = installed()
    for case in CASES.values():
        if case.quick or not quick:
            yield from measured(case, (SCAN, OURS, *(peer for peer in case.peers if peer in here)))


def measured(case: Case, runners: Sequence[str]) -> Iterator[Measured]:
    """Runners on one case, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        write(case.design, Path(folder) / "panel.duckdb")
        few = dataclasses.replace(case.design, n_units=min(_WARM_UNITS, case.design.n_units))
        write(few, Path(folder) / "warm.duckdb")
        for runner in runners:
            yield _in_a_process(runner, case, folder)


def _in_a_process(runner: str, case: Case, folder: str) -> Measured:
    done = subprocess.run(
        [sys.executable, "-m", __name__, runner, case.name, folder], capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return Measured(**json.loads(done.stdout.splitlines()[-1]))
    said = done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"]
    nan = float("nan")
    return Measured(case.method, case.label, runner, nan, nan, nan, nan, nan, said[-1])


def surroundings() -> dict[str, str]:
    """Machine and versions that the numbers hang on."""
    found = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
    }
    for name in (*_BASIS, *PEERS, *WEIGHT_PEERS):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def main() -> None:
    """One runner on one case, in this process: medians after a run on a small table that loads and compiles what it needs."""
    runner, case, folder = sys.argv[1], CASES[sys.argv[2]], Path(sys.argv[3])
    run = runner_of(runner, case.method)
    silent(run, case, folder / "warm.duckdb")
    walls: list[float] = []
    cpus: list[float] = []
    while len(walls) < REPEATS and sum(walls) < ENOUGH_S:
        begun, cpu = time.perf_counter(), time.process_time()
        estimate, std_error = silent(run, case, folder / "panel.duckdb")
        walls.append(time.perf_counter() - begun)
        cpus.append(time.process_time() - cpu)
    times = statistics.median(walls), statistics.median(cpus)
    result = Measured(case.method, case.label, runner, *times, _peak_mb(), estimate, std_error)
    print(json.dumps(vars(result)))  # noqa: T201


def _peak_mb() -> float:
    """Of this process alone: ``ru_maxrss`` starts at what the parent held when it forked."""
    status = Path("/proc/self/status")
    if not status.exists():
        unit = 1024**2 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
