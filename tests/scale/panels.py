"""Panels of any number of rows as Parquet folders: written file by file, the same rows for the same arguments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FILE_ROWS = 1_000_000
COHORT_SHARES = (0.25, 0.55)
"""Of the periods: when the two cohorts of each three units adopt; the third never does."""


def write_panel(folder: Path, n_units: int, n_periods: int) -> Path:
    """Balanced panel with a staggered treatment ``d``, a confounded one ``b`` and a dose with an instrument ``z``."""
    folder.mkdir(parents=True)
    step = max(1, FILE_ROWS // n_periods)
    for start in range(0, n_units, step):
        table = _units(start, min(start + step, n_units), n_periods)
        pq.write_table(table, folder / f"{start:09d}.parquet", row_group_size=FILE_ROWS // 4)
    return folder


def _units(start: int, stop: int, n_periods: int) -> pa.Table:
    rng = np.random.default_rng([start, n_periods])
    shape = (stop - start, n_periods)
    unit = np.repeat(np.arange(start, stop), n_periods)
    period = np.tile(np.arange(n_periods), shape[0])
    adopts = np.array([*(int(share * n_periods) for share in COHORT_SHARES), n_periods])[unit % 3]
    d = (period >= adopts).astype(np.int8)
    x = rng.normal(size=(4, *shape)).reshape(4, -1)
    level = np.repeat(rng.normal(size=shape[0]), n_periods)
    noise = rng.normal(size=unit.size)
    b = (rng.random(unit.size) < 1.0 / (1.0 + np.exp(-0.5 * x[0] + 0.3 * x[1]))).astype(np.int8)
    z = rng.normal(size=unit.size)
    hidden = rng.normal(size=unit.size)
    dose = 0.5 * z + 0.4 * x[0] + hidden
    base = 100.0 + level + 0.01 * period + 0.6 * x[0] - 0.2 * x[1] + noise
    columns = {"unit": unit, "t": period, "d": d, "b": b, "z": z, "dose": dose}
    columns |= {"y": base + 0.5 * d, "y_b": base + 0.3 * b, "y_dose": base + 0.2 * dose + 0.5 * hidden}
    columns |= {f"x{j}": x[j] for j in range(4)}
    return pa.table(columns)
