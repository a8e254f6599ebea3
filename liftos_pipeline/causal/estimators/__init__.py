"""Estimators, one per file. A new one is a file and a line here."""

from __future__ import annotations

from liftos_pipeline.causal.estimators.did import did
from liftos_pipeline.causal.estimators.difference_in_means import difference_in_means
from liftos_pipeline.causal.estimators.doubly_robust import doubly_robust
from liftos_pipeline.causal.estimators.ipw import ipw
from liftos_pipeline.causal.specification import EstimatorSpec

_SPECS = (
    EstimatorSpec(
        "difference_in_means",
        difference_in_means,
        ("ate", "att"),
        "Treated minus untreated mean; an effect only where treatment was randomised.",
        "Neyman (1923)",
        "never; adjusts for nothing",
    ),
    EstimatorSpec(
        "ipw",
        ipw,
        ("ate", "att", "overlap"),
        "Inverse propensity weighting with normalised weights.",
        "Hajek (1971); Li, Morgan and Zaslavsky (2018)",
        "the arms' propensity scores overlap too little for the estimand",
    ),
    EstimatorSpec(
        "doubly_robust",
        doubly_robust,
        ("ate", "att", "overlap"),
        "Cross-fitted augmented inverse propensity weighting.",
        "Robins, Rotnitzky and Zhao (1994); Chernozhukov et al. (2018)",
        "the arms' propensity scores overlap too little for the estimand",
    ),
    EstimatorSpec(
        "did",
        did,
        ("att",),
        "Two-way fixed effects difference-in-differences.",
        "Goodman-Bacon (2021); Cameron and Miller (2015)",
        "never; warns where adoption is staggered",
    ),
)
ESTIMATORS: dict[str, EstimatorSpec] = {spec.name: spec for spec in _SPECS}
