"""Which comparisons a two-way fixed effects estimate is made of, and how much each weighs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from liftos_pipeline.causal.engines.rows import Rows
from liftos_pipeline.causal.index import NEVER, Index
from liftos_pipeline.causal.kernels.cohorts import cohort_means

FORBIDDEN = "later_against_earlier"


def bacon_decomposition(rows: Rows, index: Index) -> pd.DataFrame:
    """All two-by-two comparisons behind the coefficient of a balanced panel without covariates.

    Parameters
    ----------
    rows : Rows
        A balanced panel whose treatment is never switched off.

    Returns
    -------
    DataFrame
        treated, control (labels of the period of adoption; None: never or always treated), comparison
        (``treated_against_never``, ``treated_against_always``, ``earlier_against_later``, ``later_against_earlier``),
        estimate, weight. The weights add up to 1, and weights times estimates to the coefficient.

    References
    ----------
    Goodman-Bacon (2021), Journal of Econometrics 225(2), theorem 1.
    """
    found = cohort_means(rows, index)
    n_periods = index.n_periods
    share = found.n_units / found.n_units.sum()
    start = np.minimum(found.first_treated, n_periods)
    treated_time = (n_periods - start) / n_periods
    entries = []
    for k, k_start in enumerate(start):
        if k_start in (0, n_periods):
            continue
        for other, o_start in enumerate(start):
            if other == k:
                continue
            low, high, kind = _window(int(k_start), int(o_start), n_periods)
            k_time, o_time = treated_time[k], treated_time[other]
            if kind in ("treated_against_never", "treated_against_always"):
                spread = k_time * (1.0 - k_time)
            elif kind == "earlier_against_later":
                spread = (k_time - o_time) * (1.0 - k_time)
            else:
                spread = k_time * (o_time - k_time)
            change = [
                found.means[group, k_start:high].mean() - found.means[group, low:k_start].mean()
                for group in (k, other)
            ]
            entries.append(
                {
                    "treated": _label(index, found.first_treated[k]),
                    "control": _label(index, found.first_treated[other]),
                    "comparison": kind,
                    "estimate": float(change[0] - change[1]),
                    "weight": float(share[k] * share[other] * spread),
                }
            )
    table = pd.DataFrame(entries)
    table["weight"] /= table["weight"].sum()
    return table


def _window(start: int, other: int, n_periods: int) -> tuple[int, int, str]:
    """First and last period of a comparison, and its kind."""
    if other == n_periods:
        return 0, n_periods, "treated_against_never"
    if other == 0:
        return 0, n_periods, "treated_against_always"
    if start < other:
        return 0, other, "earlier_against_later"
    return other, n_periods, FORBIDDEN


def _label(index: Index, first: int) -> object:
    if first in (NEVER, 0):
        return None
    label = index.period_labels[first]
    return (
        label
        if isinstance(label, str)
        else np.datetime_as_string(label)
        if label.dtype.kind == "M"
        else int(label)
    )
