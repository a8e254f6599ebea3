"""Instrumental variables: 2SLS and LIML, with inference that says when the instruments are weak."""

from __future__ import annotations

import dataclasses

from liftos_pipeline.causal.engines.rows import are_remote
from liftos_pipeline.causal.estimators.instrumented_fit import FORMS, Estimator, InstrumentedFit, instrumented_fit
from liftos_pipeline.causal.estimators.local_window import local_window
from liftos_pipeline.causal.inference.weak_instruments import RULE_OF_THUMB
from liftos_pipeline.causal.kernels.instruments import COLLINEAR, ROUNDING, InstrumentColumns, partial_out
from liftos_pipeline.causal.kernels.pairs import refuse_repeated
from liftos_pipeline.causal.kernels.remote_instruments import remote_partial_out
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.results import EffectEstimate, effect_from
from liftos_pipeline.causal.specification import one_of
from liftos_pipeline.errors import LiftosError


def iv(
    panel: Panel,
    *,
    level: float,
    estimand: str = "late",
    estimator: Estimator = "2sls",
    window: tuple[float, float] | None = None,
    running: str | None = None,
) -> EffectEstimate:
    """Effect of a treatment, 0/1 or a dose, on the units whose treatment the instruments move.

    Standard errors are clustered with the factor G / (G - 1) * (n - 1) / (n - k) and t(G - 1) limits; where each
    row is a cluster of its own that is HC1. ``diagnostics`` holds

    - ``first_stage_f``, ``first_stage_p``: clustered Wald test of the instruments; ``partial_r2``;
    - ``effective_f`` and ``effective_f_critical_value``: below it, a bias of 2SLS above 10 % of the worst case is
      not rejected at 5 %;
    - ``anderson_rubin_set``: list of [low, high] at the estimate's level that holds with weak instruments. Limits
      may be infinite ("Infinity" in JSON); the list is empty where no effect fits all instruments.
      ``anderson_rubin_p``: of no effect;
    - ``wu_hausman_p``: exogeneity of the treatment, clustered t test of the first-stage residual as a control;
    - ``overidentification_p``: Hansen's J of two-step GMM with clustered weights.

    Parameters
    ----------
    estimator : str
        ``2sls`` or ``liml``.
    window, running : (low, high) and name of a covariate, optional
        Keep the rows whose running variable lies inside. The one instrument is then the assignment, and the
        running variable has a slope of its own on each side of the cutoff.

    Raises
    ------
    LiftosError
        No instrument that varies given the covariates, a treatment that does not, instruments without any
        relation to the treatment, too few rows, a window without rows or without both assignments.

    References
    ----------
    Imbens and Angrist (1994), Econometrica 62(2). Andrews, Stock and Sun (2019), Annual Review of Economics 11:
    what to report with weak instruments.

    Examples
    --------
    >>> import pandas as pd
    >>> from liftos_pipeline.causal import estimate
    >>> table = pd.DataFrame({"z": [0, 0, 0, 1, 1, 1], "d": [0, 1, 0, 1, 0, 1], "y": [1, 4, 2, 5, 1, 3]})
    >>> roles = {"outcome": "y", "treatment": "d", "unit": "u", "instruments": ["z"]}
    >>> est = estimate("iv", Panel.from_frame(table.assign(u=range(6)), **roles))
    >>> round(est.estimate, 6), est.diagnostics["anderson_rubin_set"]
    (2.0, [[-inf, inf]])
    """
    one_of("estimator", estimator, tuple(FORMS))
    used, estimand, facts = _selected(panel, estimand, window, running)
    columns = _partialled_out(used)
    fit = instrumented_fit(used, columns, estimator, level)
    return effect_from(
        used,
        "iv",
        estimand,
        fit.form.estimate,
        dataclasses.replace(fit.inference, undefined=fit.undefined),
        {**facts, "estimator": estimator, **_diagnostics(used, columns, fit)},
        (*_dropped(used, columns), *_alarms(fit)),
    )


def _selected(
    panel: Panel, estimand: str, window: tuple[float, float] | None, running: str | None
) -> tuple[Panel, str, dict[str, object]]:
    """Rows to use, the estimand's name for them, and what is to be said about the choice."""
    if not panel.roles.instruments:
        raise LiftosError(
            "at least one instrument", "none", "Name columns that move the treatment and nothing else."
        )
    if window is None and running is None:
        return panel, estimand, {}
    if window is None or running is None:
        given = "running" if window is None else "window"
        raise LiftosError("window and running together", f"only {given}", "Pass both, or neither.")
    local = local_window(panel, window, running)
    facts = {
        "running": running,
        "centre": local.centre,
        "centre_is_cutoff": local.follows_cutoff,
        "n_rows_outside": local.n_outside,
    }
    return local.panel, f"{estimand} at {running} = {local.centre:g}", facts


