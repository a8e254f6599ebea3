"""Geo experiments and other short series: lift of treated regions against weighted donors, on logarithms."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.diagnostics.disturbances import FALSE_ALARMS, Disturbance
from liftos_pipeline.causal.estimators.donor_panel import DonorPanel, donor_panel
from liftos_pipeline.causal.estimators.geo_lift import GeoLift, measure_lift
from liftos_pipeline.causal.estimators.geo_spend import Incremental, Spend, return_on, spend_of
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.results import REFUSED, EffectEstimate, Inference, effect_from
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]

_MOST_NAMED = 5


def geo_did(
    panel: Panel,
    *,
    level: float,
    seed: int,
    estimand: str = "att",
    spend: float | str | None = None,
    shared_shock: bool = False,
) -> EffectEstimate:
    """Proportional lift of the treated regions' total.

    The logarithm of the treated total less a weighted mean of the donors' logarithms is compared before and after the
    start; donors weigh by the inverse of their noise. Errors are taken to be first-order autoregressive; what the
    autocorrelation is, and whether regions have slopes of their own, is averaged over what the series and its donors say.
    Factors to which donors answer each in its own way are regressors, and steps that donors take at the start without
    treatment widen the interval.

    The lift is refused where the treated regions move at other times too, before the start or from it on, or where the
    donors step at the start: they may be treated as well.

    Parameters
    ----------
    spend : float or str, optional
        What was spent more in the treated regions after the start: a total, or the covariate that holds spend by region
        and period, whose step at the start is taken. ``diagnostics["iroas"]`` is the incremental outcome over it.
    shared_shock : bool
        Whether it is known that something else moved all regions at the start: a step of the donors is then no reason
        to refuse.

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

    Examples
    --------
    >>> import pandas as pd
    >>> from liftos_pipeline.causal import Panel, estimate
    >>> rows = [(u, t, int(u % 4 == 1 and t >= 6), (7 * u * t) % 5) for u in range(12) for t in range(9)]
    >>> table = pd.DataFrame(rows, columns=["shop", "week", "d", "noise"])
    >>> table["y"] = 20 + table["shop"] + table["week"] + 3 * table["d"] + table["noise"]
    >>> panel = Panel.from_frame(table, outcome="y", treatment="d", unit="shop", period="week")
    >>> est = estimate("geo_did", panel)
    >>> round(est.estimate, 2), round(est.ci_low, 2), round(est.ci_high, 2)
    (0.09, 0.08, 0.1)
    """
    units = donor_panel(panel, "geo_did", uses_covariates=isinstance(spend, str), on_logarithms=True)
    Y = units.origin + units.Y
    _refuse_unusable(units, Y)
    start = int(units.start[0])
    treated = Y[:, : units.n_treated].sum(axis=1)
    measured = measure_lift(np.log(treated), np.log(Y[:, units.donors]), start)
    step = measured.fit.step
    found = _inference(measured, level, units)
    lift, total = math.expm1(step.mean), float(treated[start:].sum())
    gained, low, high = (total * (1.0 - 1.0 / (1.0 + rate)) for rate in (lift, found.ci_low, found.ci_high))
    incremental = Incremental(gained, low, high, total * math.exp(-step.mean) * step.std_error)
    diagnostics: dict[str, object] = {
        "n_donors": units.n_donors,
        "incremental_outcome": incremental.limits(),
        **_told(measured),
        "standard_error": "autoregressive generalised least squares, autocorrelation averaged, delta method",
        "seed": seed,
    }
    if reasons := _against(measured, units, shared_shock):
        diagnostics[REFUSED] = "; ".join(reasons)
    if spend is not None:
        spent = _spent(panel, units, spend, start, measured)
        critical = (math.log1p(found.ci_high) - math.log1p(found.ci_low)) / (2.0 * step.std_error)
        returned = return_on(spent, incremental, critical)
        diagnostics |= {
            "incremental_spend": spent.total,
            "incremental_spend_std_error": spent.std_error,
            "iroas": returned,
        }
    effect = effect_from(panel, "geo_did", estimand, lift, found, diagnostics, units.warnings)
    weighted = pd.DataFrame({"unit": units.labels[units.donors], "weight": measured.contrasts.weights})
    return replace(effect, path=_path(measured.contrasts.series[:, 0], start), weights=weighted)


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


def _inference(measured: GeoLift, level: float, units: DonorPanel) -> Inference:
    step = measured.fit.step
    low, high = (math.expm1(limit) for limit in step.interval(level))
    n_units = units.n_donors + units.n_treated
    return Inference(
        math.exp(step.mean) * step.std_error, low, high, step.p_value(), level, n_units, step.degrees_of_freedom
    )


def _told(measured: GeoLift) -> dict[str, object]:
    fit, donors = measured.fit, measured.donor_step
    return {
        "log_effect": fit.step.mean,
        "log_std_error": fit.step.std_error,
        "autocorrelation": fit.correlation,
        "donor_excess_variance": fit.excess,
        "slopes_probability": fit.has_slopes,
        "n_factors": fit.n_factors,
        "disturbance_before_p": _p_value(measured.before),
        "disturbance_after_p": _p_value(measured.after),
        "donor_step": math.nan if donors is None else math.expm1(donors.mean),
        "donor_step_p": math.nan if donors is None else donors.p_value(),
    }


def _p_value(found: Disturbance | None) -> float:
    return math.nan if found is None else found.p_value


def _against(measured: GeoLift, units: DonorPanel, shared_shock: bool) -> list[str]:
    """Why the lift must not be used."""
    reasons = []
    for found, consequence in (
        (measured.before, "donors do not follow the treated regions before the start"),
        (measured.after, "one lift does not describe all periods from the start on"),
    ):
        if found is not None and found.p_value < FALSE_ALARMS:
            first, last = (units.period_labels[period] for period in (found.first, found.last))
            moved = f"{math.expm1(found.size):+.1%} from {first} to {last}"
            reasons.append(f"the treated regions moved {moved} (p {found.p_value:.2g}): {consequence}")
    if measured.donors_moved and not shared_shock and measured.donor_step is not None:
        moved = f"{math.expm1(measured.donor_step.mean):+.1%} at the start (p {measured.donor_step.p_value():.2g})"
        reasons.append(
            f"donors stepped {moved}: treatment may have reached them (if a shock is known: shared_shock=True)"
        )
    return reasons


def _spent(panel: Panel, units: DonorPanel, spend: float | str, start: int, measured: GeoLift) -> Spend:
    if not isinstance(spend, str):
        return Spend(float(spend))
    if spend not in panel.covariate_names or panel.period is None:
        raise LiftosError(
            f"the spend among the covariates {', '.join(panel.covariate_names)}", spend, "Name it as a covariate."
        )
    is_treated = np.isin(panel.unit, units.units[: units.n_treated])
    values = panel.X[is_treated, panel.covariate_names.index(spend)]
    by_period = np.bincount(panel.period[is_treated], weights=values, minlength=units.n_periods).astype(np.float64)
    return spend_of(by_period, start, measured.contrasts.series[:, 0], measured.fit.design)


def _path(contrast: Floats, start: int) -> pd.DataFrame:
    """Lift of each period against the mean before the start; the noise of single periods is not told."""
    times = np.arange(len(contrast)) - start
    columns = ("std_error", "ci_low", "ci_high", "band_low", "band_high")
    lifts = np.expm1(contrast - contrast[:start].mean())
    return pd.DataFrame({"event_time": times, "estimate": lifts, **dict.fromkeys(columns, np.nan)})
