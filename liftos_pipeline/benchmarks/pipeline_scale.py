"""The whole daily pipeline at scale: 10,000 campaigns over 1,000 days from raw pages to verdicts, time and memory per stage.

``python -m liftos_pipeline.benchmarks.pipeline_scale [--days N ...] [--scenario NAME]`` fills an empty home in one run, as a
user would, and prints a line per asset. Memory is that of the run's processes together, dbt among them, as the system sees
them. Several numbers of days show how cost grows. A home of 1,000 days takes 45 GB of disk while it is there.
"""

from __future__ import annotations

import argparse
import math
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from liftos_pipeline.benchmarks.growth import power
from liftos_pipeline.benchmarks.homes import FIRST, run_of

_STEP = re.compile(r"(done|failed)\s+([\d.]+) s\s+(\S+)")
_EVERY_S = 0.2
_WORTH_S = 5.0
_MB = 1024**2


@dataclass(frozen=True)
class StageCost:
    """One asset of the run. ``peak_mb``: largest memory since the step before ended; shared pages count once a process."""

    name: str
    seconds: float
    peak_mb: float


@dataclass(frozen=True)
class PipelineCost:
    """One run. ``campaign_days``: rows of campaigns in the panel."""

    days: int
    campaign_days: int
    seconds: float
    peak_mb: float
    stages: tuple[StageCost, ...]


class _Memory(threading.Thread):
    """Largest memory of a process and its children since the last look."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self._peak, self.largest, self._lock = pid, 0.0, 0.0, threading.Lock()

    def run(self) -> None:
        import psutil

        while True:
            try:
                root = psutil.Process(self._pid)
                found = sum(_resident(one) for one in (root, *root.children(recursive=True)))
            except psutil.NoSuchProcess:
                return
            with self._lock:
                self._peak, self.largest = max(self._peak, found), max(self.largest, found)
            time.sleep(_EVERY_S)

    def since(self) -> float:
        with self._lock:
            peak, self._peak = self._peak, 0.0
        return peak


def _resident(process: object) -> float:
    import psutil

    try:
        return float(process.memory_info().rss) / _MB  # type: ignore[attr-defined]
    except psutil.NoSuchProcess:
        return 0.0


def measure(days: int = 1_000, scenario: str = "many_units") -> PipelineCost:
    """Run one as-of day of an empty simulated home that looks back on ``days``."""
    with tempfile.TemporaryDirectory() as folder:
        command, environment = run_of(Path(folder), days, scenario, seed=0)
        began = time.perf_counter()
        run = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        memory = _Memory(run.pid)
        memory.start()
        stages: list[StageCost] = []
        for line in run.stdout or ():
            if found := _STEP.search(line):
                stages.append(StageCost(found[3], float(found[2]), memory.since()))
                _tell(stages[-1])
            else:
                sys.stderr.write(line)
        code = run.wait()
        seconds = time.perf_counter() - began
        if code:
            sys.stderr.write(f"the run ended with {code}\n")
        return PipelineCost(days, _campaign_days(Path(folder), days), seconds, memory.largest, tuple(stages))


def _campaign_days(home: Path, days: int) -> int:
    import duckdb

    published = home / "liftos.duckdb"
    if not published.exists():
        return 0
    with duckdb.connect(str(published), read_only=True) as connection:
        query = "SELECT count(*) FROM mart.marketing_panel WHERE unit_type = 'campaign' AND date_day <= ?"
        found = connection.execute(query, [FIRST + timedelta(days=days - 1)]).fetchone()
    return 0 if found is None else int(found[0])


def _tell(stage: StageCost) -> None:
    sys.stdout.write(f"{stage.seconds:9.1f} s {stage.peak_mb:9,.0f} MB  {stage.name}\n")
    sys.stdout.flush()


def growth(costs: Sequence[PipelineCost]) -> list[tuple[str, list[float], float]]:
    """Stages that took ``_WORTH_S`` or more: seconds by size, and the power of the days with which they grew at last."""
    *_, before, last = costs
    found = []
    for stage in last.stages:
        seconds = [
            next((one.seconds for one in cost.stages if one.name == stage.name), math.nan) for cost in costs
        ]
        if stage.seconds >= _WORTH_S and seconds[-2] > 0:
            grown = power((seconds[-2], seconds[-1]), (before.days, last.days))
            found.append((stage.name, seconds, grown))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="The daily pipeline at scale.")
    parser.add_argument("--days", type=int, nargs="+", default=[1_000])
    parser.add_argument("--scenario", default="many_units")
    asked = parser.parse_args(arguments)
    costs = []
    for days in sorted(set(asked.days)):
        costs.append(measure(days, asked.scenario))
        sys.stdout.write(
            f"{costs[-1].campaign_days:,} campaign-days from raw pages to verdicts: {costs[-1].seconds:,.0f} s, at most "
            f"{costs[-1].peak_mb:,.0f} MB\n"
        )
    if len(costs) > 1:
        for name, seconds, grown in growth(costs):
            sys.stdout.write(
                f"{name}: {', '.join(f'{one:,.1f}' for one in seconds)} s; days to the power {grown:.2f}\n"
            )


if __name__ == "__main__":
    main()
