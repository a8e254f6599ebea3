"""Meta insights by region of a simulated world: what was spent where, in worlds that have regions."""

from __future__ import annotations

from datetime import date

import numpy as np

from liftos_pipeline.platforms.wire import Request, texts
from liftos_pipeline.simulator.ads import AdsPanel

CPM_USD = 10.0
"""Regions are sold at one price, so that impressions follow spend."""


def regions(request: Request, panel: AdsPanel, units: np.ndarray, since: date, until: date) -> list[str]:
    """Rows of the account that advertises by region, by day and region."""
    geo, account = request.world.geo, str(panel.account_ids[units[0]])
    if geo is None or account != request.world.accounts()["meta"][0]:
        return []
    return texts(
        {
            "account_id": account,
            "account_currency": "USD",
            "region": str(name),
            "date_start": request.day(day).isoformat(),
            "date_stop": request.day(day).isoformat(),
            "spend": f"{spend:.2f}",
            "impressions": str(round(1_000 * spend / CPM_USD)),
        }
        for day in request.day_range(since, until)
        for name, spend in zip(geo.geo_ids, geo.spend[day].tolist(), strict=True)
    )
