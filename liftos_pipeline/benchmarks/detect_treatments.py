"""How well the table of treatments knows the simulated history: each world through the platforms, dbt and the stages.

A world is a home of ``small_rollout`` as of its 180th day. A treatment of the truth is found if a row of its unit and type
that stands starts on its day; a row is right if it stands for a treatment of the truth, breaks within three days. How
treatments were assigned is asked in ``detect_assignments``.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from liftos_pipeline.benchmarks.operating_points import Cell, proportion
from liftos_pipeline.causal.treatments.reconciliation import CURRENT, SURE_SIZE, UNEXPLAINED
from liftos_pipeline.ingest import Home, open_home, pull_stream
from liftos_pipeline.settings import Settings
from liftos_pipeline.sources import SOURCES
from liftos_pipeline.stages.confounders import PANEL_COLUMNS, find_confounders
from liftos_pipeline.stages.experiments import Declared
from liftos_pipeline.stages.instruments import PANEL_COLUMNS as TESTED_COLUMNS
from liftos_pipeline.stages.treatments import identify_treatments

DETECTOR = "treatments"
SEED = 52_000
"""World k has the seed SEED + k."""
DRAWS_PER_WORLD = 200
"""A world holds about so many treatments."""
SCENARIO = "small_rollout"
N_DAYS = 180
UNCONFIRMED_DAYS = 7
"""A list's change of volume needs the send after it."""
BREAK_DAYS = 3
_PROJECT = Path(__file__).parents[2] / "dbt_models"


