"""Estimators, one per file. A new one is a file and a line here."""

from __future__ import annotations

from liftos_pipeline.causal.estimators.augmented_synthetic_control import augmented_synthetic_control
from liftos_pipeline.causal.estimators.did import did
from liftos_pipeline.causal.estimators.difference_in_means import difference_in_means
from liftos_pipeline.causal.estimators.doubly_robust import doubly_robust
from liftos_pipeline.causal.estimators.event_study import event_study
from liftos_pipeline.causal.estimators.geo_did import geo_did
from liftos_pipeline.causal.estimators.imputation_did import imputation_did
from liftos_pipeline.causal.estimators.ipw import ipw
from liftos_pipeline.causal.estimators.iv import iv
from liftos_pipeline.causal.estimators.staggered_did import staggered_did
from liftos_pipeline.causal.estimators.synthetic_control import synthetic_control
from liftos_pipeline.causal.estimators.synthetic_did import synthetic_did
from liftos_pipeline.causal.specification import EstimatorSpec

_SPECS = (
    EstimatorSpec(
        "difference_in_means",
        difference_in_means,
        ("ate", "att"),
        "Treated minus untreated mean; an effect only where treatment was randomised.",
        "Neyman (HC2); clustered where units have several rows",
        "Neyman (1923)",
        "never; adjusts for nothing",
    ),
    EstimatorSpec(
        "ipw",
        ipw,
        ("ate", "att", "overlap"),
        "Inverse propensity weighting with normalised weights.",
        "influence function, clustered",
        "Hajek (1971); Li, Morgan and Zaslavsky (2018)",
        "the arms' propensity scores overlap too little for the estimand",
        streams=True,
    ),
    EstimatorSpec(
        "doubly_robust",
        doubly_robust,
        ("ate", "att", "overlap"),
        "Cross-fitted augmented inverse propensity weighting; linear, lasso, forest or boosting learners.",
        "influence function, clustered; multiplier or cluster bootstrap; sup-t band by period",
        "Robins, Rotnitzky and Zhao (1994); Chernozhukov et al. (2018)",
        "the arms' propensity scores overlap too little for the estimand",
        streams=True,
    ),
    EstimatorSpec(
        "did",
        did,
        ("att",),
        "Difference-in-differences by two-way fixed effects, from a frame or streamed from a file.",
        "clustered CR1, t(G - 1); with few clusters CR3 or wild bootstrap",
        "Goodman-Bacon (2021); Cameron and Miller (2015)",
        "never; warns, with the Bacon weights, where adoption is staggered",
        streams=True,
    ),
    EstimatorSpec(
        "event_study",
        event_study,
        ("att",),
        "Two-way fixed effects by period before and after adoption, end points binned.",
        "clustered CR1, t(G - 1); sup-t bands",
        "Schmidheiny and Siegloch (2023); Sun and Abraham (2021) on staggered adoption",
        "the treatment switches off, or unit and period effects leave the coefficients undetermined",
        streams=True,
    ),
    EstimatorSpec(
        "staggered_did",
        staggered_did,
        ("att",),
        "Group-time effects of staggered adoption and their averages, doubly robust with covariates.",
        "influence function, clustered; sup-t bands",
        "Callaway and Sant'Anna (2021); Sant'Anna and Zhao (2020)",
        "the treatment switches off, or there is no control unit of the kind asked for",
        streams=True,
    ),
    EstimatorSpec(
        "imputation_did",
        imputation_did,
        ("att",),
        "Untreated outcomes imputed from unit and period effects of untreated rows.",
        "conservative, clustered; sup-t bands",
        "Borusyak, Jaravel and Spiess (2024)",
        "the treatment switches off, or no treated row can be imputed",
    ),
    EstimatorSpec(
        "iv",
        iv,
        ("late",),
        "Two-stage least squares or LIML with instruments; cutoffs and non-compliance in a local window.",
        "clustered CR1, t(G - 1); Anderson-Rubin set",
        "Imbens and Angrist (1994); Montiel Olea and Pflueger (2013); Anderson and Rubin (1949)",
        "no instrument or no treatment varies given the covariates",
        treatment="any",
    ),
    EstimatorSpec(
        "synthetic_control",
        synthetic_control,
        ("att",),
        "Weighted mean of donors that follows the treated unit before the start; weights proven to be best.",
        "rank among placebo donors, or among shifts in time; intervals by inverting the same test",
        "Abadie, Diamond and Hainmueller (2010); Chernozhukov, Wuthrich and Zhu (2021)",
        "a treated unit lacks periods, or there are fewer than 2 donors or periods before the start",
    ),
    EstimatorSpec(
        "augmented_synthetic_control",
        augmented_synthetic_control,
        ("att",),
        "Synthetic control whose misfit before the start is corrected by ridge regression, penalty cross-validated.",
        "rank among shifts in time; intervals by inverting the same test",
        "Ben-Michael, Feller and Rothstein (2021); Chernozhukov, Wuthrich and Zhu (2021)",
        "as synthetic_control, or treated units start at different times",
    ),
    EstimatorSpec(
        "synthetic_did",
        synthetic_did,
        ("att",),
        "Difference-in-differences with donors and periods weighted to be parallel before the start.",
        "placebo, jackknife or bootstrap of units; normal limits",
        "Arkhangelsky et al. (2021); Clarke et al. (2024) on staggered adoption",
        "a treated unit lacks periods, or there are fewer than 2 donors or periods before the start",
    ),
    EstimatorSpec(
        "geo_did",
        geo_did,
        ("att",),
        "Proportional lift of treated regions against donors weighted by their precision, on logarithms.",
        "autoregressive errors, averaged over autocorrelations and slopes as donors show them",
        "Vaver and Koehler (2011); Zellner and Tiao (1964) on the errors",
        "outcomes are not positive, starts differ, or donors or periods are too few; refused where treated regions move at "
        "other times, or donors at the start",
        scale="proportion",
    ),
)
ESTIMATORS: dict[str, EstimatorSpec] = {spec.name: spec for spec in _SPECS}
