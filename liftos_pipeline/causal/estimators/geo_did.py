"""Geo experiments and other short series: lift of treated regions against weighted donors, on logarithms."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.estimators.donor_panel import DonorPanel, donor_panel
from liftos_pipeline.causal.inference.autoregression import StepFit, autoregressive_step
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.results import EffectEstimate, Inference, effect_from
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]

MAX_PASSES = 20
SMALLEST_VARIANCE = 1e-6
"""Of a donor's noise beside the mean of all: keeps copies of the mean from taking all the weight."""
_MOST_NAMED = 5


def geo_did(
    panel: Panel, *, level: float, seed: int, estimand: str = "att", spend: float | str | None = None
) -> EffectEstimate:
    """Proportional lift of the treated regions' total.

    The logarithm of the treated total less a weighted mean of the donors' logarithms is compared before and after the
    start; donors weigh by the inverse of their noise before it. Errors are taken to be first-order autoregressive, and
    the statistic is referred to its own simulated distribution, so that the level holds with few periods.

    Parameters
    ----------
    spend : float or str, optional
        What was spent more in the treated regions after the start: a total, or the covariate that holds spend by region
        and period, whose total above its mean before the start is taken. ``diagnostics["iroas"]`` is the incremental
        outcome over it.

    Returns
    -------
    EffectEstimate
        ``estimate`` is a proportion: 0.075 is 7.5 %. ``diagnostics``: ``incremental_outcome`` with its interval.

    Raises
    ------
    LiftosError
        As :func:`synthetic_control`; outcomes that are not positive; treated regions with different starts.

    References
    ----------
    Vaver and Koehler (2011), Measuring ad effectiveness using geo experiments, section 5. Bertrand, Duflo and
    Mullainathan (2004), QJE 119(1): why serial correlation cannot be ignored.
    """
    units = donor_panel(panel, "geo_did", uses_covariates=isinstance(spend, str))
    Y = units.origin + units.Y
    _refuse_unusable(units, Y)
    start, n_treated = int(units.start[0]), units.n_treated
    treated = Y[:, :n_treated].sum(axis=1)
    logs = np.log(Y[:, units.donors])
    weights = precision_weights(logs[:start])
    contrast = np.log(treated) - logs @ weights
    is_post = (np.arange(units.n_periods) >= start).astype(np.float64)
    fit = autoregressive_step(contrast, np.column_stack([np.ones_like(is_post), is_post]), 1, level, seed)
    found = _inference(fit, level, units)
    lift = math.expm1(fit.estimate)
    total = float(treated[start:].sum())
    incremental = {name: total * (1.0 - 1.0 / (1.0 + rate)) for name, rate in _rates(lift, found).items()}
    diagnostics: dict[str, object] = {
        "n_donors": units.n_donors,
        "autocorrelation": fit.correlation,
        "autocorrelation_corrected": fit.corrected_correlation,
        "critical_value": fit.critical_value,
        "log_effect": fit.estimate,
        "log_std_error": fit.std_error,
        "incremental_outcome": incremental,
        "standard_error": "autoregressive generalised least squares, delta method",
        "seed": seed,
    }
    if spend is not None:
        spent = _spent(panel, units, spend, start)
        diagnostics |= {"incremental_spend": spent, "iroas": {k: v / spent for k, v in incremental.items()}}
    effect = effect_from(panel, "geo_did", estimand, lift, found, diagnostics, units.warnings)
    weighted = pd.DataFrame({"unit": units.labels[units.donors], "weight": weights})
    return replace(effect, path=_path(contrast, start), weights=weighted)


def precision_weights(logs: Floats) -> Floats:
    """Weights of donors by the inverse variance of what they do beside the weighted mean, adding to one.

    Parameters
    ----------
    logs : ndarray, shape (T, J)
        Before the start.
    """
    centred = logs - logs.mean(axis=0)
    weights = np.full(logs.shape[1], 1.0 / logs.shape[1])
    for _ in range(MAX_PASSES):
        # A donor's own weight in the mean makes its distance from it too small: by (1 - w) if noises are independent.
        own = np.mean((centred - (centred @ weights)[:, None]) ** 2, axis=0) / np.maximum(1.0 - weights, 0.5)
        if not own.any():
            return np.full(logs.shape[1], 1.0 / logs.shape[1])
        found = 1.0 / np.maximum(own, SMALLEST_VARIANCE * own.mean())
        found /= found.sum()
        if np.max(np.abs(found - weights)) < 1e-10:
            break
        weights = found
    return weights


def _refuse_unusable(units: DonorPanel, Y: Floats) -> None:
    if len(np.unique(units.start)) > 1:
        raise LiftosError(
            "treated regions that start together", f"{len(np.unique(units.start))} starts", "Use synthetic_did."
        )
    bad = np.flatnonzero((Y <= 0).any(axis=0))
    if len(bad):
        named = ", ".join(str(label) for label in units.labels[bad[:_MOST_NAMED]])
        raise LiftosError(
            "positive outcomes, of which there is a logarithm",
            f"{int((Y <= 0).sum())} of {Y.size} at zero or below, in {named}",
            "Use longer periods or larger regions, or leave these regions out.",
        )


def _inference(fit: StepFit, level: float, units: DonorPanel) -> Inference:
    margin = fit.critical_value * fit.std_error
    low, high = math.expm1(fit.estimate - margin), math.expm1(fit.estimate + margin)
    std_error = math.exp(fit.estimate) * fit.std_error
    n_units = units.n_donors + units.n_treated
    return Inference(std_error, low, high, fit.p_value, level, n_units, math.nan)


def _rates(lift: float, found: Inference) -> dict[str, float]:
    return {"estimate": lift, "ci_low": found.ci_low, "ci_high": found.ci_high}


def _spent(panel: Panel, units: DonorPanel, spend: float | str, start: int) -> float:
    if isinstance(spend, str):
        if spend not in panel.covariate_names or panel.period is None:
            raise LiftosError(
                f"the spend among the covariates {', '.join(panel.covariate_names)}",
                spend,
                "Name it as a covariate.",
            )
        is_treated = np.isin(panel.unit, units.units[: units.n_treated])
        values = panel.X[is_treated, panel.covariate_names.index(spend)]
        by_period = np.bincount(panel.period[is_treated], weights=values, minlength=units.n_periods)
        spend = float(by_period[start:].sum() - by_period[:start].mean() * (units.n_periods - start))
    if not spend > 0:
        raise LiftosError(
            "a positive incremental spend", f"{spend:g}", "Give what was spent more after the start."
        )
    return float(spend)


def _path(contrast: Floats, start: int) -> pd.DataFrame:
    """Lift of each period against the mean before the start; the noise of single periods is not told."""
    times = np.arange(len(contrast)) - start
    columns = ("std_error", "ci_low", "ci_high", "band_low", "band_high")
    lifts = np.expm1(contrast - contrast[:start].mean())
    return pd.DataFrame({"event_time": times, "estimate": lifts, **dict.fromkeys(columns, np.nan)})
