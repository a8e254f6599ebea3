"""The result of an adoption method from its parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import pandas as pd

from liftos_pipeline.causal.estimators.adoption import Adoption
from liftos_pipeline.causal.index import NEVER
from liftos_pipeline.causal.inference.wald import WaldTest
from liftos_pipeline.causal.results import UNDEFINED, EffectEstimate, Inference, effect_from


def adoption_effect(
    adoption: Adoption,
    method: str,
    estimand: str,
    estimate: float,
    inference: Inference,
    path: pd.DataFrame,
    pretrend: WaldTest,
    diagnostics: Mapping[str, object],
    warnings: tuple[str, ...],
    undefined: Mapping[str, str] | None = None,
) -> EffectEstimate:
    """Put an estimate, its path and the test of the periods before together.

    ``undefined`` gives reasons beside those of the inference, the test and the path.
    """
    facts = {
        "pretrend_statistic": pretrend.statistic,
        "pretrend_restrictions": pretrend.n_restrictions,
        "pretrend_p": pretrend.p_value,
        "n_adoption_dates": len(adoption.adopting),
        "n_open_adoption_dates": adoption.n_open,
        **diagnostics,
    }
    effect = effect_from(
        adoption.source, method, estimand, estimate, inference, facts, (*adoption.warnings, *warnings)
    )
    undefined = {**inference.undefined, **(undefined or {})}
    if pretrend.undefined is not None:
        undefined["pretrend_p"] = inference.undefined.get("std_error", pretrend.undefined)
    open_points = path.loc[path["std_error"].isna(), path.columns[0]]
    if len(open_points) and not inference.undefined:
        undefined["path"] = f"one treated cluster or no variation at {', '.join(map(str, open_points))}"
    facts = {**effect.diagnostics, **({UNDEFINED: undefined} if undefined else {})}
    return dataclasses.replace(
        effect,
        path=path,
        diagnostics=facts,
        n_rows=adoption.n_rows,
        n_units=adoption.n_units,
        n_treated=int(np.count_nonzero(adoption.start != NEVER)),
    )
