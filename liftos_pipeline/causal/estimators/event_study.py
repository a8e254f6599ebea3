"""Event study by two-way fixed effects, with binned end points."""

from __future__ import annotations

import numpy as np

from liftos_pipeline.causal.estimators.adoption import Adoption
from liftos_pipeline.causal.estimators.adoption_effect import adoption_effect
from liftos_pipeline.causal.estimators.adoption_rows import adoption_of
from liftos_pipeline.causal.estimators.event_window import BASE, EventWindow, event_window
from liftos_pipeline.causal.estimators.path_sensitivity import path_sensitivity
from liftos_pipeline.causal.inference.bands import bootstrap_wald_test, path_with_bands, score_inference, with_base
from liftos_pipeline.causal.kernels.cells import unit_sums
from liftos_pipeline.causal.kernels.demean import TwoWay
from liftos_pipeline.causal.kernels.within import WithinFit, independent, within_regression
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.results import EffectEstimate
from liftos_pipeline.errors import LiftosError


def event_study(
    panel: Panel, *, level: float, seed: int, leads: int | None = None, lags: int | None = None
) -> EffectEstimate:
    """Two-way fixed effects with a coefficient for each period before and after adoption.

    The first and last event time are bins of everything beyond. ``estimate`` is the mean of the coefficients from
    event time 0 on. Standard errors are clustered with the factor G / (G - 1) * (n - 1) / (n - p), p counting
    coefficients and periods, and t(G - 1) limits. Where adoption is staggered the coefficients mix the effects of
    cohorts and of event times. Units treated in all their rows and units seen once are dropped; a unit whose missing
    rows leave several periods of adoption open takes the last that is among the fewest dates that agree with all rows.

    ``pretrend_detectable_slope`` is the linear violation of parallel trends that the periods before would have shown,
    ``honest_did_breakdown`` how far trends may part before the effect is in doubt: both from the event times next to
    adoption, ten to a side at most and without the bins.

    Parameters
    ----------
    leads : int, optional
        Event times -leads .. -1, of which -1 is the base. By default all that there are, at most 10; fewer where
        every unit is treated at some time, since then only bins tell event time from calendar time.
    lags : int, optional
        Event times 0 .. lags. By default all that there are, at most 10.

    Raises
    ------
    LiftosError
        No period, a treatment that switches off, no unit seen before and after adoption, or coefficients that the
        unit and period effects leave undetermined.

    References
    ----------
    Schmidheiny and Siegloch (2023), Journal of Applied Econometrics 38(5): binned end points. Borusyak, Jaravel and
    Spiess (2024), Review of Economic Studies 91(6), section 3: what is not identified. Sun and Abraham (2021),
    Journal of Econometrics 225(2): mixing of cohorts.

    Examples
    --------
    >>> import pandas as pd
    >>> from liftos_pipeline.causal import Panel, estimate
    >>> rows = [(u, t, int(u % 4 == 1 and t >= 6), (7 * u * t) % 5) for u in range(12) for t in range(9)]
    >>> table = pd.DataFrame(rows, columns=["shop", "week", "d", "noise"])
    >>> table["y"] = 20 + table["shop"] + table["week"] + 3 * table["d"] + table["noise"]
    >>> panel = Panel.from_frame(table, outcome="y", treatment="d", unit="shop", period="week")
    >>> est = estimate("event_study", panel)
    >>> round(est.estimate, 2), round(est.ci_low, 2), round(est.ci_high, 2)
    (2.74, 0.81, 4.67)
    """
    adoption = adoption_of(panel, "event_study")
    window = event_window(adoption, leads, lags)
    fit = _cell_fit(adoption, window) if adoption.compresses else _row_fit(adoption, window)
    dropped = _judged(fit, adoption, window)
    n_rows, k, post = adoption.n_rows, len(window.times), window.times >= 0
    freedom = n_rows - int(fit.kept.sum()) - adoption.n_periods
    correction = (n_rows - 1) / freedom if freedom > 0 else 1.0
    reason = adoption.too_few_clusters() if freedom > 0 else "as many parameters as rows"
    scores, stratum = adoption.clustering.sums(fit.influence[:, :k]), adoption.clustering.stratum
    coefficients = fit.coefficients[:k]
    estimate = float(coefficients[post].mean())
    inference = score_inference(estimate, scores[:, post].mean(axis=1), level, correction, reason)
    told = (adoption.clusters_at(window.code, k) > 1) & (reason is None)
    pretrend = bootstrap_wald_test(coefficients[~post], scores[:, ~post], told[~post], stratum, seed, correction)
    path = path_with_bands(
        "event_time", window.times, coefficients, scores, told, stratum, level, seed, correction
    )
    unbinned = told & ~np.isin(window.times, [int(time) for time in window.bins])
    sensitivity = path_sensitivity(window.times, coefficients, scores, unbinned, BASE, level, correction, reason)
    diagnostics: dict[str, object] = {
        "base_period": BASE,
        "bins": window.bins,
        "n_cohorts": len(adoption.adopting),
        "seed": seed,
        "standard_error": "clustered_cr1",
        **sensitivity.facts,
    }
    warnings = (*window.warnings, *dropped, *adoption.few_clusters_warning(False), *_mixing(adoption))
    return adoption_effect(
        adoption,
        "event_study",
        "att",
        estimate,
        inference,
        with_base(path, BASE),
        pretrend,
        diagnostics,
        warnings,
        sensitivity.undefined,
    )