def _partialled_out(panel: Panel) -> InstrumentColumns:
    columns = _columns(panel)
    names = ", ".join(panel.roles.instruments)
    if len(columns.instruments) == 0:
        raise LiftosError(
            f"an instrument that varies given the covariates, among {names}",
            "only constants and combinations of the covariates",
            "Name another instrument or drop the covariates that determine it.",
        )
    if columns.treatment_share <= COLLINEAR:
        raise LiftosError(
            f"a treatment {panel.roles.treatment} that varies given the covariates",
            "a constant" if columns.treatment_is_constant else "a combination of the covariates",
            "Add untreated rows, or drop the covariates that determine the treatment.",
        )
    n_needed = 3 + len(columns.covariates) + len(columns.instruments)
    if panel.n_rows < n_needed:
        raise LiftosError(f"at least {n_needed} rows", str(panel.n_rows), "Add rows or drop covariates.")
    p = columns.projections()
    if float(p.pi @ p.pi) <= ROUNDING * p.dd:
        raise LiftosError(
            f"a treatment that {names} moves", "no relation at all", "Name instruments that assign the treatment."
        )
    return columns


def _columns(panel: Panel) -> InstrumentColumns:
    if are_remote(panel.rows):
        if panel.roles.period is not None:
            refuse_repeated(panel.rows, panel.index)
        return remote_partial_out(
            panel.rows, panel.index, len(panel.covariate_names), len(panel.roles.instruments), panel.has_weights
        )
    panel = panel.held()
    return partial_out(panel.X, panel.Z, panel.d, panel.y, panel.row_weights, panel.cluster, panel.n_clusters)


def _diagnostics(panel: Panel, columns: InstrumentColumns, fit: InstrumentedFit) -> dict[str, object]:
    p = columns.projections()
    return {
        "instruments": [panel.roles.instruments[j] for j in columns.instruments],
        "kappa": fit.form.kappa,
        "ols_estimate": p.dy / p.dd,
        "partial_r2": float(p.pi @ p.pi) / p.dd,
        "first_stage_f": fit.first_stage.f,
        "first_stage_p": fit.first_stage.p_value,
        "effective_f": fit.first_stage.effective_f,
        "effective_f_critical_value": fit.first_stage.critical_value,
        "anderson_rubin_set": fit.anderson_rubin.intervals,
        "anderson_rubin_p": fit.anderson_rubin.p_value,
        "wu_hausman_p": fit.wu_hausman.p_value,
        "overidentification_p": fit.overidentification.p_value,
        "standard_error": "hc1" if panel.n_clusters == panel.n_rows else "clustered_cr1",
    }


def _dropped(panel: Panel, columns: InstrumentColumns) -> tuple[str, ...]:
    covariates = (name for j, name in enumerate(panel.covariate_names) if j not in columns.covariates)
    instruments = (name for j, name in enumerate(panel.roles.instruments) if j not in columns.instruments)
    return (
        *(f"covariate {name} is a combination of the others and was dropped" for name in covariates),
        *(
            f"instrument {name} is a combination of covariates and instruments and was dropped"
            for name in instruments
        ),
    )


def _alarms(fit: InstrumentedFit) -> tuple[str, ...]:
    """Which interval to read, and what an empty set means."""
    strength, critical_value = fit.first_stage.effective_f, fit.first_stage.critical_value
    robust = fit.anderson_rubin
    if "anderson_rubin_set" in robust.undefined:
        instead = "there is no Anderson-Rubin set to read instead"
    else:
        instead = f"read the Anderson-Rubin set instead: {robust.text()}"
    found = []
    if strength < RULE_OF_THUMB:
        found.append(
            f"weak instruments: effective F {strength:.3g} is below {RULE_OF_THUMB:g}, "
            f"do not rely on the interval; {instead}"
        )
    elif strength < critical_value:
        found.append(
            f"instruments may be weak: effective F {strength:.3g} is below its critical value {critical_value:.3g}, "
            f"so the interval may be off; {instead}"
        )
    if not robust.intervals:
        found.append("the Anderson-Rubin set is empty: no effect fits all instruments, one of them is not valid")
    return tuple(found)
