"""Other libraries on the tables of the detectors' clock: the part of a detector that each of them does.

None of them is the whole: a segmentation has no test, a decomposition no seasonality of the year, a regime no gate.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import pandas as pd

Run = Callable[[pd.DataFrame], None]
_WEEK = 7


@dataclass(frozen=True)
class Peer:
    """A library's run on a table of campaigns, or of one list; ``units`` of them are enough to time it."""

    detector: str
    library: str
    does: str
    units: int
    run: Run


def installed() -> tuple[Peer, ...]:
    """Peers that can be imported here."""
    return tuple(peer for peer in _PEERS if find_spec(peer.library) is not None)


def _series(frame: pd.DataFrame, column: str) -> np.ndarray:
    """Logarithms, shape (units, days)."""
    return np.log(frame.pivot(index="unit", columns="day", values=column).to_numpy())


def _ruptures(frame: pd.DataFrame) -> None:
    import ruptures

    for row in _series(frame, "spend"):
        penalty = 2.0 * float(np.var(np.diff(row))) * np.log(len(row))
        ruptures.KernelCPD(kernel="linear", min_size=_WEEK).fit(row).predict(pen=penalty)


def _decomposed(frame: pd.DataFrame) -> None:
    from statsmodels.tsa.seasonal import STL

    for row in _series(frame, "spend"):
        STL(row, period=_WEEK).fit()


def _regimes(frame: pd.DataFrame) -> None:
    from statsmodels.tsa.regime_switching.markov_regression import MarkovRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for row in _series(frame, "cpc"):
            MarkovRegression(row, k_regimes=2).fit(disp=False)


def _survival(frame: pd.DataFrame) -> None:
    from lifelines import KaplanMeierFitter

    KaplanMeierFitter().fit(frame["end"] - frame["start"], event_observed=frame["left"])


_PEERS = (
    Peer("budget_change", "ruptures", "segments of one series, no test", 1_000, _ruptures),
    Peer("seasonality", "statsmodels", "STL of the week", 1_000, _decomposed),
    Peer("quality_score_regime", "statsmodels", "Markov regression of two regimes", 50, _regimes),
    Peer("list_health", "lifelines", "Kaplan-Meier of one list", 1, _survival),
)
