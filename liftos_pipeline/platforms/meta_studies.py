"""Meta experiments of a simulated world: studies with their cells, as they stand at the clock."""

from __future__ import annotations

import numpy as np

from liftos_pipeline.platforms.wire import Request, midnight, texts
from liftos_pipeline.simulator.ads import AdsPanel
from liftos_pipeline.simulator.experiments import DeclaredExperiment, region_lot, rollout

_STUDY_ID = 6_120_000_000_000
_TYPES = {"campaign": "SPLIT_TEST", "geo": "GEO_LIFT"}


def studies(request: Request, panel: AdsPanel, units: np.ndarray) -> list[str]:
    """Studies that an account takes part in; every account of a study sees all of its campaigns."""
    found = []
    drawn = rollout(request.world, "meta", request.last_day)
    if drawn is not None and np.isin(panel.campaign_ids[units], [*drawn.treated, *drawn.control]).any():
        found.append(drawn)
    regions = region_lot(request.world, request.last_day)
    if regions is not None and panel.account_ids[units[0]] == request.world.accounts()["meta"][0]:
        found.append(regions)
    return texts(_study(request, entry) for entry in found)


def _study(request: Request, entry: DeclaredExperiment) -> dict[str, object]:
    number = _STUDY_ID + 1_000 * request.world.seed + 10 * list(_TYPES).index(entry.unit)
    study: dict[str, object] = {
        "id": str(number),
        "name": entry.name,
        "type": _TYPES[entry.unit],
        "start_time": _instant(request, entry.start_day),
        "cells": {
            "data": [
                _cell(entry, str(number + 1), "Rollout", entry.treated, treatment_percentage=entry.treated_pct),
                _cell(
                    entry, str(number + 2), "Holdout", entry.control, control_percentage=100 - entry.treated_pct
                ),
            ]
        },
    }
    return study if entry.stop_day is None else {**study, "end_time": _instant(request, entry.stop_day)}


def _instant(request: Request, day: int) -> str:
    return midnight(request.day(day)).strftime("%Y-%m-%dT%H:%M:%S+0000")


def _cell(
    entry: DeclaredExperiment, cell_id: str, name: str, members: np.ndarray, **share: int
) -> dict[str, object]:
    cell = {"id": cell_id, "name": name, **share}
    if entry.unit == "geo":
        return {**cell, "geo_locations": {"regions": [{"key": name, "name": name} for name in members.tolist()]}}
    return {**cell, "campaigns": {"data": [{"id": campaign} for campaign in members.tolist()]}}
