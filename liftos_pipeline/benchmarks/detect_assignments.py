"""How often the assignment method of a treatment is right, and what becomes of experiments that nobody drew.

A world is a home of ``mixed_assignment`` as of its 180th day, through the platforms, dbt and the stage, without the
detectors. Asked are the treatments of the change logs, and experiments that somebody declares of campaigns which chose
for themselves.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from liftos_pipeline.benchmarks.detect_treatments import N_DAYS, SEED, fill, logs, share
from liftos_pipeline.benchmarks.operating_points import Cell
from liftos_pipeline.ingest import open_home
from liftos_pipeline.schema import AD_PLATFORMS
from liftos_pipeline.settings import Settings
from liftos_pipeline.stages.experiments import Declared, declared_assignments
from liftos_pipeline.stages.treatments import identify_treatments

DETECTOR = "assignment_methods"
DRAWS_PER_WORLD = 2_000
"""A world holds about 900 logged treatments and takes as long as several of ``detect_treatments``."""
SCENARIO = "mixed_assignment"


def cells(draws: int) -> Iterator[Cell]:
    """Share of right assignment methods, by what is true, and of false declarations that are contradicted."""
    worlds = [_world(SEED + number) for number in range(max(1, draws // DRAWS_PER_WORLD))]
    rows = pd.concat([found.assign(world=number) for number, (found, _) in enumerate(worlds)])
    false = pd.concat([found.assign(world=number) for number, (_, found) in enumerate(worlds)])
    is_ads = rows["platform"].ne("klaviyo")
    yield _cell("assignment method right", "shown", math.nan, rows, "is_right")
    yield _cell("assignment method right, ad platforms", "shown", math.nan, rows[is_ads], "is_right")
    senses: dict[str, tuple[Literal["at least", "shown"], float]] = {
        "randomized": ("at least", 0.95),
        "quasi_experimental": ("shown", math.nan),
        "observational": ("at least", 0.95),
    }
    for method, (sense, asked) in senses.items():
        part = rows[is_ads & rows["truth"].eq(method)]
        yield _cell(f"{method} right, ad platforms", sense, asked, part, "is_right")
    drawn = rows[~is_ads & rows["truth"].eq("randomized")]
    yield _cell("randomized right, klaviyo (declares nothing)", "shown", math.nan, drawn, "is_right")
    for size, part in false.groupby("size"):
        yield _cell(f"false declarations of {size} contradicted", "shown", math.nan, part, "is_contradicted")


def _cell(
    name: str, sense: Literal["at most", "at least", "shown"], asked: float, rows: pd.DataFrame, column: str
) -> Cell:
    return replace(share(name, sense, asked, rows, column), detector=DETECTOR)


def _world(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Logged treatments with their true method, and false declarations with whether they are contradicted.

    Breaks that only the detectors see are no part of it: their method is observational by rule.
    """
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            liftos_home=Path(folder), liftos_seed=seed, liftos_scenario=SCENARIO, liftos_look_back_days=N_DAYS
        )
        home = open_home(settings)
        as_of = home.scenario().start + timedelta(days=N_DAYS - 1)
        fill(home, as_of)
        changes, log_days, declared = logs(home, as_of)
        world = home.world(as_of)
    unseen = pd.DataFrame(
        {name: [] for name in ("detector", "event_no", "status", "unit_id", "event_on", "estimate")}, dtype=object
    )
    found = identify_treatments(changes, unseen, log_days, as_of, N_DAYS, declared)
    keys = ["unit_id", "treatment_type", "started_on"]
    truth = world.treatments().rename(columns={"assignment_method": "truth"})
    rows = found.merge(truth[[*keys, "truth"]], on=keys)
    logged = changes.rename(columns={"unit_id": "unit", "treatment_type": "kind", "changed_on": "day"})
    false = []
    for platform in AD_PLATFORMS:
        panel, units = world.ads(platform), world.units(platform)
        chose = panel.method == "observational"
        lots = [("a platform", chose)]
        lots += [("an account", chose & (panel.account_ids == a)) for a in np.unique(panel.account_ids)]
        for size, members in lots:
            declaration = Declared(_false_experiment(platform, units[members], world.start), declared.panel)
            methods = {a.method for a in declared_assignments(logged, declaration, as_of).values()}
            false.append({"size": size, "is_contradicted": "randomized" not in methods})
    rows["is_right"] = rows["assignment_method"] == rows["truth"]
    return rows[["platform", "truth", "is_right"]], pd.DataFrame(false)


def _false_experiment(platform: str, units: np.ndarray, start: date) -> pd.DataFrame:
    arm = {
        "platform": platform,
        "experiment_id": "false",
        "traffic_split_pct": 50.0,
        "start_on": pd.Timestamp(start),
        "end_on": pd.NaT,
        "unit": "campaign",
    }
    return pd.DataFrame(
        [{**arm, "is_control": False, "unit_ids": list(units)}, {**arm, "is_control": True, "unit_ids": []}]
    )
