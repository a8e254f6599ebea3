"""What goes wrong between a platform's delivery and its reports: outages, lost rows, outliers, broken tracking."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liftos_pipeline.simulator.draws import stream, two_states
from liftos_pipeline.simulator.parameters import Scenario


@dataclass(frozen=True, eq=False)
class Defects:
    """``is_lost``, ``is_outage``: rows without a report, all of the account's in an outage; ``inflation``: factor on the
    spend shown; ``tracked``: share of the conversions that is reported. Shape (T, N), constant where a world has none."""

    is_lost: np.ndarray
    is_outage: np.ndarray
    inflation: np.ndarray
    tracked: np.ndarray


def defects(scenario: Scenario, seed: int, platform: str, account: np.ndarray, n_days: int) -> Defects:
    """Draw what ``Cells``, ``Outages`` and ``TrackingBreak`` say, if the scenario has them.

    Parameters
    ----------
    account : ndarray of int, shape (N,)
        Account of each unit.
    """
    shape = (n_days, len(account))
    lost: np.ndarray = np.broadcast_to(False, shape)
    outage: np.ndarray = np.broadcast_to(False, shape)
    inflation: np.ndarray = np.broadcast_to(1.0, shape)
    tracked: np.ndarray = np.broadcast_to(1.0, shape)
    cells, outages, broken = scenario.cells, scenario.outages, scenario.tracking_break
    n_accounts = scenario.accounts_per_platform
    if cells is not None:
        lost = stream(seed, f"{platform}.missing").random(shape) < cells.missing
        draws = stream(seed, f"{platform}.outlier").random((*shape, 2))
        low, high = cells.outlier
        inflation = np.where(draws[..., 0] < cells.outliers, low + (high - low) * draws[..., 1], 1.0)
    if outages is not None:
        stay = (1.0 - 1.0 / outages.gap_days, 1.0 - 1.0 / outages.mean_days)
        uniforms = stream(seed, f"{platform}.outage").random((n_days, n_accounts))
        outage = two_states(uniforms, stay).astype(bool)[:, account]
    if broken is not None:
        rng = stream(seed, f"{platform}.tracking")
        days = rng.integers(*broken.days, n_accounts)
        is_broken = np.zeros(n_accounts, dtype=bool)
        is_broken[rng.permutation(n_accounts)[: round(broken.share * n_accounts)]] = True
        after = is_broken & (np.arange(n_days)[:, None] >= days)
        tracked = np.where(after, broken.factor, 1.0)[:, account]
    return Defects(lost | outage, outage, inflation, tracked)
