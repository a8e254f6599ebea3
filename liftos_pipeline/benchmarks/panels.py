"""Made-up data of the benchmark's cases, written to DuckDB in blocks of units. What is measured on them stands elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Columns = dict[str, NDArray[np.generic]]
Kind = Literal["two_way", "staggered", "confounded", "lottery"]

_ROWS_AT_ONCE = 200_000
_COHORTS = 5
_CLUSTER = 10


@dataclass(frozen=True)
class Design:
    """Units x periods with an outcome ``y``, a treatment ``d`` and covariates ``x0``, ...

    ``two_way``: half of the units adopt, each in a period of its own. ``staggered``: five cohorts and units that never
    adopt. ``confounded``: each unit is treated throughout or not at all. ``lottery``: a dose moved by three instruments,
    in clusters ``g`` of ten units. ``missing`` is the share of rows left out at random.
    """

    kind: Kind
    n_units: int
    n_periods: int = 1
    n_covariates: int = 0
    missing: float = 0.0

    @property
    def covariates(self) -> list[str]:
        return [f"x{number}" for number in range(self.n_covariates)]

    @property
    def instruments(self) -> list[str]:
        return ["z0", "z1", "z2"] if self.kind == "lottery" else []

    @property
    def columns(self) -> list[str]:
        """Those that a method reads."""
        keys = ["unit", "g"] if self.kind == "lottery" else ["unit", "t"]
        return [*keys, "d", "y", *self.covariates, *self.instruments]


def write(design: Design, path: Path) -> None:
    """Fill the table ``panel`` of a new database."""
    import duckdb
    import pyarrow as pa

    rng = np.random.default_rng(7)
    draw = _DRAWS[design.kind](design, rng)
    at_once = max(1, _ROWS_AT_ONCE // design.n_periods)
    with duckdb.connect(str(path)) as connection:
        for first in range(0, design.n_units, at_once):
            unit = np.arange(first, min(first + at_once, design.n_units))
            columns = draw(np.repeat(unit, design.n_periods), np.tile(np.arange(design.n_periods), len(unit)))
            kept = rng.random(len(columns["unit"])) >= design.missing
            connection.register("rows", pa.table({name: values[kept] for name, values in columns.items()}))
            connection.execute("INSERT INTO panel FROM rows" if first else "CREATE TABLE panel AS FROM rows")


def _adoption(design: Design, rng: np.random.Generator) -> Callable[..., Columns]:
    n_units, n_periods = design.n_units, design.n_periods
    if design.kind == "two_way":
        start = np.where(rng.random(n_units) < 0.5, rng.integers(1, n_periods, n_units), n_periods)
    else:
        steps = np.linspace(0.25, 0.75, _COHORTS)
        start = np.append(np.round(steps * n_periods), n_periods).astype(int)[
            rng.integers(0, _COHORTS + 1, n_units)
        ]
    slopes, calendar = 0.1 * rng.normal(size=design.n_covariates), rng.normal(size=n_periods)
    level = rng.normal(size=n_units)

    def draw(unit: NDArray[np.int64], t: NDArray[np.int64]) -> Columns:
        X = rng.normal(size=(len(unit), design.n_covariates))
        noise = rng.normal(size=(len(unit) // n_periods, n_periods))
        noise[:, 1:] += 0.5 * noise[:, :-1]
        d = (t >= start[unit]).astype(np.int64)
        y = 0.5 * d + X @ slopes + calendar[t] + level[unit] + noise.ravel()
        return {"unit": unit, "t": t, "d": d, "y": y, **dict(zip(design.covariates, X.T, strict=True))}

    return draw


def _confounded(design: Design, rng: np.random.Generator) -> Callable[..., Columns]:
    slopes = rng.normal(size=design.n_covariates) / np.sqrt(design.n_covariates)
    level = rng.normal(size=(design.n_units, design.n_covariates))
    treated = rng.random(design.n_units) < 1 / (1 + np.exp(-level @ slopes))
    shared = 0.5 * rng.normal(size=design.n_units)

    def draw(unit: NDArray[np.int64], t: NDArray[np.int64]) -> Columns:
        X = level[unit] + (rng.normal(size=(len(unit), design.n_covariates)) if design.n_periods > 1 else 0.0)
        d = treated[unit].astype(np.int64)
        y = d + X @ slopes + shared[unit] + rng.normal(size=len(unit))
        return {"unit": unit, "t": t, "d": d, "y": y, **dict(zip(design.covariates, X.T, strict=True))}

    return draw


def _lottery(design: Design, rng: np.random.Generator) -> Callable[..., Columns]:
    slopes = 0.3 * rng.normal(size=design.n_covariates)
    shared = rng.normal(size=design.n_units // _CLUSTER + 1)

    def draw(unit: NDArray[np.int64], _t: NDArray[np.int64]) -> Columns:
        X, Z = rng.normal(size=(len(unit), design.n_covariates)), rng.normal(size=(len(unit), 3))
        g, hidden = unit // _CLUSTER, rng.normal(size=len(unit))
        dose = Z @ [0.3, 0.2, 0.1] + X @ slopes + hidden + 0.3 * shared[g]
        y = 0.5 * dose + X @ slopes + hidden + 0.5 * shared[g] + rng.normal(size=len(unit))
        named = dict(zip([*design.covariates, *design.instruments], np.hstack([X, Z]).T, strict=True))
        return {"unit": unit, "g": g, "d": dose, "y": y, **named}

    return draw


_DRAWS: dict[Kind, Callable[[Design, np.random.Generator], Callable[..., Columns]]] = {
    "two_way": _adoption,
    "staggered": _adoption,
    "confounded": _confounded,
    "lottery": _lottery,
}
