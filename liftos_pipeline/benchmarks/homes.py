"""The pipeline whole: homes filled by one run from the raw pages of simulated worlds, and how good their data are found."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from liftos_pipeline.benchmarks.operating_points import Cell
from liftos_pipeline.errors import LiftosError

DETECTOR = "data_quality"
FIRST = date(2023, 1, 2)
"""First day of such worlds."""
N_DAYS = 180
WORKERS = 2
ASKED = {"temporal_consistency": 0.95, "confounder_coverage": 0.85, "overlap_quality": 0.80}
"""What the system that this one is measured against claims of its data."""


def run_of(home: Path, days: int, scenario: str, seed: int) -> tuple[list[str], dict[str, str]]:
    """Command and environment of one as-of day of an empty simulated home that looks back on ``days``."""
    as_of = FIRST + timedelta(days=days - 1)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("LIFTOS_")},
        "LIFTOS_HOME": str(home),
        "LIFTOS_SCENARIO": scenario,
        "LIFTOS_SEED": str(seed),
        "LIFTOS_START_DATE": FIRST.isoformat(),
        "LIFTOS_LOOK_BACK_DAYS": str(days),
        "PYTHONUNBUFFERED": "1",
    }
    return [str(Path(sys.executable).parent / "liftos"), "run", "--date", as_of.isoformat()], environment


def scores_of(scenario: str, seed: int) -> pd.DataFrame:
    """Rows of ``quality.scores`` of a home that one run fills.

    Raises
    ------
    LiftosError
        The run published nothing, with the last line of what it said.
    """
    import duckdb

    with tempfile.TemporaryDirectory() as folder:
        command, environment = run_of(Path(folder), N_DAYS, scenario, seed)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        published = Path(folder) / "liftos.duckdb"
        if not published.exists():
            raise LiftosError(
                f"a run of {scenario}, seed {seed}, that publishes",
                (done.stderr.strip().splitlines() or [f"code {done.returncode}"])[-1],
                "Free disk and memory, and call it again.",
            )
        with duckdb.connect(str(published), read_only=True) as connection:
            found = connection.execute("SELECT platform, part, score FROM quality.scores").df()
    return found.assign(world=f"{scenario} {seed}")


def scored(worlds: list[tuple[str, int]]) -> Iterator[pd.DataFrame]:
    """Scores of homes by scenario and seed, in their order, side by side."""
    with ThreadPoolExecutor(WORKERS) as pool:
        yield from pool.map(scores_of, *zip(*worlds, strict=True))


def cells_of(scores: pd.DataFrame) -> Iterator[Cell]:
    """Mean of each part over platforms; error over homes."""
    for part, asked in ASKED.items():
        own = scores[scores["part"] == part].dropna(subset=["score"])
        means = own.groupby("world")["score"].mean().to_numpy()
        n = len(means)
        mean = float(means.mean()) if n else math.nan
        error = float(np.std(means, ddof=1)) / math.sqrt(n) if n > 1 else math.nan
        yield Cell(DETECTOR, part.replace("_", " "), "at least", asked, len(own), mean, error)
