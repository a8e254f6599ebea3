"""What a process does to a home while a test kills it or runs beside it. Called with ``python -m``; no assertions.

Each job says ``ready`` once it is about to touch the home; those that loop do so until they are killed or told.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from datetime import date, timedelta
from pathlib import Path

import pandas as pd

from liftos_pipeline.schema import TABLES
from liftos_pipeline.warehouse import Warehouse
from liftos_pipeline.warehouse.load import load_windows
from liftos_pipeline.warehouse.publish import publish
from liftos_pipeline.warehouse.results import replace_partitions
from tests.worlds import FIRST_DAY, restated_window

GATES = TABLES["quality.gates"]
PARTITION = date(2026, 3, 1)
KILLED_ROWS = 10_000
SHARED_ROWS = 50
UNITS = 8
WINDOWS_PER_BATCH = 3
STOP = "stop"


def gate_rows(version: int, n_rows: int) -> pd.DataFrame:
    """One partition whose every row names its version in ``seed``."""
    subjects = [f"subject {number}" for number in range(n_rows)]
    words = dict.fromkeys(("seen", "expected", "way_out", "offenders"), "")
    fixed = {"gate": "gate", "passed": True, "severity": "warn", "code_version": "1", "source_mode": "simulated"}
    return pd.DataFrame({"subject": subjects, **words, **fixed, "seed": version, "run_id": f"run-{version}"})


def load_days(home: Path) -> None:
    """Load one day after the other, in small batches, for ever."""
    warehouse = Warehouse(home, "simulated")
    for first in itertools.count(step=WINDOWS_PER_BATCH):
        days = [FIRST_DAY + timedelta(days=first + offset) for offset in range(WINDOWS_PER_BATCH)]
        load_windows(warehouse, [restated_window(day, units=UNITS) for day in days], "killed")


def replace_one(home: Path, first: int) -> None:
    """Replace one partition with ever newer versions."""
    warehouse = Warehouse(home, "simulated")
    for version in itertools.count(first):
        replace_partitions(warehouse, GATES, {PARTITION: gate_rows(version, KILLED_ROWS)}, f"run-{version}")


def replace_and_publish(home: Path, first: int) -> None:
    warehouse = Warehouse(home, "simulated")
    for version in itertools.count(first):
        replace_partitions(warehouse, GATES, {PARTITION: gate_rows(version, KILLED_ROWS)}, f"run-{version}")
        publish(warehouse)


def write_partitions(home: Path, writer: int, n_partitions: int) -> None:
    """Write partitions that no other writer writes."""
    warehouse = Warehouse(home, "simulated")
    for number in range(n_partitions):
        day = PARTITION + timedelta(days=writer * n_partitions + number)
        replace_partitions(warehouse, GATES, {day: gate_rows(writer, SHARED_ROWS)}, f"run-{writer}")


def watch_partitions(home: Path) -> None:
    """Read until told to stop; print how often, and how many partitions were seen without all their rows."""
    warehouse = Warehouse(home, "simulated")
    n_reads = n_partial = 0
    while not (home / STOP).exists():
        with warehouse.read() as connection:
            found = connection.execute(
                "SELECT count(*) FROM (SELECT as_of, count(*) AS n FROM quality.gates GROUP BY 1) g "
                "FULL JOIN ops.result_receipt r ON r.as_of = g.as_of "
                "WHERE g.n IS DISTINCT FROM r.rows_out OR g.n <> ?",
                [SHARED_ROWS],
            ).fetchall()
        n_reads += 1
        n_partial += found[0][0]
    print(json.dumps({"reads": n_reads, "partial": n_partial}))  # noqa: T201


JOBS = {
    "load": load_days,
    "replace": replace_one,
    "publish": replace_and_publish,
    "write": write_partitions,
    "watch": watch_partitions,
}

if __name__ == "__main__":
    if "LIFTOS_TEST_LAKE" in os.environ:
        import tests.scale.lake_everywhere  # noqa: F401
    print("ready", flush=True)  # noqa: T201
    JOBS[sys.argv[1]](Path(sys.argv[2]), *map(int, sys.argv[3:]))
