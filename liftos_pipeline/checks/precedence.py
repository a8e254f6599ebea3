"""Temporal precedence: does money move first, or does it follow the outcome?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.diagnostics.precedence import Precedence, temporal_precedence
from liftos_pipeline.checks.outcome import CheckOutcome

Floats = NDArray[np.float64]
_WORST = 5


def spend_comes_first(
    panel: pd.DataFrame, roles: Mapping[str, tuple[str, str, str, int]], as_of: date, level: float
) -> list[CheckOutcome]:
    """One outcome per platform: an alarm where past outcomes help to predict spend beyond its own past.

    Budgets that chase results are chosen by what they are said to cause. Nothing is proved either way: a common cause
    that reaches one series sooner looks the same.

    Parameters
    ----------
    panel : DataFrame
        platform, unit_type, unit_id, date_day and the columns of ``roles`` of ``marketing_panel``.
    roles : mapping
        Platform to kind of unit, column of the volume (spend, sends), column of the outcome's count, and days after which
        a day has matured.
    as_of : date
    level : float
        Chance of an alarm on any platform where there is no relation.

    References
    ----------
    Granger (1969), Econometrica 37(3).
    """
    outcomes = []
    for platform, (unit_type, volume, count, maturity_days) in roles.items():
        last = pd.Timestamp(as_of - timedelta(days=maturity_days))
        rows = panel[
            (panel["platform"] == platform) & (panel["unit_type"] == unit_type) & (panel["date_day"] <= last)
        ]
        if len(rows) == 0:
            continue
        spent, sold = (_series(rows, name) for name in (volume, count))
        forward = temporal_precedence(spent.to_numpy(), sold.to_numpy())
        backward = temporal_precedence(sold.to_numpy(), spent.to_numpy())
        outcomes.append(
            _outcome(platform, volume, count, list(map(str, spent.index)), forward, backward, level / len(roles))
        )
    return outcomes


def _series(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    wide = rows.pivot(index="unit_id", columns="date_day", values=column).sort_index().astype(float)
    return np.log1p(wide.clip(lower=0.0))


def _outcome(
    platform: str,
    volume: str,
    count: str,
    units: list[str],
    forward: Precedence,
    backward: Precedence,
    level: float,
) -> CheckOutcome:
    follows = bool(backward.overall_p < level)
    p = np.where(np.isfinite(backward.p_value), backward.p_value, 1.0)
    return CheckOutcome(
        gate="precedence",
        subject=platform,
        passed=not follows,
        severity="warn",
        seen=f"{volume} before {count}: {_told(forward)}; {count} before {volume}: {_told(backward)}",
        expected=f"{count} does not come before {volume}, at p {level:.4f}",
        way_out=f"{volume} follows {count}: trust designs that do not rest on how budgets were chosen."
        if follows
        else "",
        offenders=tuple(
            {"unit_id": units[place], "p_value": float(p[place])}
            for place in np.argsort(p, kind="stable")[:_WORST]
        )
        if follows
        else (),
    )


def _told(found: Precedence) -> str:
    if np.isfinite(found.overall_p):
        return f"p {found.overall_p:.3f}"
    return f"not tested: {next((reason for reason in found.reason if reason), 'no unit')}"
