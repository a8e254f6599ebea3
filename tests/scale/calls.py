"""The six methods that run on Spark, on the panels of ``panels.py``, and how far two answers are apart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from liftos_pipeline.causal import EffectEstimate

COVARIATES = ["x0", "x1", "x2", "x3"]
_KEYS: dict[str, Any] = {"unit": "unit", "period": "t"}
ADOPTION: dict[str, Any] = {"outcome": "y", "treatment": "d", **_KEYS}
CONFOUNDED: dict[str, Any] = {"outcome": "y_b", "treatment": "b", "covariates": COVARIATES, **_KEYS}
DOSE: dict[str, Any] = {
    "outcome": "y_dose",
    "treatment": "dose",
    "covariates": COVARIATES,
    "instruments": ["z"],
    **_KEYS,
}
CALLS: dict[str, dict[str, Any]] = {
    "did": {**ADOPTION, "covariates": COVARIATES},
    "event_study": ADOPTION,
    "staggered_did": ADOPTION,
    "ipw": CONFOUNDED,
    "doubly_robust": CONFOUNDED,
    "iv": DOSE,
}
"""Roles of each method's panel."""
SAME = 1e-9
"""Relative distance up to which two engines agree: sums in another order differ in their last bits."""


def distance(found: EffectEstimate, expected: EffectEstimate) -> float:
    """Largest relative distance of any number of two results; infinite where they are not of one kind."""
    pairs = [(getattr(found, name), getattr(expected, name)) for name in _NUMBERS]
    if (found.path is None) != (expected.path is None):
        return math.inf
    if found.path is not None and expected.path is not None:
        pairs += _numbers_of(found.path, expected.path)
    pairs += _of_facts(found.diagnostics, expected.diagnostics)
    return max(_apart(a, b, abs(expected.std_error)) for a, b in pairs)


_NUMBERS = (
    "estimate",
    "std_error",
    "ci_low",
    "ci_high",
    "p_value",
    "n_rows",
    "n_units",
    "n_treated",
    "n_clusters",
)


def _numbers_of(found: pd.DataFrame, expected: pd.DataFrame) -> list[tuple[float, float]]:
    if list(found.columns) != list(expected.columns) or len(found) != len(expected):
        return [(math.inf, 0.0)]
    left, right = found.to_numpy(dtype=float).ravel(), expected.to_numpy(dtype=float).ravel()
    return list(zip(left, right, strict=True))


def _of_facts(found: Mapping[str, object], expected: Mapping[str, object]) -> list[tuple[float, float]]:
    if found.keys() != expected.keys():
        return [(math.inf, 0.0)]
    told = [name for name, value in expected.items() if isinstance(value, int | float)]
    return [(float(found[name]), float(expected[name])) for name in told]  # type: ignore[arg-type]


def _apart(a: float, b: float, size: float) -> float:
    """Distance beside the larger of the number itself and the standard error: a zero has no relative distance."""
    if np.isnan(a) or np.isnan(b) or np.isinf(a) or np.isinf(b):
        return 0.0 if a == b or (np.isnan(a) and np.isnan(b)) else math.inf
    return abs(a - b) / max(abs(b), size)