def _cell_fit(adoption: Adoption, window: EventWindow) -> WithinFit:
    """The regression from cohort x period cells."""
    panel, cells = adoption.outcomes, adoption.cells
    share = cells.sizes / cells.sizes.sum()
    dummies = (window.code[:, :, None] == np.arange(len(window.times))).astype(np.float64)
    within = dummies - dummies.mean(axis=1, keepdims=True)
    within -= np.tensordot(share, within, axes=1)
    weighted = within * cells.sizes[:, None, None]
    gram = np.tensordot(weighted, within, axes=([0, 1], [0, 1]))
    kept = independent(gram, cells.sizes @ dummies.sum(axis=1))
    inverse = np.zeros_like(gram)
    inverse[np.ix_(kept, kept)] = np.linalg.inv(gram[np.ix_(kept, kept)])
    coefficients = inverse @ np.tensordot(weighted, cells.means, axes=([0, 1], [0, 1]))
    left = cells.means - dummies @ coefficients
    level = left.mean(axis=1, keepdims=True)
    fitted = dummies @ coefficients + level + share @ (left - level)
    influence = panel.weights[:, None] * unit_sums(panel, within @ inverse, fitted)
    return WithinFit(coefficients, influence if adoption.used.all() else influence[adoption.used], kept)


def _row_fit(adoption: Adoption, window: EventWindow) -> WithinFit:
    """The regression from the rows."""
    panel = adoption.panel
    two_way = TwoWay(panel.unit, adoption.period, panel.row_weights, panel.n_units, adoption.n_periods)
    code = window.code[adoption.cohort[panel.unit], adoption.period]
    return within_regression(adoption.y, code, len(window.times), panel.X - panel.X.mean(axis=0), two_way)


def _judged(fit: WithinFit, adoption: Adoption, window: EventWindow) -> tuple[str, ...]:
    """Refuse coefficients that are not determined; name the covariates that were dropped."""
    k = len(window.times)
    open_times = window.times[~fit.kept[:k]]
    if len(open_times):
        raise LiftosError(
            "event times that unit and period effects leave determined",
            f"{', '.join(map(str, open_times))} not, with {len(adoption.adopting)} adoption periods and "
            f"{'some' if adoption.has_never_treated else 'no'} units never treated",
            "Add units that are never treated, or bin more with fewer leads or lags.",
        )
    names = np.array(adoption.source.covariate_names, dtype=object)[~fit.kept[k:]]
    return tuple(f"covariate {name} was dropped: the effects and other columns determine it" for name in names)


def _mixing(adoption: Adoption) -> tuple[str, ...]:
    n_cohorts = len(adoption.adopting)
    if n_cohorts == 1:
        return ()
    return (
        f"adoption is staggered over {n_cohorts} periods: these coefficients mix cohorts and event times; "
        "staggered_did and imputation_did do not",
    )
