"""Made-up lotteries and their estimates for tests of the instrumental-variable estimators."""

from __future__ import annotations

import numpy as np
import pandas as pd

from liftos_pipeline.causal import EffectEstimate, Panel, estimate

TESTS = ("first_stage_f", "effective_f", "wu_hausman_p", "overidentification_p", "anderson_rubin_p", "partial_r2")
LIMITS = ("std_error", "ci_low", "ci_high", "p_value")


def trial(seed: int = 0, n: int = 300, strength: float = 0.6) -> pd.DataFrame:
    """A lottery that not everyone obeys; units in groups of ten."""
    rng = np.random.default_rng(seed)
    z, x = rng.integers(0, 2, n), rng.standard_normal(n)
    hidden = rng.standard_normal(n)
    d = (strength * (2 * z - 1) + hidden + 0.3 * rng.standard_normal(n) > 0).astype(int)
    y = 1.5 * d + x + hidden + rng.standard_normal(n)
    z2 = rng.standard_normal(n) + 0.5 * z
    return pd.DataFrame({"u": np.arange(n), "g": np.arange(n) // 10, "z": z, "z2": z2, "x": x, "d": d, "y": y})


def run(frame: pd.DataFrame, *, instruments=("z",), covariates=("x",), options=None, **roles) -> EffectEstimate:
    given = {"outcome": "y", "treatment": "d", "unit": "u", "covariates": covariates, "instruments": instruments}
    return estimate("iv", Panel.from_frame(frame, **{**given, **roles}), **(options or {}))


def numbers(result: EffectEstimate) -> list[float]:
    limits = [limit for interval in result.diagnostics["anderson_rubin_set"] for limit in interval]
    return [
        result.estimate,
        *(getattr(result, n) for n in LIMITS),
        *(result.diagnostics[n] for n in TESTS),
        *limits,
    ]
