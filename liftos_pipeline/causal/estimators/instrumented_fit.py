"""One k-class fit with all that is inferred from it. Reading the panel and wording the result stand in ``iv``."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal

from liftos_pipeline.causal.inference.covariance import without_inference
from liftos_pipeline.causal.inference.instruments import SpecificationTest, hansen_j, k_class_inference, wu_hausman
from liftos_pipeline.causal.inference.weak_instruments import (
    AndersonRubin,
    FirstStage,
    anderson_rubin,
    first_stage_strength,
)
from liftos_pipeline.causal.kernels.instruments import (
    ROUNDING,
    InstrumentColumns,
    KClass,
    limited_information,
    two_stage,
)
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.results import Inference

Estimator = Literal["2sls", "liml"]
FORMS = {"2sls": two_stage, "liml": limited_information}


@dataclass(frozen=True)
class InstrumentedFit:
    """An estimate and what is known about it; ``undefined`` maps each field that is NaN to the reason."""

    form: KClass
    inference: Inference
    first_stage: FirstStage
    anderson_rubin: AndersonRubin
    wu_hausman: SpecificationTest
    overidentification: SpecificationTest

    @property
    def undefined(self) -> dict[str, str]:
        tests = {"wu_hausman_p": self.wu_hausman, "overidentification_p": self.overidentification}
        reasons = {name: test.reason for name, test in tests.items() if test.reason is not None}
        parts = (self.inference.undefined, self.first_stage.undefined, self.anderson_rubin.undefined, reasons)
        return {name: reason for part in parts for name, reason in part.items()}


def instrumented_fit(
    panel: Panel, columns: InstrumentColumns, estimator: Estimator, level: float
) -> InstrumentedFit:
    """Estimate, clustered limits, first stage, Anderson-Rubin set and specification tests.

    Parameters
    ----------
    columns : InstrumentColumns
        Of the same panel; at least one instrument and a treatment that varies.
    """
    p = columns.projections()
    sums = columns.cluster_sums(p)
    n_free = panel.n_rows - 1 - len(columns.covariates)

    def correction(n_coefficients: int) -> float:
        return (panel.n_rows - 1) / (n_free - n_coefficients)

    of_clusters = "the instruments vary in one cluster only" if columns.varies_in_one_cluster() else None
    if of_clusters is None:
        first_stage = first_stage_strength(p.pi, sums.zv, correction(len(p.pi)))
    else:
        first_stage = FirstStage.unknown(of_clusters)
    if estimator == "liml" and len(p.pi) > 1:
        first_stage = first_stage.without_critical_value("known for 2SLS, and for LIML with one instrument")

    first_step = two_stage(p)
    of_outcome = _why_outcome_is_exact(columns)
    if of_outcome is None:
        form = FORMS[estimator](p)
        robust = anderson_rubin(sums.zy, sums.zd, first_step.estimate, level, correction(0))
    else:
        form = first_step if columns.outcome_share > ROUNDING else dataclasses.replace(first_step, estimate=0.0)
        robust = AndersonRubin.unknown(of_outcome)
    reason = of_outcome or of_clusters
    if reason is not None:
        untested = SpecificationTest(math.nan, math.nan, reason)
        inference = without_inference(reason, level, panel.n_clusters)
        return InstrumentedFit(form, inference, first_stage, robust, untested, untested)
    zu = sums.zy - form.estimate * sums.zd
    return InstrumentedFit(
        form,
        k_class_inference(form.estimate, form.curvature, p.pi, zu, level, correction(1)),
        first_stage,
        robust,
        wu_hausman(sums.control_slope, sums.control, correction(2)),
        hansen_j(sums.zy, sums.zd, first_step.estimate),
    )


def _why_outcome_is_exact(columns: InstrumentColumns) -> str | None:
    if columns.outcome_share <= ROUNDING:
        return "the outcome does not vary given the covariates"
    if columns.unexplained_share() <= ROUNDING:
        return "the outcome is an exact function of treatment and covariates"
    return None
