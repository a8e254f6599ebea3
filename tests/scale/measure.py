"""One estimate in a process of its own, with its time and the peak memory of the driver, as a line of JSON.

``python -m tests.scale.measure ENGINE METHOD FOLDER [WARM]`` with ENGINE ``spark`` or ``parquet``; WARM is a panel to
estimate on before, so that what starts once (Java's compiler, the workers' imports) is not in the figures.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from liftos_pipeline.causal import Panel, estimate
from tests.scale.calls import CALLS

MASTER = os.environ.get("LIFTOS_SCALE_MASTER", "local[2]")
HEAP = "2g"


def spark() -> Any:
    """A session on this machine whose heap is bounded and whose log is silent."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    from pyspark.sql import SparkSession

    built = SparkSession.builder.master(MASTER).appName("scale")
    settings = {
        "spark.driver.memory": HEAP,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "4",
    }
    for name, value in settings.items():
        built = built.config(name, value)
    session = built.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    return session


def peak_mb(pid: int) -> float:
    """Most memory that a process has held."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and all that descend from it: what the load of others does not change."""
    parent, ticks = {}, {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            fields = (place / "stat").read_text().rsplit(") ", 1)[1].split()
        except OSError:
            continue
        parent[int(place.name)] = int(fields[1])
        ticks[int(place.name)] = sum(map(int, fields[11:15]))

    def descends(other: int) -> bool:
        while other not in (0, pid):
            other = parent.get(other, 0)
        return other == pid

    return sum(count for other, count in ticks.items() if descends(other)) / os.sysconf("SC_CLK_TCK")


def _jvm() -> int:
    """Process of the driver's Java half."""
    from pyspark import SparkContext

    return int(SparkContext._jvm.java.lang.ProcessHandle.current().pid())  # type: ignore[union-attr]


def measured(engine: str, method: str, folder: Path, warm: Path | None = None) -> dict[str, Any]:
    """Estimate once; seconds of reading the index and of the estimate, and peaks in MB."""
    if engine == "spark":
        spark()
    open_panel = Panel.from_spark if engine == "spark" else Panel.from_parquet
    if warm is not None:
        estimate(method, open_panel(warm, **CALLS[method]))
    start = time.perf_counter()
    panel = open_panel(folder, **CALLS[method])
    opened, spent = time.perf_counter(), cpu_seconds(os.getpid())
    found = estimate(method, panel)
    done, spent = time.perf_counter(), cpu_seconds(os.getpid()) - spent
    return {
        "engine": engine,
        "method": method,
        "n_rows": found.n_rows,
        "open_s": opened - start,
        "estimate_s": done - opened,
        "cpu_s": spent,
        "driver_mb": peak_mb(os.getpid()),
        "jvm_mb": peak_mb(_jvm()) if engine == "spark" else 0.0,
        "estimate": found.estimate,
        "std_error": found.std_error,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measured(sys.argv[1], sys.argv[2], *map(Path, sys.argv[3:]))) + "\n")
