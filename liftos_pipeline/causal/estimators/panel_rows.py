"""The panel of some of a panel's rows."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.panel import Panel

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


def rows_of(panel: Panel, rows: Booleans) -> Panel:
    """The panel of some rows: units, periods and clusters without rows are gone."""
    unit, unit_labels = _compact(panel.unit[rows], panel.unit_labels)
    cluster, cluster_labels = _compact(panel.cluster[rows], panel.cluster_labels)
    period, period_labels = panel.period, panel.period_labels
    if period is not None and period_labels is not None:
        period, period_labels = _compact(period[rows], period_labels)
    return dataclasses.replace(
        panel,
        y=panel.y[rows],
        d=panel.d[rows],
        X=panel.X[rows],
        Z=panel.Z[rows],
        unit=unit,
        unit_labels=unit_labels,
        period=period,
        period_labels=period_labels,
        cluster=cluster,
        cluster_labels=cluster_labels,
        weights=None if panel.weights is None else panel.weights[rows],
        propensity=None if panel.propensity is None else panel.propensity[rows],
        row_order=panel.row_order[rows],
    )


def _compact(codes: Integers, labels: NDArray[Any]) -> tuple[Integers, NDArray[Any]]:
    used = np.bincount(codes, minlength=len(labels)) > 0
    return (np.cumsum(used) - 1)[codes], labels[used]
