"""A small made-up world of staggered adoption, and what unit tests of adoption methods share."""

from __future__ import annotations

import numpy as np
import pandas as pd

from liftos_pipeline.causal import EffectEstimate, Panel, estimate

METHODS = ("event_study", "staggered_did", "imputation_did")
ROLES = {"outcome": "y", "treatment": "d", "unit": "unit", "period": "t"}


def world(seed: int = 0, starts=(0, 0, 4, 6, 7), n_each: int = 12, n_periods: int = 9) -> pd.DataFrame:
    """``n_each`` units of every adoption period (0: never); effect 1 + event time / 2."""
    rng = np.random.default_rng(seed)
    start = np.repeat(starts, n_each)
    t = np.arange(1, n_periods + 1)
    treated = (start[:, None] > 0) & (t >= start[:, None])
    effect = np.where(treated, 1 + 0.5 * (t - start[:, None]), 0.0)
    y = rng.standard_normal((len(start), 1)) + np.sin(t) + effect + 0.3 * rng.standard_normal(treated.shape)
    table = pd.DataFrame(
        {
            "unit": np.repeat(np.arange(len(start)), n_periods),
            "t": np.tile(t, len(start)),
            "g": np.repeat(start, n_periods),
            "d": treated.ravel().astype(int),
            "y": y.ravel(),
        }
    )
    return table.assign(
        x=rng.standard_normal(len(table)),
        base=np.repeat(rng.standard_normal(len(start)), n_periods),
        w=np.repeat(rng.uniform(0.5, 2, len(start)), n_periods),
    )


def panel_of(table: pd.DataFrame, **roles) -> Panel:
    return Panel.from_frame(table, **{**ROLES, **roles})


def run(method: str, table: pd.DataFrame, options: dict | None = None, **roles) -> EffectEstimate:
    return estimate(method, panel_of(table, **roles), **(options or {}))
