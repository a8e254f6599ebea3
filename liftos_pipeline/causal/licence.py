"""What a certificate does to an estimate: nothing, a wider interval, or a refusal."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from liftos_pipeline.causal.results import REFUSED, UNDEFINED, EffectEstimate
from liftos_pipeline.causal.verdicts import BLOCKED, NOT_APPLICABLE, UNDETERMINED, WIDENED

Floats = NDArray[np.float64]
_LIMITS = ("ci_low", "ci_high", "band_low", "band_high")


def licensed(found: EffectEstimate, row: Mapping[str, Any]) -> EffectEstimate:
    """An estimate under its row of a certificate, which stands in ``diagnostics["certificate"]``."""
    facts: dict[str, object] = {**found.diagnostics, "certificate": dict(row)}
    status, reason = row["status"], row["reason"]
    if status == WIDENED:
        return _widened(found, float(row["widening"]), str(reason), facts)
    warnings = found.warnings
    if status == BLOCKED:
        facts[REFUSED] = found.refused or reason
        warnings = (*warnings, f"refused: {reason}")
    elif status in (NOT_APPLICABLE, UNDETERMINED):
        warnings = (*warnings, f"no certificate: {reason}")
    return dataclasses.replace(found, diagnostics=facts, warnings=warnings)


def _widened(found: EffectEstimate, factor: float, reason: str, facts: dict[str, object]) -> EffectEstimate:
    path = found.path
    if path is not None:
        centre = path["estimate"]
        path = path.assign(
            **{n: _moved(centre, path[n], factor, n.endswith("high")) for n in _LIMITS if n in path}
        )
    undefined = {**found.undefined, "p_value": "the interval was widened by the certificate; it has no p-value"}
    return dataclasses.replace(
        found,
        ci_low=float(_moved(found.estimate, found.ci_low, factor, is_upper=False)),
        ci_high=float(_moved(found.estimate, found.ci_high, factor, is_upper=True)),
        p_value=math.nan,
        path=path,
        diagnostics={**facts, UNDEFINED: undefined},
        warnings=(*found.warnings, f"widened: {reason}"),
    )


def _moved(centre: ArrayLike, limit: ArrayLike, factor: float, is_upper: bool) -> Floats:
    """A limit away from its centre by a factor; one that is undefined remains so."""
    middle, end = np.asarray(centre, dtype=np.float64), np.asarray(limit, dtype=np.float64)
    if math.isinf(factor):
        return np.where(np.isnan(end), np.nan, math.inf if is_upper else -math.inf)
    moved: Floats = middle + factor * (end - middle)
    return moved
