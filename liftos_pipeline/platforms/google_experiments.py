"""Google Ads experiments of a simulated world and their arms, as they stand at the clock. Each customer has its own."""

from __future__ import annotations

from collections.abc import Iterable

from liftos_pipeline.platforms.wire import Request
from liftos_pipeline.simulator.ads import AdsPanel
from liftos_pipeline.simulator.experiments import DeclaredExperiment, rollout


def experiments(request: Request, panel: AdsPanel, units: list[int]) -> Iterable[dict[str, object]]:
    for account, number, entry in _own(request, panel, units):
        experiment = {
            "resourceName": f"customers/{account}/experiments/{number}",
            "experimentId": str(number),
            "name": entry.name,
            "type": "SEARCH_CUSTOM",
            "status": "ENABLED",
            "startDate": request.day(entry.start_day).isoformat(),
        }
        yield {"experiment": experiment}


def arms(request: Request, panel: AdsPanel, units: list[int]) -> Iterable[dict[str, object]]:
    for account, number, entry in _own(request, panel, units):
        sides = (("Holdout", True, entry.control), ("Rollout", False, entry.treated))
        for place, (name, is_control, members) in enumerate(sides, 1):
            arm: dict[str, object] = {
                "resourceName": f"customers/{account}/experimentArms/{number}~{place}",
                "experiment": f"customers/{account}/experiments/{number}",
                "name": name,
                "trafficSplit": str(100 - entry.treated_pct if is_control else entry.treated_pct),
                "campaigns": [f"customers/{account}/campaigns/{campaign}" for campaign in members.tolist()],
            }
            yield {"experimentArm": {**arm, "control": True} if is_control else arm}


def _own(request: Request, panel: AdsPanel, units: list[int]) -> Iterable[tuple[str, int, DeclaredExperiment]]:
    """Account, experiment id and experiment."""
    account = str(panel.account_ids[units[0]]) if units else ""
    entry = rollout(request.world, "google_ads", request.last_day, account)
    if entry is not None:
        yield account, int(account) % 100_000_000, entry
