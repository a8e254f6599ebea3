"""Estimators against a scan of the same columns and against peers, each in a process of its own.

``python -m liftos_pipeline.benchmarks.estimators RUNNER CASE FILE`` is one such process; it prints one JSON object.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

REPEATS = 3
_UNITS_AT_ONCE = 200
_MEMORY_LIMIT = "300MB"


@dataclass(frozen=True)
class Case:
    """A panel of units x periods with an outcome, a treatment that half of the units adopt, and covariates."""

    name: str
    n_units: int
    n_periods: int
    n_covariates: int
    missing: float = 0.0
    peers: tuple[str, ...] = ("pyfixest",)

    @property
    def covariates(self) -> list[str]:
        return [f"x{number}" for number in range(self.n_covariates)]


CASES = {
    case.name: case
    for case in (
        Case("1 M x 10", 10_000, 100, 10),
        Case("1 M x 10, a fifth missing", 10_000, 100, 10, missing=0.2),
        Case("10 M x 0", 10_000, 1_000, 0),
        Case("10 M x 10", 10_000, 1_000, 10, peers=()),
        Case("10 M x 10, a fifth missing", 10_000, 1_000, 10, missing=0.2, peers=()),
        Case("10 M x 50", 10_000, 1_000, 50, peers=()),
    )
}


@dataclass(frozen=True)
class Measured:
    """Medians of one runner on one case; ``std_error`` and ``estimate`` to compare runners by."""

    case: str
    runner: str
    seconds: float
    peak_mb: float
    estimate: float
    std_error: float


def measure(names: tuple[str, ...]) -> Iterator[Measured]:
    """Each named case: the scan, ours, and the peers that are installed."""
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            case = CASES[name]
            path = Path(folder) / "panel.duckdb"
            _write(case, path)
            for runner in ("scan", "did", *(peer for peer in case.peers if find_spec(peer) is not None)):
                done = subprocess.run(
                    [sys.executable, "-m", __name__, runner, name, str(path)],
                    capture_output=True,
                    text=True,
                    check=True,
                )
                yield Measured(**json.loads(done.stdout.splitlines()[-1]))
            path.unlink()


def _write(case: Case, path: Path) -> None:
    import duckdb
    import pyarrow as pa

    rng = np.random.default_rng(7)
    slopes = 0.1 * rng.normal(size=case.n_covariates)
    start = np.where(rng.random(case.n_units) < 0.5, rng.integers(1, case.n_periods, case.n_units), case.n_periods)
    calendar = rng.normal(size=case.n_periods)
    with duckdb.connect(str(path)) as connection:
        for first in range(0, case.n_units, _UNITS_AT_ONCE):
            n_units = min(_UNITS_AT_ONCE, case.n_units - first)
            unit = np.repeat(np.arange(first, first + n_units), case.n_periods)
            period = np.tile(np.arange(case.n_periods), n_units)
            X = rng.normal(size=(len(unit), case.n_covariates))
            noise = rng.normal(size=(n_units, case.n_periods))
            noise[:, 1:] += 0.5 * noise[:, :-1]
            level = np.repeat(rng.normal(size=n_units), case.n_periods)
            d = (period >= start[unit]).astype(np.int64)
            columns: dict[str, np.ndarray] = {"unit": unit, "t": period, "d": d}
            columns["y"] = 0.5 * d + X @ slopes + calendar[period] + level + noise.ravel()
            columns |= {name: X[:, number] for number, name in enumerate(case.covariates)}
            kept = rng.random(len(unit)) >= case.missing
            rows = pa.table({name: values[kept] for name, values in columns.items()})
            connection.register("rows", rows)
            connection.execute("INSERT INTO panel FROM rows" if first else "CREATE TABLE panel AS FROM rows")


def _scan(case: Case, path: Path) -> tuple[float, float]:
    import duckdb

    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute(f"SET memory_limit = '{_MEMORY_LIMIT}'")
        sums = ", ".join(f"sum({name})" for name in ("unit", "t", "d", "y", *case.covariates))
        connection.execute(f"SELECT {sums} FROM panel").fetchall()
    return float("nan"), float("nan")


def _did(case: Case, path: Path) -> tuple[float, float]:
    from liftos_pipeline.causal import Panel, estimate

    panel = Panel.from_duckdb(
        path, "panel", outcome="y", treatment="d", unit="unit", period="t", covariates=case.covariates
    )
    found = estimate("did", panel)
    return found.estimate, found.std_error


def _pyfixest(case: Case, path: Path) -> tuple[float, float]:
    """Load and fit; its own factor for parameters depends on the order of a set, so ours is put in its place."""
    import duckdb
    import pyfixest as pf

    with duckdb.connect(str(path), read_only=True) as connection:
        frame = connection.execute("FROM panel").df()
    fit = pf.feols(
        f"y ~ {' + '.join(['d', *case.covariates])} | unit + t",
        frame,
        vcov={"CRV1": "unit"},
        ssc=pf.ssc(k_adj=False, G_adj=False),
        lean=True,
    )
    n, n_clusters = len(frame), frame["unit"].nunique()
    counted = 1 + case.n_covariates + frame["t"].nunique()
    factor = n_clusters / (n_clusters - 1) * (n - 1) / (n - counted)
    return float(fit.coef()["d"]), float(fit.se()["d"]) * factor**0.5


RUNNERS: dict[str, Callable[[Case, Path], tuple[float, float]]] = {
    "scan": _scan,
    "did": _did,
    "pyfixest": _pyfixest,
}


def main() -> None:
    """One runner on one case, in this process: medians after a first run that warms the file."""
    runner, name, path = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    run, case = RUNNERS[runner], CASES[name]
    repeats = REPEATS if runner in ("scan", "did") else 1
    seconds = []
    if runner in ("scan", "did"):
        run(case, path)
    for _ in range(repeats):
        begun = time.perf_counter()
        estimate, std_error = run(case, path)
        seconds.append(time.perf_counter() - begun)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    result = Measured(name, runner, statistics.median(seconds), peak, estimate, std_error)
    print(json.dumps(vars(result)))  # noqa: T201


if __name__ == "__main__":
    main()