def cells(draws: int) -> Iterator[Cell]:
    """Precision and recall of the log, of what both log and data show, and how often a large logged step goes unseen."""
    worlds = [_world(SEED + number) for number in range(max(2, draws // DRAWS_PER_WORLD))]
    table = pd.concat([found.assign(world=number) for number, (found, _) in enumerate(worlds)])
    rows = table[table["standing"] == CURRENT]
    truth = pd.concat([known.assign(world=number) for number, (_, known) in enumerate(worlds)])
    yield share("precision", "at least", 0.95, rows, "is_right")
    yield share("recall", "at least", 0.95, truth, "is_found")
    for platform, part in truth.groupby("platform"):
        yield share(f"recall, {platform}", "at least", 0.95, part, "is_found")
    for platform, part in rows.groupby("platform"):
        yield share(f"precision, {platform}", "at least", 0.95, part, "is_right")
    unexplained = table[table["standing"] == UNEXPLAINED]
    yield share("breaks that the log does not explain, real", "shown", math.nan, unexplained, "is_right")
    steps = truth[truth["platform"].ne("klaviyo") & truth["treatment_type"].eq("budget_change")]
    yield share("logged steps of any size also seen", "shown", math.nan, steps, "is_seen")
    due = rows[rows["visibility"].isin(["seen", "unseen"]) & rows["is_large"]]
    yield share(
        "large logged steps called unseen", "at most", 0.05, due.assign(u=due["visibility"] == "unseen"), "u"
    )


def share(
    name: str, sense: Literal["at most", "at least", "shown"], asked: float, rows: pd.DataFrame, column: str
) -> Cell:
    """Mean of a column; its error is clustered by world, and never below that of as many independent draws."""
    if len(rows) == 0:
        return Cell(DETECTOR, name, sense, asked, 0, math.nan, math.nan)
    values = rows[column].to_numpy(dtype=float)
    share = float(values.mean())
    _, world = np.unique(rows["world"], return_inverse=True)
    sums = np.bincount(world, values - share)
    count = len(sums)
    clustered = math.sqrt(count / max(count - 1, 1) * float(sums @ sums)) / len(values)
    apart = proportion(DETECTOR, name, sense, asked, int(values.sum()), len(values))
    return replace(apart, std_error=max(clustered, apart.std_error))


def _world(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of the table with ``is_right`` and ``is_large``, and the truth with ``is_found`` and ``is_seen``."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            liftos_home=Path(folder), liftos_seed=seed, liftos_scenario=SCENARIO, liftos_look_back_days=N_DAYS
        )
        home = open_home(settings)
        as_of = home.scenario().start + timedelta(days=N_DAYS - 1)
        found = _treatments(home, as_of)
        truth = home.world(as_of).treatments()
    started = pd.to_datetime(truth["started_on"])
    is_late = truth["platform"].eq("klaviyo") & (started > pd.Timestamp(as_of - timedelta(days=UNCONFIRMED_DAYS)))
    known = truth[~is_late & (started <= pd.Timestamp(as_of))].reset_index(drop=True)
    return _judged(found, truth), _found(known, found)


def _treatments(home: Home, as_of: date) -> pd.DataFrame:
    fill(home, as_of)
    changes, log_days, declared = logs(home, as_of)
    columns = ", ".join(PANEL_COLUMNS)
    with home.warehouse.read() as connection:
        panel = connection.execute(
            f"SELECT {columns} FROM mart.marketing_panel_as_of(DATE '{as_of}', {N_DAYS})"
        ).df()
    confounders = find_confounders(panel, pd.DataFrame(), as_of, home.settings.liftos_seed)
    return identify_treatments(changes, confounders, log_days, as_of, N_DAYS, declared)


def fill(home: Home, as_of: date) -> None:
    """Pull every stream and build the dbt models."""
    for name in home.settings.platforms():
        for stream in SOURCES[name].streams:
            pull_stream(home, name, stream.name, [as_of], "bench")
    folder = str(home.settings.home)
    subprocess.run(
        [str(Path(sys.executable).parent / "liftos-dbt"), "--quiet", "run"],
        cwd=_PROJECT,
        env={
            **os.environ,
            "LIFTOS_HOME": folder,
            "DBT_TARGET_PATH": f"{folder}/dbt",
            "DBT_LOG_PATH": f"{folder}/dbt",
        },
        check=True,
    )


def logs(home: Home, as_of: date) -> tuple[pd.DataFrame, pd.DataFrame, Declared]:
    """Logged changes, days whose log was pulled, and what was declared."""
    queries = (
        f"SELECT * FROM intermediate.int_changes__as_of(DATE '{as_of}')",
        f"SELECT source AS platform, account_id, date_day FROM intermediate.int_days__visible(DATE '{as_of}', {N_DAYS}) "
        "WHERE stream IN ('activities', 'change_events')",
        f"SELECT * FROM mart.experiments_as_of(DATE '{as_of}')",
        f"SELECT {', '.join(TESTED_COLUMNS)} FROM mart.marketing_panel_as_of(DATE '{as_of}', {N_DAYS})",
    )
    with home.warehouse.read() as connection:
        changes, log_days, experiments, panel = (connection.execute(query).df() for query in queries)
    return changes, log_days, Declared(experiments, panel)


def _judged(found: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    starts: dict[tuple[str, str], date] = {
        (row.unit_id, row.treatment_type): row.started_on for row in truth.itertuples()
    }
    apart = [
        abs((row.started_on - starts[key]).days)
        if (key := (row.unit_id, row.treatment_type)) in starts
        else math.inf
        for row in found.itertuples()
    ]
    allowed = np.where(found["evidence"] == "detected", BREAK_DAYS, 0)
    is_large = found["dose"].abs() >= SURE_SIZE
    return found.assign(is_right=np.array(apart) <= allowed, is_large=is_large & (found["evidence"] != "detected"))


def _found(truth: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    keys = ["unit_id", "treatment_type", "started_on"]
    rows = found[[*keys, "evidence"]].rename(columns={"evidence": "by"})
    merged = truth.merge(rows, on=keys, how="left")
    return truth.assign(is_found=merged["by"].notna().to_numpy(), is_seen=(merged["by"] == "both").to_numpy())
