"""What estimates carry of balance and sensitivity: entries of their diagnostics, with reasons and warnings.

The measures themselves stand in ``balance`` and ``sensitivity``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.diagnostics.balance import balance
from liftos_pipeline.causal.diagnostics.sensitivity import (
    LOG_RISK_PER_STANDARD_DEVIATION,
    e_value,
    robustness,
)
from liftos_pipeline.causal.results import Inference

Floats = NDArray[np.float64]
Told = tuple[dict[str, object], dict[str, str]]
"""Entries of an estimate's diagnostics, and the reason of each that is NaN."""

LARGE_DIFFERENCE = 0.1
"""Standardised mean difference above which covariates count as different (Austin 2009)."""
MOST_SORTED = 1_000_000
"""Values (rows times covariates) up to which an estimate carries distances of distribution functions."""
_CONSTANT = 1e-12
"""Standard deviation of the outcome beside its size below which it is rounding."""


def balance_diagnostics(
    X: Floats, names: Sequence[str], d: Floats, before: Floats, after: Floats
) -> tuple[dict[str, object], tuple[str, ...]]:
    """What an estimate tells of balance: entries of its ``diagnostics``, and its warnings.

    Parameters
    ----------
    X : ndarray, shape (n, k)
        Covariates.
    names : sequence of str, shape (k,)
    d : ndarray, shape (n,)
        Treatment, 0 or 1.
    before, after : ndarray, shape (n,)
        Row weights without and with balancing, sampling weights in both.

    Returns
    -------
    diagnostics : dict
        ``balance``: one record per covariate, the columns of ``Balance.table``. ``largest_smd_before``,
        ``largest_smd``: largest absolute standardised mean difference before and after weighting; None without
        covariates, or where none of them varies.
    warnings : tuple of str
        Which covariate differs most, where that is more than ``LARGE_DIFFERENCE`` after weighting.

    References
    ----------
    Austin (2009), Statistics in Medicine 28(25): 0.1 as the mark of a meaningful difference.
    """
    has_distances = X.size <= MOST_SORTED
    found = balance(X, d, names, after, before, distances=has_distances)
    facts, warnings = tell_balance(found.table, not np.array_equal(before, after))
    if not has_distances:
        reason = f"ks is not computed for more than {MOST_SORTED:,} values; call balance() for it"
        for record in facts["balance"]:
            record["undefined"] = "; ".join(filter(None, (record["undefined"], reason)))
    return facts, warnings


def tell_balance(table: pd.DataFrame, is_weighted: bool) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The same from the table of a :class:`Balance`."""
    sizes = {
        time: np.nanmax(np.abs(table[f"smd_{time}"].to_numpy()), initial=-np.inf) for time in ("before", "after")
    }
    told = {time: float(size) if np.isfinite(size) else None for time, size in sizes.items()}
    columns = [table[name].tolist() for name in table]
    facts = {
        "balance": [dict(zip(table, row, strict=True)) for row in zip(*columns, strict=True)],
        "largest_smd_before": told["before"],
        "largest_smd": told["after"],
    }
    return facts, _difference_warning(table, is_weighted)


def _difference_warning(table: pd.DataFrame, is_weighted: bool) -> tuple[str, ...]:
    sizes = np.abs(table["smd_after"].to_numpy())
    n_large = int((sizes > LARGE_DIFFERENCE).sum())
    if n_large == 0:
        return ()
    row = table.iloc[int(np.nanargmax(sizes))]
    return (
        f"covariates that differ between the arms by more than {LARGE_DIFFERENCE:g} standard deviations"
        f"{' after weighting' if is_weighted else ''}: {n_large} of {len(sizes)}, most {row['covariate']} by "
        f"{row['smd_after']:.2g}",
    )


def within_arms_sd(y: Floats, d: Floats, weights: Floats) -> float:
    """Standard deviation of the outcome within the arms, pooled; zero where it does not vary within them.

    Parameters
    ----------
    y, d, weights : ndarray, shape (n,)
        Outcome, treatment (0 or 1), sampling weights. With two rows or fewer the result is zero.
    """
    moved = y - y[0]
    squares = 0.0
    for arm in (d == 1, d == 0):
        away = moved[arm] - np.average(moved[arm], weights=weights[arm])
        squares += float(weights[arm] @ away**2)
    if len(y) <= 2 or squares <= _CONSTANT**2 * float(weights @ y**2):
        return 0.0
    return math.sqrt(squares / float(weights.sum()) * len(y) / (len(y) - 2))


def e_value_diagnostics(estimate: float, inference: Inference, outcome_sd: float, sd_of: str) -> Told:
    """What an estimate tells of its E-value.

    Parameters
    ----------
    outcome_sd : float
        Standard deviation of the outcome by which the effect is standardised.
    sd_of : str
        Over what it is taken, in words.

    Returns
    -------
    diagnostics : dict
        ``e_value``, ``e_value_limit`` as in :class:`EValue`; ``e_value_outcome_sd``; ``e_value_scale``, the
        conversion in words.
    undefined : dict
    """
    scale = f"risk ratio exp({LOG_RISK_PER_STANDARD_DEVIATION:g} * effect / sd), sd of the outcome {sd_of}"
    facts: dict[str, object] = {"e_value_outcome_sd": outcome_sd, "e_value_scale": scale}
    if not outcome_sd > 0:
        reason = "the outcome does not vary within the arms"
        return {**facts, "e_value": math.nan, "e_value_limit": math.nan}, {
            "e_value": reason,
            "e_value_limit": reason,
        }
    found = e_value(estimate, inference.ci_low, inference.ci_high, outcome_sd)
    facts |= {"e_value": found.estimate, "e_value_limit": found.limit}
    if math.isnan(found.limit):
        return facts, {"e_value_limit": inference.undefined.get("ci_low", "there is no interval")}
    return facts, {}


def robustness_diagnostics(
    estimate: float, bread: float, residual_squares: float, freedom: float, alpha: float
) -> Told:
    """What a regression estimate tells of its robustness values.

    Parameters
    ----------
    bread : float
        One over the treatment's sum of squares given all other columns.
    residual_squares : float
        Sum of squared residuals; 0 where they are rounding.
    freedom : float
        Rows less parameters, effects included.

    Returns
    -------
    diagnostics : dict
        ``treatment_partial_r2``, ``robustness_value`` (``rv_q`` at q = 1), ``robustness_value_alpha`` (``rv_q_alpha`` for the
        classical t test at ``alpha``); all from the homoskedastic t statistic.
    undefined : dict
    """
    names = ("treatment_partial_r2", "robustness_value", "robustness_value_alpha")
    reason = None
    if freedom <= 1:
        reason = f"{freedom:g} degrees of freedom are left beside the effects; more than 1 are needed"
    elif not residual_squares > 0:
        reason = "the regression fits the outcome exactly: there is no error for a confounder to explain"
    if reason is not None:
        return dict.fromkeys(names, math.nan), dict.fromkeys(names, reason)
    found = robustness(estimate / math.sqrt(bread * residual_squares / freedom), freedom, alpha=alpha)
    return dict(zip(names, (found.partial_r2, found.rv_q, found.rv_q_alpha), strict=True)), {}
