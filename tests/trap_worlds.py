"""The table that traps are laid into, a run of any method on it, and what counts as the same answer."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import ESTIMATORS, EffectEstimate, Panel, estimate

METHODS = tuple(ESTIMATORS)
BY_ROWS = ("difference_in_means", "ipw", "doubly_robust", "iv")
WITHIN_UNITS = ("did", "event_study", "staggered_did", "imputation_did")
BY_ADOPTION = WITHIN_UNITS[1:]
KNOWN = BY_ROWS + WITHIN_UNITS
"""Methods whose answer to each trap is spelled out; any other only meets the traps that are the same for all."""
WITH_SCORES = ("ipw", "doubly_robust")
RELATIVE = ("geo_did",)
"""Methods whose effect is a share of the outcome: a shifted outcome has another."""
LIMITS = ("std_error", "ci_low", "ci_high", "p_value")
NEVER = 99
EXACT = 1e-9
Change = Callable[[pd.DataFrame], pd.DataFrame]


def world(starts: tuple[int, ...] = (3, 5, NEVER), n_units: int = 60, n_periods: int = 8) -> pd.DataFrame:
    """Units that adopt in turn. All columns are whole numbers that 8 bits hold and whose squares they do not."""
    rng = np.random.default_rng(0)
    unit, t = np.repeat(np.arange(n_units), n_periods), np.tile(np.arange(n_periods), n_units)
    d = (t >= np.array(starts)[unit % len(starts)]).astype(int)
    x0, x1 = np.round(10 * rng.standard_normal((2, len(t))))
    z = d + np.round(2 * rng.standard_normal(len(t)))
    level, noise = 10 * rng.standard_normal(n_units)[unit], 10 * rng.standard_normal(len(t))
    y = np.round(level + 3 * (t % 8) + 8 * d + 0.5 * x0 + noise)
    return pd.DataFrame({"unit": unit, "t": t, "d": d, "y": y, "x0": x0, "x1": x1, "z": z})


def world_of(method: str) -> pd.DataFrame:
    """480 rows that suit the method: a unit that is to be matched by donors needs a long time before, and logarithms need
    outcomes above zero."""
    if method in KNOWN:
        return world()
    frame = world(starts=(30, *[NEVER] * 11), n_units=12, n_periods=40)
    return frame.assign(y=np.round(frame["y"] / 2) + 40) if method in RELATIVE else frame


def run(method: str, frame: pd.DataFrame, covariates: tuple[str, ...] = ("x0", "x1"), **roles) -> EffectEstimate:
    given = {"outcome": "y", "treatment": "d", "unit": "unit", "period": "t", "covariates": covariates}
    given |= {"instruments": ["z"]} if method == "iv" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return estimate(method, Panel.from_frame(frame, **{**given, **roles}))


def assert_same(found: EffectEstimate, plain: EffectEstimate) -> None:
    for name in ("estimate", *LIMITS, "n_units", "n_treated", "n_clusters"):
        assert getattr(found, name) == pytest.approx(getattr(plain, name), rel=EXACT, abs=1e-9, nan_ok=True), name
    if plain.path is not None:
        columns = ["estimate", "std_error", "band_low", "band_high"]
        np.testing.assert_allclose(found.path[columns], plain.path[columns], rtol=1e-7, atol=1e-8)


def assert_undefined(found: EffectEstimate) -> None:
    assert all(math.isnan(getattr(found, name)) for name in LIMITS)
    assert all(found.undefined[name] for name in LIMITS)
